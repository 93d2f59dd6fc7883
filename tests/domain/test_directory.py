"""The directory: accounts, keys, domains, addresses and their expiry."""

import asyncio
from typing import Literal

import pytest

from sirrchat_testkit import RuntimeChanges
from sirrchat_testkit.domain import directory
from sirrchat_testkit.domain.models import Account, Address, ApiKey
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import (
    Conflict,
    ForeignDomain,
    InvalidValue,
    LimitReached,
    NoSuchAddress,
    NotFound,
)
from sirrchat_testkit.mail import addresses as addressing

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000


async def account(backend: Backend, email: str = "ann@example.com") -> Account:
    return await backend.accounts.add(email)


async def test_an_account_owns_its_permanent_address(backend: Backend) -> None:
    ann = await account(backend)
    address = await backend.directory.find_address("ANN@example.COM")
    assert address is not None
    assert (address.account, address.disposable, address.expires_at) == (ann.id, False, 0)


@pytest.mark.parametrize("email", ["ann", "ann@foreign.example", "a b@example.com", ""])
async def test_an_account_needs_an_address_at_a_served_domain(backend: Backend, email: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        await account(backend, email)
    assert (caught.value.field, caught.value.value) == ("email", email)


async def test_an_address_is_unique_among_both_kinds(backend: Backend) -> None:
    ann = await account(backend)
    await backend.directory.add_address(ann.id, "Box@example.com")
    with pytest.raises(Conflict, match="already exists"):
        await account(backend, "box@example.com")
    with pytest.raises(Conflict, match="already exists"):
        await backend.directory.add_address(ann.id, "ann@EXAMPLE.com")


async def test_one_of_thirty_creations_of_the_same_address_succeeds(backend: Backend) -> None:
    ann = await account(backend)
    made = await asyncio.gather(
        *(backend.directory.add_address(ann.id, "box@example.com") for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(each, Address) for each in made) == 1
    assert sum(isinstance(each, Conflict) for each in made) == 29


async def test_the_address_of_the_admin_is_taken(backend: Backend) -> None:
    with pytest.raises(Conflict):
        await account(backend, "admin@example.com")


async def test_a_key_is_accepted_and_stored_as_a_hash(backend: Backend) -> None:
    ann = await account(backend)
    made = await backend.keys.add(ann, "user")
    assert await backend.keys.find(made.key) == made.record
    assert made.record.account == ann.id
    assert len(made.key) == len(made.secret) == len("mk_live_") + 32
    stored = str(await backend.store.find(ApiKey))
    assert made.key not in stored
    assert made.secret not in stored


async def test_a_wrong_key_and_the_secret_are_not_accepted(backend: Backend) -> None:
    made = await backend.keys.add(await account(backend), "user")
    for key in ("", "mk_live_", made.secret, made.key + "x", "\ud800"):
        assert await backend.keys.find(key) is None


async def test_an_address_expires_at_the_exact_millisecond(backend: Backend) -> None:
    backend.clock.freeze(0)
    ann = await account(backend)
    address = await backend.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await backend.clock.advance(999)
    assert await backend.directory.find_address("box@example.com") == address
    await backend.clock.advance(1)
    assert await backend.directory.find_address("box@example.com") is None
    with pytest.raises(NotFound):
        await backend.directory.address(ann.id, address.id)
    with pytest.raises(NoSuchAddress):
        await backend.directory.route("box@example.com")


async def test_the_name_of_an_expired_address_is_free_after_the_full_hour(backend: Backend) -> None:
    backend.clock.freeze(10 * HOUR + 1000)
    await backend.postoffice.purge_hourly()
    ann = await account(backend)
    await backend.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await backend.clock.advance(HOUR - 1001)
    with pytest.raises(Conflict):
        await backend.directory.add_address(ann.id, "box@example.com")
    await backend.clock.advance(1)
    await backend.directory.add_address(ann.id, "box@example.com")


async def test_an_address_of_another_account_is_not_found(backend: Backend) -> None:
    ann, bob = await account(backend), await account(backend, "bob@example.com")
    address = await backend.directory.add_address(ann.id, "box@example.com")
    with pytest.raises(NotFound, match="no such address"):
        await backend.directory.address(bob.id, address.id)


async def test_generate_checks_in_the_documented_order(backend: Backend) -> None:
    backend.settings.value = backend.settings.value.replace(max_addresses=1)
    ann = await account(backend)
    generate = backend.directory.generate
    with pytest.raises(InvalidValue, match="expiryTime"):
        await generate(ann.id, "", 5, "nowhere.example")
    with pytest.raises(InvalidValue, match="domain"):
        await generate(ann.id, "", 0, "nowhere.example")
    with pytest.raises(InvalidValue, match="name"):
        await generate(ann.id, "a b", 0, "example.com")
    with pytest.raises(Conflict):
        await generate(ann.id, "ann", 0, "example.com")
    await generate(ann.id, "box", HOUR, "example.com")
    with pytest.raises(LimitReached):
        await generate(ann.id, "", 5, "nowhere.example")


async def test_an_expired_address_no_longer_counts_against_the_limit(backend: Backend) -> None:
    backend.clock.freeze(1000)
    backend.settings.value = backend.settings.value.replace(max_addresses=1)
    ann = await account(backend)
    await backend.directory.generate(ann.id, "one", HOUR, "example.com")
    await backend.clock.advance(HOUR)
    await backend.directory.generate(ann.id, "two", HOUR, "example.com")
    assert await backend.directory.count_active(ann.id) == 1


@pytest.mark.parametrize(
    ("changes", "recipient", "refusal"),
    [
        ({}, "unknown@example.com", NoSuchAddress),
        ({"unknown_recipients": "keep"}, "unknown@example.com", None),
        ({}, "ops@corp.example", None),
        ({"foreign_recipients": "reject"}, "ops@corp.example", ForeignDomain),
    ],
)
async def test_the_settings_decide_on_unknown_and_foreign_recipients(
    backend: Backend, changes: RuntimeChanges, recipient: str, refusal: type[Exception] | None
) -> None:
    backend.settings.value = backend.settings.value.replace(**changes)
    if refusal is None:
        assert await backend.directory.route(recipient) is None
    else:
        with pytest.raises(refusal):
            await backend.directory.route(recipient)


async def nearest(backend: Backend, recipient: str) -> str | None:
    known, _ = await backend.directory.latest(None, 100)
    return addressing.nearest(recipient, known)


async def test_the_nearest_address_is_found(backend: Backend) -> None:
    await account(backend, "anna.schmidt@example.com")
    assert await nearest(backend, "ana.schmidt@example.com") == "anna.schmidt@example.com"
    assert await nearest(backend, "zzz@other.example") is None


async def test_a_domain_is_served_as_soon_as_it_is_added(backend: Backend) -> None:
    await backend.domains.add("Shop.Example")
    assert await backend.domains.serves("SHOP.example")
    with pytest.raises(Conflict):
        await backend.domains.add("shop.example")
    with pytest.raises(InvalidValue):
        await backend.domains.add("no domain")


@pytest.mark.parametrize(
    ("recipient", "near"),
    [
        ("boxes@example.com", "box.es@example.com"),
        ("box.es@exmaple.com", "box.es@example.com"),
        ("box.es@example.com", None),
        ("nobody@example.com", None),
        ("admins@example.com", None),
        ("owners@example.com", None),
        ("box.es@corp.test", None),
    ],
)
async def test_only_a_near_address_is_suggested(backend: Backend, recipient: str, near: str | None) -> None:
    owner = await backend.accounts.add("owner@example.com", listed=False)
    await backend.directory.add_address(owner.id, "box.es@example.com")
    assert await nearest(backend, recipient) == near


async def test_addresses_to_suggest_come_in_slices_latest_first(backend: Backend) -> None:
    ann = await account(backend)
    for number in range(5):
        await backend.directory.add_address(ann.id, f"box{number}@example.com")
    found: list[str] = []
    before: int | None = None
    for _ in range(10):
        some, before = await backend.directory.latest(before, 2)
        found += some
        if before is None:
            break
    assert found == [*(f"box{number}@example.com" for number in range(4, -1, -1)), "ann@example.com"]


async def test_the_time_of_expiry_is_known_after_the_purge(backend: Backend) -> None:
    backend.clock.freeze(1000)
    ann = await account(backend)
    await backend.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await backend.clock.advance(1000)
    for _ in range(2):
        assert await backend.directory.expired_at("BOX@example.com", 1999) == 0
        assert await backend.directory.expired_at("BOX@example.com", 2000) == 2000
        await backend.postoffice.purge()
    assert await backend.directory.expired_at("ann@example.com", 2000) == 0


async def test_only_the_latest_addresses_of_closed_scopes_are_remembered(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_KEPT", 3)
    for number in range(5):
        scope = await backend.scopes.open(f"test {number}")
        await backend.accounts.add(f"box{number}@example.com")
        await backend.scopes.close(scope)
    found = [backend.directory.former_scope(f"box{number}@example.com") for number in range(5)]
    assert found == ["", "", "test 2", "test 3", "test 4"]


async def test_only_the_latest_expired_addresses_are_remembered(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_KEPT", 3)
    backend.clock.freeze(0)
    ann = await account(backend)
    for number in range(5):
        await backend.directory.add_address(ann.id, f"box{number}@example.com", expires_in=number + 1)
    await backend.clock.advance(1000)
    await backend.postoffice.purge()
    found = [await backend.directory.expired_at(f"box{number}@example.com", 1000) for number in range(5)]
    assert found == [0, 0, 3, 4, 5]


@pytest.mark.parametrize("unknown", ["reject", "keep"])
async def test_mail_for_an_address_of_an_ended_scope_is_refused_in_every_case(
    backend: Backend, unknown: Literal["reject", "keep"]
) -> None:
    backend.settings.value = backend.settings.value.replace(unknown_recipients=unknown, foreign_recipients="keep")
    scope = await backend.scopes.open("test")
    await backend.domains.add("own.example")
    owner = (await account(backend)).id
    directory = backend.directory
    await directory.add_address(owner, "box@example.com")
    await directory.add_address(owner, "box@own.example")
    await backend.postoffice.delete_address(await directory.add_address(owner, "deleted@example.com"))
    await directory.add_address(owner, "expired@example.com", expires_in=HOUR)
    await backend.clock.advance(5 * HOUR)
    await backend.scopes.close(scope)
    for name in ("ann@example.com", "box@example.com", "BOX@own.example", "deleted@example.com", "expired@example.com"):
        with pytest.raises(NoSuchAddress):
            await directory.route(name)
        assert directory.former_scope(name) == "test"
    assert await directory.route("else@own.example") is None
    directory.forget_former("box@own.example")
    assert await directory.route("box@own.example") is None


async def test_an_address_belongs_to_the_innermost_scope(backend: Backend) -> None:
    outer = await backend.scopes.open("outer")
    await account(backend, "ann@example.com")
    inner = await backend.scopes.open("inner")
    await account(backend, "bob@example.com")
    await backend.scopes.close(inner)
    assert backend.directory.former_scope("bob@example.com") == "outer > inner"
    assert backend.directory.former_scope("ann@example.com") == ""
    await backend.scopes.close(outer)
    assert backend.directory.former_scope("ann@example.com") == "outer"
