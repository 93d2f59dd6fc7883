"""Reads the event log of a running server from another thread, in batches, to show it to people.

1. It only observes. Its filter accepts the first event of a batch alone, and the rest of the batch is read from the log
   later, so receiving mail costs next to nothing more.
2. What is looked up for an event, such as the address nearest to a refused one, is looked up in the reader's thread.
3. If the log has dropped events because they were not read in time, the reader gets their number.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection
from typing import Final, NamedTuple

from sirrchat_testkit.domain.events import Event, FaultFired, RecipientRefused, SessionClosed
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.endings import ending
from sirrchat_testkit.handles.feed import Steps, run
from sirrchat_testkit.threads import ThreadSignal

PAUSE: Final = 0.1
"""Seconds of real time for which events are collected before they are read."""

_REMEMBERED: Final = 200  # refused recipients and clients, which explain how later connections ended


class Entry(NamedTuple):
    """An event with its number.

    ``refusal`` explains a ``RecipientRefused``, and ``ending`` a ``SessionClosed``: why the connection delivered no
    mail, if no other event says so.
    """

    number: int
    event: Event
    refusal: Refusal | None = None
    ending: str = ""


class Batch(NamedTuple):
    """Events in their order, and the number of events before them that were lost."""

    entries: list[Entry]
    lost: int = 0


class _Part(NamedTuple):
    """What was read from the log at once; ``sessions`` are the closed connections that delivered no mail."""

    entries: list[tuple[int, Event]]
    lost: int
    sessions: dict[int, Session]


class LogReader:
    """Reads the events of the given ``kinds`` that happen from now on."""

    def __init__(self, control: ServerControl, kinds: Collection[type[Event]]) -> None:
        self._control = control
        self._log = control.services.events
        self._kinds = frozenset(kinds)
        self._position = self._log.last
        self._pending = False  # whether there are events that the reader knows of
        self._stopped = False
        self._signal = ThreadSignal()
        self._explained: deque[str] = deque(maxlen=_REMEMBERED)
        self._log.subscribe(lambda *_: self.wake(), lambda event: not self._pending and type(event) in self._kinds)

    def read(self) -> Batch | None:
        """Wait for events, and return those of the next ``PAUSE`` seconds; None after ``stop``.

        Only one thread may read.
        """
        if self._stopped:
            return None
        self._signal.wait()
        if not self._stopped:
            time.sleep(PAUSE)
        try:
            return run(self._control.thread, lambda _: self._steps())
        except RuntimeError:  # the server stopped before the last events were read
            return None

    def rest(self) -> Batch:
        """Return the events since the last call, without connections; for a server that has stopped."""
        part = self._take()
        kinds = self._kinds - {SessionClosed}  # the server has closed them itself
        return Batch([Entry(number, each) for number, each in part.entries if type(each) in kinds], part.lost)

    def stop(self) -> None:
        """End ``read``, after it has returned the events so far. Call it before the server stops, from any thread."""
        self._stopped = True
        self._signal.set()

    def wake(self) -> None:
        """Let ``read`` return, even if there are no events. Can be called from any thread."""
        self._pending = True
        self._signal.set()

    def _steps(self) -> Steps[Batch]:
        part: _Part = yield self._take_in_thread()
        refused = [each for _, each in part.entries if isinstance(each, RecipientRefused)]
        refusals = iter((yield from self._control.diagnostics.refusals(refused)))
        entries: list[Entry] = []
        for number, event in part.entries:
            if type(event) not in self._kinds:
                continue
            if isinstance(event, RecipientRefused):
                self._explained.append(event.recipient)
                entries.append(Entry(number, event, next(refusals)))
            elif isinstance(event, SessionClosed):
                if event.number in part.sessions and (text := self._ending(part.sessions[event.number])):
                    entries.append(Entry(number, event, ending=text))
            else:
                if isinstance(event, FaultFired):
                    self._explained.append(event.peer)
                entries.append(Entry(number, event))
        return Batch(entries, part.lost)

    async def _take_in_thread(self) -> _Part:
        return self._take()

    def _take(self) -> _Part:
        self._pending = False
        lost = self._log.last - self._position
        entries = self._log.numbered(self._position)
        self._position = self._log.last
        closed = {each.number for _, each in entries if isinstance(each, SessionClosed)}
        known = self._control.services.sessions.known(min(closed) - 1) if closed else []
        idle = {each.number: each for each in known if each.number in closed and not each.delivered}
        return _Part(entries, lost - len(entries), idle)

    def _ending(self, session: Session) -> str:
        """Return the refusal that ended ``session``; empty if another event explains it, or it was not refused."""
        if session.peer in self._explained:
            return ""
        text = ending(session, self._explained)
        return text if text.startswith("was refused") and "C: AUTH" not in text else ""
