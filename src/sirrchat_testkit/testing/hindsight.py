"""What happened since a scope began, gathered for whoever asks why mail is not there; on the server's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.errors import NoSuchAddress, Refused
from sirrchat_testkit.core.events import (
    Crashed,
    DeliveryAttempted,
    Event,
    FaultFired,
    LoginRefused,
    MessageReceived,
    RecipientRefused,
)
from sirrchat_testkit.core.models import Message
from sirrchat_testkit.core.wording import expired
from sirrchat_testkit.testing.message import ReceivedMessage
from sirrchat_testkit.testing.situation import Gone, Refusal, Situation

E = TypeVar("E", bound=Event)

_KEPT: Final = 1000
"""Scopes that are remembered when they are over."""


class _Past(NamedTuple):
    """A scope that is over, and the events before the first and up to the last that happened in it."""

    name: str
    before: int
    last: int


class Hindsight:
    """Looks back at one server: from behind the event and the connection that a scope began with."""

    def __init__(self, backend: Backend, smtp_address: str, received: Callable[[Message], ReceivedMessage]) -> None:
        self._backend = backend
        self._smtp_address = smtp_address
        self._received = received
        self._past: deque[_Past] = deque(maxlen=_KEPT)

    def note_past(self, name: str, event: int) -> None:
        """Note that the scope ``name``, which began with the event ``event``, ends now."""
        self._past.append(_Past(name, event, self._backend.events.last))

    def events(self, kind: type[E], event: int) -> list[E]:
        """Return the events of ``kind``."""
        return [each for each in self._backend.events.after(event) if isinstance(each, kind)]

    async def refusals(self, event: int) -> list[Refusal]:
        """Return the mail that was not taken."""
        found = []
        nearest: dict[str, str | None] = {}
        for each in self.events(RecipientRefused, event):
            recipient, reason, near = each.recipient, each.reason, None
            if each.code == NoSuchAddress.code:
                reason = await self.reason(recipient, each.at, reason)
                if reason == each.reason:
                    if recipient not in nearest:
                        nearest[recipient] = await self._backend.directory.nearest(recipient)
                    near = nearest[recipient]
            found.append(Refusal(recipient, each.sender, each.code, reason, each.scope, near))
        return found

    async def situation(self, event: int, connection: int, recipient: str | None) -> Situation:
        """Return everything, and how it stands with mail for ``recipient``."""
        sessions = self._backend.sessions
        stored = await self._backend.postoffice.messages(None)
        return Situation(
            address=self._smtp_address,
            messages=[self._received(each) for each in stored],
            refusals=await self.refusals(event),
            absence=await self._absence(recipient) if recipient else "",
            came=bool(self.events(MessageReceived, event)),
            connections=sessions.opened - connection,
            sessions=list(sessions),
            fruitless=[each for each in sessions.known(connection) if not each.brought_mail],
            crashes=self.events(Crashed, event),
            faults=[f"{each}: {each.count()}" for each in self._backend.faults.all()],
            struck=self.events(FaultFired, event),
            logins=self.events(LoginRefused, event),
            attempts=self.events(DeliveryAttempted, event),
            gone=await self._gone(recipient) if recipient else [],
        )

    async def _gone(self, recipient: str) -> list[Gone]:
        """Return what came for ``recipient`` and went with scopes that are over, unless the address itself did."""
        directory = self._backend.directory
        if directory.former_scope(recipient) or await directory.find_address(recipient) is None:
            return []
        known = addressing.key(recipient)
        found = []
        for number, each in self._backend.events.numbered():
            if isinstance(each, MessageReceived) and each.message.recipient_key == known:
                past = next((past for past in self._past if past.before < number <= past.last), None)
                if past is not None:
                    found.append(Gone(self._received(each.message), past.name))
        return found

    async def _absence(self, recipient: str) -> str:
        """Return why mail for ``recipient`` would be refused, an empty text where it would be taken."""
        directory = self._backend.directory
        if await directory.find_address(recipient) is None:
            try:
                await directory.route(recipient)
            except Refused as refusal:
                return await self.reason(recipient, self._backend.clock.now(), str(refusal))
        return ""

    async def reason(self, recipient: str, at: int, reason: str) -> str:
        """Return why ``recipient`` does not exist: that it had expired by the time ``at``, or ``reason``."""
        expired_at = await self._backend.directory.expired_at(recipient, at)
        return expired(recipient, expired_at, at) if expired_at else reason
