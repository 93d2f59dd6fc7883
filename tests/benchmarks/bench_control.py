"""What long polls and event streams cost: while nothing comes, while mail arrives, and until they answer.

    python tests/benchmarks/bench_control.py [--rounds 5] [--only idle,answer,load]

The server is a child process, the clients are here. ``load`` compares the server's CPU time per message, alternately
without other clients and beside 64 long polls for another address, 50 event streams that nobody reads, and 50 that are
read; ``answer`` compares the times at which a long poll and the sender's own 250 arrive.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from smtp_load import RECIPIENT, Load, send

LOAD = Load(size=1024, count=4000)
WAITS, STREAMS, IDLE = 64, 50, 1000


class Child:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        facts: dict[str, Any] = json.loads(process.stdout.readline())
        self.smtp: int = facts["smtp"]
        self.http: int = facts["http"]
        self.key: str = facts["key"]

    def cpu(self) -> float:
        """Return the seconds of CPU time that the server has used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("cpu\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def open(self, path: str) -> socket.socket:
        """Send a request to the control API; return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.http))
        head = f"GET /testkit/v1{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self.key}\r\n\r\n"
        connection.sendall(head.encode())
        return connection


@contextlib.contextmanager
def child() -> Iterator[Child]:
    """Run a server until the context is left."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def serve() -> None:
    """Run a server with the address that the load is sent to, and answer ``cpu``."""
    from sirrchat_testkit import MailServer

    with MailServer(max_messages=20_000, max_sessions=3000) as server:
        server.make_inbox(address=RECIPIENT)
        port = int(server.api_url.rpartition(":")[2])
        print(json.dumps({"smtp": server.smtp_port, "http": port, "key": server.api_key}), flush=True)
        for _ in sys.stdin:
            print(time.process_time(), flush=True)


@contextlib.contextmanager
def nothing(_server: Child) -> Iterator[None]:
    """Add no clients."""
    yield


@contextlib.contextmanager
def waits(server: Child, number: int = WAITS) -> Iterator[None]:
    """Keep long polls open for an address that gets no mail."""
    opened = [server.open("/wait?to=nobody@example.com&timeout=600") for _ in range(number)]
    settle(server)
    yield
    for each in opened:
        each.close()


@contextlib.contextmanager
def unread(server: Child) -> Iterator[None]:
    """Keep event streams open that nobody reads."""
    opened = [server.open("/events") for _ in range(STREAMS)]
    settle(server)
    yield
    for each in opened:
        each.close()


@contextlib.contextmanager
def read(server: Child) -> Iterator[None]:
    """Keep event streams open that another process reads."""
    opened = [server.open("/events") for _ in range(STREAMS)]
    code = (
        "import select, socket, sys\n"
        "poll = select.epoll(); socks = {}\n"
        "for fd in map(int, sys.argv[1:]):\n"
        "    socks[fd] = socket.socket(fileno=fd); poll.register(fd, select.EPOLLIN)\n"
        "while socks:\n"
        "    for fd, _ in poll.poll():\n"
        "        if not socks[fd].recv(1 << 20): poll.unregister(fd); del socks[fd]\n"
    )
    descriptors = [each.fileno() for each in opened]
    reader = subprocess.Popen([sys.executable, "-c", code, *map(str, descriptors)], pass_fds=descriptors)
    settle(server)
    yield
    reader.terminate()
    reader.wait()
    for each in opened:
        each.close()


def settle(server: Child) -> None:
    """Wait until the server has used no CPU time for a moment: it has accepted everything."""
    before = -1.0
    while server.cpu() - before > 0.002:
        before = server.cpu()
        time.sleep(0.2)


def cost(server: Child) -> float:
    """Return the server's microseconds of CPU time per message of the load."""
    before = server.cpu()
    send(server.smtp, LOAD)
    time.sleep(0.2)
    return (server.cpu() - before) / LOAD.count * 1e6


def load(server: Child, rounds: int) -> None:
    """Compare the cost of receiving beside other clients."""
    cost(server)
    cases: dict[str, Callable[[Child], contextlib.AbstractContextManager[None]]]
    cases = {"alone": nothing, f"{WAITS} long polls": waits, f"{STREAMS} unread": unread, f"{STREAMS} read": read}
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, beside in cases.items():
            with beside(server):
                found[name].append(cost(server))
            settle(server)
    for name, costs in found.items():
        rates = [alone / each for alone, each in zip(found["alone"], costs, strict=True)]
        print(
            f"load, {name}: {statistics.median(costs):.0f} us a message, rate x {statistics.median(rates):.2f} "
            f"({min(rates):.2f} to {max(rates):.2f})"
        )


def idle(server: Child) -> None:
    """Measure what waiting clients cost while nothing comes."""
    with waits(server, IDLE):
        before = server.cpu()
        time.sleep(5)
        print(f"idle: {IDLE} long polls use {(server.cpu() - before) / 5 * 1000:.2f} ms of CPU time a second")


def answer(server: Child, rounds: int) -> None:
    """Compare when the sender's 250 and the long poll's answer arrive, from the final dot on."""
    ratios, polls, replies = [], [], []
    for number in range(rounds * 40):
        subject = f"answer-{number}"
        poll = server.open(f"/wait?to={RECIPIENT}&subject={subject}&timeout=60")
        connection = socket.create_connection(("127.0.0.1", server.smtp))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        smtp = connection.makefile("rwb", buffering=0)
        smtp.readline()
        for line in ("EHLO x", "MAIL FROM:<a@b.test>", f"RCPT TO:<{RECIPIENT}>", "DATA"):
            smtp.write(f"{line}\r\n".encode())
            while smtp.readline()[3:4] == b"-":
                pass
        time.sleep(0.03)  # the long poll sleeps by now
        answered: list[float] = []
        waiting = threading.Thread(target=note_answer, args=(poll, answered))
        waiting.start()
        smtp.write(f"Subject: {subject}\r\n\r\nx\r\n".encode())
        time.sleep(0.01)
        began = now()
        smtp.write(b".\r\n")
        smtp.readline()
        replied = now()
        waiting.join()
        replies.append(replied - began)
        polls.append(answered[0] - began)
        ratios.append(polls[-1] / replies[-1])
        poll.close()
        smtp.close()
        connection.close()
    print(
        f"answer: 250 after {statistics.median(replies) * 1e3:.2f} ms, the long poll after "
        f"{statistics.median(polls) * 1e3:.2f} ms, ratio {statistics.median(ratios):.2f}"
    )


def note_answer(poll: socket.socket, times: list[float]) -> None:
    """Add the time at which ``poll`` begins to be answered to ``times``."""
    poll.recv(9)
    times.append(now())


now = time.perf_counter


def main() -> None:
    """Run the chosen measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="idle,answer,load")
    options = parser.parse_args()
    if options.serve:
        return serve()
    chosen = options.only.split(",")
    with child() as server:
        if "idle" in chosen:
            idle(server)
        if "answer" in chosen:
            answer(server, options.rounds)
        if "load" in chosen:
            load(server, options.rounds)
    return None


if __name__ == "__main__":
    main()
