"""The shop, once for all tests; each test that sends mail connects it to its own scope of the mail server."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_shop import create_app

from sirrchat_testkit import ConnectFlask


@pytest.fixture(scope="session")
def app() -> Flask:
    """The shop as it is in production, but for TESTING."""
    return create_app(TESTING=True)


@pytest.fixture
def shop(app: Flask, mailserver_flask: ConnectFlask) -> Flask:
    """The shop, whose mail goes to the mail server."""
    mailserver_flask(app)
    return app
