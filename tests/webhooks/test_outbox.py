"""Making deliveries of messages: changes while the store is working."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.events import MessagesRemoved
from sirrchat_testkit.domain.models import Delivery, Envelope, Message, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Change, Delete, Patch
from sirrchat_testkit.errors import StoreFull
from sirrchat_testkit.mail import mime
from sirrchat_testkit.threads import LARGE
from sirrchat_testkit.webhooks.calls import make_call
from sirrchat_testkit.webhooks.dispatcher import Dispatcher
from sirrchat_testkit.webhooks.outbox import Outbox
from tests.support import auntil, deliver

pytestmark = pytest.mark.asyncio


class Held:
    """A method of the store that pauses, before or after its work, until ``go_on`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Any, name: str, *, after: bool = False) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        real = getattr(store, name)

        async def held(*args: Any) -> Any:
            done = await real(*args) if after else None
            self.reached.set()
            await self.go_on.wait()
            return done if after else await real(*args)

        monkeypatch.setattr(store, name, held)


async def webhook(services: Services) -> None:
    """Add an account with a disposable address and a webhook for it."""
    ann = await services.accounts.add("ann@example.com")
    await services.directory.add_address(ann.id, "box@example.com")
    await services.webhooks.set_push(ann.id, "https://hooks.example/in", enabled=True)


async def test_messages_of_a_scope_that_ends_meanwhile_are_not_handed_over(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(services)
    await webhook(services)
    scope = await services.scopes.open("a test")
    await deliver(services, "box@example.com")
    reading = Held(monkeypatch, services.store, "raw", after=True)
    step = asyncio.create_task(outbox.step(8))
    await reading.reached.wait()
    await services.scopes.close(scope)
    await outbox.resume()
    reading.go_on.set()
    assert await step == []
    assert await services.store.count(Delivery) == 0


async def test_a_message_whose_delivery_a_scope_took_back_is_handed_over_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(services)
    await webhook(services)
    [message] = await deliver(services, "box@example.com")
    scope = await services.scopes.open("a test")
    with monkeypatch.context() as patch:
        waiting = Held(patch, services.store, "commit", after=True)
        step = asyncio.create_task(outbox.step(8))
        await waiting.reached.wait()
        await services.scopes.close(scope)
        await outbox.resume()
        waiting.go_on.set()
        await step
    assert outbox.behind
    assert [each.message for each in await outbox.step(8)] == [message.id]


async def test_messages_are_handed_over_again_after_a_commit_that_failed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(services)
    await webhook(services)
    [message] = await deliver(services, "box@example.com")

    async def fail(_changes: Sequence[Change]) -> list[int]:
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(services.store, "commit", fail)
        with pytest.raises(StoreFull):
            await outbox.step(8)
    assert outbox.behind
    assert [each.message for each in await outbox.step(8)] == [message.id]
    assert await outbox.step(8) == []


async def test_the_webhook_that_is_furthest_behind_says_where_to_go_on(services: Services) -> None:
    for name in ("ann", "bob"):
        key = (await services.keys.add(await services.accounts.add(f"{name}@example.com"), "user")).record
        await services.webhooks.add(key, "https://hooks.example/in", ["email.received"])
    for recipient in ("ann@example.com", "bob@example.com"):
        await deliver(services, recipient)
    outbox = Outbox(services)
    await outbox.resume()
    assert len(await outbox.step(8)) == 2


async def test_without_a_webhook_there_is_nothing_to_do(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    await services.directory.add_address(ann.id, "box@example.com")
    outbox = Outbox(services)
    await outbox.resume()
    outbox.note_stored(*await deliver(services, "box@example.com"))
    assert not outbox.behind


async def test_a_message_is_not_handed_over_twice(services: Services) -> None:
    await webhook(services)
    await deliver(services, "box@example.com")
    assert len(await Outbox(services).step(8)) == 1
    assert await Outbox(services).step(8) == []  # reads the message again


async def test_a_message_that_was_deleted_before_it_was_read_is_skipped(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(services)
    await webhook(services)
    [first] = await deliver(services, "box@example.com")
    reading = Held(monkeypatch, services.store, "raw")
    step = asyncio.create_task(outbox.step(8))
    await reading.reached.wait()
    await services.store.commit([Delete(Message, first.seq), Delete(Envelope, 1)])
    reading.go_on.set()
    assert await step == []
    assert await services.store.count(Delivery) == 0


class Reading:
    """A step that has begun to read messages of the address, and waits at the last one."""

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services = services
        self.outbox = Outbox(services)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self._read = services.delivery.raw
        monkeypatch.setattr(services.delivery, "raw", self._slow)

    async def begin(self, *bodies: bytes) -> asyncio.Task[list[Delivery]]:
        account = await self.services.accounts.add("ann@example.com")
        await self.services.directory.add_address(account.id, "push@example.com")
        await self.services.webhooks.set_push(account.id, "http://127.0.0.1:1/", enabled=True)
        await self.outbox.resume()
        self.mark = self.services.store.mark()
        for body in bodies:
            envelope = Envelope(id="", sender="a@b.example", recipients=("push@example.com",))
            [self.message] = await self.services.delivery.deliver(envelope, body)
        step = asyncio.create_task(self.outbox.step(8))
        await self.asked.wait()
        return step

    async def _slow(self, message: Message) -> bytes:
        raw = await self._read(message)
        if message.id == self.message.id:
            self.asked.set()
            await self.go_on.wait()
        return raw


async def test_messages_that_go_with_their_scope_while_they_are_read_make_no_deliveries(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(services, monkeypatch)
    step = await reading.begin(b"one", b"two")
    await services.store.rewind(reading.mark)
    reading.go_on.set()
    assert await step == []
    assert await services.store.find(Delivery) == []
    assert await reading.outbox.step(8) == []
    assert not reading.outbox.behind


async def test_a_message_that_is_deleted_while_it_is_read_does_not_hold_up_the_others(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(services, monkeypatch)
    step = await reading.begin(b"one", b"two")
    await services.delivery.delete([reading.message])
    reading.go_on.set()
    assert await step == []
    assert reading.outbox.behind
    assert len(await reading.outbox.step(8)) == 1


@pytest.mark.parametrize("size", [LARGE - 1, LARGE])
async def test_a_large_message_is_parsed_in_a_thread(
    services: Services, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def parse(raw: bytes) -> mime.Parsed:
        threads.append(threading.current_thread())
        return parsed(raw)

    threads: list[threading.Thread] = []
    parsed = mime.parse
    monkeypatch.setattr(mime, "parse", parse)
    outbox = Outbox(services)
    await webhook(services)
    [message] = await deliver(services, "box@example.com", raw=b"Subject: x\r\n\r\n".ljust(size, b"x"))
    [delivery] = await outbox.step(8)
    call = await make_call(services, "new_message", message, "", "")
    assert json.loads(delivery.request_body or "")["subject"] == json.loads(call.body)["subject"] == "x"
    assert [each is threading.current_thread() for each in threads] == [size < LARGE] * 2


async def test_a_delivery_is_not_made_of_a_message_that_was_deleted_while_a_later_one_was_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(services, monkeypatch)
    step = await reading.begin(b"one", b"two")
    [first, last] = await services.store.find(Message)
    await services.delivery.delete([first])
    reading.go_on.set()
    assert [each.message for each in await step] == [last.id]
    assert await services.store.count(Delivery) == 1


async def handed_over(services: Services, outbox: Outbox) -> int:
    """Hand over everything; return the number of messages that were reported."""
    while outbox.behind:
        await outbox.step(8)
    return len({each.message for each in await services.store.find(Delivery)})


async def test_a_message_is_not_dropped_before_its_deliveries_are_made(services: Services) -> None:
    await webhook(services)
    outbox = Outbox(services)
    await outbox.resume()
    services.settings.value = services.settings.value.replace(max_messages=5)
    for _ in range(50):
        outbox.note_stored(*await deliver(services, "box@example.com"))
    assert await services.store.count(Message) == 50
    assert await handed_over(services, outbox) == 50
    assert await services.store.count(Message) == 5
    assert len(removed(services)) == 45


def removed(services: Services) -> list[str]:
    """Return the ids of the messages whose removal is in the event log."""
    return [each for event in services.events.held() if isinstance(event, MessagesRemoved) for each in event.ids]


async def test_a_start_does_not_drop_messages_before_their_deliveries_are_made(services: Services) -> None:
    await webhook(services)
    for _ in range(50):
        await deliver(services, "box@example.com")
    services.settings.value = services.settings.value.replace(max_messages=5)
    await services.set_up()
    async with Dispatcher(services).running() as dispatcher:
        assert await handed_over(services, dispatcher.outbox) == 50
    assert await services.store.count(Message) == 5


async def test_a_start_without_webhooks_applies_the_limits(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    for _ in range(50):
        await deliver(services, "ann@example.com")
    services.settings.value = services.settings.value.replace(max_messages=5)
    async with Dispatcher(services).running() as dispatcher:
        await dispatcher.wait_until_idle()
        await auntil(lambda: removed(services))
    assert await services.store.count(Message) == 5


async def test_making_deliveries_drops_the_oldest_finished_ones(services: Services) -> None:
    await webhook(services)
    outbox = Outbox(services)
    await outbox.resume()
    for _ in range(8):
        await deliver(services, "box@example.com")
    made = await outbox.step(8)
    services.settings.value = services.settings.value.replace(max_messages=8)
    await services.store.commit([Patch(Delivery, each.seq, status="failed") for each in made[1:]])
    outbox.note_stored(*await deliver(services, "box@example.com"))
    [last] = await outbox.step(8)
    assert await services.store.find(Delivery) == [made[0], *await services.store.find(Delivery, after=2)]
    assert await services.store.count(Delivery) == 8
    assert await services.store.get(Delivery, id=last.id) == last


async def test_the_messages_of_a_deleted_address_are_not_reported(services: Services) -> None:
    bob = await services.accounts.add("bob@example.com")
    await services.webhooks.add(
        (await services.keys.add(bob, "admin")).record, "https://hooks.example/in", ["email.received"]
    )
    box = await services.directory.add_address(bob.id, "box@example.com")
    outbox = Outbox(services)
    await outbox.resume()
    for _ in range(2 * SLICE):
        outbox.note_stored(*await deliver(services, "box@example.com"))
    await services.delivery.delete_address(box)
    assert await outbox.step(8) == []
    assert await services.deletion.in_progress() == {box.id}


async def test_the_messages_of_a_deleted_account_are_not_reported(services: Services) -> None:
    bob = await services.accounts.add("bob@example.com")
    await services.webhooks.add(
        (await services.keys.add(bob, "admin")).record, "https://hooks.example/in", ["email.received"]
    )
    ann = await services.accounts.add("ann@example.com")
    outbox = Outbox(services)
    await outbox.resume()
    for _ in range(2 * SLICE):
        outbox.note_stored(*await deliver(services, "ann@example.com"))
    await services.accounts.delete(ann)
    assert await outbox.step(8) == []
    assert await services.deletion.in_progress() == {ann.id}


async def test_a_delivery_is_not_made_for_a_webhook_that_was_deleted_while_a_message_was_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(services, monkeypatch)
    step = await reading.begin(b"one")
    [hook] = await services.store.find(Webhook)
    await services.webhooks.delete(hook)
    reading.go_on.set()
    assert await step == []
