"""What a message says: pure, and usable without a server."""
