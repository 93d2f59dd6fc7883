"""The HTTP listener. It loads the API when the first connection arrives.

1. aiohttp, pydantic and the API's own modules take far longer to import than the rest of a server, and many tests never
   call the API. So a thread imports them when the first connection arrives; the loop is not blocked.
2. Connections that arrive in the meantime are accepted but not read. They are served once the API is loaded.
   ``serve`` calls ``load``, which imports them and the web inbox, as soon as it is ready.
3. If freezegun is loaded, the API is imported at once: pydantic, imported while the time is frozen, would not recognize
   ``datetime`` afterwards.
4. A failed import is reported as a crash. The waiting connections are closed; the next connection tries again.
5. On exit, requests in progress have ``GRACE`` seconds to finish; waiting connections are closed at once.
6. When a scope ends, requests that began in it are cancelled and their connections closed, as are connections that
   began to wait for the API in it. Idle connections stay open.
7. Malformed HTTP is answered with 400 in the API's own shape; nothing is printed.
8. A forked child inherits the sockets: ``close_in_child`` closes them and touches nothing that the parent uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.extras import has_web
from sirrchat_testkit.net import bind
from sirrchat_testkit.threads import import_in_thread

if TYPE_CHECKING:
    from aiohttp import web

    from sirrchat_testkit.http.connection import Connection
    from sirrchat_testkit.http.operations import Api
    from sirrchat_testkit.http.pages import Pages

GRACE: Final = 1.0
"""Seconds of real time for requests in progress to finish when the listener stops."""


class Listener:
    """A bound HTTP socket; ``host`` and ``port`` are its address."""

    def __init__(
        self,
        services: Services,
        sock: socket.socket,
        more: Callable[[], Sequence[Api]],
        pages: Callable[[], Pages] | None,
    ) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self._services = services
        self._more = more
        self._pages = pages and functools.cache(pages)
        self._sock = sock
        self._accepting: asyncio.Server | None = None
        self._waiting: list[asyncio.Transport] = []
        self._loading: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._connect: Callable[[], asyncio.Protocol] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<HTTP on {self.host}:{self.port}>"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    async def open(self) -> None:
        """Accept connections."""
        self._accepting = await asyncio.get_running_loop().create_server(self._accept, sock=self._sock)
        self._services.scopes.join(self)
        if "freezegun" in sys.modules:
            await self._begin_loading()

    async def load(self) -> None:
        """Import the API, and the web inbox if it is installed, before the first request for them."""
        await self._begin_loading()
        if self._pages is not None and has_web():
            try:
                await import_in_thread(self._pages)
            except Exception as error:  # noqa: BLE001 - the API works without it
                self._services.crashed("loading the web inbox", error)

    async def close(self) -> None:
        """Close the port and every connection."""
        self._closed = True
        if self._accepting is not None:
            self._accepting.close()
        self._sock.close()
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        self._drop_waiting()
        if self._runner is not None:
            await self._runner.cleanup()

    def mark(self) -> frozenset[object]:
        """Return the requests in progress, and the connections that wait for the API."""
        return frozenset((*self._waiting, *(each.work for each in self._connections())))

    def end(self, mark: frozenset[object]) -> None:
        """Abort the requests and the waiting connections that are not in ``mark``."""
        for each in self._connections():
            if each.work is not None and each.work not in mark:
                each.abort()
        for transport in [each for each in self._waiting if each not in mark]:
            transport.abort()
            self._waiting.remove(transport)

    async def rewind(self, mark: frozenset[object]) -> None:
        """Do nothing: ``end`` did everything."""

    def close_in_child(self) -> None:
        """Close every inherited socket. Call it in a forked child only.

        Only the descriptors are closed: the event loop's epoll is shared with the parent and must not be changed.
        """
        connected = [each.transport for each in self._connections()]
        inherited = [each.get_extra_info("socket") for each in (*connected, *self._waiting) if each is not None]
        for each in (self._sock, *(getattr(wrapped, "_sock", None) for wrapped in inherited)):
            if each is not None:
                each.close()

    def _connections(self) -> list[Connection]:
        server = self._runner.server if self._runner is not None else None
        return cast("list[Connection]", server.connections) if server is not None else []

    def _accept(self) -> asyncio.Protocol:
        return self._connect() if self._connect is not None else _Waiting(self._wait)

    def _wait(self, transport: asyncio.Transport) -> None:
        if self._closed:
            transport.abort()
        elif self._connect is not None:  # loaded since the connection was accepted
            _hand_over(transport, self._connect())
        else:
            self._waiting.append(transport)
            self._begin_loading()

    def _begin_loading(self) -> asyncio.Task[None]:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return self._loading

    async def _load(self) -> None:
        try:
            runner, connect = await import_in_thread(
                functools.partial(_load_api, self._services, self._more, self._pages)
            )
            self._runner = runner
            await runner.setup()
        except Exception as error:  # noqa: BLE001 - raised in the test that owns the server
            self._services.crashed("loading the REST API", error)
            self._drop_waiting()
            self._loading = None
            return
        self._connect = connect
        for transport in self._waiting:
            _hand_over(transport, connect())
        self._waiting.clear()

    def _drop_waiting(self) -> None:
        for transport in self._waiting:
            transport.abort()
        self._waiting.clear()


class _Waiting(asyncio.Protocol):
    """A connection that arrived before the API was loaded. It is not read yet."""

    def __init__(self, arrived: Callable[[asyncio.Transport], None]) -> None:
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stop reading; data from the client stays in the socket."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._arrived(transport)


@contextlib.asynccontextmanager
async def serve_rest(
    services: Services, more: Callable[[], Sequence[Api]] = tuple, pages: Callable[[], Pages] | None = None
) -> AsyncIterator[Listener]:
    """Listen for HTTP at the host and port of the settings, on the running loop, until the context is left.

    Args:
        services: The domain that the APIs serve.
        more: Imports and returns further APIs. It is called in a thread.
        pages: Imports and returns the pages for people, at the first request for one. It is called in a thread.

    Raises:
        OSError: The port is taken, or the host is not an address of this machine.
    """
    sock = await bind("HTTP", services.settings.value.host, services.settings.value.http_port)
    listener = Listener(services, sock, more, pages)
    try:
        await listener.open()
        yield listener
    finally:
        await listener.close()


def _hand_over(transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()


def _load_api(
    services: Services, more: Callable[[], Sequence[Api]], pages: Callable[[], Pages] | None
) -> tuple[web.AppRunner, Callable[[], asyncio.Protocol]]:
    """Import and build the API. Return its runner, and a function that makes the protocol of a connection."""
    from aiohttp import web

    from sirrchat_testkit.http.app import application
    from sirrchat_testkit.http.connection import Connection
    from sirrchat_testkit.http.middleware import LOG

    app = application(services, more(), pages)
    runner = web.AppRunner(app, handle_signals=False, handler_cancellation=True, shutdown_timeout=GRACE)

    def connect() -> Connection:
        assert runner.server is not None
        return Connection(runner.server, app, access_log=None, logger=LOG, auto_decompress=False)

    return runner, connect
