"""The server's clock, for expiry, timestamps and all delays except the timeouts of tests.

1. Times are milliseconds since the epoch. Libraries that fake ``time.time`` move it only after ``follow``.
2. Work is sorted by due time. In real time one timer runs it; ``advance`` goes from due time to due time, sets the
   clock to each, and waits until the work due there has finished.
3. Work that schedules more work does so from its own due time, so one ``advance`` runs a whole chain of delays. A clock
   that is moved stays at each due time until the functions registered with ``hold`` have returned.
4. ``rewind`` aborts moves that began after the mark, because their scope has ended.
5. A clock is changed in the server's thread only.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Work = Callable[[], Awaitable[None]]

_wall = time.time
_monotonic = time.clock_gettime


class _Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """The methods of an event loop that the clock uses."""

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> _Timer: ...  # noqa: D102 - asyncio's own

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


@dataclass(slots=True, eq=False)
class Due:
    """Scheduled work, sorted by due time, then by the order of scheduling."""

    at: int
    order: int
    work: Work
    period: int = 0
    cancelled: bool = False

    def __lt__(self, other: Due) -> bool:
        return (self.at, self.order) < (other.at, other.order)

    def cancel(self) -> None:
        """Do not run the work."""
        self.cancelled = True


class ClockState(NamedTuple):
    """The state of a clock, which the end of a scope restores."""

    frozen_at: int | None
    shift: int
    following: bool
    queue: tuple[Due, ...]
    moves: frozenset[object]


def _nothing() -> None:
    pass


class Clock:
    """A clock that runs in real time, with or without an offset, stands still, or follows ``time.time``.

    Args:
        scheduler: Calls work that is due, or None if none is scheduled.
        moved: Called after the clock was moved, stopped or started again.
    """

    def __init__(self, scheduler: Scheduler | None = None, moved: Callable[[], None] = _nothing) -> None:
        self._scheduler = scheduler
        self._moved = moved
        self._epoch = _wall() - _monotonic(time.CLOCK_MONOTONIC)
        self._frozen_at: int | None = None
        self._shift = 0
        self._following = False
        self._queue: list[Due] = []
        self._order = itertools.count()
        self._timer: _Timer | None = None
        self._tasks: set[Any] = set()
        self._holding: list[Work] = []
        self._moves: frozenset[object] = frozenset()

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return self._frozen_at if self._frozen_at is not None else self._running() + self._shift

    @property
    def offset(self) -> int:
        """The difference between the clock and real time, in milliseconds; negative if the clock is behind."""
        return self.now() - self._real()

    def start_at(self, at: int) -> None:
        """Run in real time from ``at`` on. Call it before any work is scheduled."""
        self._shift = at - self._real()

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._frozen_at is not None

    def freeze(self, at: int | None = None) -> None:
        """Stop the clock, now or at ``at``; due work waits until the clock is moved or resumed."""
        self._frozen_at = self.now() if at is None else at
        self._repeat_from_now()
        self._arm()
        self._moved()

    def resume(self) -> None:
        """Run in real time again, from the clock's current time."""
        if self._frozen_at is not None:
            self._shift = self._frozen_at - self._running()
            self._frozen_at = None
        self._arm()
        self._moved()

    def follow(self) -> None:
        """Read ``time.time`` from now on, so that libraries that fake it also move this clock."""
        self._following, self._frozen_at, self._shift = True, None, 0
        self._repeat_from_now()
        self._arm()
        self._moved()

    async def advance(self, milliseconds: int) -> None:
        """Move forward by ``milliseconds``, and run the work that becomes due. Raises what ``move_to`` raises."""
        await self.move_to(self.now() + milliseconds)

    async def move_to(self, to: int) -> None:
        """Go to ``to``. A move forward runs the work that becomes due; a move backward only sets the time.

        Raises:
            RuntimeError: The scope in which the move began has ended, and the clock went back.
        """
        move = object()
        self._moves |= {move}
        try:
            if to > self.now():
                await self._calm()
                self._check(move)
            while self._queue and self._queue[0].at <= to:
                due = heapq.heappop(self._queue)
                if not due.cancelled:
                    at = self._last(due, to) if due.period else due.at
                    self._set(max(at, self.now()) if at < to else to)
                    await self._run(due)
                    self._check(move)
                    await self._calm()
                    self._check(move)
            self._set(to)
            self._repeat_from_now()
            self._arm()
            self._moved()
        finally:
            self._moves -= {move}

    def at(self, due: int, work: Work) -> Due:
        """Run ``work`` when the clock reaches ``due``."""
        entry = Due(due, next(self._order), work)
        heapq.heappush(self._queue, entry)
        self._arm()
        return entry

    def every(self, period: int, work: Work) -> None:
        """Run ``work`` at each full ``period`` milliseconds since the epoch, also after the clock went back.

        If the clock is moved over several periods with no other work due in between, it runs once, at the last one.
        """
        heapq.heappush(self._queue, Due(self.now() // period * period + period, next(self._order), work, period))
        self._arm()

    def hold(self, calm: Work) -> None:
        """When the clock is moved forward, wait for ``calm`` at each time at which work was due."""
        self._holding.append(calm)

    def mark(self) -> ClockState:
        """Return the current state, for ``rewind``."""
        return ClockState(self._frozen_at, self._shift, self._following, tuple(self._queue), self._moves)

    def rewind(self, state: ClockState) -> None:
        """Go back to ``state``. Work scheduled since is dropped; work done since is scheduled again.

        Moves that began since raise ``RuntimeError``, at the latest when the work that they wait for returns.
        """
        before = self._position()
        self._frozen_at, self._shift, self._following = state.frozen_at, state.shift, state.following
        self._queue = list(state.queue)
        self._moves &= state.moves
        self._arm()
        if before != self._position():
            self._moved()

    def close(self) -> None:
        """Drop all scheduled work."""
        self._queue.clear()
        self._arm()

    def _position(self) -> tuple[int | None, int, bool]:
        return self._frozen_at, self._shift, self._following

    def _check(self, move: object) -> None:
        if move not in self._moves:
            raise RuntimeError("the clock went back while it was being moved: the test that moved it has ended")

    async def _calm(self) -> None:
        for calm in self._holding:
            await calm()

    def _running(self) -> int:
        return int(time.time() * 1000) if self._following else self._real()

    def _real(self) -> int:
        return int((self._epoch + _monotonic(time.CLOCK_MONOTONIC)) * 1000)

    def _set(self, to: int) -> None:
        if self._frozen_at is not None:
            self._frozen_at = to
        else:
            self._shift += to - self.now()

    def _repeat_from_now(self) -> None:
        """Run periodic work at the next full period again, if the clock went back from it by more than one."""
        now = self.now()
        for place, due in enumerate(self._queue):
            if due.period and due.at - now > due.period:
                self._queue[place] = Due(now // due.period * due.period + due.period, due.order, due.work, due.period)
        heapq.heapify(self._queue)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue and self._queue[0].cancelled:
            heapq.heappop(self._queue)
        if self._scheduler is not None and self._queue and not self.frozen:
            delay = max(self._queue[0].at - self.now(), 0) / 1000
            self._timer = self._scheduler.call_later(delay, self._start_due)

    def _start_due(self) -> None:
        if self._scheduler is not None:
            task = self._scheduler.create_task(self._run_due())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_due(self) -> None:
        while self._queue and not self.frozen and self._queue[0].at <= self.now():
            due = heapq.heappop(self._queue)
            if not due.cancelled:
                await self._run(due)
        self._arm()

    async def _run(self, due: Due) -> None:
        if due.period:
            at = max(due.at, self.now() // due.period * due.period) + due.period
            heapq.heappush(self._queue, Due(at, next(self._order), due.work, due.period))
        await due.work()

    def _last(self, due: Due, to: int) -> int:
        """Return the last time at which ``due`` is due before any other work, at most ``to``."""
        others = [each.at for each in self._queue if not each.period and not each.cancelled]
        end = max(min([to, *others]), due.at)
        return due.at + (end - due.at) // due.period * due.period
