"""An account with many messages leaves every list at once, and is deleted in slices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from sirrchat_testkit.cli.data import _dump
from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.events import Crashed, MessagesRemoved
from sirrchat_testkit.domain.models import Account, AccountDeletion, Address, Delivery, Envelope, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Change, Put
from sirrchat_testkit.errors import NotFound, StoreFull
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage.store import TinyStore
from tests.support import auntil, deliver

pytestmark = pytest.mark.asyncio

MANY = 5 * SLICE


@pytest_asyncio.fixture
async def ann(services: Services) -> Account:
    """An account with many messages and deliveries."""
    return await fill(services)


async def fill(services: Services) -> Account:
    account = await services.accounts.add("ann@example.com")
    webhook = await services.webhooks.add((await services.keys.add(account, "user")).record, "http://x.example", [])
    for number in range(MANY):
        [message] = await deliver(services, "ann@example.com", raw=b"Subject: %d\r\n\r\n" % number)
        made = Delivery(
            id=f"{number}",
            account=account.id,
            webhook=webhook.id,
            event="email.received",
            message=message.id,
            created_at=1,
            request_body="{}",
        )
        await services.store.commit([Put(made)])
    return account


async def counts(services: Services) -> list[int]:
    return [await services.store.count(kind) for kind in (Message, Envelope, Delivery, AccountDeletion)]


def done(services: Services) -> Callable[[], bool]:
    """Return whether the task that deletes accounts has ended, as a function."""
    return lambda: services.deletion._task is None


async def test_it_leaves_every_list_at_once(services: Services, ann: Account) -> None:
    key = (await services.keys.add(ann, "user")).key
    await services.accounts.delete(ann)
    assert await services.store.count(Message) == MANY - SLICE
    assert await services.keys.find(key) is None
    assert await services.accounts.page(0, 9) == ([], 0)
    assert await services.store.get(Address, key="ann@example.com") is None
    for look_up in (services.accounts.get(ann.id), services.accounts.of("ann@example.com")):
        with pytest.raises(NotFound):
            await look_up
    stats = await services.stats.server()
    assert (stats.users_total, stats.storage_used, stats.smtp.received) == (0, 0, MANY)
    assert not done(services)()


async def test_every_commit_is_small(services: Services, ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    commit = services.store.commit

    async def counted(changes: Sequence[Change], *rest: Callable[[], None]) -> list[int]:
        sizes.append(len(changes))
        return await commit(changes, *rest)

    monkeypatch.setattr(services.store, "commit", counted)
    messages = {each.id for each in await services.store.find(Message)}
    await services.accounts.delete(ann)
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]
    assert len(sizes) >= MANY / SLICE
    assert max(sizes) <= 5 * SLICE
    events = [each for each in services.events.held() if isinstance(each, MessagesRemoved)]
    assert {each for event in events for each in event.ids} == messages
    assert len(events) == MANY / SLICE


async def test_other_work_goes_on_between_two_slices(services: Services, ann: Account) -> None:
    await services.accounts.delete(ann)
    seen = {await services.store.count(Message)}
    while not done(services)():
        await asyncio.sleep(0)
        seen.add(await services.store.count(Message))
    assert seen == set(range(0, MANY, SLICE))


async def test_an_account_of_the_same_name_is_another_one(services: Services, ann: Account) -> None:
    await services.accounts.delete(ann)
    again = await services.accounts.add("ann@example.com")
    assert (await services.accounts.usage(again)).count == 0
    [message] = await deliver(services, "ann@example.com")
    assert message.seq == MANY + 1
    assert await services.folders.page(again, "INBOX", 0, 9) == ([message], 1)
    await auntil(done(services))
    assert await services.store.find(Message) == [message]
    assert (await services.counters.read(again.id)).received == 1


async def test_a_scope_that_ends_restores_the_account(services: Services, ann: Account) -> None:
    before = await counts(services)
    scope = await services.scopes.open("test")
    await services.accounts.delete(ann)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await services.scopes.close(scope)
    for _ in range(20):
        await asyncio.sleep(0)
    assert await counts(services) == before
    assert await services.accounts.get(ann.id) == ann
    assert done(services)()


async def test_a_deletion_goes_on_after_the_scope_in_which_it_went_on(services: Services, ann: Account) -> None:
    await services.accounts.delete(ann)
    scope = await services.scopes.open("test")
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]
    await services.scopes.close(scope)
    assert await services.store.count(Message) == MANY - SLICE
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]


async def test_a_full_store_delays_the_deletion(
    services: Services, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.accounts.delete(ann)
    monkeypatch.setattr("sirrchat_testkit.domain.deletion.PAUSE", 0)
    failed = asyncio.Event()

    async def fail(_changes: Sequence[Change]) -> list[int]:
        failed.set()
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(services.store, "commit", fail)
        await failed.wait()
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]
    assert [each for each in services.events.held() if isinstance(each, Crashed)] == []


@pytest_asyncio.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A data folder in which the deletion of an account is in progress."""
    services = Services.build(Settings(), TinyStore(tmp_path / "data"), asyncio.get_running_loop())
    await services.set_up()
    await services.accounts.delete(await fill(services))
    await services.close()
    await services.store.close()
    yield tmp_path / "data"


async def test_a_restart_goes_on(folder: Path) -> None:
    services = Services.build(Settings(), TinyStore(folder), asyncio.get_running_loop())
    assert await services.store.count(Message) == MANY - SLICE
    await services.set_up()
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]
    await services.close()
    await services.store.close()


async def test_a_dump_leaves_out_the_messages_of_a_deleted_account(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "dump"
    target.mkdir()
    assert await _dump(folder, target) == (0, 0)
    assert json.loads((target / "index.json").read_text("ascii")) == []
