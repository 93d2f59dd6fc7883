"""The event stream of the control API: Server-Sent Events of the event log.

1. A client that names the last event that it knows gets everything after it, without a gap: first what the log holds,
   then what happens. If the log no longer holds what follows, or the event is from before a restart, the first event is
   ``gap``. A stream begins with an ``id`` without an event, so that a client knows one before the first event.
2. Events are encoded once for all streams, and written together every ``PAUSE`` seconds.
3. A stream that is not read delays no other client, and soon costs nothing: while ``BUFFERED`` bytes are unread,
   nothing is written to it, and only its position in the log is kept. It is closed when the log has dropped the event
   that it would get next; that is an event as well.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event, EventLog
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.published import PUBLISHED
from sirrchat_testkit.http.parameters import Parameter
from sirrchat_testkit.http.style import encode

SINCE = Parameter(
    "after",
    "The id of the last event that is known; 0 for all that are held. Default: only later events. The header "
    "`Last-Event-ID` means the same and takes precedence.",
    {"type": "integer", "minimum": 0},
)

PAUSE: Final = 0.05
"""Seconds of real time for which events are collected before they are written."""

HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers of a stream."""

QUIET: Final = 15.0
"""Seconds of real time after which a stream without events gets a comment, so that no proxy closes it."""

BUFFERED: Final = 65_536
"""Bytes that the system buffers for a stream that is not read. Without a limit it would take some megabytes."""

_SLICE: Final = 200
"""Held events that are encoded in one step of the loop."""

_LONGEST_ID: Final = 18


NAMES: Final = ("gap", *(name for name, _ in PUBLISHED.values()))


def shown(number: int, event: Event) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the data of ``event``, or None if it is not published."""
    if type(event) not in PUBLISHED:
        return None
    name, show = PUBLISHED[type(event)]
    return name, {"id": number, "at": iso_milliseconds(event.at), **show(event)}


def encoded(number: int, event: Event) -> bytes:
    """Return ``event`` as a Server-Sent Event, or nothing if it is not published."""
    published = shown(number, event)
    if published is None:
        return b""
    name, data = published
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), encode(data))


class Stream(ABC):
    """A client's stream, which is written as fast as the client reads."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.ended = self.is_writing = False
        self._ready = asyncio.Event()

    @abstractmethod
    def take(self) -> bytes:
        """Return the bytes to write next; empty if there are none until ``wake`` is called."""

    def wake(self) -> None:
        """Note that there may be something to write."""
        self._ready.set()

    def end(self) -> None:
        """End the stream."""
        self.ended = True
        self._ready.set()

    def drop(self) -> None:
        """Close the connection at once, whether or not the client has read everything."""
        self.end()
        if self.request.transport is not None:
            self.request.transport.abort()

    async def write_to(self, response: web.StreamResponse) -> None:
        """Write what there is, until the stream ends."""
        while not self.ended:
            data = self.take()
            if not data:
                self._ready.clear()
                try:
                    async with asyncio.timeout(QUIET):
                        await self._ready.wait()
                except TimeoutError:
                    data = b": quiet\n\n"
            if data:
                self.is_writing = True
                await response.write(data)  # which waits until the client has read enough
                self.is_writing = False


class Batch(NamedTuple):
    """The latest events that are written together, and encoded: those after the number ``before``, up to ``last``."""

    before: int
    last: int
    data: bytes | None = None


class EventStream(Stream):
    """A stream of events, after the event number ``position``."""

    def __init__(self, request: web.Request, position: int, events: EventViews) -> None:
        super().__init__(request)
        self.position = position
        self._events = events

    def take(self) -> bytes:
        """Return the next events."""
        data = self._events.gap(self)
        while not data and self.position < self._events.last:
            data, self.position = self._events.part(self.position)
        return data


class EventViews:
    """The route of the event stream."""

    def __init__(self, control: ServerControl) -> None:
        self._log: EventLog = control.services.events
        self._now = control.services.clock.now
        self._streams: list[EventStream] = []
        self._batch = Batch(0, 0)
        self._is_collecting = False
        self._unsubscribe: Callable[[], None] | None = None
        control.at_stop(self._end)

    async def stream_events(self, request: web.Request) -> web.StreamResponse:
        """Return a stream of events, as Server-Sent Events, until the client closes it.

        Each has an ``id``, a name such as ``message.received``, and data with the ids to ask for more. After ``gap``,
        events may be missing: its data has the ``oldest`` id that is held.
        """
        after = _after(request)
        response = web.StreamResponse(headers=HEADERS)
        stream = EventStream(request, self._log.last if after is None else after, self)
        gap = self.gap(stream)
        with suppress(ConnectionResetError):  # the client has closed the connection
            await response.prepare(request)
            limit_buffer(request)
            await response.write(b": events\nid: %d\n\n%s" % (stream.position, gap))
            self._join(stream)
            try:
                await stream.write_to(response)
            finally:
                self._leave(stream)
        return response

    @property
    def last(self) -> int:
        """The number of the last event that streams get now."""
        return self._batch.last

    def part(self, position: int) -> tuple[bytes, int]:
        """Return the next events after the number ``position``, encoded, and the number of the last of them."""
        batch = self._batch
        if position != batch.before:
            end = batch.last if position > batch.before else batch.before
            some = [(number, event) for number, event in self._log.numbered(position, _SLICE) if number <= end]
            return _joined(some), some[-1][0] if some else end
        if batch.data is None:
            new = self._log.numbered(position, batch.last - position)
            self._batch = batch = batch._replace(data=_joined(new))
        return batch.data or b"", batch.last

    def gap(self, stream: EventStream) -> bytes:
        """Return the event ``gap`` if events are missing at the position of ``stream``, which continues after it."""
        if not self._log.misses(stream.position):
            return b""
        oldest = self._log.last - len(self._log.held()) + 1
        stream.position = oldest - 1
        data = encode({"id": oldest - 1, "at": iso_milliseconds(self._now()), "oldest": oldest})
        return b"id: %d\nevent: gap\ndata: %s\n\n" % (oldest - 1, data)

    def _join(self, stream: EventStream) -> None:
        self._streams.append(stream)
        if self._unsubscribe is None:
            self._batch = Batch(self._log.last, self._log.last)
            self._unsubscribe = self._log.subscribe(self._collect, lambda _: not self._is_collecting)

    def _leave(self, stream: EventStream) -> None:
        self._streams.remove(stream)
        if not self._streams and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()

    def _collect(self, _number: int, _event: Event) -> None:
        """Collect events for a moment, from the first one on."""
        if not self._is_collecting:
            self._is_collecting = True
            asyncio.get_running_loop().call_later(PAUSE, self._write)

    def _write(self) -> None:
        """Wake the streams, and drop those that were not read until the log dropped their next event."""
        self._is_collecting = False
        self._batch = Batch(self._batch.last, self._log.last)
        for stream in self._streams:
            if stream.ended:
                continue
            if stream.is_writing and self._log.misses(stream.position):
                stream.drop()
                self._log.append(domain.StreamDropped(at=self._now(), peer=stream.request.remote or ""))
            else:
                stream.wake()


def _joined(events: Iterable[tuple[int, Event]]) -> bytes:
    return b"".join(encoded(number, each) for number, each in events)


def limit_buffer(request: web.Request) -> None:
    """Limit the system's send buffer for the client of ``request`` to ``BUFFERED`` bytes."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFERED)


def _after(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or SINCE.read(request)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_ID:
        raise InvalidValue("after must be the id of an event, an integer", field="after", value=text)
    return int(text)
