"""The shapes of each JSON API, shared by the server, webhooks and clients."""
