"""Parsing of messages: no I/O, and usable without a server."""
