"""Attempts in progress: changes of a delivery before the receiver answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.events import Crashed, DeliveryAttempted
from sirrchat_testkit.domain.models import Account, Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Patch, Put
from sirrchat_testkit.errors import StoreFull
from sirrchat_testkit.settings import CurrentSettings, Settings
from sirrchat_testkit.webhooks import dispatcher as dispatcher_module
from sirrchat_testkit.webhooks.attempts import RETRIES
from sirrchat_testkit.webhooks.calls import OutgoingCall
from sirrchat_testkit.webhooks.client import READ, Outcome, Sender
from sirrchat_testkit.webhooks.dispatcher import STORE_RETRY, Dispatcher, _Running
from tests.support import auntil, deliver

pytestmark = pytest.mark.asyncio


class Receiver:
    """Replaces the sender's HTTP: each call waits until the test answers it."""

    def __init__(self) -> None:
        self.calls = 0
        self._waiting: asyncio.Queue[asyncio.Future[Outcome]] = asyncio.Queue()

    async def send(self, _url: str, _call: OutgoingCall) -> Outcome:
        self.calls += 1
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(answer)
        return await answer

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    async def called(self) -> asyncio.Future[Outcome]:
        """Wait for the next call. Return a future for its answer."""
        return await self._waiting.get()

    async def answer(self, status: int = 200) -> None:
        """Wait for the next call and answer it."""
        reply(await self.called(), status)


def reply(answer: asyncio.Future[Outcome], status: int = 200) -> None:
    answer.set_result(Outcome(status, None, "", 0, "", ""))


async def full(*_: object) -> list[int]:
    """Raise ``StoreFull``, like ``commit`` of a full store."""
    raise StoreFull("no room")


async def asleep(dispatcher: Dispatcher) -> None:
    """Return when ``dispatcher`` has seen every event, has started what is due, and waits for a change."""
    await auntil(lambda: not dispatcher._services.events._undelivered and not dispatcher._wake.is_set())


@pytest_asyncio.fixture
async def ann(services: Services) -> Account:
    return await services.accounts.add("ann@example.com")


@pytest_asyncio.fixture
async def webhook(services: Services, ann: Account) -> Webhook:
    key = (await services.keys.add(ann, "user")).record
    return await services.webhooks.add(key, "http://127.0.0.1/", ["email.received"])


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest_asyncio.fixture
async def dispatcher(
    services: Services, webhook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Dispatcher]:
    services.clock.freeze(1000)
    made = Dispatcher(services)
    monkeypatch.setattr(made._attempts, "_sender", receiver)
    async with made.running():
        await made.wait_until_idle()
        yield made
    assert [event for event in services.events.after() if isinstance(event, Crashed)] == []


async def only(services: Services) -> Delivery:
    [delivery] = await services.store.find(Delivery)
    return delivery


def pending(webhook: Webhook, name: str) -> Delivery:
    return Delivery(
        id=name, account=webhook.account, webhook=webhook.id, event="email.received", message="m", created_at=1,
        request_body="{}",
    )  # fmt: skip


