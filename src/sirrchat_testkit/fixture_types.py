"""Types of the fixtures that are functions, to annotate tests with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sirrchat_testkit.handles.inbox import Inbox
    from sirrchat_testkit.sink.sink import WebhookSink


class MakeInbox(Protocol):
    """The type of the fixture ``make_inbox``."""

    def __call__(
        self,
        prefix: str | None = None,
        *,
        address: str | None = None,
        domain: str | None = None,
        expires_in: timedelta | None = None,
    ) -> Inbox:
        """Make a new address and return its inbox. The arguments are those of ``MailServer.make_inbox``."""
        ...


class MakeInboxes(Protocol):
    """The type of the fixture ``make_inboxes``."""

    def __call__(self, count: int) -> list[Inbox]:
        """Make ``count`` new addresses, 1 or more, and return their inboxes."""
        ...


class ConnectFlask(Protocol):
    """The type of the fixture ``mailserver_flask``."""

    def __call__(self, app: Any) -> None:
        """Send the mail of the Flask application ``app`` to the server until the test ends.

        Raises:
            TypeError: ``app`` is not a Flask application.
            RuntimeError: ``app`` has neither Flask-Mail nor Flask-Mailman.
        """
        ...


class MakeWebhookSink(Protocol):
    """The type of the fixture ``make_webhook_sink``."""

    def __call__(self) -> WebhookSink:
        """Start another webhook receiver and return it; it stops when the test ends."""
        ...
