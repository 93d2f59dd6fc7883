"""Feeds: how items (messages, webhook calls) get from the thread that stores them to a wait in another thread.

1. A wait pulls what is stored, in slices behind a cursor; it costs what it examines, not what is stored.
2. When nothing more is stored it subscribes, and looks once more in the same step of the loop, so it misses nothing.
   From then on items are pushed, and it sleeps until its signal is set. The end of a wait is pushed as well.
3. The order is that of ``position``, which rises. An item at or before the last position of the last look was seen.
4. Taking happens in the waiting thread, without a call into the server's: of two waits only one gets an item.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterable, Iterator
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from sirrchat_testkit.loopthread import LoopThread
from sirrchat_testkit.signals import ThreadSignal, async_signal

__tracebackhide__ = True

T = TypeVar("T")
R = TypeVar("R")

FIRST: Final = 4
"""Items of the first slice."""

MOST: Final = 128
"""Items of the largest slice: reading it holds the loop for about a millisecond."""

Steps: TypeAlias = Generator[Coroutine[Any, Any, Any] | None, Any, R]
"""A wait written once for threads and tasks: it yields a coroutine to be run on the server's loop and is sent its
result, or None to sleep until its signal is set."""


class Signal(Protocol):
    """Wakes the waiting side."""

    def set(self) -> None:
        """Wake it; from any thread."""


class End(enum.Enum):
    """Why a feed ends."""

    TIME_UP = "time is up"
    STOPPED = "the server stopped"
    SCOPE_OVER = "the test that waited is over"


class Removed(NamedTuple):
    """Items that were deleted, by key."""

    keys: frozenset[Hashable]


class Feed(Generic[T]):
    """What is pushed to one wait; the server's thread pushes, the waiting side takes.

    The waiting side ends it by setting ``closed``, without a call into the server's thread, which would cost it as much
    as the wake-up. ``Feeds`` forgets a closed feed when it next comes across it, at the latest when its time is up.
    """

    def __init__(self, topic: str | None, signal: Signal) -> None:
        self.topic = topic
        self.closed = False
        self.timer: asyncio.TimerHandle | None = None
        self._signal = signal
        self._pushed: deque[T | Removed | End] = deque()

    def push(self, item: T | Removed | End) -> None:
        """Add ``item`` and wake the waiting side."""
        self._pushed.append(item)
        self._signal.set()

    def pushed(self) -> Iterator[T | Removed | End]:
        """Return what has been pushed and not been returned yet."""
        while self._pushed:
            yield self._pushed.popleft()


class Feeds(Generic[T]):
    """The open feeds of one server or sink, by topic; None is the topic of waits for everything."""

    def __init__(self) -> None:
        self._open: dict[str | None, list[Feed[T]]] = {}

    def wanted(self, topics: Iterable[str | None]) -> bool:
        """Return whether a wait may be open for one of ``topics``."""
        return any(topic in self._open for topic in topics) if self._open else False

    def push(self, topics: Iterable[str | None], item: T | Removed | End) -> None:
        """Push ``item`` to the feeds of ``topics``."""
        for topic in topics:
            for feed in self._of(topic):
                feed.push(item)

    def open(self, feed: Feed[T], seconds: float) -> None:
        """Open ``feed``; it ends after ``seconds`` of real time. Does nothing if the wait has gone meanwhile."""
        if not feed.closed:
            feed.timer = asyncio.get_running_loop().call_later(max(seconds, 0), self._time_up, feed)
            self._open[feed.topic] = [*self._of(feed.topic), feed]

    def all(self) -> list[Feed[T]]:
        """Return the open feeds; from any thread."""
        return [feed for feeds in [*self._open.values()] for feed in feeds if not feed.closed]

    def _time_up(self, feed: Feed[T]) -> None:
        feed.push(End.TIME_UP)
        feed.closed = True
        self._of(feed.topic)

    def _of(self, topic: str | None) -> list[Feed[T]]:
        """Return the open feeds of ``topic``, and forget those that are closed."""
        known = self._open.get(topic, [])
        feeds = [feed for feed in known if not feed.closed]
        if len(feeds) < len(known):
            for feed in known:
                if feed.closed and feed.timer is not None:
                    feed.timer.cancel()
            if feeds:
                self._open[topic] = feeds
            else:
                del self._open[topic]
        return feeds


class Taken:
    """What has been taken from one owner's sources; shared by all waiting threads.

    ``cursors`` has for each topic a position up to which everything is taken: where the next wait begins.
    """

    def __init__(self) -> None:
        self.cursors: dict[str | None, int] = {}
        self._keys: dict[Hashable, None] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def take(self, *keys: Hashable) -> bool:
        """Take all ``keys``, or none and return False if one of them is taken already."""
        with self._lock:
            if any(key in self._keys for key in keys):
                return False
            self._keys.update(dict.fromkeys(keys))
            return True

    def mark(self) -> tuple[int, dict[str | None, int]]:
        """Return where it stands."""
        return len(self._keys), dict(self.cursors)

    def rewind(self, mark: tuple[int, dict[str | None, int]]) -> None:
        """Go back to ``mark``: what was taken since can be taken again."""
        count, cursors = mark
        with self._lock:
            self.cursors = dict(cursors)
            while len(self._keys) > count:
                self._keys.popitem()


class Source(Protocol[T]):
    """Where a wait reads: the messages of an inbox or of a server, the calls of a sink.

    Coroutines run on the loop of ``thread``; ``feeds`` belongs to that loop, ``taken`` to all threads.
    """

    thread: LoopThread
    feeds: Feeds[T]
    taken: Taken
    topic: str | None

    def position(self, item: T) -> int:
        """Return where ``item`` stands in the order of arrival; positions rise."""

    def key(self, item: T) -> Hashable:
        """Return what identifies ``item``."""

    async def read(self, after: int, limit: int) -> list[T]:
        """Return at most ``limit`` items after the position ``after``, in order. Never suspends."""

    async def recent(self, before: int | None, limit: int) -> list[T]:
        """Return at most ``limit`` items before the position ``before`` (None: the end), the latest first."""


async def subscribe(source: Source[T], feed: Feed[T], seconds: float, after: int) -> list[T]:
    """Open ``feed`` for ``seconds``, and in the same step read what is stored after the position ``after``."""
    source.feeds.open(feed, seconds)
    return await source.read(after, MOST)


def pull(source: Source[T]) -> Steps[list[T]]:
    """Read every item of ``source``, slice by slice."""
    found: list[T] = []
    after = 0
    while True:
        items: list[T] = yield source.read(after, MOST)
        found += items
        if len(items) < MOST:
            return found
        after = source.position(items[-1])


def pull_recent(source: Source[T], most: int) -> Steps[list[T]]:
    """Read the latest ``most`` items of ``source``, slice by slice; return them oldest first."""
    found: list[T] = []
    before: int | None = None
    while len(found) < most:
        limit = min(MOST, most - len(found))
        items: list[T] = yield source.recent(before, limit)
        found += items
        if len(items) < limit:
            break
        before = source.position(items[-1])
    return found[::-1]


def run(thread: LoopThread, wait: Callable[[Signal], Steps[R]]) -> R:
    """Run ``wait`` in this thread, blocking it; return what it returns."""
    signal = ThreadSignal()
    with contextlib.closing(wait(signal)) as steps:
        try:
            ask = next(steps)
            while True:
                if ask is None:
                    signal.wait()
                    ask = next(steps)
                else:
                    ask = steps.send(thread.call(ask))
        except StopIteration as over:
            result: R = over.value
            return result


async def arun(thread: LoopThread, wait: Callable[[Signal], Steps[R]]) -> R:
    """Run ``wait`` in this task without blocking its loop, asyncio's or trio's; return what it returns."""
    signal = async_signal()
    with contextlib.closing(wait(signal)) as steps:
        try:
            ask = next(steps)
            while True:
                if ask is None:
                    await signal.wait()
                    ask = next(steps)
                else:
                    ask = steps.send(await thread.acall(ask))
        except StopIteration as over:
            result: R = over.value
            return result
