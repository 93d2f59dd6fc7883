"""Feeds carry items (messages, webhook calls) from the thread that stores them to a wait in another thread.

1. A wait pulls stored items in slices after a cursor. Its cost depends on the items that it examines, not on those that
   are stored.
2. When no item is left it subscribes, and reads once more in the same step of the loop, so it misses nothing. From then
   on items are pushed, and it sleeps until its signal is set. The end of a wait is pushed as well.
3. Items are ordered by ``position``, which rises. Items up to the last position of the last slice have been examined.
4. Taking happens in the waiting thread, without a call into the server's thread. Of two waits only one gets an item.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from sirrchat_testkit.threads import LoopThread, ThreadSignal, async_signal

__tracebackhide__ = True

T = TypeVar("T")
R = TypeVar("R")

FIRST: Final = 4
"""Items of the first slice."""

MOST: Final = 128
"""Items of the largest slice: reading it occupies the loop for about a millisecond."""

LOADED: Final = 32
"""Items whose contents are loaded in one step of the loop."""

Steps: TypeAlias = Generator[Coroutine[Any, Any, Any] | None, Any, R]
"""A wait, written once for threads and tasks. It yields a coroutine to run on the server's loop and is sent its result,
or yields None to sleep until its signal is set."""


class Signal(Protocol):
    """Wakes a waiting thread or task."""

    def set(self) -> None:
        """Wake the waiter. Can be called from any thread."""


class End(enum.Enum):
    """Why a feed ends."""

    TIME_UP = "the time is up"
    STOPPED = "the server stopped"
    SCOPE_OVER = "the scope that this wait began in has ended"


class Removed(NamedTuple):
    """Items that were deleted, by key."""

    keys: frozenset[Hashable]


class Changed(NamedTuple, Generic[T]):
    """Changed items, which replace those with the same keys."""

    items: list[T]


class WaitScope:
    """The scope of a wait: the innermost one that was open when it began. ``over`` is set when the scope ends."""

    def __init__(self) -> None:
        self.over = False


class ScopeOver(RuntimeError):
    """The scope of a wait has ended."""

    def __init__(self) -> None:
        super().__init__(End.SCOPE_OVER.value)


class Feed(Generic[T]):
    """A queue of items for one wait: the server's thread pushes, the waiting side reads.

    The waiting side ends it by setting ``closed``, without a call into the server's thread, which would cost as much as
    the wake-up. ``Feeds`` removes a closed feed when it next visits it, at the latest when the wait times out.
    """

    def __init__(self, topic: str | None, signal: Signal, scope: WaitScope) -> None:
        self.topic = topic
        self.scope = scope
        self.closed = False
        self.timer: asyncio.TimerHandle | None = None
        self._signal = signal
        self._pushed: deque[T | Removed | Changed[T] | End] = deque()

    def push(self, item: T | Removed | Changed[T] | End) -> None:
        """Add ``item`` and wake the waiting side."""
        self._pushed.append(item)
        self._signal.set()

    def pushed(self) -> Iterator[T | Removed | Changed[T] | End]:
        """Yield the pushed items that have not been yielded yet."""
        while self._pushed:
            yield self._pushed.popleft()


class Feeds(Generic[T]):
    """The open feeds of one server or sink, by topic; the topic None is for waits on everything."""

    def __init__(self) -> None:
        self._open: dict[str | None, list[Feed[T]]] = {}

    def wanted(self, topics: Iterable[str | None]) -> bool:
        """Return whether a wait may be open for one of ``topics``."""
        return any(topic in self._open for topic in topics) if self._open else False

    def push(self, topics: Iterable[str | None], item: T | Removed | Changed[T] | End) -> None:
        """Push ``item`` to the feeds of ``topics``."""
        for topic in topics:
            for feed in self._of(topic):
                feed.push(item)

    def open(self, feed: Feed[T], seconds: float) -> None:
        """Open ``feed``; it ends after ``seconds`` of real time. Does nothing if the wait has already ended."""
        if feed.scope.over:
            feed.push(End.SCOPE_OVER)
        elif not feed.closed:
            feed.timer = asyncio.get_running_loop().call_later(max(seconds, 0), self._time_up, feed)
            self._open[feed.topic] = [*self._of(feed.topic), feed]

    def all(self) -> list[Feed[T]]:
        """Return the open feeds. Can be called from any thread."""
        return [feed for feeds in [*self._open.values()] for feed in feeds if not feed.closed]

    def end_scope(self) -> None:
        """End the waits whose scope has ended. Can be called from any thread."""
        for feed in self.all():
            if feed.scope.over:
                feed.push(End.SCOPE_OVER)

    def _time_up(self, feed: Feed[T]) -> None:
        feed.push(End.TIME_UP)
        feed.closed = True
        self._of(feed.topic)

    def _of(self, topic: str | None) -> list[Feed[T]]:
        """Return the open feeds of ``topic``, and remove closed ones."""
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


class TakenMark(NamedTuple):
    """The beginning of a scope: the number of taken items, the cursors, and the number of open scopes."""

    taken: int
    cursors: dict[str | None, int]
    scopes: int


class Taken:
    """The items taken from the sources of one server or sink; shared by all waiting threads.

    ``cursors`` has a position for each topic, up to which everything is taken. The next wait begins there.
    """

    def __init__(self) -> None:
        self.cursors: dict[str | None, int] = {}
        self._keys: dict[Hashable, None] = {}
        self._scopes = [WaitScope()]
        self._lock = threading.Lock()

    @property
    def scope(self) -> WaitScope:
        """The innermost open scope."""
        return self._scopes[-1]

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def take(self, scope: WaitScope, *keys: Hashable) -> bool:
        """Take all ``keys``, or none and return False if one of them is taken already.

        Raises:
            ScopeOver: The wait's ``scope`` has ended.
        """
        with self._lock:
            if scope.over:
                raise ScopeOver
            if any(key in self._keys for key in keys):
                return False
            self._keys.update(dict.fromkeys(keys))
            return True

    def advance(self, scope: WaitScope, topic: str | None, position: int) -> None:
        """Note that everything of ``topic`` up to ``position`` is taken. Raises ``ScopeOver``."""
        with self._lock:
            if scope.over:
                raise ScopeOver
            self.cursors[topic] = position

    @property
    def count(self) -> int:
        """How many items are taken."""
        return len(self._keys)

    def keys(self, after: int) -> frozenset[Hashable]:
        """Return what identifies the taken items, without the first ``after``."""
        with self._lock:
            return frozenset(islice(self._keys, after, None))

    def mark(self) -> TakenMark:
        """Begin a scope; return the mark of its beginning."""
        with self._lock:
            mark = TakenMark(len(self._keys), dict(self.cursors), len(self._scopes))
            self._scopes.append(WaitScope())
            return mark

    def rewind(self, mark: TakenMark) -> None:
        """End the scopes since ``mark``: their waits end, and items taken since then can be taken again."""
        with self._lock:
            for scope in self._scopes[mark.scopes :]:
                scope.over = True
            del self._scopes[mark.scopes :]
            self.cursors = dict(mark.cursors)
            while len(self._keys) > mark.taken:
                self._keys.popitem()


class Slice(NamedTuple, Generic[T]):
    """Some items of a source, the position read so far, and whether that is the end."""

    items: list[T]
    position: int
    is_last: bool


class Source(Protocol[T]):
    """The source of a wait: the messages of an inbox or of a server, or the calls of a sink.

    Coroutines run on the loop of ``thread``; ``feeds`` belongs to that loop, ``taken`` to all threads.
    """

    thread: LoopThread
    feeds: Feeds[T]
    taken: Taken
    topic: str | None

    def position(self, item: T) -> int:
        """Return the position of ``item`` in the order of arrival; positions rise."""
        ...

    def key(self, item: T) -> Hashable:
        """Return what identifies ``item``."""
        ...

    async def read(self, after: int, limit: int) -> Slice[T]:
        """Return a slice of at most ``limit`` items after the position ``after``, in order. Never suspends."""
        ...

    async def recent(self, before: int | None, limit: int) -> Slice[T]:
        """Return a slice of at most ``limit`` items before the position ``before`` (None for the end), latest first."""
        ...


async def subscribe(source: Source[T], feed: Feed[T], seconds: float, after: int) -> Slice[T]:
    """Open ``feed`` for ``seconds``, and in the same step read what is stored after the position ``after``."""
    source.feeds.open(feed, seconds)
    return await source.read(after, MOST)


def pull(source: Source[T]) -> Steps[list[T]]:
    """Read every item of ``source``, slice by slice."""
    found: list[T] = []
    after = 0
    while True:
        items, after, is_last = yield source.read(after, MOST)
        found += items
        if is_last:
            return found


def pull_recent(source: Source[T], most: int) -> Steps[list[T]]:
    """Read the latest ``most`` items of ``source``, slice by slice; return them oldest first."""
    found: list[T] = []
    before: int | None = None
    while len(found) < most:
        items, before, is_last = yield source.recent(before, min(MOST, most - len(found)))
        found += items
        if is_last:
            break
    return found[::-1]


def pull_records(find: Callable[[int, int], Coroutine[Any, Any, list[R]]]) -> Steps[list[R]]:
    """Return all records that ``find(after, limit)`` returns, reading them in slices, in order of ``seq``."""
    found: list[Any] = []
    while True:
        records: list[Any] = yield find(found[-1].seq if found else 0, MOST)
        found += records
        if len(records) < MOST:
            return found


async def drive(steps: Steps[R]) -> R:
    """Run ``steps``, which never sleep, on the running loop; return their result."""
    try:
        ask = next(steps)
        while True:
            assert ask is not None
            ask = steps.send(await ask)
    except StopIteration as over:
        result: R = over.value
        return result


def run(thread: LoopThread, wait: Callable[[Signal], Steps[R]]) -> R:
    """Run ``wait`` in this thread, blocking it; return its result."""
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
    """Run ``wait`` in this task without blocking its loop (asyncio or trio); return its result."""
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
