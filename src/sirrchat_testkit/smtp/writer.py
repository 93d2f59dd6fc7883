"""The output to one client: replies are collected, and written as one packet (RFC 2920) when something has to wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.replies import Reply


class ReplyWriter:
    """Writes replies to a client.

    Attributes:
        replies: The replies to write.
        transport: Where to write them; None when the connection is lost.
        hung_up: Whether the client or the server has closed the connection.
        partial: Whether a reply has been written in part.
    """

    __slots__ = ("_hang_up", "_loop", "hung_up", "partial", "replies", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.replies: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self.hung_up = False
        self.partial = False
        self._loop = loop
        self._hang_up: asyncio.Future[None] | None = None

    def flush(self) -> None:
        """Write the collected replies."""
        if self.replies:
            if self.transport is not None:
                self.transport.write(b"".join(self.replies))
            self.replies.clear()

    @property
    def peer(self) -> str:
        """The client's ``host:port``."""
        host, port = (self._extra("peername") or ("unknown", 0))[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def tls(self) -> str:
        """The version and cipher of TLS; empty without TLS."""
        tls = self._extra("ssl_object")
        return f"{tls.version()} {tls.cipher()[0]}" if tls is not None else ""

    def _extra(self, name: str) -> Any:
        return self.transport.get_extra_info(name) if self.transport is not None else None

    async def pause(self, seconds: float) -> bool:
        """Wait ``seconds``, or until the connection is closed; return whether it is still open."""
        if not self.hung_up:
            self._hang_up = self._loop.create_future()
            await asyncio.wait([self._hang_up], timeout=seconds)
            self._hang_up = None
        return not self.hung_up

    async def trickle(self, reply: Reply, seconds: float) -> Reply:
        """Write ``reply`` byte by byte, ``seconds`` apart; return an empty reply with the same ``next``."""
        self.partial = True
        for byte in reply.wire:
            self.replies.append(bytes([byte]))
            self.flush()
            if not await self.pause(seconds):
                return replies.HANG_UP
        self.partial = False
        return replace(replies.WRITTEN, next=reply.next)

    def note_hang_up(self) -> None:
        """Note that the connection is closed, and end a pause."""
        self.hung_up = True
        if self._hang_up is not None and not self._hang_up.done():
            self._hang_up.set_result(None)
