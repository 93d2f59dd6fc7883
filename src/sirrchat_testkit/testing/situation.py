"""What a failure tells of a server: mail that came, mail that was refused, and all that explains an absence."""

from __future__ import annotations

from dataclasses import dataclass

from sirrchat_testkit.core.errors import NotFound
from sirrchat_testkit.core.events import Crashed, DeliveryAttempted, FaultFired, LoginRefused
from sirrchat_testkit.core.matching import Match, summary
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
class Gone:
    """Mail that came while an earlier ``scope`` was open, and went with it."""

    message: ReceivedMessage
    scope: str

    def fits(self, match: Match) -> bool:
        """Tell whether it meets ``match``, as far as anybody can tell now that its bytes are gone too."""
        try:
            return match.accepts(self.message)
        except NotFound:
            return True

    def __str__(self) -> str:
        return f"{summary(self.message)}, during {self.scope}"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a failure text tells of the server: what happened since the scope began.

    ``absence`` says why mail for the recipient in question would be refused, and is empty where it would be taken.
    ``came`` says that mail came, by whatever way; ``fruitless`` are the connections that brought none; ``gone`` is mail
    for that recipient, which is older than the scope, that went with earlier ones.
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
    gone: list[Gone]
