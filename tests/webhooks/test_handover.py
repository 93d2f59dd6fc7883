"""Deliveries are made of messages that are still stored when they are committed."""

from __future__ import annotations

import asyncio

import pytest

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.models import Delivery, Envelope, Message
from sirrchat_testkit.webhooks.handover import Handover

pytestmark = pytest.mark.asyncio


class Reading:
    """A hand-over that has begun to read messages of the address, and waits with the last of them."""

    def __init__(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.backend = backend
        self.handover = Handover(backend)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self._read = backend.postoffice.raw
        monkeypatch.setattr(backend.postoffice, "raw", self._slow)

    async def begin(self, *bodies: bytes) -> asyncio.Task[list[Delivery]]:
        account = await self.backend.accounts.add("ann@example.com")
        await self.backend.directory.add_address(account.id, "push@example.com")
        await self.backend.webhooks.set_push(account.id, "http://127.0.0.1:1/", enabled=True)
        await self.handover.resume()
        self.mark = self.backend.store.mark()
        for body in bodies:
            envelope = Envelope(id="", sender="a@b.example", recipients=("push@example.com",))
            [self.message] = await self.backend.postoffice.deliver(envelope, body)
        step = asyncio.create_task(self.handover.step(8))
        await self.asked.wait()
        return step

    async def _slow(self, message: Message) -> bytes:
        raw = await self._read(message)
        if message.id == self.message.id:
            self.asked.set()
            await self.go_on.wait()
        return raw


async def test_messages_that_go_with_their_scope_while_they_are_read_make_no_deliveries(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(backend, monkeypatch)
    step = await reading.begin(b"one", b"two")
    await backend.store.rewind(reading.mark)
    reading.go_on.set()
    assert await step == []
    assert await backend.store.find(Delivery) == []
    assert await reading.handover.step(8) == []
    assert not reading.handover.behind


async def test_a_message_that_is_deleted_while_it_is_read_does_not_hold_up_the_others(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(backend, monkeypatch)
    step = await reading.begin(b"one", b"two")
    await backend.postoffice.delete([reading.message])
    reading.go_on.set()
    assert await step == []
    assert reading.handover.behind
    assert len(await reading.handover.step(8)) == 1
