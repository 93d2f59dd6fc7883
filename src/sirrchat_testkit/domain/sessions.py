"""The open connections of a server and the activities in progress: the server has settled when there are none.

1. A connection is busy from MAIL until the reply that ends the transaction. A new one is fresh and counts as busy too,
   for at most 250 ms, because it may be about to send mail. After QUIT a connection is not busy.
2. ``settled`` waits until no activity is in progress. It sleeps until something changes and does not poll.
3. Other work, such as webhook deliveries, is reported by functions that are registered with ``watch``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sirrchat_testkit.domain.events import Event, SessionClosed, SessionOpened
from sirrchat_testkit.domain.transcript import KEPT, SessionLog, Transcript, Transcripts
from sirrchat_testkit.suggestions import Hints

if TYPE_CHECKING:
    from sirrchat_testkit.domain.concern import Concern

FRESH = 0.25
"""Seconds of real time for which a new connection counts as busy before it sends MAIL."""

_NAMED = 1000  # recipients of a transaction that are kept, at most, and of all earlier ones

_REMEMBERED = 200  # closed sessions that are kept, with their transcripts

_NO_MAIL_YET = "connected, and has not sent mail yet"

_PASSES = 6  # steps of the loop until a connection in the kernel's queue has a busy session


@dataclass(frozen=True, slots=True)
class Activity:
    """Work in progress; the server has not settled until it ends.

    Attributes:
        where: The address of the client, or the URL of the webhook.
        what: The work in words, such as ``MAIL FROM:<a@b.example>``.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True, eq=False)
