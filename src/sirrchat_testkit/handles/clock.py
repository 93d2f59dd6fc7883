"""The clock of the server, for tests to move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

from sirrchat_testkit.awaiting import Calls, asynchronous
from sirrchat_testkit.domain.clock import Clock as CoreClock
from sirrchat_testkit.durations import TimeUnits, span
from sirrchat_testkit.formatting import utc
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

if TYPE_CHECKING:
    from typing import Unpack

__tracebackhide__ = True

T = TypeVar("T")


class Clock(Hints):
    """The server's clock, ``mailserver.clock``: expiry, timestamps, retries and rate limits follow it.

    Timeouts of ``receive`` and delays of faults are real time. Tests that move the clock do not affect each other: the
    end of a test, or of a scope, puts it back.

    Example:
        inbox = make_inbox(expires_in=timedelta(hours=1))
        mailserver.clock.advance(hours=2)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            shop.register(inbox.address)
    """

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
        """Return the current time of the server, in UTC."""
        return utc(self._do(self._clock.now))

    def freeze(self, at: datetime | None = None) -> None:
        """Stop the clock, at the current time or at ``at`` (aware, or local time). ``advance`` still moves it."""
        milliseconds = None if at is None else _milliseconds("freeze", at)
        self._do(lambda: self._clock.freeze(milliseconds))

    def resume(self) -> None:
        """Start the clock again, from its current time."""
        self._do(self._clock.resume)

    def follow(self) -> None:
        """Follow the process's ``time.time`` from now on, so that freezegun and time-machine move this clock too."""
        self._do(self._clock.follow)

    def advance(self, by: timedelta | None = None, **units: Unpack[TimeUnits]) -> None:
        """Move the clock forward; return when all work that became due, such as webhook retries, is done.

        Example:
            mailserver.clock.advance(hours=2)
            mailserver.clock.advance(timedelta(days=30))

        Args:
            by: How far to advance.
            units: Units of ``timedelta``, such as ``hours=2``, added to ``by``.

        Raises:
            ValueError: The time is negative (use ``move_to`` to go back) or infinite.
            TypeError: A unit is unknown, or ``by`` is not a ``timedelta``.
        """
        self._thread.call(self._clock.advance(_span(by, units)))

    @asynchronous
    async def aadvance(self, by: timedelta | None = None, **units: Unpack[TimeUnits]) -> None:
        """Do the same as ``advance`` without blocking the event loop (asyncio or trio)."""
        await self._thread.acall(self._clock.advance(_span(by, units)))

    def move_to(self, to: datetime) -> None:
        """Set the clock to ``to`` (aware, or local time); return when all work that became due is done.

        Raises:
            TypeError: ``to`` is not a ``datetime``.
        """
        self._thread.call(self._clock.move_to(_milliseconds("move_to", to)))

    @asynchronous
    async def amove_to(self, to: datetime) -> None:
        """Do the same as ``move_to`` without blocking the event loop (asyncio or trio)."""
        await self._thread.acall(self._clock.move_to(_milliseconds("move_to", to)))

    @property
    def _calls(self) -> Calls:
        return self._thread.calls

    def _do(self, what: Callable[[], T]) -> T:
        async def work() -> T:
            return what()

        return self._thread.call(work())

    def __repr__(self) -> str:
        return f"<Clock {self.now().isoformat()}{' frozen' if self._clock.frozen else ''}>"


def _span(by: timedelta | None, units: TimeUnits) -> int:
    return round(span(by, units) / timedelta(milliseconds=1))


def _milliseconds(verb: str, time: datetime) -> int:
    if not isinstance(time, datetime):
        raise TypeError(f"the time for {verb} must be a datetime such as datetime(2030, 1, 31, 12, 0), not {time!r}")
    return round(time.timestamp() * 1000)
