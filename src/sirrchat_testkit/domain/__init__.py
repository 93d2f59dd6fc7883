"""The domain: pure, no sockets, no threads."""
