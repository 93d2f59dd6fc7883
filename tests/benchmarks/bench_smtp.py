"""What receiving a message costs: against aiosmtpd with a handler that does nothing, against other pytest servers, in a
data folder, with much stored, in memory, and until a waiting test knows.

    python tests/benchmarks/bench_smtp.py [--rounds 5] [--only 1k-reuse] [--gate]

Each server is a process of its own (``smtp_servers``); the client is here. Rounds alternate between the two that are
compared, so that a noisy machine disturbs both; what is compared is CPU time of the server per message, and the median
of the rounds' ratios is the result. Ours is a whole ``MailServer`` that stores, indexes and announces each message
(checked by counting), and every message is different. ``--gate`` fails where a ratio misses its floor twice.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import smtplib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from smtp_load import Load, send
from smtp_servers import Child, child

WAKE_GOAL = 0.4
"""Milliseconds from the final dot to the awakened test thread; a time is no gate."""


@dataclass(frozen=True)
class Case:
    """``load`` sent to ``one`` and to ``other``: how many times as much CPU it costs ``other``, and ought to."""

    name: str
    load: Load
    floor: float
    goal: float
    one: str = "ours"
    other: str = "aiosmtpd"


SMALL = Load(1_024, 4_000)
MIDDLE = Load(10_240, 2_000)
CASES = [
    Case("1k-reuse", SMALL, 2.0, 3.0),
    Case("10k-reuse", MIDDLE, 2.5, 3.5),
    Case("100k-reuse", Load(102_400, 500), 3.0, 4.0),
    Case("1k-reopen", Load(1_024, 1_500, reopen=True), 1.2, 1.4),
    Case("1k-pipelined", replace(SMALL, pipelined=True), 2.2, 3.5),
    Case("smtpdfix", SMALL, 2.3, 4.0, other="smtpdfix"),
    Case("pytest-localserver", SMALL, 2.3, 4.0, other="pytest-localserver"),
    Case("1k-logged", SMALL, 0.95, 0.97, one="ours-logged", other="ours"),
    Case("1k-reopen-logged", Load(1_024, 1_500, reopen=True), 0.95, 0.97, one="ours-logged", other="ours"),
    *(
        Case(f"{name}-{mode}", replace(load, connections=8), floor, goal, one=f"ours-{mode}", other="ours")
        for name, load in (("1k", SMALL), ("10k", MIDDLE))
        for mode, floor, goal in (("durable", 0.75, 0.9), ("fsync", 0.4, 0.5))
    ),
]


def cost(server: Child, load: Load) -> float:
    """Send ``load``; return microseconds of the server's CPU per message."""
    before = server.ask("cpu")
    send(server.port, load)
    return (server.ask("cpu") - before) / load.count * 1e6


def compare(case: Case, rounds: int) -> bool:
    """Print what ``case`` costs on both sides; tell whether the median ratio is at the floor."""
    ratios: list[float] = []
    costs: dict[str, list[float]] = {case.one: [], case.other: []}
    with child(case.one) as one, child(case.other) as other:
        for server in (one, other):
            send(server.port, replace(case.load, count=case.load.count // 10))
        for _ in range(rounds):
            for name, server in ((case.one, one), (case.other, other)):
                costs[name].append(cost(server, case.load))
            ratios.append(costs[case.other][-1] / costs[case.one][-1])
        stored = one.ask("count")
        assert stored == case.load.count * rounds + case.load.count // 10, f"{stored} messages were stored"
    ratio = statistics.median(ratios)
    sides = ", ".join(f"{name} {statistics.median(costs[name]):.0f} us" for name in costs)
    say(f"{case.name:20} x {ratio:5.2f}  floor {case.floor}, goal {case.goal}; {spread(ratios)}; {sides}")
    return ratio >= case.floor


def growth(_rounds: int) -> bool:
    """Print what the last 10 000 of 100 000 messages cost, in times of what the first cost."""
    part = replace(SMALL, count=10_000)
    with child("ours") as server:
        send(server.port, replace(SMALL, count=400))
        costs = [cost(server, part) for _ in range(10)]
    ratio = costs[-1] / costs[0]
    parts = ", ".join(f"{part:.0f}" for part in costs)
    say(f"{'growth':20} x {ratio:5.2f}  at most 1.25, goal 1.1; us for each 10 000: {parts}")
    return ratio <= 1.25


def memory(_rounds: int) -> bool:
    """Print what 10 000 messages of 10 KiB take, transcripts included, in times of their octets."""
    load = Load(10_240, 10_000)
    with child("ours") as server:
        send(server.port, replace(load, count=200))
        before = server.ask("rss")
        send(server.port, load)
        grown = server.ask("rss") - before
    ratio = grown / (load.size * load.count)
    say(f"{'memory':20} x {ratio:5.2f}  at most 1.45, goal 1.35; {grown / 2**20:.0f} MiB")
    return ratio <= 1.45


def wake(_rounds: int) -> bool:
    """Print how long it takes from the final dot until a thread that waits for the message has it."""
    from sirrchat_testkit import MailServer

    took: list[float] = []
    with MailServer() as server, smtplib.SMTP(server.smtp_host, server.smtp_port) as client:
        inbox = server.make_inbox()
        assert client.sock is not None
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.ehlo()
        for _ in range(300):
            woke: list[float] = []

            def wait(woke: list[float] = woke) -> None:
                inbox.receive()
                woke.append(time.perf_counter())

            thread = threading.Thread(target=wait)
            thread.start()
            for command in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<%s>" % inbox.address.encode(), b"DATA"):
                client.docmd(command.decode())
            client.send(b"Subject: hello\r\n\r\nIt works.\r\n")
            dot = time.perf_counter()
            client.send(b".\r\n")
            client.getreply()
            thread.join()
            took.append((woke[0] - dot) * 1e3)
    took.sort()
    median, late = statistics.median(took), took[int(len(took) * 0.95)]
    say(f"{'wake':20}   {median:.2f} ms median, {late:.2f} p95; goal {WAKE_GOAL} on an idle machine")
    return True


def spread(ratios: list[float]) -> str:
    return f"{min(ratios):.2f}-{max(ratios):.2f}"


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def available(case: Case) -> bool:
    """Tell whether both sides are installed; say so where not."""
    module = case.other.replace("-", "_")
    if case.other.startswith("ours") or importlib.util.find_spec(module):
        return True
    say(f"{case.name:20} is left out: {case.other} is not installed")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measures: dict[str, Callable[[int], bool]] = {
        case.name: functools.partial(compare, case) for case in CASES if available(case)
    }
    measures |= {"growth": growth, "memory": memory, "wake": wake}
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=measures)
    parser.add_argument("--gate", action="store_true", help="fail below a floor, after a second try")
    args = parser.parse_args()
    low = [name for name in measures if (not args.only or name in args.only) and not measures[name](args.rounds)]
    return int(args.gate and any(not measures[name](args.rounds) for name in low))


if __name__ == "__main__":
    sys.exit(main())
