"""The faults of the webhook sender: its stages, the conditions on a call, and what can be wrong with one.

1. Before its first attempt a delivery is at stage ``queue``, once: a fault there puts the attempt off. Each attempt is
   at stage ``send``, also one that was put off.
2. One fault strikes at each stage. Two planned faults of the same kind are a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, Literal, TypeAlias

from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.faults.engine import Decision, FaultProtocol, Stage
from sirrchat_testkit.faults.payload import CallMatch, WebhookPayload
from sirrchat_testkit.matching import Condition, Match

__tracebackhide__ = True

Tampering: TypeAlias = Literal["signature", "timestamp", "json", "content_type", "huge"]
"""What can be wrong with a call on purpose."""


class CallContext(WebhookPayload):
    """A call that is about to be made, as the conditions of a fault see it."""

    def __init__(self, stage: str, url: str, headers: Mapping[str, str], body: bytes, attempt: int) -> None:
        self.stage = stage
        self.url = url
        self.headers = headers
        self.body = body
        self.attempt = attempt

    def fired(self, at: int, text: str) -> FaultFired:
        """Return the event that a fault struck this call."""
        recipients = (self.recipient,) if self.recipient else ()
        return FaultFired(at=at, stage="webhook", text=text, peer=self.url, sender=self.sender, recipients=recipients)


class CallFaultMatch(Match):
    """Conditions on a call that is about to be made."""

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        {
            name: CallMatch.table[name]
            for name in ("event", "attempt", "url", "subject", "sender", "recipient", "text", "json")
        }
    )

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class CallDecision(Decision):
    """What to do with a call.

    Attributes:
        hold: Keep it back until the next delivery to the same webhook was sent.
        delay: Seconds of the kit's clock by which to put it off.
        duplicate: Send it twice.
        tampering: What to make wrong; empty for nothing.
    """

    hold: bool = False
    delay: float = 0.0
    duplicate: bool = False
    tampering: Tampering | Literal[""] = ""

    @property
    def final(self) -> bool:
        """Whether there is something to do."""
        return bool(self.hold or self.delay or self.duplicate or self.tampering)


_STAGE = Stage("WEBHOOK", frozenset(CallFaultMatch.table))

WEBHOOK: Final[FaultProtocol[CallContext, CallDecision]] = FaultProtocol(
    "webhook", {"queue": _STAGE, "send": _STAGE}, CallFaultMatch, CallDecision()
)
"""The stages of a webhook call. Texts show both as WEBHOOK."""
