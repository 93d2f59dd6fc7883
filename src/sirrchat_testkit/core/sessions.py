"""Who is connected, and whether anything is still under way: what a test settles on.

1. A session is busy from its opening until its first transaction ends, from MAIL (or a command already read) until
   the reply that ends the transaction, and never after QUIT. One that never began is no longer busy after 250 ms.
2. ``settled`` waits until nothing is busy; it wakes on change and never polls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

FRESH = 0.25
"""Seconds of real time for which a connection that has said nothing yet counts as busy."""

_PASSES = 6  # steps of the loop that a connection needs from the kernel's queue to a session that is busy


@dataclass(slots=True, eq=False)
class Session:
    """One SMTP connection; ``doing`` says in words what is under way, and is empty where nothing is."""

    peer: str
    opened_at: int
    ehlo: str = ""
    login: str = ""
    tls: str = ""
    transactions: int = 0
    doing: str = "connected, and has not sent mail yet"
    fresh: bool = True
    _sessions: Sessions | None = field(default=None, repr=False)

    def begin(self, doing: str) -> None:
        """Note that a transaction is under way, and which."""
        self.fresh = False
        self.doing = doing

    def end(self) -> None:
        """Note that no transaction is under way."""
        self.fresh = False
        self.doing = ""
        if self._sessions is not None:
            self._sessions.changed()


class Sessions:
    """The live connections of one server."""

    def __init__(self) -> None:
        self.opened = 0
        self._live: set[Session] = set()
        self._waiting: set[asyncio.Future[None]] = set()

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def open(self, peer: str, at: int) -> Session:
        """Note a new connection."""
        session = Session(peer, at, _sessions=self)
        self._live.add(session)
        self.opened += 1
        asyncio.get_running_loop().call_later(FRESH, self._age, session)
        return session

    def close(self, session: Session) -> None:
        """Note that a connection is gone."""
        self._live.discard(session)
        session.end()

    def busy(self) -> list[Session]:
        """Return the sessions in which something is under way."""
        return [session for session in self._live if session.doing]

    async def settled(self, timeout: float) -> list[Session]:  # noqa: ASYNC109 - a barrier says what it waited for
        """Wait until no session is busy, ``timeout`` seconds at most; return those that still are."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            for _ in range(_PASSES):
                await asyncio.sleep(0)
            busy = self.busy()
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
