"""Receiving mail when a limit of retention is reached costs little more than receiving it below the limit.

Measured with the limit of ``serve``, 200 000 messages of 1 KiB, by SMTP in memory: 1.04 to 1.18 times the CPU time that
the server's thread takes below the limit. Before messages were dropped together it was 2.8 to 3.9 times.
"""

from __future__ import annotations

import asyncio
import smtplib
import time

from sirrchat_testkit import MailServer
from sirrchat_testkit.domain.models import Envelope
from tests.support import connect

KEPT = 50_000
BATCH = 320
RAW = b"From: shop@shop.example\r\nTo: ann@example.com\r\nSubject: Hello\r\n\r\n" + b"x" * 900 + b"\r\n"


async def fill(server: MailServer) -> None:
    for number in range(KEPT):
        envelope = Envelope(id="", sender="shop@shop.example", recipients=("ann@example.com",))
        await server._now.services.delivery.deliver(envelope, RAW)
        if not number % 100:
            await asyncio.sleep(0)


def cost(server: MailServer, smtp: smtplib.SMTP) -> float:
    """Return the CPU time that the server's thread takes to receive some messages."""

    async def used() -> float:
        return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)

    before = server._thread.call(used())
    for _ in range(BATCH):
        smtp.sendmail("shop@shop.example", "ann@example.com", RAW)
    return server._thread.call(used()) - before


def test_receiving_at_the_limit_costs_little_more() -> None:
    with MailServer(max_messages=10 * KEPT) as below, MailServer(max_messages=KEPT) as full:
        for server in (below, full):
            server.add_account("ann@example.com")
            server._thread.call(fill(server))
        with connect(below) as one, connect(full) as other:
            pairs = [(cost(below, one), cost(full, other)) for _ in range(6)]
    ratio = min(each for _, each in pairs) / min(each for each, _ in pairs)
    assert ratio <= 1.3, f"{ratio:.2f} times"
