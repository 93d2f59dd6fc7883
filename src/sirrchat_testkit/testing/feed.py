"""What a wait reads: the messages of one address (or of all), those stored before and those that arrive.

1. A feed is registered with the log first and looks back in the store then, so nothing falls in between.
2. The server's thread only feeds; the waiting side applies its conditions in its own thread.
3. The end of a wait is an item too, put by a timer of the server's loop: the waiter sleeps until there is something.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.events import Event, EventLog, MessageReceived
from sirrchat_testkit.core.models import Message


class End(enum.Enum):
    """Why a feed gives nothing more."""

    TIME_UP = "time is up"
    STOPPED = "the server has stopped"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message, and whether an earlier ``receive`` has taken it."""

    message: Message
    taken: bool


class Signal(Protocol):
    """What wakes the waiting side."""

    def set(self) -> None:
        """Wake it; from any thread."""


class Feed:
    """Items for one waiter; the server's thread puts, the waiter drains."""

    def __init__(self, recipient: str | None, signal: Signal) -> None:
        self.recipient = None if recipient is None else addressing.key(recipient)
        self._signal = signal
        self._items: deque[Arrival | End] = deque()
        self._seen: set[str] = set()

    def put(self, item: Arrival | End) -> None:
        """Add ``item`` and wake the waiter; a message that it has seen already is passed over."""
        if isinstance(item, Arrival):
            if item.message.id in self._seen:
                return
            self._seen.add(item.message.id)
        self._items.append(item)
        self._signal.set()

    def drain(self) -> Iterator[Arrival | End]:
        """Return the items that wait, in order."""
        while self._items:
            yield self._items.popleft()


class Feeds:
    """The open feeds of one server: tells each what arrives for it."""

    def __init__(self, events: EventLog) -> None:
        self._open: dict[str | None, list[Feed]] = {}
        events.subscribe(self._hear, lambda _: bool(self._open))

    def add(self, feed: Feed) -> None:
        """Feed ``feed`` from now on."""
        self._open.setdefault(feed.recipient, []).append(feed)

    def remove(self, feed: Feed) -> None:
        """Feed ``feed`` no more."""
        others = self._open.get(feed.recipient, [])
        if feed in others:
            others.remove(feed)
        if not others:
            self._open.pop(feed.recipient, None)

    def stop(self) -> None:
        """Tell every waiter that nothing comes any more."""
        for feeds in self._open.values():
            for feed in feeds:
                feed.put(End.STOPPED)

    def _hear(self, _number: int, event: Event) -> None:
        if isinstance(event, MessageReceived):
            arrival = Arrival(event.message, taken=False)
            for recipient in (event.message.recipient_key, None):
                for feed in self._open.get(recipient, ()):
                    feed.put(arrival)
