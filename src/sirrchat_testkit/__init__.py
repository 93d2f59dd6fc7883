"""Disposable mail servers for tests."""
