"""Tests on a server that others use too: in another process, or one for all workers of pytest-xdist."""
