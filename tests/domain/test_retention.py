"""Retention: the oldest messages are deleted by the commit of the delivery that exceeds a limit."""

import pytest

from sirrchat_testkit.domain.models import Delivery, Envelope, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Patch, Put
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus

pytestmark = pytest.mark.asyncio


async def deliver(services: Services, *names: str, size: int = 100) -> None:
    raw = f"Subject: {names[0]}\r\n\r\n".encode()
    envelope = Envelope(id="", sender="a@b.example", recipients=tuple(f"{name}@corp.example" for name in names))
    await services.delivery.deliver(envelope, raw.ljust(size, b"."))


async def kept(services: Services) -> list[str]:
    return [each.subject for each in await services.store.find(Message)]


async def test_nothing_is_deleted_without_a_limit(services: Services) -> None:
    for number in range(50):
        await deliver(services, str(number))
    assert len(await kept(services)) == 50


async def test_the_oldest_are_deleted_beyond_max_messages(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_messages=3)
    for number in range(5):
        await deliver(services, str(number))
    assert await kept(services) == ["2", "3", "4"]
    assert await services.store.count(Envelope) == 3


async def test_every_copy_counts(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_messages=3)
    await deliver(services, "one")
    await deliver(services, "two", "three")
    await deliver(services, "four")
    assert await kept(services) == ["two", "two", "four"]


async def test_the_oldest_are_deleted_beyond_max_bytes(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_bytes=250)
    for number in range(4):
        await deliver(services, str(number))
    assert await kept(services) == ["2", "3"]


async def test_the_delivered_message_stays_at_any_size(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_bytes=250)
    await deliver(services, "small")
    await deliver(services, "large", size=1000)
    assert await kept(services) == ["large"]


async def test_messages_beyond_max_age_are_deleted_by_the_clock(services: Services) -> None:
    services.clock.freeze(0)
    await services.delivery.purge_hourly()
    services.settings.value = services.settings.value.replace(max_age=1800)
    await deliver(services, "old")
    await services.clock.advance(1_799_999)
    assert await kept(services) == ["old"]
    await services.clock.advance(1)
    await deliver(services, "new")
    assert await kept(services) == ["new"]
    await services.clock.advance(3_600_000)
    assert await kept(services) == []


async def test_the_raw_bytes_are_deleted_too(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_messages=1)
    await deliver(services, "one")
    [one] = await services.store.find(Message)
    await deliver(services, "two")
    with pytest.raises(LookupError):
        await services.store.raw(one.blob)


async def test_a_scope_restores_deleted_messages(services: Services) -> None:
    await deliver(services, "one")
    scope = await services.scopes.open("test")
    services.settings.value = services.settings.value.replace(max_messages=1)
    await deliver(services, "two")
    assert await kept(services) == ["two"]
    await services.scopes.close(scope)
    assert await kept(services) == ["one"]


async def report(services: Services, name: str, status: DeliveryStatus = "delivered", size: int = 10) -> None:
    """Store a webhook delivery of the message ``name``, with a text of ``size`` bytes."""
    [message] = await services.store.find(Message, match=lambda each: each.subject == name)
    made = Delivery(
        id=f"{name} {status}",
        account="ann",
        webhook="hook",
        event="email.received",
        message=message.id,
        created_at=services.clock.now(),
        request_body="\u00e9" * (size // 2),
        status=status,
    )
    await services.store.commit([Put(made)])


async def reported(services: Services) -> list[str]:
    return [each.id for each in await services.store.find(Delivery)]


async def test_deliveries_are_dropped_with_their_message_except_pending_ones(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_messages=2)
    await deliver(services, "one")
    await report(services, "one", "failed")
    await deliver(services, "two")
    await report(services, "two", "pending")
    await deliver(services, "three")
    assert await reported(services) == ["two pending"]
    await deliver(services, "four")
    assert await kept(services) == ["three", "four"]
    [pending] = await services.store.find(Delivery)
    assert (pending.id, pending.request_body) == ("two pending", "\u00e9" * 5)


@pytest.mark.parametrize("status", ["delivered", "failed", "cancelled"])
async def test_the_oldest_finished_deliveries_are_dropped_beyond_max_messages(
    services: Services, status: DeliveryStatus
) -> None:
    services.settings.value = services.settings.value.replace(max_messages=3)
    await deliver(services, "one")
    await deliver(services, "two")
    await report(services, "one", "pending")
    await report(services, "one", status)
    await report(services, "two", status)
    await report(services, "two", "pending")
    await services.delivery.purge()
    assert await reported(services) == ["one pending", f"two {status}", "two pending"]
    assert await kept(services) == ["one", "two"]


async def test_the_text_of_deliveries_counts_in_max_bytes(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_bytes=500)
    await deliver(services, "one")
    await report(services, "one", size=100)
    await deliver(services, "two")
    await report(services, "two", size=100)
    assert await services.store.delivery_bytes() == 200
    await deliver(services, "three")
    assert await kept(services) == ["one", "two", "three"]
    await deliver(services, "four")
    assert await kept(services) == ["two", "three", "four"]
    assert await reported(services) == ["two delivered"]
    assert await services.store.delivery_bytes() == 100


async def test_a_delivery_that_is_older_than_every_message_is_dropped_first(services: Services) -> None:
    services.clock.freeze(1000)
    services.settings.value = services.settings.value.replace(max_messages=1)
    await deliver(services, "one")
    await report(services, "one", "pending", size=100)
    await services.clock.advance(1000)
    await deliver(services, "two")
    services.settings.value = services.settings.value.replace(max_messages=0, max_bytes=250)
    await services.store.commit([Patch(Delivery, 1, status="failed")])
    await deliver(services, "three")
    assert await kept(services) == ["two", "three"]
    assert await reported(services) == []


async def test_a_purge_keeps_the_latest_message_unless_it_is_too_old(services: Services) -> None:
    services.clock.freeze(1000)
    services.settings.value = services.settings.value.replace(max_bytes=50)
    await deliver(services, "one", "two")
    await services.delivery.purge()
    assert await kept(services) == ["one", "one"]
    services.settings.value = services.settings.value.replace(max_age=1)
    await services.clock.advance(1000)
    await services.delivery.purge()
    assert await kept(services) == []


async def test_some_more_are_deleted_once_a_limit_is_exceeded(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_messages=1000)
    for number in range(1000):
        await deliver(services, str(number))
    assert len(await kept(services)) == 1000
    await deliver(services, "1000")
    assert await kept(services) == [str(number) for number in range(11, 1001)]
