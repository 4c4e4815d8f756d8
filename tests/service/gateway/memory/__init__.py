"""What a gateway keeps in memory for its clients has a bound."""
