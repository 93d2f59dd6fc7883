"""The SMTP side of the server."""
