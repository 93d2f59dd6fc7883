"""The handle that plans faults of the webhook sender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypedDict, Unpack

from sirrchat_testkit.comparing import Number, Text
from sirrchat_testkit.faults.engine import Always, Fault
from sirrchat_testkit.faults.handle import PlannedFaults, seconds_of
from sirrchat_testkit.faults.webhook import WEBHOOK, CallContext, CallDecision, Tampering

__tracebackhide__ = True


class WebhookFaultConditions(TypedDict, total=False):
    """Conditions of a fault of the webhook sender. ``CallConditions`` describes how they are compared.

    Attributes:
        event: The event, such as ``email.received``.
        attempt: The number of the attempt, from 1.
        url: The URL of the webhook.
        subject: The subject of the reported mail.
        sender: The sender of the reported mail.
        recipient: The recipient of the reported mail.
        text: The body as text.
        json: The body as JSON: an equal value, or a function that gets it.
    """

    event: Text
    attempt: Number
    url: Text
    subject: Text
    sender: Text
    recipient: Text
    text: Text
    json: Callable[[Any], object] | Any


class WebhookFaults(PlannedFaults[CallContext, CallDecision]):
    """Webhook faults, ``mailserver.webhook_faults``: planned misbehavior of the webhook sender, until the scope ends.

    Every verb returns the planned ``Fault``. ``times`` is how often it fires: once by default, None for every time.
    Conditions select the calls: ``event``, ``subject``, ``sender``, ``recipient``, ``url``, ``attempt``, ``json``,
    ``text`` (see ``WebhookFaultConditions``). A fault that never fires fails the test.

    Example:
        mailserver.webhook_faults.duplicate(event="email.received")
        inbox.deliver(subject="Hello")
        first, second = webhook_sink.receive_all(2)
        assert first.id == second.id

    Raises:
        ValueError: A value is out of range.
        TypeError: A condition is unknown; the error suggests the nearest one.
    """

    _protocol = WEBHOOK
    _owners = ("recipient", "url")
    _guesses: ClassVar[Mapping[str, str]] = {
        "twice": "duplicate",
        "out_of_order": "reorder",
        "slow": "delay",
        "bad_signature": "corrupt_signature",
        "invalid_json": "malformed_json",
        "old_timestamp": "stale_timestamp",
        "large_body": "huge_body",
        "reset": "clear",
        "remove": "clear",
    }

    def duplicate(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a call twice, one after the other, with the same id and body."""
        return self._plan(self.duplicate, ("send",), Always(CallDecision(duplicate=True), "duplicate"), times, match)

    def reorder(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Hold back a delivery until the next one to the same webhook has been sent."""
        return self._plan(self.reorder, ("queue",), Always(CallDecision(hold=True), "reorder"), times, match)

    def delay(self, seconds: float, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Postpone the first attempt by ``seconds`` (more than 0) on the server's clock."""
        action = Always(CallDecision(delay=seconds_of("seconds", seconds, zero=False)), f"delay of {seconds:g} s")
        return self._plan(self.delay, ("queue",), action, times, match)

    def corrupt_signature(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Sign a call with a wrong secret."""
        return self._tamper(self.corrupt_signature, "signature", "corrupt signature", times, match)

    def stale_timestamp(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a timestamp that is an hour old, with a valid signature, as in a replay attack."""
        return self._tamper(self.stale_timestamp, "timestamp", "stale timestamp", times, match)

    def malformed_json(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a body without its last byte, with a valid signature."""
        return self._tamper(self.malformed_json, "json", "malformed JSON", times, match)

    def wrong_content_type(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send the body with the content type ``text/plain``."""
        return self._tamper(self.wrong_content_type, "content_type", "wrong content type", times, match)

    def huge_body(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send 10 MiB: the same JSON followed by spaces, with a valid signature."""
        return self._tamper(self.huge_body, "huge", "huge body", times, match)

    def _tamper(
        self, verb: Callable[..., Fault], what: Tampering, text: str, times: int | None, conditions: Mapping[str, Any]
    ) -> Fault:
        return self._plan(verb, ("send",), Always(CallDecision(tampering=what), text), times, conditions)
