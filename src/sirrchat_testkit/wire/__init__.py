"""The JSON shapes of each API."""
