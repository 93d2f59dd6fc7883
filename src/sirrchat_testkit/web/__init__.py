"""The web inbox, below ``/ui``: pages rendered on the server, which also work without JavaScript."""
