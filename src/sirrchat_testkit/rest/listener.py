"""Where HTTP is listened for: bound before it is entered, wound up when it is left.

1. On the way out requests in flight have ``GRACE`` seconds to finish; waiting connections are closed at once.
2. A client's bad HTTP is the client's matter: it is answered with 400 in a dialect's shape, and nothing is printed.
3. A forked child inherits the sockets: ``close_in_child`` lets go of them and touches nothing the parent uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.rest.application import application
from sirrchat_testkit.rest.connection import Connection
from sirrchat_testkit.rest.middleware import LOG
from sirrchat_testkit.sockets import bind

GRACE: Final = 1.0
"""Seconds of real time that requests in flight have when the listener stops."""


class Listener:
    """A bound HTTP socket; ``host`` and ``port`` are what it is bound to."""

    def __init__(self, runner: web.AppRunner, sock: socket.socket) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self._runner = runner
        self._sock = sock

    def __repr__(self) -> str:
        return f"<HTTP on {self.host}:{self.port}>"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    def close_in_child(self) -> None:
        """Close every inherited socket. To be called in a forked child, and nowhere else.

        Only the descriptors are closed: the event loop's epoll is shared with the parent and must not hear of it.
        """
        server = self._runner.server
        connected = [each.transport for each in server.connections] if server is not None else []
        inherited = [each.get_extra_info("socket") for each in connected if each is not None]
        for each in (self._sock, *(getattr(wrapped, "_sock", None) for wrapped in inherited)):
            if each is not None:
                each.close()


@contextlib.asynccontextmanager
async def serve_rest(backend: Backend) -> AsyncIterator[Listener]:
    """Listen for HTTP as ``backend.settings`` says, on the running loop, until the context is left.

    Raises:
        OSError: The port is taken, or the host is none of this machine's.
    """
    sock = await bind("HTTP", backend.settings.host, backend.settings.http_port)
    app = application(backend)
    runner = web.AppRunner(app, handle_signals=False, handler_cancellation=True, shutdown_timeout=GRACE)
    await runner.setup()
    server = runner.server
    assert server is not None
    connect = functools.partial(Connection, server, app, access_log=None, logger=LOG)
    try:
        accepting = await asyncio.get_running_loop().create_server(connect, sock=sock)
        try:
            yield Listener(runner, sock)
        finally:
            accepting.close()
    finally:
        await runner.cleanup()