async def test_the_answer_for_a_deleted_delivery_is_ignored(
    services: Services, ann: Account, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await deliver(services, "ann@example.com")
    answer = await receiver.called()
    await services.accounts.delete(ann)
    reply(answer)
    await dispatcher.wait_until_idle()
    assert [event for event in services.events.after() if isinstance(event, DeliveryAttempted)] == []


async def test_the_answer_for_a_delivery_is_not_that_of_the_next_one_in_its_place(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    mark = services.store.mark()
    await deliver(services, "ann@example.com")
    answer = await receiver.called()
    before = await only(services)
    await services.store.rewind(mark)
    assert await services.store.commit([Put(pending(webhook, "another"))]) == [before.seq]
    reply(answer)
    await dispatcher.wait_until_idle()
    assert ((await only(services)).status, (await only(services)).attempts) == ("pending", ())


async def test_a_scope_that_ends_ends_an_attempt_whose_place_was_taken(
    services: Services, webhook: Webhook, dispatcher: Dispatcher
) -> None:
    [seq] = await services.store.commit([Put(pending(webhook, "another"))])
    attempt = asyncio.create_task(asyncio.sleep(60))
    dispatcher._in_flight[seq] = _Running("of the scope", attempt)
    await dispatcher.rewind(None)
    assert attempt.cancelled()
    del dispatcher._in_flight[seq]


@pytest.mark.parametrize("status", [200, 503])
async def test_a_delivery_that_was_cancelled_meanwhile_stays_so(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver, status: int
) -> None:
    await deliver(services, "ann@example.com")
    answer = await receiver.called()
    await services.webhooks.update(webhook, enabled=False)
    reply(answer, status)
    await dispatcher.wait_until_idle()
    delivery = await only(services)
    assert (delivery.status, len(delivery.attempts)) == ("cancelled", 1)


async def test_a_delivery_of_a_disabled_webhook_is_cancelled_when_its_attempt_begins(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await services.store.commit([Put(pending(webhook, "one")), Patch(Webhook, webhook.seq, enabled=False)])
    await dispatcher._attempts.make(await only(services))
    assert ((await only(services)).status, receiver.calls) == ("cancelled", 0)


async def test_a_cancelled_delivery_is_not_attempted_when_its_webhook_is_enabled_again(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await deliver(services, "ann@example.com")
    await receiver.answer(503)
    await dispatcher.wait_until_idle()
    webhook = await services.webhooks.update(webhook, enabled=False)
    await services.webhooks.update(webhook, enabled=True)
    await services.clock.advance(60_000)
    assert receiver.calls == 1


async def test_a_delivery_requested_while_it_is_attempted_is_attempted_once_more(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await deliver(services, "ann@example.com")
    answer = await receiver.called()
    await services.webhooks.redeliver(webhook, (await only(services)).id)
    await asleep(dispatcher)
    assert receiver.calls == 1
    reply(answer)
    await receiver.answer()
    await dispatcher.wait_until_idle()
    delivery = await only(services)
    assert (delivery.status, len(delivery.attempts), receiver.calls) == ("delivered", 2, 2)


async def test_a_delivery_that_is_queued_twice_is_attempted_by_one_at_a_time(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await services.store.commit([Put(pending(webhook, "one"))])
    delivery = await only(services)
    for _ in range(2):
        dispatcher._attempts.request(delivery, in_flight=False)
    dispatcher._wake.set()
    answer = await receiver.called()
    await asleep(dispatcher)
    assert receiver.calls == 1
    reply(answer)
    await dispatcher.wait_until_idle()
    assert receiver.calls == 1


async def test_a_request_from_a_scope_that_ended_is_forgotten(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    scope = await services.scopes.open("one")
    await deliver(services, "ann@example.com")
    await receiver.called()
    await services.webhooks.redeliver(webhook, (await only(services)).id)
    await asleep(dispatcher)
    await services.scopes.close(scope)
    await deliver(services, "ann@example.com")
    await receiver.answer()
    await dispatcher.wait_until_idle()
    assert ((await only(services)).status, receiver.calls) == ("delivered", 2)


async def test_an_attempt_whose_outcome_was_not_stored_is_made_again(
    services: Services, dispatcher: Dispatcher, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(services, "ann@example.com")
    answer = await receiver.called()
    with monkeypatch.context() as patch:
        patch.setattr(services.store, "commit", full)
        reply(answer)
        await dispatcher.wait_until_idle()
    advancing = asyncio.create_task(services.clock.advance(STORE_RETRY))
    await receiver.answer()
    await advancing
    assert (await only(services)).status == "delivered"


async def test_waiting_ends_while_the_store_is_full(
    services: Services, dispatcher: Dispatcher, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "STORE_PAUSE", 0.001)  # of real time
    await deliver(services, "ann@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(services.store, "commit", full)
        await dispatcher.wait_until_idle()
    await receiver.answer()
    await dispatcher.wait_until_idle()
    assert (await only(services)).status == "delivered"


async def test_a_retry_is_made_after_a_scope_in_which_an_earlier_one_was_due(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    await deliver(services, "ann@example.com")
    await receiver.answer(503)
    await dispatcher.wait_until_idle()
    scope = await services.scopes.open("one")
    dispatcher._queue.put_later(webhook.id, 99, services.clock.now() + 500)
    dispatcher._set_timer()
    await services.clock.advance(500)
    await services.scopes.close(scope)
    advancing = asyncio.create_task(services.clock.advance(RETRIES[0]))
    await receiver.answer()
    await advancing
    assert (await only(services)).status == "delivered"


async def test_every_pending_delivery_is_read_however_many_there_are(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "_PENDING_AT_ONCE", 2)
    await services.store.commit([Put(pending(webhook, str(number))) for number in range(5)])
    await dispatcher.rewind(None)
    await asleep(dispatcher)
    await auntil(lambda: receiver.calls == len(dispatcher._in_flight))
    assert receiver.calls == 5


async def test_attempts_under_way_end_with_the_dispatcher(
    services: Services, webhook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Dispatcher(services)
    monkeypatch.setattr(made._attempts, "_sender", receiver)
    async with made.running():
        await services.store.commit([Put(pending(webhook, "one"))])
        made._attempts.request(await only(services), in_flight=False)
        made._wake.set()
        answer = await receiver.called()
    assert answer.cancelled()


async def test_no_more_of_an_answer_is_read_than_is_needed() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(READ))
        with contextlib.suppress(ConnectionError):
            await reader.read()  # until the sender has closed
        writer.close()

    sender = Sender(CurrentSettings(Settings()))
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await sender.send(f"http://127.0.0.1:{port}/", OutgoingCall({}, b"{}"))
        await sender.close()
    assert (outcome.status, outcome.error) == (200, None)


async def test_an_attempt_in_progress_ends_although_its_text_was_deleted(
    services: Services, webhook: Webhook, dispatcher: Dispatcher, receiver: Receiver
) -> None:
    messages = await deliver(services, "ann@example.com")
    answer = await receiver.called()
    await services.webhooks.redeliver(webhook, (await only(services)).id)
    await services.delivery.delete(messages)
    reply(answer)
    await dispatcher.wait_until_idle()
    found = await only(services)
    assert (found.status, len(found.attempts), found.request_body) == ("cancelled", 1, None)
