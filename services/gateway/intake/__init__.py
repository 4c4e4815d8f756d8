"""What clients send: how much of it is worked on, when, and whose."""
