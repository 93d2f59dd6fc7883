"""Where handles ask: everything a test wants of a running server, whatever thread it runs in.

1. What a test has taken is noted here, on the server's thread: two waits never take the same message.
2. Taking is one call with nothing to wait for after it, so a cancelled wait never swallows a message.
3. What has been taken is a mark of this desk alone; the records know nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.errors import Conflict, InvalidValue, NoSuchAddress, NotFound
from sirrchat_testkit.core.events import Crashed
from sirrchat_testkit.core.faults import Fault
from sirrchat_testkit.core.models import Address, Envelope, Message
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.loopthread import LoopThread
from sirrchat_testkit.testing.compose import to_bytes
from sirrchat_testkit.testing.feed import Arrival, End, Feed, Feeds, Signal
from sirrchat_testkit.testing.hindsight import Hindsight
from sirrchat_testkit.testing.message import Contents, ReceivedMessage
from sirrchat_testkit.testing.owner import Opened, Owner, OwnerMark
from sirrchat_testkit.testing.situation import Refusal, Situation

TIMEOUT = 10.0
"""Seconds that ``receive`` waits unless told otherwise."""

CALM = 1.0
"""Seconds that a server may take to settle before an assertion."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a scope began: what had been taken, the last event, connections and faults by then, who owned things."""

    taken: frozenset[str]
    event: int
    connections: int
    owner: OwnerMark
    fault: int = 0


