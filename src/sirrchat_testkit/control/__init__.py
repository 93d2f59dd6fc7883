"""The control API, below ``/testkit/v1``: what a test in Python can see and do, over HTTP and for any language."""
