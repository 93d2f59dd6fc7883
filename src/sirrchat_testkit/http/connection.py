"""A connection whose unreadable requests are refused in JSON, as every other request is.

1. HTTP that the parser refuses (RFC 9112 section 2.2: 400, and the end of the connection) never reaches a route. Its
   target, if it can be read, decides in which API style it is refused.
2. That is the client's matter: no log hears of it.
3. ``work`` identifies the request in progress: from its first byte until it is answered and its body was read.
4. ``RequestHandler`` is aiohttp's own, with ``connection_made``, ``handle_error``, ``data_received``,
   ``finish_response`` and ``log_exception`` overridden. Its ``_waiter`` is pending while it waits for a request; its
   ``_task_handler`` serves all requests.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from sirrchat_testkit.http.style import API_STYLE, ApiStyle

HEAD_BYTES: Final = 8190
"""Bytes of a request that are kept until it is answered: its target is among them."""


class Connection(web.RequestHandler):
    """One connection of ``server``, which serves ``app``."""

    def __init__(self, server: web.Server, app: web.Application, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._app = app
        self._head = b""
        self._answered = False
        self._work: object = None
        self._unread = self._in_head = False

    @property
    def work(self) -> object | None:
        """The request in progress; None while the connection is idle."""
        return self._work if self._unread or self._in_head or not self._waits else None

    @property
    def _waits(self) -> bool:
        """Whether no complete header of a request was read that is not answered yet."""
        return self._waiter is not None and not self._waiter.done()

    def abort(self) -> None:
        """Cancel the request in progress, before its next step, and close the connection."""
        if self._task_handler is not None:
            self._task_handler.cancel()
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection. One that was not read until now, because the API was loading, counts as a request."""
        assert isinstance(transport, asyncio.Transport)
        self._work, self._unread = transport, not transport.is_reading()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note how the request begins, then read it."""
        if self._answered:
            self._head, self._answered = b"", False
        if len(self._head) < HEAD_BYTES:
            self._head += data[:HEAD_BYTES]
        waited = self._waits
        if waited and not self._in_head:
            self._work, self._unread = object(), False
        super().data_received(data)
        self._in_head = waited and self._waits

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer; what comes next is another request."""
        self._answered = True
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return what a request is refused with that no route was asked about; the connection ends with it."""
        if message is None:
            super().handle_error(request, status, exc)  # it logs a failure of the server
            message = "the server failed; its log says how"
        else:
            message = f"the request cannot be read: {_one_line(message)}"
        refusal = api_style_at(self._app, self._head).refuse(status, message)
        refusal.force_close()
        return refusal

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log that something failed, unless it is the rest of a body that nobody can read."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **options)


def api_style_at(app: web.Application, head: bytes) -> ApiStyle:
    """Return the API style of the path in ``head``, the first bytes of a request; the outermost one if unclear."""
    words = head.split(b" ", 2)
    path = words[1].decode("latin-1").partition("?")[0] if len(words) > 1 else ""
    found = app
    longest = ""
    for resource in app.router.resources():
        info = resource.get_info()
        prefix = info.get("prefix", "")
        if len(prefix) > len(longest) and f"{path}/".startswith(f"{prefix}/"):
            found, longest = info["app"], prefix
    return found[API_STYLE]


def _one_line(message: str) -> str:
    """Return a parser's ``message`` without the mark that points into the line above it."""
    return " ".join(message.split()).removesuffix(" ^")
