"""The SMTP port: bound on entry, closed on exit.

1. The port is bound and then read back from the socket, so port 0 selects a free one. A listener has one socket.
2. On exit it stops accepting, closes idle connections with 421, waits at most ``GRACE`` seconds of real time for
   transactions in progress, aborts the rest, and logs them.
3. When a scope ends, connections with work that began in it are closed: an open transaction, a command in progress, a
   login. So are connections logged in as an account of the scope. A connection that is idle between transactions
   stays open, whatever scope it was opened in, because applications pool connections.
4. A forked child inherits the sockets. ``close_in_child`` closes its copies and touches nothing that the parent uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.net import bind
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.connection import Connections, Protocol

GRACE: Final = 1.0
"""Seconds of real time in which transactions in progress may end when the listener stops."""

_BACKLOG = 512

_log = logging.getLogger("sirrchat_testkit.smtp")
_log.addHandler(logging.NullHandler())


class Listener:
    """A bound SMTP socket. ``host`` and ``port`` are its address."""

    def __init__(self, services: Services, sock: socket.socket, context: ssl.SSLContext | None, *, tls: bool) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self._services = services
        self._context = context
        self._tls = tls
        self._sock = sock
        self._connections: Connections[Protocol] = Connections()
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"<SMTP on {self.host}:{self.port}, {len(self._connections)} connections>"

    @property
    def address(self) -> tuple[str, int]:
        """The host and port."""
        return self.host, self.port

    def close_in_child(self) -> None:
        """Close every inherited socket. Call this in a forked child only."""
        self._sock.close()
        for connection in self._connections:
            connection.close_in_child()

    def mark(self) -> dict[Protocol, object]:
        """Return the work in progress on each connection."""
        return {each: each.work for each in self._connections if each.work is not None}

    def end(self, mark: dict[Protocol, object]) -> None:
        """Close the connections with work that began since ``mark``."""
        for each in self._connections:
            if each.work is not None and each.work is not mark.get(each):
                each.break_off(replies.SCOPE_ENDED)

    async def rewind(self, mark: dict[Protocol, object]) -> None:  # noqa: ARG002 - older connections stay open
        """Close the connections that are logged in as an account deleted with the scope."""
        directory = self._services.directory
        for each in self._connections:
            if directory.former_scope(each.login) and await directory.permanent_address(each.login) is None:
                each.break_off(replies.LOGIN_GONE)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        hostname = addressing.domain_key(self._services.settings.value.domains[0])
        template = Protocol.template(hostname, loop)
        self._server = await loop.create_server(
            lambda: Protocol(self._services, self._connections, template, self._context, tls=self._tls),
            sock=self._sock,
            backlog=_BACKLOG,
        )
        self._services.scopes.join(self)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._connections.stopping = True
        for connection in self._connections:
            connection.close_if_idle()
        if await self._connections.wait_empty(GRACE):
            return
        aborted = [connection.abort() for connection in self._connections]
        _log.warning("stopped with %d connections open, aborted: %s", len(aborted), "; ".join(aborted))
        await self._connections.wait_empty(GRACE)


@contextlib.asynccontextmanager
async def serve_smtp(
    services: Services, context: ssl.SSLContext | None = None, *, tls: bool = False
) -> AsyncIterator[Listener]:
    """Listen for SMTP on the running loop until the context is left.

    Args:
        services: The domain, whose settings name the host and port.
        context: The TLS context of the server; None if it has no certificate.
        tls: Whether to listen on ``smtps_port``, where every connection begins with TLS (RFC 8314 section 3.3).

    Raises:
        OSError: The port is in use, or the host is not an address of this machine.
    """
    port = (services.settings.value.smtps_port or 0) if tls else services.settings.value.smtp_port
    sock = await bind("SMTP over TLS" if tls else "SMTP", services.settings.value.host, port)
    listener = Listener(services, sock, context, tls=tls)
    await listener._start()  # noqa: SLF001 - only this function starts and stops it
    try:
        yield listener
    finally:
        await listener._stop()  # noqa: SLF001 - same
