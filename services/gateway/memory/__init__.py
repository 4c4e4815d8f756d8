"""What is kept in memory for clients, and how much that may be."""
