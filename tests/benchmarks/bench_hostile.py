"""What hostile mail costs, in times of a plain message of its size: to receive, and to read.

    python tests/benchmarks/bench_hostile.py [--size 102400] [--rounds 3] [--shown 12] [--only receive,read]

Receiving is CPU time of a server in a process of its own, over SMTP (``smtp_servers``), hostile and plain messages in
turns; the median of the rounds' ratios counts. Reading is CPU time of this thread for the text, the HTML, the links and
the codes of a message, the least of the rounds. The shapes are those of the tests, in ``tests/mail/shapes.py``. Only
the worst ones are shown.
"""

from __future__ import annotations

import argparse
import smtplib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from smtp_load import RECIPIENT
from smtp_servers import Child, child

from sirrchat_testkit.mail import html
from sirrchat_testkit.mail.markup import bounded
from sirrchat_testkit.mail.mime import parse
from tests.mail.shapes import HEADERS, MESSAGES, TEXTS, plain

SENT = 3_000_000
"""Bytes that are sent of each shape in a round, at least three messages."""


def received(server: Child, raw: bytes) -> float:
    """Return the milliseconds of the server's CPU for receiving ``raw``."""
    count = max(3, SENT // len(raw))
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.ehlo()
        begun = server.ask("cpu")
        for _ in range(count):
            client.sendmail("a@b.example", RECIPIENT, raw)
        return (server.ask("cpu") - begun) / count * 1e3


def read(raw: bytes) -> float:
    """Return the milliseconds of CPU for reading ``raw``."""
    html._read.cache_clear()  # pages that were just read are remembered
    bounded.cache_clear()
    begun = time.thread_time()
    message = parse(raw)
    html.links(message.text, message.html)
    html.codes(message.text, message.html, message.headers.get("Subject", ""))
    return (time.thread_time() - begun) * 1e3


def receiving(size: int, rounds: int) -> Iterator[tuple[float, float, str]]:
    """Yield for each shape how many times as much it costs to receive, and the milliseconds."""
    with child("ours") as server:
        received(server, plain(size))
        for name, shape in {**MESSAGES, **HEADERS}.items():
            pairs = [(received(server, plain(size)), received(server, shape(size))) for _ in range(rounds)]
            yield statistics.median(hostile / usual for usual, hostile in pairs), min(one for _, one in pairs), name


def reading(size: int, rounds: int) -> Iterator[tuple[float, float, str]]:
    """Do the same for reading."""
    usual = min(read(plain(size)) for _ in range(3 * rounds))
    for name, shape in {**MESSAGES, **HEADERS, **TEXTS}.items():
        cost = min(read(shape(size)) for _ in range(rounds))
        yield cost / usual, cost, name


def main() -> int:
    measures: dict[str, Callable[[int, int], Iterator[tuple[float, float, str]]]] = {
        "receive": receiving,
        "read": reading,
    }
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", type=int, default=102_400)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--shown", type=int, default=12)
    options.add_argument("--only", default=",".join(measures))
    given = options.parse_args()
    for what in given.only.split(","):
        print(f"{what}, {given.size} bytes:")
        for times, cost, name in sorted(measures[what](given.size, given.rounds), reverse=True)[: given.shown]:
            print(f"  x {times:5.2f}  {cost:8.2f} ms  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
