"""Searches and long polls over the messages of a server.

1. Both look back from the newest message, in slices, and examine at most ``MOST_SEARCHED`` messages: an answer may have
   few messages or none although the search can go on, at its cursor.
2. A search for one recipient reads only that recipient's messages.
3. A long poll first opens its feed, then looks back, so that it misses nothing. Afterwards it sleeps until a message
   for its recipient arrives; it does not poll, and costs nothing while none does.
4. Conditions on contents are compared in a thread.
5. Nothing is taken: a test's ``receive`` still returns what a long poll has returned.
6. A failure is that of ``receive``, with the remedies for clients in any language. The server is not reset between
   their tests, so it leaves out what happened before the address was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Final, NamedTuple, Protocol

from aiohttp import web

from sirrchat_testkit.domain.search import Search
from sirrchat_testkit.errors import TimedOut
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.failures import SHOWN, Kind, not_received
from sirrchat_testkit.handles.feed import LOADED, MOST, Changed, End, Feed, Removed, Slice, run
from sirrchat_testkit.handles.mail_source import MailSource
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.remedies import FOR_CLIENTS
from sirrchat_testkit.matching import Match, nearest

MOST_SEARCHED: Final = 10_000
MOST_READ: Final = 1_000
"""Messages that one search examines at most, if their contents are not needed and if they are."""


class Found(NamedTuple):
    """The matches of a search, newest first, and the uid below which it can go on; None if it is complete."""

    messages: list[ReceivedMessage]
    before: int | None


class Source(Protocol):
    """Where a search looks."""

    async def recent(self, before: int | None, limit: int) -> Slice[ReceivedMessage]:
        """Return a slice of the messages with a uid below ``before``, the latest first."""
        ...


class Searches:
    """Searches and long polls on one server."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control

    async def find(self, search: Search, limit: int, before: int | None = None, source: Source | None = None) -> Found:
        """Return at most ``limit`` matches among the messages of ``source`` with a uid below ``before``.

        Without ``source``, these are all messages, or those of the recipient that the search is for.
        """
        source = source or self._control.source(search.recipient)
        size, left = (LOADED, MOST_READ) if search.reads_contents else (MOST, MOST_SEARCHED)
        found: list[ReceivedMessage] = []
        while left > 0:
            part = await source.recent(before, size)
            for message in part.items:
                if await self.accepts(search, message):
                    found.append(message)
                    if len(found) == limit:
                        return Found(found, message.uid)
            if part.is_last:
                return Found(found, None)
            before = part.position
            left -= size
            await asyncio.sleep(0)  # other clients go on between two slices
        return Found(found, before)

    async def wait(self, search: Search, count: int, seconds: float) -> list[ReceivedMessage]:
        """Return the ``count`` newest matches, oldest first, as soon as there are that many.

        Raises:
            TimedOut: There were fewer after ``seconds`` of real time.
        """
        began = asyncio.get_running_loop().time()
        source = self._control.source(search.recipient)
        source.remedies, source.since_address = FOR_CLIENTS, True
        wait = _LongPoll(source, search, count, seconds)
        signal = _Signal()
        feed: Feed[ReceivedMessage] = Feed(wait.source.topic, signal, self._control.taken.scope)
        self._control.feeds.open(feed, seconds)
        try:
            for message in reversed((await self.find(search, count)).messages):
                wait.add(message)
            while len(wait.found) < count:
                await signal.wait()
                for item in feed.pushed():
                    if item is End.TIME_UP:
                        raise await asyncio.to_thread(_timed_out, wait)
                    if isinstance(item, End):
                        raise web.HTTPServiceUnavailable(reason=item.value)
                    if isinstance(item, Removed):
                        wait.remove(item)
                    elif not isinstance(item, Changed) and await self.accepts(search, item):
                        wait.add(item)
            return wait.found[-count:]
        finally:
            feed.closed = True
            wait.source.observe(asyncio.get_running_loop().time() - began)

    async def accepts(self, search: Search, message: ReceivedMessage) -> bool:
        """Return whether ``message`` meets ``search``."""
        if not search.reads_contents:
            return search.accepts(message)
        await self._control.load([message])
        return await asyncio.to_thread(search.matches, message)


def _timed_out(wait: _LongPoll) -> TimedOut:
    """Return the failure of ``wait``. Runs in a thread, since it reads contents."""
    evidence = run(wait.source.thread, lambda _: wait.source.evidence(wait))
    missed = [each for each in evidence.recent if each not in wait.found]
    near = [
        {
            "id": each.id,
            "from": str(each.sender),
            "recipient": each.recipient,
            "subject": each.subject,
            "misses": wait.match.misses(each),
        }
        for each in nearest(wait.match, missed, SHOWN)
    ]
    return TimedOut(str(not_received(wait, evidence)), near_misses=near)


class _Signal:
    """The flag of a task on the server's own loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the task."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the flag is set, and clear it."""
        await self._event.wait()
        self._event.clear()


class _LongPoll:
    """The state of a long poll, as its failure needs it."""

    blocked = False

    def __init__(self, source: MailSource, match: Search, wanted: int, seconds: float) -> None:
        self.source = source
        self.kind: Kind[ReceivedMessage] = source.kind
        self.match: Match = match.without_recipient()
        self.wanted = wanted
        self.seconds = seconds
        self.found: list[ReceivedMessage] = []

    def key(self, item: ReceivedMessage) -> Hashable:
        """Return what identifies ``item``."""
        return item.id

    def is_taken(self, item: ReceivedMessage) -> bool:  # noqa: ARG002 - a long poll takes nothing
        """Return False: a long poll ignores what tests have taken."""
        return False

    def add(self, message: ReceivedMessage) -> None:
        """Add a match, unless it is known: what arrives during the look back is also pushed."""
        if all(each.id != message.id for each in self.found):
            self.found.append(message)

    def remove(self, removed: Removed) -> None:
        """Forget deleted messages."""
        self.found = [each for each in self.found if each.id not in removed.keys]
