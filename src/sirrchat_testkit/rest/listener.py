"""The HTTP listener.

1. The socket is bound by hand, so that port 0 can be read back and a forked child can close what it inherited.
2. On the way out requests in flight have ``GRACE`` seconds to finish; waiting connections are closed at once.
3. A client's bad HTTP is the client's matter: it is answered with 400, and no log hears of it.
"""

from __future__ import annotations

import logging
import socket
from types import TracebackType

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.rest.application import application

GRACE = 1.0
"""Seconds that requests in flight have when the listener closes."""


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_LOG = logging.getLogger("sirrchat_testkit.rest.http")
_LOG.addHandler(logging.NullHandler())
_LOG.addFilter(_is_news)


class RestListener:
    """Serves ``backend`` over HTTP from entry to exit; entering gives the bound host and port."""

    def __init__(self, backend: Backend) -> None:
        self._settings = backend.settings
        self._runner = web.AppRunner(
            application(backend),
            handle_signals=False,
            access_log=None,
            logger=_LOG,
            handler_cancellation=True,
            shutdown_timeout=GRACE,
        )
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> tuple[str, int]:
        """Accept requests on the running loop. Raises ``OSError`` where the port cannot be had."""
        host, port = self._settings.host, self._settings.http_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        host, port, *_ = self._socket.getsockname()
        return host, port

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is under way, then let go of the port."""
        await self._runner.cleanup()

    def close_in_child(self) -> None:
        """Close the sockets that a forked child inherited; for the child alone.

        Only the descriptors are closed: the event loop's epoll is shared with the parent and must not hear of it.
        """
        server = self._runner.server
        connected = [each.transport for each in server.connections] if server is not None else []
        inherited = [each.get_extra_info("socket") for each in connected if each is not None]
        for each in (self._socket, *(getattr(wrapped, "_sock", None) for wrapped in inherited)):
            if each is not None:
                each.close()


def serve_rest(backend: Backend) -> RestListener:
    """Serve ``backend`` from entry to exit of what is returned, which gives the bound host and port."""
    return RestListener(backend)
