"""A load of mail over SMTP: what is sent, and the client that sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

RECIPIENT = "rcpt@example.com"
_MAIL = b"MAIL FROM:<sender@bench.test>\r\n"
_RCPT = f"RCPT TO:<{RECIPIENT}>\r\n".encode()
_DATA = b"DATA\r\n"


@dataclass(frozen=True)
class Load:
    """One way to send mail: octets of a message, how many there are, and over how many connections at a time."""

    size: int
    count: int
    reopen: bool = False
    pipelined: bool = False
    connections: int = 4


class Bodies:
    """Messages as they are sent, each with a number of its own; some lines begin with a dot."""

    def __init__(self, size: int, count: int) -> None:
        self.left = count
        head = "From: Sender <sender@bench.test>\r\nTo: Rcpt <rcpt@example.com>\r\nSubject: bench %07d\r\n"
        head += "Message-ID: <%07d@bench.test>\r\nMIME-Version: 1.0\r\n\r\n"
        lines = ["Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusm"] * 8
        block = "\r\n".join([*lines, "..a line that begins with a dot", ""])
        room = size - len(head)
        text = (block * (min(room, 4096) // len(block) + 1))[: min(room, 4096) - 2] + "\r\n"
        blob = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n" * (room // 78 + 1)
        self._head = head
        self._rest = (text + blob[: room - len(text) - 2] + "\r\n.\r\n").encode()

    def take(self) -> bytes | None:
        """Return the next message with its final dot, or None when all were taken."""
        if not self.left:
            return None
        self.left -= 1
        return (self._head % (self.left, self.left)).encode() + self._rest


class Client(asyncio.Protocol):
    """One connection: sends what ``bodies`` gives, and fails on any reply but the expected one."""

    def __init__(self, bodies: Bodies, load: Load) -> None:
        self._bodies = bodies
        self._load = load
        self._expected: list[tuple[bytes, Callable[[], None]]] = [(b"220", self._hello)]
        self._rest = b""
        self._body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            code, then = self._expected.pop(0)
            if line[:3] != code:
                self.done.set_exception(RuntimeError(f"{line!r} instead of {code!r}"))
                self._transport.abort()
                return
            then()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError("the server closed the connection"))

    def _send(self, data: bytes, *expected: tuple[bytes, Callable[[], None]]) -> None:
        self._expected += expected
        self._transport.write(data)

    def _hello(self) -> None:
        self._send(b"EHLO bench.test\r\n", (b"250", self._begin))

    def _begin(self, before: bytes = b"") -> None:
        """Begin a transaction behind ``before``, the end of the one that was pipelined with it."""
        body = self._bodies.take()
        if body is None:
            self._send(before + b"QUIT\r\n", (b"221", lambda: self.done.set_result(None)))
            return
        self._body = body
        if self._load.pipelined:
            self._send(before + _MAIL + _RCPT + _DATA, (b"250", _nothing), (b"250", _nothing), (b"354", self._group))
        else:
            self._send(_MAIL, (b"250", lambda: self._send(_RCPT, (b"250", self._data))))

    def _data(self) -> None:
        self._send(_DATA, (b"354", lambda: self._send(self._body, (b"250", self._stored))))

    def _stored(self) -> None:
        if self._load.reopen:
            self._send(b"QUIT\r\n", (b"221", lambda: self.done.set_result(None)))
        else:
            self._begin()

    def _group(self) -> None:
        self._expected.append((b"250", _nothing))
        self._begin(self._body)


def _nothing() -> None:
    """Expect a reply and do nothing on it."""


def send(port: int, load: Load) -> None:
    """Send ``load``."""
    asyncio.run(_send(port, load))


async def _send(port: int, load: Load) -> None:
    bodies = Bodies(load.size, load.count)

    async def connect() -> None:
        while bodies.left:
            loop = asyncio.get_running_loop()
            transport, client = await loop.create_connection(lambda: Client(bodies, load), "127.0.0.1", port)
            await client.done
            transport.close()

    await asyncio.gather(*(connect() for _ in range(load.connections)))
