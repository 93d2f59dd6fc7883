"""Waiting: what for, what was seen, and how it ends. Written once, driven by threads and by tasks.

1. A reading looks at every message of its feed once, oldest first, and applies its ``Match`` where it waits.
2. It is over when it has what it wants, when something it must not see arrives, or when its time is up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sirrchat_testkit.core.errors import NotFound
from sirrchat_testkit.core.matching import Match
from sirrchat_testkit.signals import ThreadSignal, async_signal
from sirrchat_testkit.testing import report
from sirrchat_testkit.testing.desk import Desk
from sirrchat_testkit.testing.feed import Arrival, End, Feed
from sirrchat_testkit.testing.message import ReceivedMessage

_monotonic = time.clock_gettime


class Reading:
    """Reads a feed until it is over; what it makes of each item is a subclass's."""

    desk: Desk
    recipient: str | None
    seconds: float
    blocked = False

    def run(self) -> None:
        """Block until it is over. Raises what the subclass raises."""
        __tracebackhide__ = True
        self.blocked = True
        signal = ThreadSignal()
        with self.desk.feed(self.recipient, signal, self.seconds) as feed:
            while not self._is_over(feed):
                signal.wait()

    async def arun(self) -> None:
        """Do as ``run`` does without blocking the caller's loop."""
        __tracebackhide__ = True
        signal = async_signal()
        with self.desk.feed(self.recipient, signal, self.seconds) as feed:
            while not self._is_over(feed):
                await signal.wait()

    def look(self, message: ReceivedMessage, *, taken: bool) -> bool:
        """Look at a message; return whether the reading is over."""
        raise NotImplementedError

    def time_up(self) -> None:
        """Raise what is to be raised when the time is up."""

    def _is_over(self, feed: Feed) -> bool:
        __tracebackhide__ = True
        for item in feed.drain():
            if isinstance(item, Arrival):
                try:
                    if self.look(self.desk.received(item.message), taken=item.taken):
                        return True
                except NotFound:  # deleted while we looked
                    continue
            elif item is End.TIME_UP:
                self.time_up()
                return True
            else:
                raise RuntimeError(f"{item.value} while a wait for {self.recipient or 'any mail'} was under way")
        return False


def duration(name: str, seconds: Any) -> float:
    """Return ``seconds``, which the argument ``name`` was given. Raises ``ValueError`` where it is no time to wait."""
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"{name} takes seconds, 0 or more, not {seconds!r}")
    return float(seconds)


def number(name: str, count: Any) -> int:
    """Return ``count``, which the argument ``name`` was given, 0 for None. Raises ``ValueError`` where it is none."""
    if count is not None and (type(count) is not int or count < 0):
        raise ValueError(f"{name} takes a whole number, 0 or more, not {count!r}")
    return count or 0


def by_name(verb: str, given: Sequence[object], condition: str = "subject") -> None:
    """Raise ``TypeError`` if ``verb`` was ``given`` anything without a name: perhaps seconds, or the ``condition``."""
    __tracebackhide__ = True
    for each in given:
        if isinstance(each, int | float):
            what, name = "seconds", "within" if verb.endswith("assert_nothing") else "timeout"
        else:
            what, name = "conditions", condition
        raise TypeError(f"{verb} takes {what} by name, such as {name}={each!r}, not {each!r}")


@dataclass
class Wait(Reading):
    """A wait for ``wanted`` messages, each of which is taken at once if ``taking``; they are in ``found``."""

    desk: Desk
    recipient: str | None
    match: Match
    seconds: float
    wanted: int = 1
    taking: bool = True
    found: list[ReceivedMessage] = field(default_factory=list)
    missed: list[ReceivedMessage] = field(default_factory=list)
    taken: list[ReceivedMessage] = field(default_factory=list)

    def look(self, message: ReceivedMessage, *, taken: bool) -> bool:
        """Take the message if it fits; return whether there are enough."""
        if taken:
            self.taken.append(message)
        elif not self.match.accepts(message):
            self.missed.append(message)
        elif not self.taking or self.desk.take([message]):
            self.found.append(message)
        else:
            self.taken.append(message)
        return len(self.found) >= self.wanted

    def time_up(self) -> None:
        """Raise ``MailNotReceived``, which tells why."""
        __tracebackhide__ = True
        raise report.not_received(self.desk.situation(self.recipient), self)


@dataclass
class Watch(Reading):
    """A watch of ``seconds`` in which nothing that matches may be there or arrive."""

    desk: Desk
    recipient: str | None
    match: Match
    seconds: float
    began: float = field(default_factory=lambda: _monotonic(time.CLOCK_MONOTONIC))

    def look(self, message: ReceivedMessage, *, taken: bool) -> bool:
        """Raise ``UnexpectedMail`` if the message should not be there."""
        __tracebackhide__ = True
        if not taken and self.match.accepts(message):
            after = _monotonic(time.CLOCK_MONOTONIC) - self.began
            raise report.unexpected(self.recipient, self.match, message, within=self.seconds, after=after)
        return False
