"""The directory: accounts, keys, domains, addresses and their expiry."""

import asyncio
import itertools
from typing import Literal

import pytest

from sirrchat_testkit import RuntimeChanges
from sirrchat_testkit.domain import directory
from sirrchat_testkit.domain.models import Account, Address, ApiKey
from sirrchat_testkit.domain.services import Services
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


async def account(services: Services, email: str = "ann@example.com") -> Account:
    return await services.accounts.add(email)


async def test_an_account_owns_its_permanent_address(services: Services) -> None:
    ann = await account(services)
    address = await services.directory.find_address("ANN@example.COM")
    assert address is not None
    assert (address.account, address.disposable, address.expires_at) == (ann.id, False, 0)


@pytest.mark.parametrize("email", ["ann", "ann@foreign.example", "a b@example.com", ""])
async def test_an_account_needs_an_address_at_a_served_domain(services: Services, email: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        await account(services, email)
    assert (caught.value.field, caught.value.value) == ("email", email)


async def test_an_address_is_unique_among_both_kinds(services: Services) -> None:
    ann = await account(services)
    await services.directory.add_address(ann.id, "Box@example.com")
    with pytest.raises(Conflict, match="already exists"):
        await account(services, "box@example.com")
    with pytest.raises(Conflict, match="already exists"):
        await services.directory.add_address(ann.id, "ann@EXAMPLE.com")


async def test_one_of_thirty_creations_of_the_same_address_succeeds(services: Services) -> None:
    ann = await account(services)
    made = await asyncio.gather(
        *(services.directory.add_address(ann.id, "box@example.com") for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(each, Address) for each in made) == 1
    assert sum(isinstance(each, Conflict) for each in made) == 29


async def test_the_address_of_the_admin_is_taken(services: Services) -> None:
    with pytest.raises(Conflict):
        await account(services, "admin@example.com")


async def test_a_key_is_accepted_and_stored_as_a_hash(services: Services) -> None:
    ann = await account(services)
    made = await services.keys.add(ann, "user")
    assert await services.keys.find(made.key) == made.record
    assert made.record.account == ann.id
    assert len(made.key) == len(made.secret) == len("mk_live_") + 32
    stored = str(await services.store.find(ApiKey))
    assert made.key not in stored
    assert made.secret not in stored


async def test_a_wrong_key_and_the_secret_are_not_accepted(services: Services) -> None:
    made = await services.keys.add(await account(services), "user")
    for key in ("", "mk_live_", made.secret, made.key + "x", "\ud800"):
        assert await services.keys.find(key) is None


async def test_an_address_expires_at_the_exact_millisecond(services: Services) -> None:
    services.clock.freeze(0)
    ann = await account(services)
    address = await services.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await services.clock.advance(999)
    assert await services.directory.find_address("box@example.com") == address
    await services.clock.advance(1)
    assert await services.directory.find_address("box@example.com") is None
    with pytest.raises(NotFound):
        await services.directory.address(ann.id, address.id)
    with pytest.raises(NoSuchAddress):
        await services.directory.route("box@example.com")


async def test_an_address_exists_for_exactly_as_long_as_asked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await account(services)
    time = itertools.count(1)
    monkeypatch.setattr(services.clock, "now", lambda: next(time))
    address = await services.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    assert address.expires_at - address.created_at == 1000


async def test_the_name_of_an_expired_address_is_free_after_the_full_hour(services: Services) -> None:
    services.clock.freeze(10 * HOUR + 1000)
    await services.delivery.purge_hourly()
    ann = await account(services)
    await services.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await services.clock.advance(HOUR - 1001)
    with pytest.raises(Conflict):
        await services.directory.add_address(ann.id, "box@example.com")
    await services.clock.advance(1)
    await services.directory.add_address(ann.id, "box@example.com")


async def test_an_address_of_another_account_is_not_found(services: Services) -> None:
    ann, bob = await account(services), await account(services, "bob@example.com")
    address = await services.directory.add_address(ann.id, "box@example.com")
    with pytest.raises(NotFound, match="no such address"):
        await services.directory.address(bob.id, address.id)


async def test_generate_checks_in_the_documented_order(services: Services) -> None:
    services.settings.value = services.settings.value.replace(max_addresses=1)
    ann = await account(services)
    generate = services.directory.generate
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


async def test_an_expired_address_no_longer_counts_against_the_limit(services: Services) -> None:
    services.clock.freeze(1000)
    services.settings.value = services.settings.value.replace(max_addresses=1)
    ann = await account(services)
    await services.directory.generate(ann.id, "one", HOUR, "example.com")
    await services.clock.advance(HOUR)
    await services.directory.generate(ann.id, "two", HOUR, "example.com")
    assert await services.directory.count_active(ann.id) == 1


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
    services: Services, changes: RuntimeChanges, recipient: str, refusal: type[Exception] | None
) -> None:
    services.settings.value = services.settings.value.replace(**changes)
    if refusal is None:
        assert await services.directory.route(recipient) is None
    else:
        with pytest.raises(refusal):
            await services.directory.route(recipient)


async def nearest(services: Services, recipient: str) -> str | None:
    known, _ = await services.directory.latest(None, 100)
    return addressing.nearest(recipient, known)


async def test_the_nearest_address_is_found(services: Services) -> None:
    await account(services, "anna.schmidt@example.com")
    assert await nearest(services, "ana.schmidt@example.com") == "anna.schmidt@example.com"
    assert await nearest(services, "zzz@other.example") is None


async def test_a_domain_is_served_as_soon_as_it_is_added(services: Services) -> None:
    await services.domains.add("Shop.Example")
    assert await services.domains.serves("SHOP.example")
    with pytest.raises(Conflict):
        await services.domains.add("shop.example")
    with pytest.raises(InvalidValue):
        await services.domains.add("no domain")


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
async def test_only_a_near_address_is_suggested(services: Services, recipient: str, near: str | None) -> None:
    owner = await services.accounts.add("owner@example.com", listed=False)
    await services.directory.add_address(owner.id, "box.es@example.com")
    assert await nearest(services, recipient) == near


async def test_addresses_to_suggest_come_in_slices_latest_first(services: Services) -> None:
    ann = await account(services)
    for number in range(5):
        await services.directory.add_address(ann.id, f"box{number}@example.com")
    found: list[str] = []
    before: int | None = None
    for _ in range(10):
        some, before = await services.directory.latest(before, 2)
        found += some
        if before is None:
            break
    assert found == [*(f"box{number}@example.com" for number in range(4, -1, -1)), "ann@example.com"]


async def test_the_time_of_expiry_is_known_after_the_purge(services: Services) -> None:
    services.clock.freeze(1000)
    ann = await account(services)
    await services.directory.add_address(ann.id, "box@example.com", expires_in=1000)
    await services.clock.advance(1000)
    for _ in range(2):
        assert await services.directory.expired_at("BOX@example.com", 1999) == 0
        assert await services.directory.expired_at("BOX@example.com", 2000) == 2000
        await services.delivery.purge()
    assert await services.directory.expired_at("ann@example.com", 2000) == 0


async def test_only_the_latest_addresses_of_closed_scopes_are_remembered(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_KEPT", 3)
    for number in range(5):
        scope = await services.scopes.open(f"test {number}")
        await services.accounts.add(f"box{number}@example.com")
        await services.scopes.close(scope)
    found = [services.directory.former_scope(f"box{number}@example.com") for number in range(5)]
    assert found == ["", "", "test 2", "test 3", "test 4"]


async def test_only_the_latest_expired_addresses_are_remembered(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_KEPT", 3)
    services.clock.freeze(0)
    ann = await account(services)
    for number in range(5):
        await services.directory.add_address(ann.id, f"box{number}@example.com", expires_in=number + 1)
    await services.clock.advance(1000)
    await services.delivery.purge()
    found = [await services.directory.expired_at(f"box{number}@example.com", 1000) for number in range(5)]
    assert found == [0, 0, 3, 4, 5]


@pytest.mark.parametrize("unknown", ["reject", "keep"])
async def test_mail_for_an_address_of_an_ended_scope_is_refused_in_every_case(
    services: Services, unknown: Literal["reject", "keep"]
) -> None:
    services.settings.value = services.settings.value.replace(unknown_recipients=unknown, foreign_recipients="keep")
    scope = await services.scopes.open("test")
    await services.domains.add("own.example")
    owner = (await account(services)).id
    directory = services.directory
    await directory.add_address(owner, "box@example.com")
    await directory.add_address(owner, "box@own.example")
    await services.delivery.delete_address(await directory.add_address(owner, "deleted@example.com"))
    await directory.add_address(owner, "expired@example.com", expires_in=HOUR)
    await services.clock.advance(5 * HOUR)
    await services.scopes.close(scope)
    for name in ("ann@example.com", "box@example.com", "BOX@own.example", "deleted@example.com", "expired@example.com"):
        with pytest.raises(NoSuchAddress):
            await directory.route(name)
        assert directory.former_scope(name) == "test"
    assert await directory.route("else@own.example") is None
    directory.forget_former("box@own.example")
    assert await directory.route("box@own.example") is None


async def test_an_address_belongs_to_the_innermost_scope(services: Services) -> None:
    outer = await services.scopes.open("outer")
    await account(services, "ann@example.com")
    inner = await services.scopes.open("inner")
    await account(services, "bob@example.com")
    await services.scopes.close(inner)
    assert services.directory.former_scope("bob@example.com") == "outer > inner"
    assert services.directory.former_scope("ann@example.com") == ""
    await services.scopes.close(outer)
    assert services.directory.former_scope("ann@example.com") == "outer"