class Desk:
    """Asks one server of this process."""

    def __init__(self, thread: LoopThread, backend: Backend, smtp_address: str) -> None:
        self.timeout = TIMEOUT
        self._thread = thread
        self._backend = backend
        self._hindsight = Hindsight(backend, smtp_address, self.received)
        self._feeds = Feeds(backend.events)
        self._taken: set[str] = set()
        self._owner = Owner(backend)
        self._mark = Mark(frozenset(), 0, 0, self._owner.mark())

    @contextlib.contextmanager
    def feed(self, recipient: str | None, signal: Signal, seconds: float) -> Iterator[Feed]:
        """Open a feed that ends after ``seconds`` of real time."""
        feed = Feed(recipient, signal)
        timer = self._thread.call(self._open(feed, seconds))
        try:
            yield feed
        finally:
            with contextlib.suppress(RuntimeError):  # stopped meanwhile
                self._thread.post(self._close, feed, timer)

    def messages(self, recipient: str | None, *, untaken: bool = False) -> list[ReceivedMessage]:
        """Return what was stored for ``recipient``, or for anybody, oldest first; or only what no wait has taken."""
        return self._thread.call(self._messages(recipient, untaken=untaken))

    def received(self, message: Message) -> ReceivedMessage:
        """Return ``message`` as a test holds it; its contents are fetched when they are asked for."""
        return ReceivedMessage(message, self._load)

    def take(self, messages: Sequence[ReceivedMessage]) -> bool:
        """Take all ``messages``, or none if somebody has taken one of them or deleted it."""
        contents = self._thread.call(self._take(messages))
        for message, content in zip(messages, contents or (), strict=contents is not None):
            message.hold(content)
        return contents is not None

    def new_address(self, name: str | None, domain: str | None, expires_in: timedelta | None) -> Address:
        """Make a new address of this scope's account."""
        if expires_in is not None and not isinstance(expires_in, timedelta):
            raise TypeError(f"expires_in takes a timedelta such as timedelta(hours=1), not {expires_in!r}")
        milliseconds = None if expires_in is None else round(expires_in / timedelta(milliseconds=1))
        address = None
        while address is None:
            local = self._owner.local_part(name)
            address = self._thread.call(self._owner.add(local, domain, milliseconds))
        return address

    def new_account(self, address: str | None, password: str | None, quota: int | None) -> Opened:
        """Make an account with a user key; what is None is made up. Raises ``InvalidValue`` or ``Conflict``."""
        made = None
        while made is None:
            email = address or f"{self._owner.local_part(None)}@{self._backend.settings.domains[0]}"
            with contextlib.suppress(*() if address else (Conflict,)):
                made = self._thread.call(self._owner.add_account(email, password, quota))
        return made

    def address_for(self, text: str) -> Address | None:
        """Return the address ``text``, made if its domain is served; None if not. Raises ``InvalidValue``."""
        if not addressing.is_mailbox(str(text)):
            like = f"ann@{self._backend.settings.domains[0]}"
            words = f"inbox_for takes an address such as {like!r}, not {text!r}"
            raise InvalidValue(words, field="address", value=text)
        return self._thread.call(self._address_for(text))

    def deliver(self, recipient: str, message: bytes | EmailMessage | None, fields: dict[str, str]) -> ReceivedMessage:
        """Store a message for ``recipient`` without SMTP, and return it. Raises ``Refused``."""
        sender, raw = to_bytes(message, recipient, fields)
        envelope = Envelope(id="", sender=sender, recipients=(recipient,))
        return self.received(self._thread.call(self._deliver(envelope, raw)))

    def clear(self, recipient: str) -> list[ReceivedMessage]:
        """Delete what was stored for ``recipient``, and return it."""
        return self._thread.call(self._clear(recipient))

    def login(self) -> tuple[str, str]:
        """Return user and password of the account that owns what this scope makes."""
        return self._thread.call(self._owner.login())

    def sessions(self) -> list[Session]:
        """Return the connections since the scope began, and those that are still open."""
        sessions = self._backend.sessions
        return sessions.known(self._mark.connections)

    def api_key(self) -> str:
        """Return the key of the account that owns what this scope makes."""
        return self._thread.call(self._owner.key())

    def settle(self, seconds: float = CALM) -> list[Session]:
        """Wait until nothing is under way, ``seconds`` at most; return the sessions that are busy still."""
        return self._thread.call(self._backend.sessions.settled(seconds))

    async def asettle(self, seconds: float = CALM) -> list[Session]:
        """Do as ``settle`` does without blocking the caller's loop."""
        return await self._thread.acall(self._backend.sessions.settled(seconds))

    def refusals(self) -> list[Refusal]:
        """Return the mail that was not taken since the scope began."""
        return self._thread.call(self._hindsight.refusals(self._mark.event))

    def crashes(self) -> list[Crashed]:
        """Return what failed in the server since the scope began."""
        return self._hindsight.events(Crashed, self._mark.event)

    def unfired(self) -> list[Fault]:
        """Return the faults planned since the scope began that never struck."""
        return self._backend.faults.unfired(self._mark.fault)

    def situation(self, recipient: str | None = None) -> Situation:
        """Return what happened since the scope began, and how it stands with mail for ``recipient``."""
        return self._thread.call(self._hindsight.situation(self._mark.event, self._mark.connections, recipient))

    def mark(self, name: str) -> Mark:
        """Begin a scope; return where the one around it stands."""
        outer = replace(self._mark, taken=frozenset(self._taken), owner=self._owner.mark())
        self._owner.begin(name)
        self._mark = replace(
            outer,
            event=self._backend.events.last,
            connections=self._backend.sessions.opened,
            fault=self._backend.faults.last,
        )
        return outer

    def rewind(self, outer: Mark) -> None:
        """End a scope: go back to what ``mark`` returned."""
        self._hindsight.note_past(self._owner.mark().scope, self._mark.event)
        self._taken = set(outer.taken)
        self._owner.rewind(outer.owner)
        self._mark = outer

    def stop(self) -> None:
        """Tell every waiter that the server stops; on the server's thread."""
        self._feeds.stop()

    async def _deliver(self, envelope: Envelope, raw: bytes) -> Message:
        try:
            [stored] = await self._backend.postoffice.deliver(envelope, raw)
        except NoSuchAddress as refusal:
            [recipient] = envelope.recipients
            now = self._backend.clock.now()
            raise NoSuchAddress(await self._hindsight.reason(recipient, now, str(refusal))) from None
        return stored

    async def _open(self, feed: Feed, seconds: float) -> asyncio.TimerHandle:
        self._feeds.add(feed)
        for message in await self._backend.postoffice.messages(feed.recipient):
            feed.put(Arrival(message, message.id in self._taken))
        return asyncio.get_running_loop().call_later(max(seconds, 0), feed.put, End.TIME_UP)

    def _close(self, feed: Feed, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._feeds.remove(feed)

    async def _messages(self, recipient: str | None, *, untaken: bool) -> list[ReceivedMessage]:
        found = await self._backend.postoffice.messages(recipient)
        taken = self._taken if untaken else ()
        return [self.received(each).hold(await self._contents(each)) for each in found if each.id not in taken]

    async def _clear(self, recipient: str) -> list[ReceivedMessage]:
        found = await self._messages(recipient, untaken=False)
        await self._backend.postoffice.delete([each.record for each in found])
        return found

    async def _take(self, messages: Sequence[ReceivedMessage]) -> list[Contents] | None:
        ids = [each.id for each in messages]
        if self._taken.intersection(ids):
            return None
        try:
            contents = [await self._contents(each.record) for each in messages]
        except NotFound:
            return None
        self._taken.update(ids)
        return contents

    def _load(self, message: Message) -> Contents:
        return self._thread.call(self._contents(message))

    async def _contents(self, message: Message) -> Contents:
        postoffice = self._backend.postoffice
        said = self._backend.sessions.transcripts.get(message.envelope)
        return Contents(await postoffice.envelope(message), await postoffice.raw(message), said)

    async def _address_for(self, text: str) -> Address | None:
        directory = self._backend.directory
        asked = await directory.find_address(text) is None
        address = await self._owner.address_for(text)
        if asked and address is not None:
            directory.note_asked(address)
        return address
