"""The clock of mail time, as a test moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

from sirrchat_testkit.domain.clock import Clock as CoreClock
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.handles.conditions import TimeUnits

__tracebackhide__ = True

T = TypeVar("T")


class Clock(Hints):
    """What expiry and timestamps are read from; a test's own timeouts are real time and never move."""

    _guesses: ClassVar[Mapping[str, str]] = {
        "sleep": "advance",
        "tick": "advance",
        "move": "advance",
        "forward": "advance",
        "travel": "move_to",
        "set": "move_to",
        "rewind": "move_to",
        "time": "now",
        "stop": "freeze",
        "unfreeze": "resume",
        "start": "resume",
    }

    def __init__(self, thread: LoopThread, clock: CoreClock) -> None:
        self._thread = thread
        self._clock = clock

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.fromtimestamp(self._do(self._clock.now) / 1000, UTC)

    def freeze(self, at: datetime | None = None) -> None:
        """Stand still, now or at ``at`` (aware, or local time)."""
        milliseconds = None if at is None else _milliseconds("freeze", at)
        self._do(lambda: self._clock.freeze(milliseconds))

    def resume(self) -> None:
        """Run in real time again, from the time it is now."""
        self._do(self._clock.resume)

    def follow(self) -> None:
        """Read the process's own ``time.time`` from now on, so that freezegun and time-machine move mail time too."""
        self._do(self._clock.follow)

    def advance(self, by: timedelta | None = None, **units: Unpack[TimeUnits]) -> None:
        """Move forward by ``by``, or by units such as ``hours=2``; what falls due on the way is done when it returns.

        Raises:
            ValueError: The time is negative (``move_to`` goes back), or has no end.
            TypeError: A unit is none of ``timedelta``'s, or ``by`` is no ``timedelta``.
        """
        self._thread.call(self._clock.advance(_span(by, units)))

    async def aadvance(self, by: timedelta | None = None, **units: Unpack[TimeUnits]) -> None:
        """Do as ``advance`` does without blocking the loop that this task runs on."""
        await self._thread.acall(self._clock.advance(_span(by, units)))

    def move_to(self, to: datetime) -> None:
        """Go to ``to`` (aware, or local time); what falls due on the way is done when it returns."""
        self._thread.call(self._clock.move_to(_milliseconds("move_to", to)))

    async def amove_to(self, to: datetime) -> None:
        """Do as ``move_to`` does without blocking the loop that this task runs on."""
        await self._thread.acall(self._clock.move_to(_milliseconds("move_to", to)))

    def _do(self, what: Callable[[], T]) -> T:
        async def work() -> T:
            return what()

        return self._thread.call(work())

    def __repr__(self) -> str:
        return f"<Clock {self.now().isoformat()}{' frozen' if self._clock.frozen else ''}>"


def _span(by: timedelta | None, units: TimeUnits) -> int:
    if by is not None and not isinstance(by, timedelta):
        raise TypeError(f"advance takes a timedelta, or units such as seconds=3600, not {by!r}")
    try:
        span = (by or timedelta()) + timedelta(**units)
    except (TypeError, ValueError, OverflowError) as error:
        given = ", ".join(f"{unit}={number!r}" for unit, number in units.items())
        text = f"advance takes units such as seconds=3600, hours=1 or days=2, not {given}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from None
    if span < timedelta():
        raise ValueError(f"advance moves forward; {span} goes back: use move_to")
    return round(span / timedelta(milliseconds=1))


def _milliseconds(verb: str, time: datetime) -> int:
    if not isinstance(time, datetime):
        raise TypeError(f"{verb} takes a datetime such as datetime(2030, 1, 31, 12, 0), not {time!r}")
    return round(time.timestamp() * 1000)
