"""The domain: the rules of the server, without any protocol."""
