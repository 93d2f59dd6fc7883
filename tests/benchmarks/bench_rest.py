"""What the SirrChat API costs: a page of 20, against trivial JSON routes; and a batch of 1000.

    python tests/benchmarks/bench_rest.py [--rounds 5] [--gate]

The server is a child process, the client is here: 16 connections, kept alive. What is compared is CPU time of the
server per request; rounds alternate between the routes, so that a noisy machine disturbs all of them, and the median
of the rounds' ratios is the result. The trivial route is ``/healthz`` of the same application, which needs no key. A
second ratio, without a floor, is to ``web.json_response({"status": "ok"})`` in a plain application of aiohttp.
``--gate`` fails below a floor, after a second try.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

CONNECTIONS = 16
REQUESTS = 4_000
FEW, MANY = 100, 100_000

FLOOR, GOAL = 0.4, 0.55
FLAT = 1.25
"""How many times what a page of ``FEW`` costs one of ``MANY`` may cost."""

BATCH = 2.0
"""Seconds for 1000 users in one batch, hashing included."""


class Client(asyncio.Protocol):
    """One connection: asks for ``request`` again and again, ``left`` times in all with the others."""

    def __init__(self, request: bytes, left: list[int], done: asyncio.Future[None]) -> None:
        self._request, self._left, self._done = request, left, done
        self._got = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, blank, body = self._got.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            assert head.startswith(b"HTTP/1.1 200"), self._got
            self._got = b""
            self._ask()

    def _ask(self) -> None:
        if self._left[0] > 0:
            self._left[0] -= 1
            self._transport.write(self._request)
        else:
            self._transport.close()
            self._done.set_result(None)


async def load(port: int, path: str, key: str, count: int) -> None:
    """Ask for ``path`` ``count`` times."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    loop, left = asyncio.get_running_loop(), [count]
    ends = [loop.create_future() for _ in range(CONNECTIONS)]
    for end in ends:
        await loop.create_connection(lambda end=end: Client(request, left, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)


class Child:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.facts: dict[str, Any] = json.loads(process.stdout.readline())

    def cpu(self) -> float:
        """Return the seconds of CPU time that the server has used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("cpu\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextlib.contextmanager
def child(stored: int) -> Iterator[Child]:
    """Run a server with ``stored`` users, and as many messages for one of them, until the context is left."""
    command = [sys.executable, __file__, "--serve", str(stored)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


async def serve(stored: int) -> None:
    """Run the REST API and a plain application."""
    from aiohttp import web

    from sirrchat_testkit.domain.accounts import NewAccount
    from sirrchat_testkit.domain.models import Message
    from sirrchat_testkit.domain.services import Services
    from sirrchat_testkit.domain.store import Put
    from sirrchat_testkit.http.listener import serve_rest
    from sirrchat_testkit.settings import Settings
    from sirrchat_testkit.storage.store import TinyStore

    loop = asyncio.get_running_loop()
    services = Services.build(Settings(), TinyStore(), loop)
    key = await services.set_up()
    for start in range(0, stored, 1000):
        wanted = [NewAccount(email=f"u{number}@example.com") for number in range(start, min(start + 1000, stored))]
        await services.accounts.add_all(wanted)
    user = await services.accounts.of("u0@example.com")
    address = await services.directory.permanent(user)
    for number in range(stored):
        message = Message(
            id=services.ids.uuid(), account=user.id, address=address.id, recipient=address.text,
            recipient_key=address.key, envelope="e", blob="b", size=1000 + number, received_at=1_745_224_245_084,
            mail_from="a@shop.example", sender="shop@shop.example", to=("u0@example.com",), subject=f"Order {number}",
        )  # fmt: skip
        await services.store.commit([Put(message)])

    async def trivial(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    plain = web.Application()
    plain.router.add_get("/", trivial)
    runner = web.AppRunner(plain, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with serve_rest(services) as listener:
        ended = asyncio.Event()
        say(json.dumps({"plain": runner.addresses[0][1], "port": listener.port, "key": key, "user": user.id}))

        def talk() -> None:
            for _ in sys.stdin:
                say(time.process_time())
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=talk, daemon=True).start()
        await ended.wait()


def measure(rounds: int) -> list[str]:
    """Print what each route costs; return what is below its floor."""
    low = []
    with child(FEW) as few, child(MANY) as many:
        for name, path in (("users", "/api/v1/users"), ("messages", "/api/v1/users/USER/messages")):
            plain, trivial, small, large = [], [], [], []
            for _ in range(rounds):
                plain.append(cost(few, few.facts["plain"], "/"))
                trivial.append(cost(few, few.facts["port"], "/healthz"))
                small.append(cost(few, few.facts["port"], path))
                large.append(cost(many, many.facts["port"], path))
            ratios = [base / page for base, page in zip(trivial, small, strict=True)]
            ratio = statistics.median(ratios)
            of_plain = statistics.median(base / page for base, page in zip(plain, small, strict=True))
            growth = statistics.median(many_us / few_us for many_us, few_us in zip(large, small, strict=True))
            say(
                f"{name:10} trivial {statistics.median(trivial):4.0f} us  page {statistics.median(small):4.0f} us"
                f"  x {ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f}; floor {FLOOR}, goal {GOAL})"
                f"  of a plain application's x {of_plain:.2f}"
                f"  {MANY} stored: x {growth:.2f} (at most {FLAT})"
            )
            if ratio < FLOOR or growth > FLAT:
                low.append(name)
        seconds = statistics.median(batch(few, number) for number in range(rounds))
        say(f"batch      1000 users in {seconds:.2f} s (at most {BATCH})")
        return [*low, "batch"] if seconds > BATCH else low


def cost(server: Child, port: int, path: str) -> float:
    """Return the microseconds of CPU time that one request for ``path`` takes."""
    path = path.replace("USER", server.facts["user"])
    asyncio.run(load(port, path, server.facts["key"], REQUESTS // 10))
    before = server.cpu()
    asyncio.run(load(port, path, server.facts["key"], REQUESTS))
    return (server.cpu() - before) / REQUESTS * 1e6


def batch(server: Child, number: int) -> float:
    """Return the seconds that a batch of 1000 users takes."""
    users = [{"email": f"b{number}-{each}@example.com", "password": f"pass{each}"} for each in range(1000)]
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.facts['port']}/api/v1/users/batch",
        data=json.dumps({"users": users}).encode(),
        headers={"Authorization": f"Bearer {server.facts['key']}"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201
        answer.read()
    return time.perf_counter() - began


def say(text: object) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gate", action="store_true", help="fail below a floor, after a second try")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve))
        return 0
    low = measure(args.rounds)
    return int(args.gate and bool(low) and bool(measure(args.rounds)))


if __name__ == "__main__":
    sys.exit(main())
