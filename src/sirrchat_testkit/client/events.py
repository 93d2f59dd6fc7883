"""The event stream of the control API: Server-Sent Events, over connections that may break.

1. ``EventSource`` does no I/O: it parses what arrives, and knows the last id, after which the next connection begins.
2. A read that fails or is cancelled gives up the connection. What had arrived is kept; the next read connects again.
3. ``Attempts`` decides whether and when to connect again; an event begins a new count.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

# ruff: noqa: SLF001 - a stream is a part of its client

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Final, Generic, Never, Self, TypeVar

import anyio
import httpx
from pydantic_core import from_json

from sirrchat_testkit.client.calls import STREAM, Call, read_model
from sirrchat_testkit.client.driver import AsyncDriver, Driver, SyncDriver
from sirrchat_testkit.client.errors import UnexpectedResponse, unexpected
from sirrchat_testkit.schemas.control_events import KINDS, Event

__tracebackhide__ = True

C = TypeVar("C", bound=Driver)

QUIET: Final = 15.0
"""Seconds after which the server writes a comment if nothing happens."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)


class EventSource:
    """The events of a server, as they arrive over one connection after the other.

    Args:
        after: The id of the last known event; None for what happens from the first connection on.

    Attributes:
        last: The id after which the next connection begins; None until the first connection has one.
        next: The call that opens the next connection.
        ready: Events that were read and not returned yet.
    """

    def __init__(self, after: int | None) -> None:
        self.ready: deque[Event] = deque()
        self.last = after
        self.begin()

    @property
    def next(self) -> Call[Never]:
        """The call that opens the next connection."""
        return Call("GET", "/events", _no_stream, query={"after": self.last}, accept=STREAM, wait=QUIET)

    def begin(self) -> None:
        """Begin to read a connection."""
        self._rest = b""
        self._parts = 0
        self._id = self._name = b""
        self._data: list[bytes] = []

    def take(self, part: bytes) -> bool:
        """Read ``part``; return whether it shows that the connection lasts.

        The first part does so only with an event, because the server writes it at once.

        Raises:
            ValueError: It is not a part of such a stream.
        """
        before, self._parts = len(self.ready), self._parts + 1
        *lines, self._rest = _LINE_END.split(self._rest + part)
        for line in lines:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if not line:
                self._end_event()
            elif name == b"id":
                self._id = value
            elif name == b"event":
                self._name = value
            elif name == b"data":
                self._data.append(value)
        return self._parts > 1 or len(self.ready) > before

    def _end_event(self) -> None:
        """Note the id, and add the event if there are data. Events that this version does not know are left out."""
        if self._id:
            self.last = int(self._id)
        kind, data = KINDS.get(self._name.decode("utf-8", "replace")), b"\n".join(self._data)
        self._name, self._data = b"", []
        if kind is not None and data:
            self.ready.append(read_model(kind, from_json(data)))


def _no_stream(_content: bytes) -> Never:
    raise ValueError("it is not a stream of events")


class _Stream(Generic[C]):
    def __init__(self, client: C, source: EventSource) -> None:
        self._client = client
        self._source = source
        self._attempts = client._attempts(source.next)
        self._was_open = self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"

    def _begin(self) -> None:
        """Begin to read a connection. From the first one on, there is more time to connect again."""
        self._source.begin()
        if not self._was_open:
            self._was_open = True
            self._renew_attempts()

    def _renew_attempts(self) -> None:
        self._attempts = self._client._attempts(self._source.next, patient=True)

    def _take(self, part: bytes, response: httpx.Response) -> None:
        """Read a part of the stream; an empty one is its end. Raises ``httpx.HTTPError`` or ``UnexpectedResponse``."""
        if not part:
            raise httpx.RemoteProtocolError("the server ended the stream")
        try:
            lasts = self._source.take(part)
        except ValueError as error:
            raise unexpected(response, str(error)) from None
        if lasts:
            self._renew_attempts()


class EventStream(_Stream[SyncDriver], Iterator[Event]):
    """The events of a server, as ``client.events()`` returns them: an iterator that waits for the next event.

    ``close``, or the end of a ``with`` block, closes the connection. The beginning of the block opens it, and reads the
    id at which the stream begins, so that no later event is missed; without a block, the first ``next`` does.
    """

    _connection: tuple[httpx.Response, Iterator[bytes]] | None = None

    def close(self) -> None:
        """Close the connection, and end the iteration."""
        self._is_closed = True
        if self._connection is not None:
            response, _ = self._connection
            self._connection = None
            response.close()

    def __enter__(self) -> Self:
        self._connection = self._connection or self._connect()
        while self._source.last is None:
            self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> Event:
        while not self._is_closed:
            if self._source.ready:
                return self._source.ready.popleft()
            self._read()
        raise StopIteration

    def _connect(self) -> tuple[httpx.Response, Iterator[bytes]]:
        response = self._client._open(self._source.next, self._attempts)
        self._begin()
        return response, response.iter_bytes()

    def _read(self) -> None:
        """Read a part of the stream, over a new connection if there is none; pause after a failure."""
        response, parts = self._connection or self._connect()
        self._connection = None
        try:
            self._take(next(parts, b""), response)
        except httpx.HTTPError as error:
            self._client._sleep(self._attempts.after_error(error))
        else:
            self._connection = response, parts


class AsyncEventStream(_Stream[AsyncDriver], AsyncIterator[Event]):
    """``EventStream`` for ``async for``, on asyncio or trio.

    ``aclose``, or the end of an ``async with`` block, closes the connection, and so does closing the client. A read
    that is cancelled, such as by a timeout, loses no event.
    """

    _connection: tuple[httpx.Response, AsyncIterator[bytes]] | None = None

    async def aclose(self) -> None:
        """Close the connection, and end the iteration."""
        self._is_closed = True
        if self._connection is not None:
            _, parts = self._connection
            self._connection = None
            await _end(parts)
        self._client._streams.discard(self)

    async def __aenter__(self) -> Self:
        self._connection = self._connection or await self._connect()
        while self._source.last is None:
            await self._read()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __anext__(self) -> Event:
        while not self._is_closed:
            if self._source.ready:
                return self._source.ready.popleft()
            await self._read()
        raise StopAsyncIteration

    async def _connect(self) -> tuple[httpx.Response, AsyncIterator[bytes]]:
        response = await self._client._open(self._source.next, self._attempts)
        self._client._streams.add(self)
        self._begin()
        return response, response.aiter_bytes()

    async def _read(self) -> None:
        """Read a part of the stream, over a new connection if there is none; pause after a failure."""
        response, parts = self._connection or await self._connect()
        self._connection = None
        try:
            self._take(await anext(parts, b""), response)
        except httpx.HTTPError as error:
            await self._client._sleep(self._attempts.after_error(error))
        except UnexpectedResponse:
            await _end(parts)
            raise
        else:
            self._connection = response, parts


async def _end(parts: AsyncIterator[bytes]) -> None:
    """Close the connection that ``parts`` are read from, by a read that is cancelled.

    httpx reads with nested generators, and only an exception ends them all; trio warns about one that has not ended.
    """
    with anyio.CancelScope() as scope:
        scope.cancel()
        while await anext(parts, b""):
            pass
