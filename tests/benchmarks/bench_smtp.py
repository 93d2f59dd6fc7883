"""What receiving a message costs, against aiosmtpd's own Controller with a handler that does nothing.

    python tests/benchmarks/bench_smtp.py [--rounds 5] [--only 1k-reuse] [--gate]

Each server is a child process; the client is here. Rounds alternate between the two, so that a noisy machine disturbs
both; what is compared is CPU time of the server per message, and the median of the rounds' ratios is the result. Ours
stores and indexes every message (checked by counting), and every message is different. ``--gate`` fails below a floor.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

RECIPIENT = "rcpt@example.com"
MAIL = b"MAIL FROM:<sender@bench.test>\r\n"
RCPT = f"RCPT TO:<{RECIPIENT}>\r\n".encode()
DATA = b"DATA\r\n"
CONNECTIONS = 4


@dataclass(frozen=True)
class Case:
    """One way to send mail, and how many times cheaper than the base ours must (should) be."""

    name: str
    size: int
    count: int
    floor: float
    goal: float
    reopen: bool = False
    pipelined: bool = False


CASES = [
    Case("1k-reuse", 1_024, 4_000, 2.0, 3.0),
    Case("10k-reuse", 10_240, 2_000, 2.5, 3.5),
    Case("100k-reuse", 102_400, 500, 3.0, 4.0),
    Case("1k-reopen", 1_024, 1_500, 1.2, 1.4, reopen=True),
    Case("1k-pipelined", 1_024, 4_000, 4.0, 6.0, pipelined=True),
]


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

    def __init__(self, bodies: Bodies, case: Case) -> None:
        self._bodies = bodies
        self._case = case
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
        if self._case.pipelined:
            self._send(before + MAIL + RCPT + DATA, (b"250", _nothing), (b"250", _nothing), (b"354", self._group))
        else:
            self._send(MAIL, (b"250", lambda: self._send(RCPT, (b"250", self._data))))

    def _data(self) -> None:
        self._send(DATA, (b"354", lambda: self._send(self._body, (b"250", self._stored))))

    def _stored(self) -> None:
        if self._case.reopen:
            self._send(b"QUIT\r\n", (b"221", lambda: self.done.set_result(None)))
        else:
            self._begin()

    def _group(self) -> None:
        self._expected.append((b"250", _nothing))
        self._begin(self._body)


def _nothing() -> None:
    """Expect a reply and do nothing on it."""


async def send(port: int, case: Case, count: int) -> None:
    """Send ``count`` messages over ``CONNECTIONS`` connections at a time."""
    bodies = Bodies(case.size, count)

    async def connect() -> None:
        while bodies.left:
            loop = asyncio.get_running_loop()
            transport, client = await loop.create_connection(lambda: Client(bodies, case), "127.0.0.1", port)
            await client.done
            transport.close()

    await asyncio.gather(*(connect() for _ in range(CONNECTIONS)))


class Child:
    """A server in a process of its own; ``ask`` returns its CPU seconds, or how many messages it stored."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    def ask(self, question: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def child(kind: str) -> Iterator[Child]:
    """Run a server until the context is left."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def say(text: object) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def answer(port: int, count: Callable[[], int]) -> None:
    """Tell the port, then answer questions until there are no more."""
    say(port)
    for question in sys.stdin:
        say(time.process_time() if question.strip() == "cpu" else count())


def serve_base() -> None:
    """Run aiosmtpd as it comes, with a handler that does nothing."""
    from aiosmtpd.controller import Controller

    class Handler:
        async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port, server_hostname="bench.test")
    controller.start()
    answer(port, lambda: 0)
    controller.stop()


async def serve_ours() -> None:
    """Run our listener on a store in memory."""
    from sirrchat_testkit.core.backend import Backend
    from sirrchat_testkit.core.settings import Settings
    from sirrchat_testkit.smtp.listener import serve_smtp
    from sirrchat_testkit.store.tiny import TinyStore

    loop = asyncio.get_running_loop()
    backend = Backend.build(Settings(), TinyStore(), loop)
    await backend.furnish()
    owner = await backend.accounts.add("owner@example.com")
    await backend.directory.add_address(owner.id, RECIPIENT)

    def count() -> int:
        return len(asyncio.run_coroutine_threadsafe(backend.postoffice.messages(RECIPIENT), loop).result())

    async with serve_smtp(backend) as listener:
        ended = asyncio.Event()

        def talk() -> None:
            answer(listener.port, count)
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=talk, daemon=True).start()
        await ended.wait()


def measure(case: Case, rounds: int) -> float:
    """Print what ``case`` costs on both sides; return the median ratio."""
    ratios: list[float] = []
    costs: dict[str, list[float]] = {"base": [], "ours": []}
    with child("base") as base, child("ours") as ours:
        for one in (base, ours):
            asyncio.run(send(one.port, case, case.count // 10))
        for _ in range(rounds):
            for name, one in (("base", base), ("ours", ours)):
                before = one.ask("cpu")
                asyncio.run(send(one.port, case, case.count))
                costs[name].append((one.ask("cpu") - before) / case.count * 1e6)
            ratios.append(costs["base"][-1] / costs["ours"][-1])
        stored = ours.ask("count")
        assert stored == case.count * rounds + case.count // 10, f"{stored} messages were stored"
    ratio = float(statistics.median(ratios))
    base_cost, our_cost = (statistics.median(costs[name]) for name in ("base", "ours"))
    say(
        f"{case.name:13} base {base_cost:7.0f} us  ours {our_cost:7.0f} us  x {ratio:5.2f}"
        f"  ({min(ratios):.2f}-{max(ratios):.2f}; floor {case.floor}, goal {case.goal})"
    )
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--gate", action="store_true", help="fail below a floor, after a second try")
    parser.add_argument("--serve", choices=["base", "ours"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve_base() if args.serve == "base" else asyncio.run(serve_ours())
        return 0
    cases = [case for case in CASES if not args.only or case.name in args.only]
    low = [case for case in cases if measure(case, args.rounds) < case.floor]
    return int(args.gate and any(measure(case, args.rounds) < case.floor for case in low))


if __name__ == "__main__":
    sys.exit(main())
