"""Sockets to listen on, bound before anything is served: port 0 is any free one, and is read back from the socket."""

from __future__ import annotations

import asyncio
import socket


async def bind(purpose: str, host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address that ``host`` stands for.

    Raises:
        OSError: The port is taken, or the host is none of this machine's; the text names ``purpose``, host and port.
    """
    try:
        loop = asyncio.get_running_loop()
        name = host.encode() if host.isascii() else host  # a str would load the IDNA codec
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise OSError(error.errno, f"cannot listen for {purpose} on {host}:{port}: {error.strerror}") from None
    sock.setblocking(False)
    return sock
