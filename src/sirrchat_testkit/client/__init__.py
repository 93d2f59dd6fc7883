"""Clients of the REST APIs: what a request is, is said once; how it is sent is a client's."""
