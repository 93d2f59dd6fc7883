"""The way to one client: replies are gathered, and written as one packet (RFC 2920) when something has to wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.replies import Reply


class ReplyWriter:
    """Writes replies to a client. ``transport`` is None once it is gone, ``left`` says that either side hung up.

    ``partial`` says that a reply has been written in part.
    """

    __slots__ = ("_gone", "_loop", "left", "partial", "replies", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.replies: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self.left = False
        self.partial = False
        self._loop = loop
        self._gone: asyncio.Future[None] | None = None

    def flush(self) -> None:
        """Write the replies that have been gathered."""
        if self.replies:
            if self.transport is not None:
                self.transport.write(b"".join(self.replies))
            self.replies.clear()

    @property
    def peer(self) -> str:
        """The other end's ``host:port``."""
        host, port = (self._about("peername") or ("unknown", 0))[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def tls(self) -> str:
        """Version and cipher of the TLS that is spoken; empty where none is."""
        spoken = self._about("ssl_object")
        return f"{spoken.version()} {spoken.cipher()[0]}" if spoken is not None else ""

    def _about(self, name: str) -> Any:
        return self.transport.get_extra_info(name) if self.transport is not None else None

    async def linger(self, seconds: float) -> bool:
        """Wait, with everything written that was said; tell whether the client is still there."""
        if not self.left:
            self._gone = self._loop.create_future()
            await asyncio.wait([self._gone], timeout=seconds)
            self._gone = None
        return not self.left

    async def trickle(self, reply: Reply, seconds: float) -> Reply:
        """Write ``reply`` octet by octet; return what remains to be done about it."""
        self.partial = True
        for octet in reply.wire:
            self.replies.append(bytes([octet]))
            self.flush()
            if not await self.linger(seconds):
                return replies.HANG_UP
        self.partial = False
        return replace(replies.WRITTEN, turn=reply.turn)

    def hang_up(self) -> None:
        """Note that the client has hung up, and let whoever lingers know."""
        self.left = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
