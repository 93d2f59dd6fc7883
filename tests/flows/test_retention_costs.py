"""Receiving mail when a limit of retention is reached costs little more than receiving it below the limit.

Measured with the limit of ``serve``, 200 000 messages of 1 KiB, by SMTP in memory: 1.04 to 1.18 times the CPU time that
the server's thread takes below the limit. Before messages were dropped together it was 2.8 to 3.9 times. In a data
folder, with a limit of 50 000 messages: 1.02 to 1.10 times.
"""

from __future__ import annotations

import asyncio
import itertools
import smtplib
import time
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.domain.models import Envelope
from tests.support import connect

BATCH = 320
RAW = b"From: shop@shop.example\r\nTo: ann@example.com\r\nSubject: Hello\r\n\r\n" + b"x" * 900 + b"\r\n"


async def fill(server: MailServer, kept: int) -> None:
    for number in range(kept):
        envelope = Envelope(id="", sender="shop@shop.example", recipients=("ann@example.com",))
        await server._now.services.delivery.deliver(envelope, b"X-Number: %d\r\n%b" % (number, RAW))
        if not number % 100:
            await asyncio.sleep(0)


numbers = itertools.count(1_000_000)


def cost(server: MailServer, smtp: smtplib.SMTP) -> float:
    """Return the CPU time that the server's thread takes to receive some messages."""

    async def used() -> float:
        return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)

    before = server._thread.call(used())
    for _ in range(BATCH):
        smtp.sendmail("shop@shop.example", "ann@example.com", b"X-Number: %d\r\n%b" % (next(numbers), RAW))
    return server._thread.call(used()) - before


@pytest.mark.parametrize(("kept", "durable"), [(50_000, False), (10_000, True)], ids=["memory", "data folder"])
def test_receiving_at_the_limit_costs_little_more(tmp_path: Path, kept: int, *, durable: bool) -> None:
    folders = [tmp_path / name if durable else None for name in ("below", "full")]
    below, full = (
        MailServer(data=each, max_messages=most) for each, most in zip(folders, (10 * kept, kept), strict=True)
    )
    with below, full:
        for server in (below, full):
            server.add_account("ann@example.com")
            server._thread.call(fill(server, kept))
        with connect(below) as one, connect(full) as other:
            pairs = [(cost(below, one), cost(full, other)) for _ in range(6)]
    ratio = min(each for _, each in pairs) / min(each for each, _ in pairs)
    assert ratio <= 1.3, f"{ratio:.2f} times"
