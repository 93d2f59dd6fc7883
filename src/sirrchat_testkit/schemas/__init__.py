"""The pydantic models of both JSON APIs, shared by the server, webhooks and clients."""
