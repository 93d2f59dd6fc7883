"""The start of attempts, and their end with a scope."""

from __future__ import annotations

import asyncio

import pytest

from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.webhooks import dispatcher
from sirrchat_testkit.webhooks.dispatcher import AT_ONCE, QUIET, SPACING, STEP, Dispatcher
from tests.support import auntil, deliver

pytestmark = pytest.mark.asyncio


class Pauses:
    """Takes the place of ``asyncio.sleep``: a pause lasts until the test ends it."""

    def __init__(self) -> None:
        self._sleep = asyncio.sleep
        self._pause: asyncio.Future[None] | None = None

    async def __call__(self, seconds: float) -> None:
        if seconds:
            self._pause = asyncio.get_running_loop().create_future()
            await self._pause
        else:
            await self._sleep(0)

    def __bool__(self) -> bool:
        return self._pause is not None and not self._pause.done()

    def end(self) -> None:
        assert self._pause is not None
        self._pause.set_result(None)


async def test_while_mail_arrives_attempts_are_spaced(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = 1000.0, Pauses()
    started: list[str] = []

    async def make(delivery: Delivery) -> None:
        started.append(delivery.message)

    sender = Dispatcher(services)
    monkeypatch.setattr(dispatcher, "_now", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", pauses)
    monkeypatch.setattr(sender._attempts, "make", make)
    ann = await services.accounts.add("ann@example.com")
    await services.webhooks.add((await services.keys.add(ann, "user")).record, "http://127.0.0.1/", ["email.received"])

    async def started_by_the_next_pause() -> int:
        await auntil(lambda: pauses or not sender._is_busy())
        return len(started)

    async with sender.running():
        assert await started_by_the_next_pause() == 0
        for _ in range(200):
            await deliver(services, "ann@example.com")
        assert AT_ONCE <= await started_by_the_next_pause() <= AT_ONCE + STEP
        now += 10 * SPACING
        pauses.end()
        assert AT_ONCE + 10 <= await started_by_the_next_pause() <= AT_ONCE + 10 + STEP
        now += QUIET
        pauses.end()
        assert await started_by_the_next_pause() == 200
        now += AT_ONCE * SPACING
        await deliver(services, "ann@example.com")
        assert await started_by_the_next_pause() == 201


async def test_an_attempt_that_is_cut_off_before_its_first_step_is_not_waited_for(services: Services) -> None:
    async with Dispatcher(services).running() as dispatcher:
        await services.sessions.settled(10)
        mark = services.store.mark()
        webhook = Webhook(
            id="hook", account="", url="http://127.0.0.1:1/", events=("email.received",), enabled=True, created_at=0
        )
        delivery = Delivery(
            id="one", account="", webhook="hook", event="email.received", message="", created_at=0, request_body="{}"
        )
        await services.store.commit([Put(webhook), Put(delivery)])
        dispatcher._queue.put("hook", delivery.seq)
        assert await dispatcher._start() == 1
        dispatcher.end(None)
        await services.store.rewind(mark)
        await dispatcher.rewind(None)
        assert dispatcher.busy() == []
