"""The types of the fixtures that make something, so that a test can annotate them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sirrchat_testkit.handles.inbox import Inbox
    from sirrchat_testkit.sink.sink import WebhookSink


class MakeInbox(Protocol):
    """The fixture ``make_inbox``."""

    def __call__(
        self,
        prefix: str | None = None,
        *,
        address: str | None = None,
        domain: str | None = None,
        expires_in: timedelta | None = None,
    ) -> Inbox:
        """Make a new address and return its inbox; the arguments are those of ``MailServer.make_inbox``."""
        ...


class MakeInboxes(Protocol):
    """The fixture ``make_inboxes``."""

    def __call__(self, count: int) -> list[Inbox]:
        """Make ``count`` new addresses and return their inboxes."""
        ...


class MakeWebhookSink(Protocol):
    """The fixture ``make_webhook_sink``."""

    def __call__(self) -> WebhookSink:
        """Start one more receiver of webhooks and return it."""
        ...
