"""What webhooks cost the mail that they tell of.

    python tests/benchmarks/bench_webhooks.py [--rounds 5] [--gate]

Server, receiver and client are processes of their own. Rounds alternate between the cases, so that a noisy machine
disturbs all alike; the result is the median of the rounds' ratios. ``--gate`` fails below a floor.

    burst    2000 messages with 10 webhooks, against the same without: at least 0.5 of the rate. It shows what spacing
             the attempts is for (``dispatcher.SPACING``): without, a burst is received at 0.06 of the rate
    dead     the same with 10 webhooks where nobody listens, against 10 healthy ones: at least 0.8
    latency  from the 250 to the start of the first attempt on an idle server: at most 5 ms, median
    memory   10 000 pending deliveries: at most 30 MB
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smtp_load import RECIPIENT, Load, send

from sirrchat_testkit import MailServer

COUNT = 2_000
WEBHOOKS = 10
PENDING = 10_000
SERVE = [sys.executable, "-m", "sirrchat_testkit", "serve", "--smtp-port", "0", "--http-port", "0", "--json"]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def say(text: object) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Receiver(asyncio.Protocol):
    """Says 200 as soon as a request's head is there, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self._transport.write(OK)
            self._transport.close()


async def receive() -> None:
    """Receive until killed; the first line of output is the port."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=1024)
    say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@contextmanager
def process(command: list[str]) -> Iterator[str]:
    """Run ``command``; give the first line that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline()
        finally:
            running.kill()


def post(facts: dict[str, Any], path: str, body: object) -> None:
    request = urllib.request.Request(
        facts["api_url"] + path,
        data=json.dumps(body).encode(),
        headers={"X-API-Key": facts["api_key"], "Authorization": f"Bearer {facts['api_key']}"},
    )
    urllib.request.urlopen(request, timeout=60).close()


def rate(urls: list[str]) -> float:
    """Return how many messages a second are received with webhooks at ``urls``."""
    with process(SERVE) as line:
        facts = json.loads(line)
        name, _, domain = RECIPIENT.partition("@")
        post(facts, "/api/emails/generate", {"name": name, "expiryTime": 0, "domain": domain})
        for url in urls:
            post(facts, "/api/v1/webhooks", {"url": url, "events": ["email.received"]})
        began = time.monotonic()
        send(facts["smtp_port"], Load(1_024, COUNT))
        return COUNT / (time.monotonic() - began)


def unused() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def bursts(rounds: int) -> tuple[float, float]:
    """Return the ratios of healthy webhooks to none, and of dead ones to healthy ones."""
    with process([sys.executable, __file__, "--receive"]) as port:
        healthy = [f"http://127.0.0.1:{int(port)}/{number}" for number in range(WEBHOOKS)]
        dead = [f"http://127.0.0.1:{unused()}/{number}" for number in range(WEBHOOKS)]
        found = []
        for _ in range(rounds):
            one = rate([]), rate(healthy), rate(dead)
            found.append(one)
            say("  messages a second: none {:.0f}, healthy {:.0f}, dead {:.0f}".format(*one))
    return statistics.median(b / a for a, b, _ in found), statistics.median(c / b for _, b, c in found)


def latency(rounds: int) -> float:
    """Return the median of milliseconds from the 250 to the connection of the first attempt."""
    times = []
    with socket.create_server(("127.0.0.1", 0)) as listener, MailServer() as server:
        server.add_webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        arrived: list[float] = []
        more = threading.Semaphore(0)

        def accept() -> None:
            for _ in range(rounds * 20):
                peer, _ = listener.accept()
                arrived.append(time.monotonic())
                with peer:
                    peer.recv(65_536)
                    peer.sendall(OK)
                more.release()

        thread = threading.Thread(target=accept)
        thread.start()
        inbox = server.make_inbox()
        with socket.create_connection((server.smtp_host, server.smtp_port)) as smtp, smtp.makefile("rb") as replies:
            replies.readline()
            for _ in range(rounds * 20):
                smtp.sendall(f"HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{inbox}>\r\nDATA\r\n".encode())
                for _ in range(4):
                    replies.readline()
                smtp.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
                replies.readline()
                accepted = time.monotonic()
                more.acquire()
                times.append((arrived[-1] - accepted) * 1000)
                server.settle()
        thread.join()
    return statistics.median(times)


def memory() -> float:
    """Return the megabytes of 10 000 deliveries that wait for a retry, beyond the messages that they tell of."""
    sizes = []
    for told in (False, True):
        with MailServer() as server:
            server.clock.freeze()
            if told:
                server.add_webhook(f"http://127.0.0.1:{unused()}/")
            inbox = server.make_inbox()
            inbox.deliver(subject="warm")
            tracemalloc.start()
            for number in range(PENDING):
                inbox.deliver(subject=f"message {number}", text="x")
            server.clock.advance(milliseconds=1)  # returns when every first attempt has failed
            sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
    return (sizes[1] - sizes[0]) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--only", choices=["bursts", "latency", "memory"])
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.receive:
        asyncio.run(receive())
    good = True
    if asked.only in {None, "latency"}:
        milliseconds = latency(asked.rounds)
        good &= milliseconds <= 5
        say(f"latency: {milliseconds:.2f} ms (at most 5)")
    if asked.only in {None, "bursts"}:
        healthy, dead = bursts(asked.rounds)
        good &= healthy >= 0.5 and dead >= 0.8
        say(f"burst: {healthy:.2f} of the rate without (at least 0.5); dead: {dead:.2f} of healthy (at least 0.8)")
    if asked.only in {None, "memory"}:
        megabytes = memory()
        good &= megabytes <= 30
        say(f"memory: {megabytes:.1f} MB for {PENDING} pending deliveries (at most 30)")
    return 0 if good or not asked.gate else 1


if __name__ == "__main__":
    sys.exit(main())
