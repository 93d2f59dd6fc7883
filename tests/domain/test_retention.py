"""Retention: the oldest messages are deleted by the commit of the delivery that exceeds a limit."""

import pytest

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.services import Backend

pytestmark = pytest.mark.asyncio


async def deliver(backend: Backend, *names: str, size: int = 100) -> None:
    raw = f"Subject: {names[0]}\r\n\r\n".encode()
    envelope = Envelope(id="", sender="a@b.example", recipients=tuple(f"{name}@corp.example" for name in names))
    await backend.postoffice.deliver(envelope, raw.ljust(size, b"."))


async def kept(backend: Backend) -> list[str]:
    return [each.subject for each in await backend.store.find(Message)]


async def test_nothing_is_deleted_without_a_limit(backend: Backend) -> None:
    for number in range(50):
        await deliver(backend, str(number))
    assert len(await kept(backend)) == 50


async def test_the_oldest_are_deleted_beyond_max_messages(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_messages=3)
    for number in range(5):
        await deliver(backend, str(number))
    assert await kept(backend) == ["2", "3", "4"]
    assert await backend.store.count(Envelope) == 3


async def test_every_copy_counts(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_messages=3)
    await deliver(backend, "one")
    await deliver(backend, "two", "three")
    await deliver(backend, "four")
    assert await kept(backend) == ["two", "two", "four"]


async def test_the_oldest_are_deleted_beyond_max_bytes(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_bytes=250)
    for number in range(4):
        await deliver(backend, str(number))
    assert await kept(backend) == ["2", "3"]


async def test_the_delivered_message_stays_at_any_size(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_bytes=250)
    await deliver(backend, "small")
    await deliver(backend, "large", size=1000)
    assert await kept(backend) == ["large"]


async def test_messages_beyond_max_age_are_deleted_by_the_clock(backend: Backend) -> None:
    backend.clock.freeze(0)
    await backend.postoffice.purge_hourly()
    backend.settings.value = backend.settings.value.replace(max_age=1800)
    await deliver(backend, "old")
    await backend.clock.advance(1_799_999)
    assert await kept(backend) == ["old"]
    await backend.clock.advance(1)
    await deliver(backend, "new")
    assert await kept(backend) == ["new"]
    await backend.clock.advance(3_600_000)
    assert await kept(backend) == []


async def test_the_raw_bytes_are_deleted_too(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_messages=1)
    await deliver(backend, "one")
    [one] = await backend.store.find(Message)
    await deliver(backend, "two")
    with pytest.raises(LookupError):
        await backend.store.raw(one.blob)


async def test_a_scope_restores_deleted_messages(backend: Backend) -> None:
    await deliver(backend, "one")
    scope = await backend.scopes.open("test")
    backend.settings.value = backend.settings.value.replace(max_messages=1)
    await deliver(backend, "two")
    assert await kept(backend) == ["two"]
    await backend.scopes.close(scope)
    assert await kept(backend) == ["one"]
