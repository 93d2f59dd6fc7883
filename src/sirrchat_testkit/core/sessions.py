"""Who is connected, and whether anything is still under way: what a test settles on.

1. A session is busy from its opening until its first transaction ends, from MAIL (or a command already read) until
   the reply that ends the transaction, and never after QUIT. One that never began is no longer busy after 250 ms.
2. ``settled`` waits until nothing is busy; it wakes on change and never polls.
3. Whatever else must come to rest shows itself as sessions that are busy, by ``watch``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sirrchat_testkit.core.transcript import KEPT, Talk, Transcript, Transcripts

FRESH = 0.25
"""Seconds of real time for which a connection that has said nothing yet counts as busy."""

_REMEMBERED = 200  # closed sessions, with their transcripts

_PASSES = 6  # steps of the loop that a connection needs from the kernel's queue to a session that is busy


@dataclass(slots=True, eq=False)
class Session:
    """One SMTP connection, or whatever else ``settled`` waits for.

    ``busy`` says that something is under way: mail from ``sender``, or where that is None what ``errand`` says.
    """

    peer: str
    opened_at: int
    ehlo: str = ""
    login: str = ""
    tls: str = ""
    transactions: int = 0
    sender: str | None = None
    errand: str = "connected, and has not sent mail yet"
    busy: bool = True
    fresh: bool = True
    closed: bool = False
    number: int = 0
    talk: Talk = field(default_factory=lambda: Talk(0.0), repr=False)
    _sessions: Sessions | None = field(default=None, repr=False)

    @property
    def transcript(self) -> Transcript:
        """The lines both ways with their times, credentials replaced; of a long session the first and the latest."""
        return self.talk.transcript()

    @property
    def brought_mail(self) -> bool:
        """Whether a message that came by it was stored."""
        return self.talk.messages > 0

    @property
    def doing(self) -> str:
        """What is under way, in words; empty where nothing is."""
        if not self.busy:
            return ""
        return self.errand if self.sender is None else f"MAIL FROM:<{self.sender}> from {self.peer}"

    def begin(self, sender: str) -> None:
        """Note that a transaction is under way, of mail from ``sender``."""
        self.talk.turn(between=False)
        self.transactions += 1
        self.sender = sender
        self.busy = True
        self.fresh = False

    def end(self) -> None:
        """Note that no transaction is under way."""
        self.fresh = self.busy = False
        self.sender = None
        if self._sessions is not None:
            self._sessions.changed()


class Sessions:
    """The live connections of one server."""

    def __init__(self) -> None:
        self.opened = 0
        self.transcripts = Transcripts()
        self._closed: deque[Session] = deque()
        self._octets = 0  # of the transcripts of those
        self._live: set[Session] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._others: list[Callable[[], list[Session]]] = []

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def open(self, peer: str, at: int) -> Session:
        """Note a new connection."""
        loop = asyncio.get_running_loop()
        self.opened += 1
        session = Session(peer, at, number=self.opened, talk=Talk(loop.time()), _sessions=self)
        self._live.add(session)
        loop.call_later(FRESH, self._age, session)
        return session

    def close(self, session: Session) -> None:
        """Note that a connection is gone."""
        if session in self._live:
            self._live.discard(session)
            session.closed = True
            session.talk.close()
            self._closed.append(session)
            self._octets += session.talk.octets
            while len(self._closed) > _REMEMBERED or self._octets > KEPT:
                self._octets -= self._closed.popleft().talk.octets
        session.end()

    def known(self, after: int = 0) -> list[Session]:
        """Return the sessions opened after number ``after`` that are live or were closed lately, oldest first."""
        return sorted(
            (each for each in {*self._live, *self._closed} if each.number > after), key=lambda each: each.number
        )

    def busy(self) -> list[Session]:
        """Return the sessions in which something is under way."""
        return [session for session in self._live if session.busy]

    def watch(self, busy: Callable[[], list[Session]]) -> None:
        """Let ``settled`` wait for what ``busy`` returns as well; ``changed`` is to be called when that may be over."""
        self._others.append(busy)

    async def settled(self, timeout: float) -> list[Session]:  # noqa: ASYNC109 - a barrier says what it waited for
        """Wait until no session is busy, ``timeout`` seconds at most; return those that still are."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            for _ in range(_PASSES):
                await asyncio.sleep(0)
            busy = [*self.busy(), *(each for others in self._others for each in others())]
            if not busy or loop.time() >= deadline:
                return busy
            await self._change(deadline - loop.time())

    def changed(self) -> None:
        """Wake whoever waits for calm."""
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
