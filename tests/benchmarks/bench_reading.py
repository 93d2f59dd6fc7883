"""What it costs to read a newsletter of 100 KiB with 700 links and 2 000 numbers: text, links and codes.

    python tests/benchmarks/bench_reading.py [--rounds 9] [--gate]

CPU of this thread, the least of the rounds. ``--gate`` fails if four times the size costs more than ``GROWTH`` times as
much.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from sirrchat_testkit.mail.html import codes, links
from sirrchat_testkit.mail.mime import parse

LINKS = 700
GOAL = 0.060
"""Seconds of CPU for all three on a quiet machine."""

GROWTH = 4.5
SENTENCE = ("the", "new", "season", "brings", "great", "reviews", "offers", "and", "stories", "of", "our", "shop")


def newsletter(size: int) -> bytes:
    """Return a message with ``size`` links and three times as many numbers."""
    source = random.Random(size)
    paragraphs = [
        f"<p>{' '.join(source.choices(SENTENCE, k=4))} <a href=https://shop.example/a/{number}>Read {number}</a>"
        f" {' '.join(source.choices(SENTENCE, k=3))} {source.randrange(10**5)} and {source.randrange(10**6)} EUR</p>"
        for number in range(size)
    ]
    html = f"<html><body><h1>News</h1><p>Your code is 482913</p>{''.join(paragraphs)}</body></html>"
    return b"Subject: News\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()


def cost(raw: bytes) -> float:
    """Return the seconds of CPU that reading ``raw`` costs."""
    begun = time.thread_time()
    message = parse(raw)
    found = links(message.text, message.html)
    assert codes(message.text, message.html, "News") == ("482913",)
    assert len(found) >= LINKS
    return time.thread_time() - begun


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--gate", action="store_true")
    given = options.parse_args()
    for _ in range(2):
        # a page that was just read is remembered, so each round reads another one
        once = min(cost(newsletter(LINKS + turn)) for turn in range(given.rounds))
        more = min(cost(newsletter(4 * LINKS + turn)) for turn in range(given.rounds))
        print(f"{len(newsletter(LINKS)) // 1024} KiB: {once * 1000:.1f} ms (goal {GOAL * 1000:.0f})")
        print(f"four times as much: {more * 1000:.1f} ms, {more / once:.2f} times (at most {GROWTH})")
        if more / once <= GROWTH:
            return 0
    return 1 if given.gate else 0


if __name__ == "__main__":
    sys.exit(main())
