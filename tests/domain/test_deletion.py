"""Each way to delete messages appends one event after its commit, and so does a changed flag."""

from collections.abc import Awaitable, Callable

import pytest

from sirrchat_testkit.domain.events import MessageReceived, MessagesChanged, MessagesRemoved
from sirrchat_testkit.domain.models import SEEN, Account, Address, Delivery, Message, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import Conflict
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus
from tests.support import deliver

pytestmark = pytest.mark.asyncio


async def make(services: Services) -> tuple[Account, Address, list[Message]]:
    """Make an account with a disposable address, and three messages for that."""
    account = await services.accounts.add("ann@example.com")
    address = await services.directory.add_address(account.id, "box@example.com", expires_in=1000)
    return account, address, [(await deliver(services, "box@example.com"))[0] for _ in range(3)]


def removed(services: Services) -> list[MessagesRemoved]:
    return [each for each in services.events.held() if isinstance(each, MessagesRemoved)]


async def delete_messages(services: Services, _: Account, __: Address, messages: list[Message]) -> None:
    await services.delivery.delete(messages)


async def delete_address(services: Services, _: Account, address: Address, __: list[Message]) -> None:
    await services.delivery.delete_address(address)


async def delete_account(services: Services, account: Account, _: Address, __: list[Message]) -> None:
    await services.accounts.delete(account)


async def purge(services: Services, _: Account, __: Address, ___: list[Message]) -> None:
    services.clock.freeze()
    await services.clock.advance(3_600_000)


@pytest.mark.parametrize("delete", [delete_messages, delete_address, delete_account, purge])
async def test_a_deletion_appends_one_event(
    services: Services, delete: Callable[[Services, Account, Address, list[Message]], Awaitable[None]]
) -> None:
    services.clock.freeze()
    account, address, messages = await make(services)
    await delete(services, account, address, messages)
    [event] = removed(services)
    assert set(event.ids) == {each.id for each in messages}
    assert event.recipients == {"box@example.com"}
    assert await services.delivery.messages("box@example.com") == []


async def test_a_delivery_that_makes_room_appends_the_removal_after_the_arrival(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    [oldest] = await deliver(services, "ann@example.com")
    services.settings.value = services.settings.value.replace(max_messages=1)
    await deliver(services, "ann@example.com")
    [event] = removed(services)
    assert event.ids == (oldest.id,)
    assert [type(each) for each in services.events.held()][-2:] == [MessageReceived, MessagesRemoved]


async def test_deleting_no_message_appends_no_event(services: Services) -> None:
    account = await services.accounts.add("ann@example.com")
    await services.directory.add_address(account.id, "box@example.com")
    await services.delivery.delete([])
    await services.accounts.delete(account)
    assert removed(services) == []


async def test_reading_a_message_appends_a_change_of_flags(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    [message] = await deliver(services, "ann@example.com")
    await services.folders.see(message)
    await services.folders.see(
        await services.folders.message(await services.accounts.of("ann@example.com"), message.seq)
    )
    [event] = [each for each in services.events.held() if isinstance(each, MessagesChanged)]
    assert [(each.id, each.flags, each.seen) for each in event.messages] == [(message.id, (SEEN,), True)]


async def report(services: Services, account: Account, message: Message) -> tuple[Webhook, list[Delivery]]:
    """Make a webhook of another account, and a finished and a pending delivery that report ``message`` to it."""
    key = (await services.keys.add(account, "admin")).record
    webhook = await services.webhooks.add(key, "https://hooks.example/in", ["email.received"])
    made = [
        Delivery(
            id=f"{message.id} {status}",
            account=account.id,
            webhook=webhook.id,
            event="email.received",
            message=message.id,
            created_at=1,
            request_body="{}",
            status=status,
            due_at=5 if status == "pending" else 0,
        )
        for status in STATUSES
    ]
    await services.store.commit([*map(Put, made)])
    return webhook, made


STATUSES: tuple[DeliveryStatus, ...] = ("delivered", "pending")


@pytest.mark.parametrize("delete", [delete_messages, delete_address, delete_account, purge])
async def test_a_deletion_deletes_the_text_of_webhook_deliveries(
    services: Services, delete: Callable[[Services, Account, Address, list[Message]], Awaitable[None]]
) -> None:
    services.clock.freeze()
    bob = await services.accounts.add("bob@example.com")
    account, address, messages = await make(services)
    webhook, _ = await report(services, bob, messages[0])
    _, kept = await report(services, bob, (await deliver(services, "bob@example.com"))[0])
    await delete(services, account, address, messages)
    found = await services.store.find(Delivery)
    assert [(each.status, each.request_body, each.due_at) for each in found[:2]] == [
        ("delivered", None, 0),
        ("cancelled", None, 0),
    ]
    assert [(each.status, each.request_body) for each in found[2:]] == [(each.status, "{}") for each in kept]
    for each in found[:2]:
        with pytest.raises(Conflict, match="text of the delivery was deleted"):
            await services.webhooks.redeliver(webhook, each.id)


async def test_deleting_a_webhook_deletes_the_text_of_its_deliveries(services: Services) -> None:
    account, _, messages = await make(services)
    webhook, _ = await report(services, account, messages[0])
    await report(services, account, messages[0])
    await services.webhooks.delete(webhook)
    found = [(each.status, each.request_body) for each in await services.store.find(Delivery)]
    assert found == [("delivered", None), ("cancelled", None), ("delivered", "{}"), ("pending", "{}")]
    assert await services.delivery.messages("box@example.com") == messages


async def test_the_end_of_a_scope_restores_the_text_of_deliveries(services: Services) -> None:
    account, _, messages = await make(services)
    await report(services, account, messages[0])
    before = await services.store.find(Delivery)
    scope = await services.scopes.open("test")
    await services.delivery.delete(messages)
    await services.scopes.close(scope)
    assert await services.store.find(Delivery) == before
