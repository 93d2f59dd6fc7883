"""The handles that tests use. They do not need pytest."""
