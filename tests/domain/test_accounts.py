"""Accounts: made alone and in batches, listed, changed, and deleted with everything they own."""

import asyncio

import pytest

from sirrchat_testkit.domain.accounts import QUOTA, NewAccount
from sirrchat_testkit.domain.models import (
    RECORDS,
    Account,
    Address,
    Delivery,
    Envelope,
    Message,
    Tally,
)
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import Conflict, InvalidValue, NotFound, TestkitError
from tests.support import RAW, deliver

pytestmark = pytest.mark.asyncio


async def test_an_account_is_found_by_id_and_by_address(services: Services) -> None:
    made = await services.accounts.add("Ann@example.com", password="x", blockchain_address="0x1")
    assert await services.accounts.get(made.id) == made
    assert await services.accounts.of("ann@EXAMPLE.com") == made
    assert (made.email, made.domain, made.quota) == ("Ann@example.com", "example.com", QUOTA)
    assert await services.passwords.verify("x", made.password)


async def test_one_of_thirty_simultaneous_creations_succeeds_after_all_have_hashed(services: Services) -> None:
    made = await asyncio.gather(
        *(services.accounts.add("ann@example.com", password="x") for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(each, Account) for each in made) == 1
    assert sum(isinstance(each, Conflict) for each in made) == 29
    assert await services.store.count(Account, listed=True) == 1


async def test_a_batch_makes_the_valid_accounts_and_returns_an_error_for_each_other(services: Services) -> None:
    await services.accounts.add("taken@example.com")
    wanted = ["one@example.com", "taken@example.com", "no address", "ONE@example.com", "two@example.com"]
    made = await services.accounts.add_all([NewAccount(email=email, password="x") for email in wanted])
    assert [type(each) for each in made] == [Account, Conflict, InvalidValue, Conflict, Account]
    for each in made:
        if not isinstance(each, TestkitError):
            assert await services.accounts.get(each.id) == each
            assert await services.accounts.of(each.email) == each


@pytest.mark.parametrize("quota", [-1, 2**53, 1.5, True, None])
async def test_a_quota_is_an_integer_that_json_represents_exactly(services: Services, quota: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        await services.accounts.add("ann@example.com", quota=quota)
    assert (caught.value.field, caught.value.value) == ("quota", quota)
    made = await services.accounts.add("ann@example.com")
    with pytest.raises(InvalidValue):
        await services.accounts.update(made.id, quota=quota)


async def test_pages_are_oldest_first_without_the_admin_and_by_domain(services: Services) -> None:
    made = [await services.accounts.add(f"u{number}@example.{'com' if number % 2 else 'org'}") for number in range(5)]
    assert await services.accounts.page(0, 3) == (made[:3], 5)
    assert await services.accounts.page(3, 3) == (made[3:], 5)
    assert await services.accounts.page(10**12, 3) == ([], 5)
    assert await services.accounts.page(0, 9, "EXAMPLE.com") == ([made[1], made[3]], 2)
    assert await services.accounts.page(0, 9, "nowhere.example") == ([], 0)


async def test_the_hidden_account_is_not_found_by_its_id(services: Services) -> None:
    admin = await services.accounts.of("admin@example.com")
    assert admin.hidden
    assert await services.accounts.owner(admin.id) == admin
    for verb in (services.accounts.get, services.accounts.update):
        with pytest.raises(NotFound):
            await verb(admin.id)


async def test_a_change_touches_only_the_named_fields(services: Services) -> None:
    made = await services.accounts.add("ann@example.com", password="old", quota=5, blockchain_address="0x1")
    changed = await services.accounts.update(made.id, quota=7)
    assert (changed.quota, changed.password, changed.blockchain_address) == (7, made.password, "0x1")
    assert await services.accounts.update(made.id) == changed
    changed = await services.accounts.update(made.id, password="new", blockchain_address=None)
    assert await services.passwords.verify("new", changed.password)
    assert await services.accounts.get(made.id) == changed
    assert changed.blockchain_address is None


async def test_an_account_deleted_while_its_password_is_hashed_is_not_found(services: Services) -> None:
    made = await services.accounts.add("ann@example.com")
    change = asyncio.ensure_future(services.accounts.update(made.id, password="new"))
    await asyncio.sleep(0)
    await services.accounts.delete(made)
    with pytest.raises(NotFound):
        await change


async def test_deleting_an_account_deletes_everything_it_owns_and_nothing_else(services: Services) -> None:
    before = {kind: await services.store.find(kind) for kind in RECORDS}
    ann, bob = await services.accounts.add("ann@example.com"), await services.accounts.add("bob@example.com")
    theirs = {kind: set(await services.store.find(kind)) - set(before[kind]) for kind in (Account, Address, Tally)}
    await services.directory.add_address(ann.id, "box@example.com")
    key = await services.keys.add(ann, "user")
    webhook = await services.webhooks.add(key.record, "http://x.example", ["email.sent"])
    await services.store.commit(
        [
            Put(
                Delivery(
                    id="d",
                    account=ann.id,
                    webhook=webhook.id,
                    event="email.sent",
                    message="m",
                    created_at=1,
                    request_body="",
                )
            )
        ]
    )
    await deliver(services, "ann@example.com", "box@example.com", "bob@example.com")
    await deliver(services, "ann@example.com", raw=RAW + b"2")

    await services.accounts.delete(ann)

    left = {kind: await services.store.find(kind) for kind in RECORDS}
    assert [each.recipient for each in await services.store.find(Message)] == ["bob@example.com"]
    assert len(left[Envelope]) == 1
    for kind in RECORDS:
        assert not [each for each in left[kind] if getattr(each, "account", each.id) == ann.id]
    assert {each.id for each in left[Account]} == {each.id for each in before[Account]} | {bob.id}
    assert len(left[Address]) == len(before[Address]) + len(theirs[Address]) - 1
    assert await services.keys.find(key.key) is None
    await services.accounts.add("ann@example.com")


async def test_nothing_can_be_made_for_a_deleted_account(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    key = (await services.keys.add(ann, "user")).record
    await services.accounts.delete(ann)
    with pytest.raises(NotFound):
        await services.directory.add_address(ann.id, "box@example.com")
    with pytest.raises(NotFound):
        await services.webhooks.add(key, "http://x.example", ["email.sent"])
    with pytest.raises(NotFound):
        await services.webhooks.set_push(ann.id, "http://x.example", enabled=True)


async def test_used_is_exact_to_the_byte_after_every_change(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    box = await services.directory.add_address(ann.id, "box@example.com")
    sizes = []
    for number in range(10):
        raw = RAW + b"x" * number**3
        sizes += [len(raw), len(raw)]
        await deliver(services, "ann@example.com", "box@example.com", raw=raw)
        assert await services.accounts.usage(ann) == await recount(services, ann)
        assert (await services.accounts.usage(ann)).size == sum(sizes)
    await services.delivery.delete((await services.delivery.messages("ann@example.com"))[3:5])
    assert await services.accounts.usage(ann) == await recount(services, ann)
    await services.delivery.delete_address(box)
    usage = await services.accounts.usage(ann)
    assert usage == await recount(services, ann)
    assert (usage.count, usage.size) == (8, sum(sizes[::2]) - sizes[6] - sizes[8])


async def recount(services: Services, account: Account) -> object:
    found = await services.store.find(Message, {"account": account.id})
    return type(await services.accounts.usage(account))(len(found), sum(each.size for each in found))


async def test_the_hidden_account_has_no_quota(services: Services) -> None:
    admin = await services.accounts.of("admin@example.com")
    await services.directory.add_address(admin.id, "box@example.com")
    assert len(await deliver(services, "box@example.com")) == 1
