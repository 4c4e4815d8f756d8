"""All ports at once, on servers that are broken in every way."""
