"""Moving the clock waits for due attempts, and never blocks a receiver in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sirrchat_testkit import Inbox, MailServer, WebhookCall, WebhookSink
from tests.support import until


@contextlib.asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A receiver in the running loop. It answers with ``statuses``, then always with the last one."""
    bodies: list[bytes] = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=statuses[min(len(bodies), len(statuses)) - 1])

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", bodies
    await runner.cleanup()


@pytest.mark.asyncio
async def test_aadvance_does_not_block_a_receiver_in_this_loop(mailserver: MailServer, inbox: Inbox) -> None:
    async with receiver(500, 500, 200) as (url, bodies):
        mailserver.add_webhook(url)
        mailserver.clock.freeze()
        inbox.deliver(subject="x")
        await mailserver.clock.aadvance(seconds=31)
        assert len(bodies) == 3
        assert [each.status for each in mailserver.deliveries] == ["delivered"]


@pytest.mark.asyncio
async def test_an_async_test_waits_for_a_call(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    waiting = asyncio.create_task(webhook_sink.areceive(event="email.received"))
    await asyncio.to_thread(inbox.deliver, subject="x")
    assert (await waiting).subject == "x"
    await webhook_sink.aassert_nothing()
    assert await webhook_sink.areceive_all() == []


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_story_plays_out_on_both_loops(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, anyio_backend: str
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse(times=3)
    inbox.deliver(subject=anyio_backend)
    await mailserver.clock.aadvance(seconds=31)
    assert (await webhook_sink.areceive(timeout=0)).attempt == 4


def test_an_attempt_under_way_is_waited_for_before_the_clock_moves(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    clock = mailserver._now.services.clock

    def refuse_once_the_clock_is_moved(_: WebhookCall) -> int:
        until(mailserver._thread, lambda: clock._moves or clock.now() > began)
        return 503

    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    began = clock.now()
    webhook_sink.answer(refuse_once_the_clock_is_moved, times=1)
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=1)
    first, second = mailserver.deliveries[0].attempts
    assert (second.at - first.at).total_seconds() == 1


def test_attempts_of_several_are_made_in_order_of_their_time(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse(times=None)
    inbox.deliver(subject="one")
    mailserver.clock.advance(seconds=3)
    inbox.deliver(subject="two")
    mailserver.clock.advance(seconds=60)
    moments = [each.received_at for each in webhook_sink.calls]
    assert moments == sorted(moments)
    begin = moments[0]
    told = [(each.subject, (each.received_at - begin).total_seconds()) for each in webhook_sink.calls]
    assert told == [
        ("one", 0), ("one", 1), ("two", 3), ("two", 4), ("one", 6), ("two", 9), ("one", 31), ("two", 34)
    ]  # fmt: skip


def test_a_clock_that_runs_retries_by_itself(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    mailserver.clock.advance(milliseconds=900)  # real time, the subject, brings the rest
    assert webhook_sink.receive().attempt == 2


def test_a_resumed_clock_goes_on(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.clock.freeze()
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    mailserver.clock.advance(milliseconds=990)
    webhook_sink.assert_nothing()
    mailserver.clock.resume()  # real time, the subject, brings the rest
    assert webhook_sink.receive().attempt == 2


def test_a_clock_moved_back_calls_no_webhook(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.clock.freeze()
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    now = mailserver.clock.now()
    mailserver.clock.move_to(now.replace(year=now.year - 1))
    mailserver.settle()
    assert len(webhook_sink.calls) == 1
    mailserver.clock.move_to(now.replace(year=now.year + 1))
    assert len(webhook_sink.calls) == 2
