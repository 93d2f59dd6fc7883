"""The HTTP side: one listener, one aiohttp sub-application per JSON API."""
