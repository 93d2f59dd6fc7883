"""What a failure tells of a server: mail that came, mail that was refused, and all that explains an absence."""

from __future__ import annotations

from dataclasses import dataclass

from sirrchat_testkit.core.events import Crashed, DeliveryAttempted, FaultFired, LoginRefused
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.testing.message import ReceivedMessage


@dataclass(frozen=True, slots=True)
class Refusal:
    """Mail that was not taken; ``nearest`` is the address that was perhaps meant where the recipient does not exist."""

    recipient: str
    sender: str
    code: str
    reason: str
    scope: str
    nearest: str | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a failure text tells of the server: what happened since the scope began.

    ``absence`` says why mail for the recipient in question would be refused, and is empty where it would be taken.
    ``came`` says that mail came, by whatever way; ``fruitless`` are the connections that brought none.
    """

    address: str
    messages: list[ReceivedMessage]
    refusals: list[Refusal]
    absence: str
    came: bool
    connections: int
    sessions: list[Session]
    fruitless: list[Session]
    crashes: list[Crashed]
    faults: list[str]
    struck: list[FaultFired]
    logins: list[LoginRefused]
    attempts: list[DeliveryAttempted]
