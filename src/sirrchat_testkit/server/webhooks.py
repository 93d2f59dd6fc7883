"""Webhooks, as a test sees them: who is told, what became of telling them, calls and receivers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from sirrchat_testkit.domain.webhooks import WebhookEvent
from sirrchat_testkit.faults.api import WebhookFaults
from sirrchat_testkit.faults.webhook import Tampering
from sirrchat_testkit.handles.message import ReceivedMessage, record_of
from sirrchat_testkit.handles.webhooks import WebhookDelivery, WebhookDesk, WebhookHandle
from sirrchat_testkit.server.running import Running
from sirrchat_testkit.webhooks import samples
from sirrchat_testkit.webhooks.calls import PreparedCall

if TYPE_CHECKING:
    from sirrchat_testkit.sink.sink import WebhookSink

__tracebackhide__ = True


class Webhooks(Running):
    """Tells applications of mail, and shows what they answered."""

    def add_webhook(
        self, url: str | WebhookSink, events: Sequence[WebhookEvent] | None = None, secret: str | None = None
    ) -> WebhookHandle:
        """Tell ``url`` of everybody's mail from now on; what is there is not told again.

        Args:
            url: Where calls go, or a sink: at loopback, unless the policy's ``webhook_hosts`` names the host.
            events: Some of ``email.received`` and ``email.sent`` (default: both); or ``new_message`` alone, for what
                the disposable-address API pushes, of this scope's own addresses.
            secret: What calls are signed with; without one they are not.

        Raises:
            InvalidValue: It is no URL of http or https, an event is unknown, or the secret is malformed.
        """
        target: Any = getattr(url, "url", url)
        return self._webhooks.add(target, events, secret)

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """What webhooks were told, or are to be, oldest first, with every attempt."""
        return self._webhooks.deliveries()

    @property
    def webhook_faults(self) -> WebhookFaults:
        """The planned faults of the webhook sender; put back when the scope ends."""
        return WebhookFaults(self._thread, self._now.backend.faults)

    def webhook_call(
        self,
        event: WebhookEvent = "email.received",
        message: ReceivedMessage | None = None,
        secret: str = "",
        tamper: Tampering | Literal[""] = "",
    ) -> PreparedCall:
        """Return a call as an object with ``headers`` and ``body``, for a consumer that is tested without a URL.

        Args:
            event: ``email.received``, ``email.sent`` or ``new_message``.
            message: What it tells of. Default: a sample.
            secret: What it is signed with; without one it is not.
            tamper: What is wrong with it: ``signature``, ``timestamp``, ``json``, ``content_type`` or ``huge``.

        Raises:
            InvalidValue: There is no such event or tampering.
        """
        record = record_of(message) if message is not None else None
        return self._thread.call(samples.make(self._now.backend, event, record, secret, tamper))

    def open_sink(self, secret: str | None = None) -> WebhookSink:
        """Return a receiver of webhooks that runs in this server's thread, on its clock.

        It stops when the scope ends, or the server; or stop it earlier, by ``stop`` or ``with``.
        """
        from sirrchat_testkit.sink.host import InServer
        from sirrchat_testkit.sink.sink import WebhookSink

        now = self._now
        host = InServer(self._thread, now.backend, now.desk, now.dispatcher.landed, now.sinks)
        return WebhookSink(secret, _host=host).start()

    @property
    def _webhooks(self) -> WebhookDesk:
        return WebhookDesk(self._thread, self._now.backend, self._desk.api_key)
