"""Retention: the oldest messages are deleted by the commit of the delivery that exceeds a limit."""

import pytest

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.services import Services

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
