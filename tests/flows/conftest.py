"""What the flows share."""

from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailServer
from tests.modes import serving


@pytest.fixture(scope="module")
def running(mode: str) -> Iterator[MailServer]:
    """A server that speaks TLS in both ways, for the tests of a module; each opens a scope in it."""
    with serving(mode, starttls=True, smtps_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def shared(mode: str) -> Iterator[MailServer]:
    """A server with the default settings, for the tests of a module."""
    with serving(mode) as server:
        yield server


@pytest.fixture
def server(shared: MailServer) -> Iterator[MailServer]:
    """The shared server, in a scope of this test, whose end checks nothing."""
    with shared.scope("around", check=False):
        yield shared
