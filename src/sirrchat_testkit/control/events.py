"""The event stream of the control API: Server-Sent Events of the event log.

1. A client that names the last event that it knows gets everything after it, without a gap: first what the log holds,
   then what happens. If the log no longer holds what follows, or the event is from before a restart, the first event is
   ``gap``. A stream begins with an ``id`` without an event, so that a client knows one before the first event.
2. Events are encoded once for all streams, and written together every ``PAUSE`` seconds.
3. A stream that is not read holds up nobody. When more than ``MOST_UNREAD`` bytes are waiting for it, it is closed, and
   that is an event as well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

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
"""Seconds of real time after which a stream without events gets a comment, so that nobody between closes it."""

MOST_UNREAD: Final = 4_194_304
"""Bytes that wait for one stream at most."""

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


class Stream:
    """One client's stream: what is to be written, and the number of the last event that it has."""

    def __init__(self, request: web.Request, position: int) -> None:
        self.request = request
        self.position = position
        self.unread: deque[bytes] = deque()
        self.size = 0
        self.dropped = self.ended = False
        self.ready = asyncio.Event()

    def push(self, data: bytes) -> None:
        """Add ``data``; drop the stream if it is not read."""
        self.size += len(data)
        if self.size > MOST_UNREAD:
            self.dropped = True
            self.unread.clear()
            if self.request.transport is not None:
                self.request.transport.abort()
        else:
            self.unread.append(data)
        self.ready.set()

    def end(self) -> None:
        """End the stream after what is still to be written."""
        self.ended = True
        self.ready.set()

    async def write_to(self, response: web.StreamResponse) -> None:
        """Write what is pushed, until the stream is dropped or ended."""
        while not (self.dropped or self.ended):
            try:
                async with asyncio.timeout(QUIET):
                    await self.ready.wait()
            except TimeoutError:
                await response.write(b": quiet\n\n")
            self.ready.clear()
            while self.unread:
                data = self.unread.popleft()
                self.size -= len(data)
                await response.write(data)


class EventViews:
    """The route of the event stream."""

    def __init__(self, control: ServerControl) -> None:
        self._log: EventLog = control.services.events
        self._now = control.services.clock.now
        self._streams: list[Stream] = []
        self._pending: list[tuple[int, Event]] = []
        self._unsubscribe: Callable[[], None] | None = None
        control.at_stop(self._end)

    async def stream_events(self, request: web.Request) -> web.StreamResponse:
        """Return a stream of events, as Server-Sent Events, until the client closes it.

        Each has an ``id``, a name such as ``message.received``, and data with the ids to ask for more. After ``gap``,
        events may be missing: its data has the ``oldest`` id that is held.
        """
        after = _after(request)
        response = web.StreamResponse(headers=HEADERS)
        stream = Stream(request, self._log.last if after is None else after)
        gap = self._gap(stream, after)
        with suppress(ConnectionResetError):  # the client has closed the connection
            await response.prepare(request)
            await response.write(b": events\nid: %d\n\n%s" % (stream.position, gap))
            await self._catch_up(stream, response)
            await self._follow(stream, response)
        return response

    async def _follow(self, stream: Stream, response: web.StreamResponse) -> None:
        """Write what happens, until the stream is dropped or the server stops."""
        self._join(stream)
        try:
            await stream.write_to(response)
        finally:
            self._leave(stream)

    def _gap(self, stream: Stream, after: int | None) -> bytes:
        """Return the event ``gap`` if events after ``after`` are missing, and let the stream go on behind it."""
        if after is None or not self._log.misses(after):
            return b""
        oldest = self._log.last - len(self._log.held()) + 1
        stream.position = oldest - 1
        data = encode({"id": oldest - 1, "at": iso_milliseconds(self._now()), "oldest": oldest})
        return b"id: %d\nevent: gap\ndata: %s\n\n" % (oldest - 1, data)

    async def _catch_up(self, stream: Stream, response: web.StreamResponse) -> None:
        """Write the held events; afterwards the stream is at the end of the log."""
        while stream.position < self._log.last:
            held = self._log.held(stream.position)
            first = self._log.last - len(held) + 1
            part = held[:_SLICE]
            stream.position = first + len(part) - 1
            data = b"".join(encoded(number, each) for number, each in enumerate(part, first))
            if data:
                await response.write(data)

    def _join(self, stream: Stream) -> None:
        self._streams.append(stream)
        if self._unsubscribe is None:
            self._unsubscribe = self._log.subscribe(self._collect)

    def _leave(self, stream: Stream) -> None:
        self._streams.remove(stream)
        if stream.dropped:
            peer = stream.request.remote or ""
            self._log.append(domain.StreamDropped(at=self._now(), peer=peer))
        if not self._streams and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()

    def _collect(self, number: int, event: Event) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_later(PAUSE, self._write)
        self._pending.append((number, event))

    def _write(self) -> None:
        """Push what was collected to every stream, except what it has already."""
        pending, self._pending = self._pending, []
        made = [(number, encoded(number, event)) for number, event in pending]
        whole = b"".join(data for _, data in made)
        first, last = pending[0][0], pending[-1][0]
        for stream in self._streams:
            new = whole if stream.position < first else b"".join(data for each, data in made if each > stream.position)
            stream.position = max(stream.position, last)
            if new:
                stream.push(new)


def _after(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or SINCE.read(request)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_ID:
        raise InvalidValue("after must be the id of an event, an integer", field="after", value=text)
    return int(text)
