"""Faults of the webhook sender: stages, actions, and conditions on a webhook call.

1. A delivery passes stage ``queue`` once, before its first attempt; a fault there postpones the attempt. Each attempt,
   postponed or not, passes stage ``send``.
2. At most one fault applies at each stage. Two planned faults of the same kind form a sequence.
3. The two APIs have different names for the same fields of a body; ``WebhookPayload`` reads ``subject``, ``sender``
   and ``recipient`` of both. The conditions of sinks use it too.
4. If a body is not JSON or lacks a field, the field is an empty string. Nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, TypeAlias

from sirrchat_testkit.comparing import CONTAINED, LIKE
from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.faults.engine import Decision, FaultProtocol, Stage
from sirrchat_testkit.matching import WHERE, Condition, Match
from sirrchat_testkit.threads import LARGE

__tracebackhide__ = True

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class WebhookPayload:
    """The fields of a webhook call. Subclasses provide ``headers`` and ``body``."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def event(self) -> str:
        """The event: the header ``X-Webhook-Event``, else the body's ``event`` or ``type``, else an empty string."""
        named = next((value for name, value in self.headers.items() if name.lower() == "x-webhook-event"), "")
        return named or self._first("event", "type")

    @property
    def subject(self) -> str:
        """The subject of the mail."""
        return self._first("subject")

    @property
    def sender(self) -> str:
        """The sender of the mail."""
        return self._first("from", "fromAddress", "from_address")

    @property
    def recipient(self) -> str:
        """The address that received or sent the mail."""
        return self._first("user", "toAddress", "to_address")

    @property
    def text(self) -> str:
        """The body as a string; invalid UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def _first(self, *names: str) -> str:
        body = self.json
        whole = body if isinstance(body, dict) else _NOTHING
        inner = whole.get("data")
        for part in (inner if isinstance(inner, dict) else _NOTHING, whole):
            for name in names:
                if isinstance(part.get(name), str):
                    return str(part[name])
        return ""


class CallMatch(Match):
    """Keyword conditions on a webhook call. All of them must hold.

    ``event``, ``subject``, ``method`` and ``path`` must be equal. ``sender``, ``recipient`` and ``url`` are compared
    without case, with ``*`` and ``?`` as wildcards. ``text`` must be contained in the body. ``json`` is a value, or a
    function that gets it. ``header`` maps names to values, ``attempt`` counts from 1, and ``where`` is a function that
    gets the call.
    """

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        {
            "event": Condition(attrgetter("event")),
            "attempt": Condition(attrgetter("attempt")),
            "method": Condition(attrgetter("method")),
            "path": Condition(attrgetter("path")),
            "url": Condition(attrgetter("url"), LIKE),
            "subject": Condition(attrgetter("subject")),
            "sender": Condition(attrgetter("sender"), LIKE),
            "recipient": Condition(attrgetter("recipient"), LIKE),
            "verified": Condition(attrgetter("verified")),
            "header": Condition(
                lambda call, name: [value for each, value in call.headers.items() if each.lower() == name.lower()],
                many=True,
                keyed=True,
            ),
            "text": Condition(attrgetter("text"), CONTAINED),
            "json": Condition(attrgetter("json")),
            "where": WHERE,
        }
    )


Tampering: TypeAlias = Literal["signature", "timestamp", "json", "content_type", "huge"]
"""A deliberate error in a call."""


class CallContext(WebhookPayload):
    """A call that is about to be sent, for the conditions of faults."""

    def __init__(self, stage: str, url: str, headers: Mapping[str, str], body: bytes, attempt: int) -> None:
        self.stage = stage
        self.url = url
        self.headers = headers
        self.body = body
        self.attempt = attempt

    @property
    def large(self) -> bool:
        """Whether the body is large, so that conditions on it run in a thread."""
        return len(self.body) >= LARGE

    def fired(self, at: int, fault: int, text: str) -> FaultFired:
        """Return the event of a fault that was applied to this call."""
        recipients = (self.recipient,) if self.recipient else ()
        return FaultFired(
            at=at, fault=fault, stage="webhook", text=text, peer=self.url, sender=self.sender, recipients=recipients
        )


class CallFaultMatch(Match):
    """Conditions on a call before it is made."""

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        {
            name: CallMatch.table[name]
            for name in ("event", "attempt", "url", "subject", "sender", "recipient", "text", "json")
        }
    )

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class CallDecision(Decision):
    """The action of a fault on a call.

    Attributes:
        hold: Hold it until the next delivery of the same webhook has been sent.
        delay: Seconds of the server's clock by which it is delayed.
        duplicate: Send it twice.
        tampering: The error to make in it, or an empty string.
    """

    hold: bool = False
    delay: float = 0.0
    duplicate: bool = False
    tampering: Tampering | Literal[""] = ""

    @property
    def final(self) -> bool:
        """Whether it ends the search for faults, because there is something to do."""
        return bool(self.hold or self.delay or self.duplicate or self.tampering)


_STAGE = Stage("WEBHOOK", frozenset(CallFaultMatch.table))

WEBHOOK: Final[FaultProtocol[CallContext, CallDecision]] = FaultProtocol(
    "webhook", {"queue": _STAGE, "send": _STAGE}, CallFaultMatch, CallDecision()
)
"""The stages of a webhook call. Failure texts show both as WEBHOOK."""