class Session(Hints):
    """An SMTP connection; an entry of ``mailserver.sessions``.

    Attributes:
        peer: The address of the client, as ``host:port``.
        ehlo: The name that the client gave with EHLO or HELO; empty before that.
        login: The user name of the login; empty without one.
        tls: The TLS version and cipher; empty without TLS.
        sender: The sender of the current transaction; None if there is none.
        busy: Whether it is in a transaction, or is new and may begin one.
        fresh: Whether it is new: it has not sent MAIL yet, and was opened less than 250 ms ago.
        closed: Whether it is closed.
        number: The number of the connection, from 1.
        recipients: The recipients that the client named (RCPT TO), accepted or not, of the latest transactions.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("commands", "dialogue", "lines"), "transcript"),
        **dict.fromkeys(("address", "client", "host"), "peer"),
        **dict.fromkeys(("user", "username"), "login"),
    }

    peer: str
    ehlo: str = ""
    login: str = ""
    tls: str = ""
    sender: str | None = None
    busy: bool = True
    fresh: bool = True
    closed: bool = False
    number: int = 0
    recipients: list[str] = field(default_factory=list, repr=False)
    log: SessionLog = field(default_factory=lambda: SessionLog(0.0), repr=False)
    _sessions: Sessions | None = field(default=None, repr=False)
    _begun: int = field(default=0, repr=False)  # recipients of earlier transactions

    @property
    def transcript(self) -> Transcript:
        """The dialogue with times and without credentials; a long session keeps only its first and latest lines."""
        return self.log.transcript()

    @property
    def delivered(self) -> bool:
        """Whether a message that arrived on this connection was stored."""
        return self.log.messages > 0

    @property
    def activity(self) -> Activity | None:
        """The work in progress; None if there is none."""
        if not self.busy:
            return None
        return Activity(self.peer, _NO_MAIL_YET if self.sender is None else f"MAIL FROM:<{self.sender}>")

    @property
    def named(self) -> bool:
        """Whether the transaction in progress has a recipient, or the client has logged in."""
        return bool(self.login or self.current_recipients)

    @property
    def current_recipients(self) -> list[str]:
        """The recipients of the transaction in progress, or of the last one."""
        return self.recipients[self._begun :]

    def begin(self, sender: str) -> None:
        """Note that a transaction has begun with ``MAIL FROM:<sender>``."""
        self.log.begin_page(shared=False)
        if len(self.recipients) > _NAMED:
            del self.recipients[:-_NAMED]
        self._begun = len(self.recipients)
        self.sender = sender
        self.busy = True
        self.fresh = False

    def name(self, recipient: str) -> None:
        """Note that the client named ``recipient``."""
        if len(self.recipients) - self._begun < _NAMED:
            self.recipients.append(recipient)
            if self._sessions is not None:
                self._sessions.changed()

    def end(self) -> None:
        """Note that no transaction is in progress."""
        self.fresh = self.busy = False
        self.sender = None
        if self._sessions is not None:
            self._sessions.changed()


def _activities(sessions: Iterable[Session]) -> list[Activity]:
    return [activity for each in sessions if (activity := each.activity)]


def _ignore(_event: Event) -> None:
    pass


class Sessions:
    """The open connections of one server, and those that were closed recently.

    Args:
        now: Returns the server's time in milliseconds.
        append: Receives the event of each connection that is opened or closed.

    Attributes:
        opened: The number of connections so far.
        held: Bytes of incomplete messages that the open connections hold in memory.
        transcripts: The transcripts of messages.
    """

    def __init__(self, now: Callable[[], int] = int, append: Callable[[Event], None] = _ignore) -> None:
        self._now = now
        self._append = append
        self.opened = 0
        self.held = 0
        self.transcripts = Transcripts()
        self._closed: deque[Session] = deque()
        self._closed_size = 0  # bytes of their transcripts
        self._live: set[Session] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._others: list[Callable[[], list[Activity]]] = []

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def open(self, peer: str) -> Session:
        """Note a new connection; return its session."""
        loop = asyncio.get_running_loop()
        self.opened += 1
        session = Session(peer, number=self.opened, log=SessionLog(loop.time()), _sessions=self)
        self._live.add(session)
        self._append(SessionOpened(at=self._now(), number=session.number, peer=peer))
        loop.call_later(FRESH, self._age, session)
        return session

    def close(self, session: Session) -> None:
        """Note that a connection was closed."""
        if session in self._live:
            self._live.discard(session)
            session.closed = True
            session.log.close()
            self._append(SessionClosed(at=self._now(), number=session.number, peer=session.peer))
            self._closed.append(session)
            self._closed_size += session.log.size
            while len(self._closed) > _REMEMBERED or self._closed_size > KEPT:
                self._closed_size -= self._closed.popleft().log.size
        session.end()

    def known(self, after: int = 0) -> list[Session]:
        """Return the sessions opened after number ``after`` that are open or were closed recently, oldest first."""
        return sorted(
            (each for each in {*self._live, *self._closed} if each.number > after), key=lambda each: each.number
        )

    def busy(self, after: int = 0) -> list[Activity]:
        """Return the activities in progress on connections. A fresh one counts if its number is above ``after``."""
        return _activities(self._busy(after))

    def _busy(self, after: int) -> list[Session]:
        return [each for each in self._live if each.busy and (each.number > after or not each.fresh)]

    def watch(self, busy: Callable[[], list[Activity]]) -> None:
        """Make ``settled`` also wait for the activities that ``busy`` returns. Call ``changed`` when one has ended."""
        self._others.append(busy)

    async def settled(
        self,
        timeout: float,  # noqa: ASYNC109 - it does not raise
        after: int = 0,
        concern: Concern | None = None,
    ) -> list[Activity]:
        """Wait until no activity is in progress, for at most ``timeout`` seconds; return those still in progress.

        Connections up to number ``after``, which were opened before the caller's scope, do not count as fresh.

        With a ``concern``, only what it includes counts. A connection without a recipient and a login may concern any
        account, so it counts if it was opened after ``after`` and before the wait began; others come and go all the
        time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        newest = None
        while True:
            for _ in range(_PASSES):
                await asyncio.sleep(0)
            newest = self.opened if newest is None else newest
            sessions = self._busy(after)
            works = [each for others in self._others for each in others()]
            if concern is not None:
                known = [each for each in sessions if each.named or after < each.number <= newest]
                sessions = [each for each in known if await concern.includes_transaction(each)]
                works = [each for each in works if await concern.includes_calls(each.where)]
            busy = [*_activities(sessions), *works]
            if not busy or loop.time() >= deadline:
                return busy
            await self._change(deadline - loop.time())

    async def still_open(self, timeout: float, after: int = 0) -> list[Session]:  # noqa: ASYNC109 - it does not raise
        """Wait at most ``timeout`` seconds until the connections after number ``after`` are closed; return the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            left = sorted((each for each in self._live if each.number > after), key=lambda each: each.number)
            if not left or loop.time() >= deadline:
                return left
            await self._change(deadline - loop.time())

    def changed(self) -> None:
        """Wake the callers of ``settled``, which then check again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def _change(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            self._waiting.discard(waiting)

    def _age(self, session: Session) -> None:
        if session.fresh:
            session.end()
