"""Waits: ``receive``, ``receive_all`` and ``nothing``, the same for mail and for webhook calls.

1. Each is a generator of steps (``feed.Steps``), so threads and tasks run the same code.
2. Conditions are tested in the waiting thread, the oldest item first. ``receive`` tests each item once;
   ``receive_all`` tests again when the source has settled, and a failure tests the few items that it shows.
3. ``receive`` takes the first match. ``receive_all`` and ``nothing`` wait until the source has settled, and then
   examine all untaken items.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.handles import failures as report
from sirrchat_testkit.handles.failures import Evidence, FailedWait, Kind
from sirrchat_testkit.handles.feed import (
    FIRST,
    LOADED,
    MOST,
    Changed,
    End,
    Feed,
    Removed,
    Signal,
    Slice,
    Source,
    Steps,
    WaitScope,
    subscribe,
)
from sirrchat_testkit.matching import Match
from sirrchat_testkit.threads import ThreadSignal

__tracebackhide__ = True

T = TypeVar("T")

CALM: Final = 1.0
"""Seconds of real time in which a server must settle."""

_monotonic = time.clock_gettime


class Waitable(Source[T], Protocol[T]):
    """A source that tests can wait on: it can settle, and explain why nothing arrived."""

    @property
    def kind(self) -> Kind[T]:
        """The words of failures about its items."""

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits by default."""

    @property
    def within(self) -> float:
        """Seconds of real time that ``assert_nothing`` watches by default."""

    def hold(self, item: T) -> None:
        """Make a taken item outlive its deletion."""
        ...

    async def load(self, items: Sequence[T]) -> None:
        """Load the contents of ``items``, except deleted ones."""
        ...

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait at most ``seconds`` until nothing is in progress; return the work still in progress."""

    def elsewhere(self, match: Match) -> str:
        """Return where a matching item was left instead of being sent, or ""."""

    def evidence(self, wait: FailedWait[T]) -> Steps[Evidence[T]]:
        """Collect the evidence for the failure of ``wait``."""


@dataclass(eq=False)
class Wait(Generic[T]):
    """A wait of ``seconds`` for ``wanted`` items; ``found`` has the untaken matches in order.

    ``observe`` is called with the seconds of real time that ``receive`` or ``receive_all`` took.
    """

    source: Waitable[T]
    match: Match
    seconds: float
    observe: Callable[[float], None] | None = None
    wanted: int = 1
    found: list[T] = field(default_factory=list)
    blocked: bool = False
    _scope: WaitScope = field(init=False)
    _deadline: float = 0.0
    _position: int = 0
    _leading: bool = True  # every item up to the position is taken

    def __post_init__(self) -> None:
        self._scope = self.source.taken.scope

    def receive(self, signal: Signal) -> Steps[T]:
        """Return the oldest untaken match and take it; wait for one if there is none yet."""
        with self._timed():
            self._deadline = _now() + self.seconds
            yield from self._look(enough=1, taking=True)
            if not self.found:
                yield from self._listen(signal, taking=True)
        if not self.found:
            raise (yield from self._not_received(signal))
        return self.found[0]

    def receive_only(self, signal: Signal) -> Steps[T]:
        """Return the only untaken match and take it; wait for one if there is none yet, and fail if there are more."""
        [item] = yield from self.receive_all(signal, 1)
        return item

    def receive_all(self, signal: Signal, count: int | None) -> Steps[list[T]]:
        """Return all untaken matches and take them; wait until there are ``count``, and fail if there are more."""
        with self._timed():
            return (yield from self._receive_all(signal, count))

    def _receive_all(self, signal: Signal, count: int | None) -> Steps[list[T]]:
        self._deadline = _now() + self.seconds
        self.wanted = count or 0
        while True:
            if count:
                yield from self._look(enough=count)
                if len(self.found) < count:
                    yield from self._listen(signal)
                if len(self.found) < count:
                    raise (yield from self._not_received(signal))
            yield from settle(self.source)
            yield from self._look()
            if count is not None and len(self.found) > count:
                raise report.too_many(self, count)
            if not self.found and (elsewhere := self.source.elsewhere(self.match)):
                raise report.elsewhere(self, elsewhere)
            if len(self.found) >= self.wanted and self._take_all():
                for start in range(0, len(self.found), LOADED):
                    yield self.source.load(self.found[start : start + LOADED])
                return self.found

    def nothing(self, signal: Signal) -> Steps[None]:
        """Fail if there is an untaken match once the source has settled, or if one arrives within ``seconds``."""
        yield from settle(self.source)
        began = _now()
        self._deadline = began + self.seconds
        yield from self._look()
        if self.found:
            raise report.unexpected(self)
        yield from self._listen(signal)
        if self.found:
            raise report.unexpected(self, after=_now() - began)
        if elsewhere := self.source.elsewhere(self.match):
            raise report.elsewhere(self, elsewhere)

    @property
    def kind(self) -> Kind[T]:
        """The words of failures about its items."""
        return self.source.kind

    def key(self, item: T) -> Hashable:
        """Return what identifies ``item``."""
        return self.source.key(item)

    def is_taken(self, item: T) -> bool:
        """Return whether a wait has taken ``item``."""
        return self.key(item) in self.source.taken

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        began = _now()
        try:
            yield
        finally:
            if self.observe is not None:
                self.observe(_now() - began)

    def _look(self, *, enough: int | None = None, taking: bool = False) -> Steps[None]:
        """Examine the stored items, from the first untaken one on, until ``enough`` matches are found."""
        self.found = []
        self._position = self.source.taken.cursors.get(self.source.topic, 0)
        self._leading = True
        most = LOADED if self.match.reads_contents else MOST
        size = FIRST if enough else most
        while True:
            part: Slice[T] = yield self.source.read(self._position, size)
            yield from self._examine_slice(part, enough, taking=taking)
            if part.is_last or len(self.found) == enough:
                return
            size = min(size * 2, most)

    def _listen(self, signal: Signal, *, taking: bool = False) -> Steps[None]:
        """Examine arriving items until enough matches are found, or the wait times out."""
        seconds = self._deadline - _now()
        if seconds <= 0:
            return
        source = self.source
        enough = self.wanted if taking else None
        feed: Feed[T] = Feed(source.topic, signal, self._scope)
        try:
            part: Slice[T] = yield subscribe(source, feed, seconds, self._position)
            yield from self._examine_slice(part, enough, taking=taking)
            while not part.is_last and len(self.found) != enough:
                part = yield source.read(self._position, MOST)
                yield from self._examine_slice(part, enough, taking=taking)
            seen = self._position
            while True:
                for item in feed.pushed():
                    if item is End.TIME_UP:
                        return
                    self._follow(item, seen, enough, taking=taking)
                if len(self.found) >= max(self.wanted, 1):
                    return
                yield None
        finally:
            feed.closed = True

    def _follow(self, item: T | Removed | Changed[T] | End, seen: int, enough: int | None, *, taking: bool) -> None:
        """Process a pushed item; items up to the position ``seen`` have already been examined."""
        if isinstance(item, End):
            text = self.kind.stopped if item is End.STOPPED else item.value
            raise RuntimeError(f"{text}; the wait was for a {self.kind.noun} {self.kind.place}")
        if isinstance(item, Removed):
            self.found = [each for each in self.found if self.key(each) not in item.keys]
        elif isinstance(item, Changed):
            now = {self.key(each): each for each in item.items}
            self.found = [now.get(self.key(each), each) for each in self.found]
        elif self.source.position(item) > seen:
            self._examine([item], enough, taking=taking)

    def _examine_slice(self, part: Slice[T], enough: int | None, *, taking: bool) -> Steps[None]:
        """Examine the items of ``part``, with their contents loaded if a condition reads them."""
        if self.match.reads_contents:
            yield self.source.load([each for each in part.items if not self.is_taken(each)])
        self._examine(part.items, enough, taking=taking)
        self._position = max(self._position, part.position)

    def _examine(self, items: Sequence[T], enough: int | None, *, taking: bool) -> None:
        """Add the untaken matches among ``items`` to ``found``, and take them if ``taking``."""
        taken = self.source.taken
        for item in items:
            if len(self.found) == enough:
                return
            key = self.key(item)
            self._position = self.source.position(item)
            if key not in taken and self._accepts(item) and (not taking or taken.take(self._scope, key)):
                self.found.append(item)
                if taking:
                    self.source.hold(item)
            if self._leading and key in taken:
                taken.advance(self._scope, self.source.topic, self._position)
            else:
                self._leading = False

    def _take_all(self) -> bool:
        return self.source.taken.take(self._scope, *map(self.key, self.found))

    def _accepts(self, item: T) -> bool:
        try:
            return self.match.accepts(item)
        except NotFound:  # deleted before its contents could be read
            return False

    def _not_received(self, signal: Signal) -> Steps[AssertionError]:
        self.blocked = isinstance(signal, ThreadSignal)
        evidence = yield from self.source.evidence(self)
        return report.not_received(self, evidence)


def settle(source: Waitable[Any]) -> Steps[None]:
    """Wait until nothing is in progress. Raises ``NotSettled`` after a second."""
    if busy := (yield source.settled(CALM)):
        raise report.not_settled(busy, CALM)


def _now() -> float:
    return _monotonic(time.CLOCK_MONOTONIC)


def seconds_of(name: str, given: Any, default: float) -> float:
    """Return the argument ``name``, or the default if it is None. Raises ``ValueError`` if it is negative."""
    seconds = default if given is None else given
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds!r}")
    return float(seconds)


def count_of(count: Any) -> int | None:
    """Return the argument ``count``. Raises ``ValueError`` if it is neither None nor a whole number, 0 or more."""
    if count is not None and (type(count) is not int or count < 0):
        raise ValueError(f"count must be a whole number of at least 0, not {count!r}")
    return count


def reject_unnamed(verb: str, given: Sequence[object], condition: str) -> None:
    """Raise ``TypeError`` if ``verb`` was ``given`` a positional argument: seconds or a condition."""
    for each in given:
        if isinstance(each, int | float):
            what, name = "seconds", "within" if verb.endswith("assert_nothing") else "timeout"
        else:
            what, name = "conditions", condition
        raise TypeError(f"{verb} takes {what} only by name, such as {name}={each!r}")
