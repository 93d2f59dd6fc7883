"""The SMTP port: bound on entry, closed on exit.

1. The port is bound by the kernel and read back; 0 is any free one. One listener is one socket.
2. Leaving stops accepting, closes what is idle with 421, lets transactions in flight finish for ``GRACE`` seconds of
   real time, breaks off the rest, and says in the log which that were.
3. When a scope ends, connections with work that began in it are closed: an open transaction, a command that is still
   waiting, a login. So are those that are logged in as an account of the scope. A connection that idles between
   transactions stays open, whichever scope it was opened in: applications keep theirs in a pool.
4. A forked child inherits the sockets: ``close_in_child`` lets go of them and touches nothing the parent uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.net import bind
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.connection import Connections, Protocol

GRACE: Final = 1.0
"""Seconds of real time that transactions in flight have when the listener stops."""

_BACKLOG = 512

_log = logging.getLogger("sirrchat_testkit.smtp")
_log.addHandler(logging.NullHandler())


class Listener:
    """A bound SMTP socket; ``host`` and ``port`` are what it is bound to."""

    def __init__(self, backend: Backend, sock: socket.socket, identity: ssl.SSLContext | None, *, tls: bool) -> None:
        self.host, self.port = sock.getsockname()[:2]
        self._backend = backend
        self._identity = identity
        self._tls = tls
        self._sock = sock
        self._connections: Connections[Protocol] = Connections()
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"<SMTP on {self.host}:{self.port}, {len(self._connections)} connections>"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    def close_in_child(self) -> None:
        """Close every inherited socket. To be called in a forked child, and nowhere else."""
        self._sock.close()
        for connection in self._connections:
            connection.close_in_child()

    def mark(self) -> dict[Protocol, object]:
        """Return what is under way on each connection."""
        return {each: each.work for each in self._connections if each.work is not None}

    def end(self, mark: dict[Protocol, object]) -> None:
        """Break off what began since ``mark``."""
        for each in self._connections:
            if each.work is not None and each.work is not mark.get(each):
                each.break_off(replies.SCOPE_ENDED)

    async def rewind(self, mark: dict[Protocol, object]) -> None:  # noqa: ARG002 - what was open before goes on
        """Close the connections that are logged in as an account that went with the scope."""
        directory = self._backend.directory
        for each in self._connections:
            if directory.former_scope(each.login) and await directory.permanent_address(each.login) is None:
                each.break_off(replies.LOGIN_GONE)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        hostname = addressing.domain_key(self._backend.settings.value.domains[0])
        template = Protocol.template(hostname, loop)
        self._server = await loop.create_server(
            lambda: Protocol(self._backend, self._connections, template, self._identity, tls=self._tls),
            sock=self._sock,
            backlog=_BACKLOG,
        )
        self._backend.scopes.join(self)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._connections.stopping = True
        for connection in self._connections:
            connection.wind_up()
        if await self._connections.emptied(GRACE):
            return
        aborted = [connection.abort() for connection in self._connections]
        _log.warning("stopped with %d connections open, broken off: %s", len(aborted), "; ".join(aborted))
        await self._connections.emptied(GRACE)


@contextlib.asynccontextmanager
async def serve_smtp(
    backend: Backend, identity: ssl.SSLContext | None = None, *, tls: bool = False
) -> AsyncIterator[Listener]:
    """Listen for SMTP as ``backend.settings`` says, on the running loop, until the context is left.

    Args:
        backend: The domain.
        identity: The server's side of TLS, where there is any.
        tls: Listen on ``smtps_port``, where every connection begins with TLS (RFC 8314 section 3.3).

    Raises:
        OSError: The port is taken, or the host is none of this machine's.
    """
    port = (backend.settings.value.smtps_port or 0) if tls else backend.settings.value.smtp_port
    sock = await bind("SMTP over TLS" if tls else "SMTP", backend.settings.value.host, port)
    listener = Listener(backend, sock, identity, tls=tls)
    await listener._start()  # noqa: SLF001 - they are one
    try:
        yield listener
    finally:
        await listener._stop()  # noqa: SLF001 - same
