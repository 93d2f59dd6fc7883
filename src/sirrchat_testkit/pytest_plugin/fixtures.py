"""The fixtures. The package is imported when one is first used."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.pytest_plugin.servers import SERVERS, in_scope, set_times
from sirrchat_testkit.pytest_plugin.tracebacks import hide

if TYPE_CHECKING:
    from sirrchat_testkit import (
        Client,
        ConnectFlask,
        Inbox,
        MailServer,
        MakeInbox,
        MakeInboxes,
        MakeWebhookSink,
        Settings,
        WebhookSink,
    )

    _FindServer = Callable[[Settings, str], MailServer]

__tracebackhide__ = hide


@pytest.fixture(scope="session")
def mailserver_settings() -> Settings:
    """Return the ``Settings`` of the mail server; override this fixture in a ``conftest.py`` to change them.

    Example:
        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(domains=["shop.example"], starttls=True)
    """
    from sirrchat_testkit import Settings

    return Settings()


@pytest.fixture(scope="session")
def mailserver_session(_mailservers: _FindServer, mailserver_settings: Settings) -> MailServer:
    """The mail server of this session, or of this pytest-xdist worker; everything made with it stays until the end."""
    return _mailservers(mailserver_settings, "the fixture mailserver_settings returns")


@pytest.fixture(scope="session")
def _mailservers(request: pytest.FixtureRequest) -> _FindServer:
    """Return the server of this session with the given settings; there is one for all tests with the same settings."""
    return functools.partial(request.config.stash[SERVERS].find, request)


@pytest.fixture
def mailserver(request: pytest.FixtureRequest, mailserver_session: MailServer) -> Iterator[MailServer]:
    """The mail server, in a scope of this test: everything that changes is undone when the test ends."""
    yield from in_scope(request.node, mailserver_session)


@pytest.fixture
def _mailserver_test_case(request: pytest.FixtureRequest, _mailservers: _FindServer) -> Iterator[MailServer]:
    """Connect a test of a ``MailServerTestCase`` to its server, in a scope of this test."""
    from sirrchat_testkit import Settings

    case = request.instance
    settings = Settings() if case.mailserver_settings is None else case.mailserver_settings
    server = _mailservers(settings, f"{type(case).__name__}.mailserver_settings must be")
    set_times(request.node, server)
    yield from in_scope(request.node, server, case._connected(server))  # noqa: SLF001 - the plugin runs the test case


@pytest.fixture
def make_inbox(mailserver: MailServer) -> MakeInbox:
    """Make a new address: ``make_inbox(prefix=None, *, address=None, domain=None, expires_in=None)``."""
    return mailserver.make_inbox


@pytest.fixture
def make_inboxes(mailserver: MailServer) -> MakeInboxes:
    """Make several new addresses: ``make_inboxes(3)`` returns a list of three inboxes."""

    def make(count: int) -> list[Inbox]:
        if type(count) is not int or count < 1:
            raise ValueError(f"count must be a whole number of at least 1, not {count!r}")
        return [mailserver.make_inbox() for _ in range(count)]

    return make


@pytest.fixture
def inbox(mailserver: MailServer) -> Inbox:
    """The inbox of a new address, which is deleted when the test ends."""
    return mailserver.make_inbox()


@pytest.fixture
def mail_client(mailserver: MailServer) -> Iterator[Client]:
    """A client of the SirrChat API of the server, with its admin key; it does not repeat failed requests."""
    with mailserver._mail_client() as client:  # noqa: SLF001 - its own package
        yield client


@pytest.fixture
def mailserver_django(mailserver: MailServer) -> Iterator[MailServer]:
    """The mail server, with the mail settings of Django pointing at it until the test ends."""
    from sirrchat_testkit import connect_django

    with connect_django(mailserver):
        yield mailserver


@pytest.fixture
def mailserver_flask(mailserver: MailServer) -> Iterator[ConnectFlask]:
    """Send the mail of a Flask application to the server until the test ends: ``mailserver_flask(app)``."""
    from sirrchat_testkit import connect_flask

    with contextlib.ExitStack() as connected:
        yield lambda app: connected.enter_context(connect_flask(mailserver, app))


@pytest.fixture
def make_webhook_sink(mailserver: MailServer) -> Iterator[MakeWebhookSink]:
    """Start another webhook receiver: ``make_webhook_sink()``."""
    sinks: list[WebhookSink] = []

    def make() -> WebhookSink:
        sinks.append(mailserver.make_webhook_sink())
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.stop()


@pytest.fixture
def webhook_sink(mailserver: MailServer) -> Iterator[WebhookSink]:
    """A webhook receiver on its own port; it records, verifies and answers calls."""
    sink = mailserver.make_webhook_sink()
    yield sink
    sink.stop()
