"""An HTTP connection that refuses malformed requests in JSON, like all other requests, and limits its own life.

1. Malformed HTTP never reaches a route: it is answered with 400, and the connection is closed (RFC 9112 section 2.2).
   The path, if it can be read, determines the API style of the answer.
2. A client's error is not logged.
3. ``work`` identifies the request in progress, from its first byte until it is answered and its body was read.
4. A client has ``HEAD_TIMEOUT`` seconds of real time for the request line and the headers: from the moment that it
   connects, later from the first byte of a request. Then the connection is closed, after a 408 if the line is complete.
5. At most ``MAX_IDLE`` connections of a server are idle. A new one closes those that have been idle the longest.
6. The base class is aiohttp's ``RequestHandler``. Its ``_waiter`` is pending while it waits for a request; its
   ``_task_handler`` serves all requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from sirrchat_testkit.http.style import ApiStyle, style_at

HEAD_BYTES: Final = 8190
"""Bytes of a request that are kept until it is answered. They include its path."""

LINE_BYTES: Final = 65_536
"""Bytes of a request line: a message can be stored for as many recipients as its header names (1000)."""

HEAD_TIMEOUT: Final = 10.0
MAX_IDLE: Final = 256

_PIECE: Final = 262_144
"""Bytes of a body that is written at once."""


class Connection(web.RequestHandler):
    """A connection to ``server``, which serves ``app``."""

    def __init__(self, server: web.Server, app: web.Application, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), max_line_size=LINE_BYTES, **options)
        self._app = app
        self._server = server
        self._head = b""
        self._head_timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0
        self._answered = False
        self._work: object = None
        self._unread = self._in_head = False

    @property
    def work(self) -> object | None:
        """The request in progress; None while the connection is idle."""
        return self._work if self._unread or self._in_head or not self._waits else None

    @property
    def _waits(self) -> bool:
        """Whether the connection is waiting for the next request."""
        return self._waiter is not None and not self._waiter.done()

    def abort(self) -> None:
        """Cancel the request in progress, before its next step, and close the connection."""
        if self._task_handler is not None:
            self._task_handler.cancel()
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection. If it was not read while the API was loading, it counts as a request in progress."""
        assert isinstance(transport, asyncio.Transport)
        self._work, self._unread = transport, not transport.is_reading()
        super().connection_made(transport)
        self.idle_since = self._loop.time()
        self._start_head_timer()
        self._loop.call_soon(self._limit_idle)  # after the base class has begun to wait for a request

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the timer."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep the beginning of the request, then parse it."""
        if self._answered:
            self._head, self._answered = b"", False
        if len(self._head) < HEAD_BYTES:
            self._head += data[:HEAD_BYTES]
        waited = self._waits
        if waited and not self._in_head:
            self._work, self._unread = object(), False
        super().data_received(data)
        self._in_head = waited and self._waits
        if self._in_head:
            self._start_head_timer()
        else:
            self._stop_head_timer()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, a large one piece by piece. Bytes that arrive afterwards belong to the next request."""
        self._answered = True
        self.idle_since = self._loop.time()
        if isinstance(resp, web.Response) and isinstance(resp.body, bytes) and len(resp.body) > _PIECE:
            _divide(resp, resp.body)
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that reached no route; the connection is closed after it."""
        if message is None:
            super().handle_error(request, status, exc)  # it logs errors of the server
            message = "internal server error; see the server's log"
        elif isinstance(exc, LineTooLong):
            _, limit, *_ = exc.args
            message = f"malformed request: the request line or a header is longer than {limit} bytes"
        else:
            message = f"malformed request: {_one_line(message)}"
        refusal = api_style_at(self._app, self._head).refuse(status, message)
        refusal.force_close()
        return refusal

    def _start_head_timer(self) -> None:
        if self._head_timer is None and self.transport is not None:
            self._head_timer = self._loop.call_later(HEAD_TIMEOUT, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        self._head_timer = None
        if self.transport is None or not self._waits:
            return
        if b"\n" in self._head.lstrip(b"\r\n"):
            text = f"the headers were not complete within {HEAD_TIMEOUT:g} seconds"
            self.transport.write(_request_timeout(api_style_at(self._app, self._head), text))
        self.force_close()

    def _limit_idle(self) -> None:
        """Close the connections that have been idle the longest, down to ``MAX_IDLE``."""
        connections = cast("list[Connection]", self._server.connections)
        if len(connections) <= MAX_IDLE:
            return
        idle = sorted((each for each in connections if each.work is None), key=lambda each: each.idle_since)
        for each in idle[: max(len(idle) - MAX_IDLE, 0)]:
            each.force_close()

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log an error, except for a body that could not be read to its end."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **options)


def api_style_at(app: web.Application, head: bytes) -> ApiStyle:
    """Return the API style of the path in ``head``, the first bytes of a request; that of "" if it cannot be read."""
    words = head.split(b" ", 2)
    return style_at(app, words[1].decode("latin-1").partition("?")[0] if len(words) > 1 else "")


def _request_timeout(style: ApiStyle, text: str) -> bytes:
    """Return the whole answer 408; aiohttp writes only answers to complete requests."""
    body = style.refuse(408, text).body
    assert isinstance(body, bytes)
    head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _one_line(message: str) -> str:
    """Return a parser's ``message`` without line breaks and the mark below the wrong character."""
    return " ".join(message.split()).removesuffix(" ^")


def _divide(response: web.Response, body: bytes) -> None:
    """Have ``body`` written piece by piece: at once it would be copied several times while all others wait."""
    response.headers["Content-Length"] = str(len(body))
    response.body = _pieces(memoryview(body))


async def _pieces(body: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
