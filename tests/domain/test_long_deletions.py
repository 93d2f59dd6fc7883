"""What has many messages or deliveries leaves every list at once, and is deleted in slices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sirrchat_testkit.cli.data import _dump
from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.events import Crashed, MessagesRemoved
from sirrchat_testkit.domain.models import Account, Address, Delivery, Envelope, Message, PendingDeletion, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Change, Put, Usage
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


@pytest_asyncio.fixture
async def box(services: Services) -> Address:
    """A disposable address with many messages, which were reported to a webhook."""
    await fill(services, "box@example.com")
    return await find(services)


async def find(services: Services) -> Address:
    found = await services.directory.find_address("box@example.com")
    assert found is not None
    return found


async def fill(services: Services, to: str = "ann@example.com") -> Account:
    account = await services.accounts.add("ann@example.com")
    if to != account.email:
        await services.directory.add_address(account.id, to, expires_in=600_000)
    webhook = await services.webhooks.add((await services.keys.add(account, "user")).record, "http://x.example", [])
    for number in range(MANY):
        [message] = await deliver(services, to, raw=b"Subject: %d\r\n\r\n" % number)
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
    return [await services.store.count(kind) for kind in (Message, Envelope, Delivery, PendingDeletion)]


def done(services: Services) -> Callable[[], bool]:
    """Return whether the task that goes on with deletions has ended, as a function."""
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
    assert await services.stats.stored() == Usage(0, 0)
    assert not done(services)()


async def test_an_address_leaves_every_list_at_once(services: Services, box: Address) -> None:
    await services.delivery.delete_address(box)
    assert await services.store.count(Message) == MANY - SLICE
    assert await services.directory.find_address("box@example.com") is None
    assert await services.directory.count_active(box.account) == 0
    again = await services.directory.add_address(box.account, "box@example.com")
    assert await services.delivery.page(again, before=None, limit=9) == ([], 0)
    assert not done(services)()


async def delete_account(services: Services) -> None:
    await services.accounts.delete(await services.accounts.of("ann@example.com"))


async def delete_address(services: Services) -> None:
    await services.delivery.delete_address(await find(services))


async def purge(services: Services) -> None:
    services.clock.freeze()
    await services.clock.advance(7_200_000)  # expired addresses are purged on the full hour after they expired


Delete = Callable[[Services], Awaitable[None]]


@pytest.mark.parametrize("delete", [delete_account, delete_address, purge])
async def test_every_commit_is_small(
    services: Services, box: Address, delete: Delete, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    commit = services.store.commit

    async def counted(changes: Sequence[Change], *rest: Callable[[], None]) -> list[int]:
        sizes.append(len(changes))
        return await commit(changes, *rest)

    monkeypatch.setattr(services.store, "commit", counted)
    messages = {each.id for each in await services.store.find(Message)}
    await delete(services)
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0 if delete is delete_account else MANY, 0]
    assert {each.request_body for each in await services.store.find(Delivery)} <= {None}
    assert len(sizes) >= MANY / SLICE
    assert max(sizes) <= 5 * SLICE
    events = [each for each in services.events.held() if isinstance(each, MessagesRemoved)]
    assert {each for event in events for each in event.ids} == messages
    assert len(events) == MANY / SLICE


async def test_a_webhook_is_deleted_in_slices(services: Services, ann: Account) -> None:
    [webhook] = await services.store.find(Webhook)
    await services.webhooks.delete(webhook)
    assert await services.store.find(Webhook) == []
    seen = set()
    while not done(services)():
        seen.add(await with_text(services))
        await asyncio.sleep(0)
    assert seen == set(range(0, MANY, SLICE))
    assert await counts(services) == [MANY, MANY, MANY, 0]
    assert {(each.status, each.request_body) for each in await services.store.find(Delivery)} == {("cancelled", None)}


async def test_many_deliveries_of_a_disabled_webhook_are_cancelled_in_slices(services: Services, ann: Account) -> None:
    [webhook] = await services.store.find(Webhook)
    disabling = asyncio.create_task(services.webhooks.update(webhook, enabled=False))
    seen = []
    while not disabling.done():
        await asyncio.sleep(0)
        seen.append(await services.store.count(Delivery, status="cancelled"))
    assert sorted({*seen}) == [*range(SLICE, MANY + 1, SLICE)]
    assert (await services.store.find(Webhook)) == [await disabling] == [replace(webhook, enabled=False)]


async def test_a_delivery_of_a_webhook_that_is_enabled_again_is_not_cancelled(services: Services, ann: Account) -> None:
    [webhook] = await services.store.find(Webhook)
    disabling = asyncio.create_task(services.webhooks.update(webhook, enabled=False))
    await asyncio.sleep(0)
    [disabled] = await services.store.find(Webhook)
    enabled = await services.webhooks.update(disabled, enabled=True)
    later = replace(*await services.store.find(Delivery, limit=1), id="later", seq=0, status="pending")
    await services.store.commit([Put(later)])
    await disabling
    assert enabled.enabled
    assert await services.store.find(Delivery, {"status": "pending"}) == [later]


async def with_text(services: Services) -> int:
    return len(await services.store.find(Delivery, match=lambda each: each.request_body is not None))


async def test_copies_for_two_addresses_that_expire_together_are_deleted_with_their_envelope(
    services: Services,
) -> None:
    services.clock.freeze()
    account = await services.accounts.add("ann@example.com")
    for name in ("one", "two"):
        await services.directory.add_address(account.id, f"{name}@example.com", expires_in=1000)
    await deliver(services, "one@example.com", "two@example.com")
    await purge(services)
    assert await counts(services) == [0, 0, 0, 0]


async def test_an_account_is_deleted_while_its_address_is(services: Services, box: Address) -> None:
    await services.delivery.delete_address(box)
    await delete_account(services)
    await auntil(done(services))
    assert await counts(services) == [0, 0, 0, 0]


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


async def delete_webhook(services: Services) -> None:
    [webhook] = await services.store.find(Webhook)
    await services.webhooks.delete(webhook)


@pytest.mark.parametrize("delete", [delete_account, delete_address, delete_webhook])
async def test_a_scope_that_ends_restores_what_was_deleted(services: Services, box: Address, delete: Delete) -> None:
    kinds = (Account, Address, Webhook, Message, Delivery)
    before = [await services.store.find(kind) for kind in kinds]
    scope = await services.scopes.open("test")
    await delete(services)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await services.scopes.close(scope)
    for _ in range(20):
        await asyncio.sleep(0)
    assert [await services.store.find(kind) for kind in kinds] == before
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


async def interrupted(folder: Path, delete: Delete) -> None:
    """Fill a data folder, and close it while a deletion is in progress."""
    services = Services.build(Settings(), TinyStore(folder), asyncio.get_running_loop())
    await services.set_up()
    await fill(services, "box@example.com")
    await delete(services)
    await services.close()
    await services.store.close()


@pytest.mark.parametrize("delete", [delete_account, delete_address, delete_webhook])
async def test_a_restart_goes_on(tmp_path: Path, delete: Delete) -> None:
    await interrupted(tmp_path / "data", delete)
    services = Services.build(Settings(), TinyStore(tmp_path / "data"), asyncio.get_running_loop())
    assert await services.store.count(PendingDeletion) == 1
    await services.set_up()
    await auntil(done(services))
    left: dict[Delete, list[int]] = {
        delete_account: [0, 0, 0, 0],
        delete_address: [0, 0, MANY, 0],
        delete_webhook: [MANY, MANY, MANY, 0],
    }
    assert await counts(services) == left[delete]
    assert await with_text(services) == 0
    await services.close()
    await services.store.close()


@pytest.mark.parametrize("delete", [delete_account, delete_address])
async def test_a_dump_leaves_out_what_is_being_deleted(tmp_path: Path, delete: Delete) -> None:
    folder, target = tmp_path / "data", tmp_path / "dump"
    await interrupted(folder, delete)
    target.mkdir()
    assert _dump(folder, target) == (0, [])
    assert json.loads((target / "index.json").read_text("ascii")) == []
