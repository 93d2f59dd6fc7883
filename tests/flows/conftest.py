"""What the flows share."""

from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailServer


@pytest.fixture(scope="module")
def running() -> Iterator[MailServer]:
    """A server that speaks TLS in both ways, for the tests of a module; each opens a scope in it."""
    with MailServer(starttls=True, smtps_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[MailServer]:
    """A server with the default settings, for the tests of a module."""
    with MailServer() as server:
        yield server


@pytest.fixture
def server(shared: MailServer) -> Iterator[MailServer]:
    """The shared server, in a scope of this test, whose end checks nothing."""
    with shared.scope("around", check=False):
        yield shared
