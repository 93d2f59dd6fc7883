"""API keys: stored as hashes, listed in pages, and revoked."""

import asyncio
import re
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage.store import TinyStore

pytestmark = pytest.mark.asyncio


async def test_a_store_holds_no_key_and_no_secret(services: Services) -> None:
    made = await services.keys.add(await services.accounts.add("ann@example.com"), "user")
    assert len(made.key.removeprefix("mk_live_")) == len(made.secret.removeprefix("sk_live_")) == 32
    stored = repr(made.record)
    assert made.key not in stored
    assert made.secret not in stored
    assert len(made.record.key_hash) == len(made.record.secret_hash) == 64


async def test_the_key_of_the_admin_does_not_follow_from_the_seed() -> None:
    keys, ids = set(), set()
    for _ in range(2):
        store = TinyStore()
        services = Services.build(Settings(seed="one"), store, asyncio.get_running_loop())
        keys.add(await services.set_up())
        ids.add(services.ids.uuid())
        await services.close()
        await store.close()
    assert (len(keys), len(ids)) == (2, 1)
    assert all(re.fullmatch("mk_live_[A-Za-z0-9]{32}", key) for key in keys)


async def test_a_revoked_key_is_not_accepted(services: Services) -> None:
    made = await services.keys.add(await services.accounts.add("ann@example.com"), "admin")
    assert await services.keys.find(made.key) == made.record
    await services.keys.revoke(made.record.id)
    assert await services.keys.find(made.key) is None
    with pytest.raises(NotFound):
        await services.keys.revoke(made.record.id)


async def test_an_expired_key_counts_as_no_admin_key(services: Services) -> None:
    services.clock.freeze()
    ann = await services.accounts.add("ann@example.com")
    await services.keys.add(ann, "admin", expires_in=1000)
    kept = (await services.keys.add(ann, "admin")).record
    webhook = await services.webhooks.add(kept, "https://hooks.example/in", ["email.received"])
    await services.clock.advance(1000)
    await services.keys.revoke(kept.id)
    assert await enabled(services, [webhook]) == [False]


async def test_pages_are_oldest_first_without_keys_that_are_not_stored(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    made = [(await services.keys.add(ann, "user")).record for _ in range(3)]
    assert await services.keys.page(1, 5) == (made[1:], 3)


async def enabled(services: Services, made: list[Webhook]) -> list[bool]:
    found = [await services.store.get(Webhook, id=each.id) for each in made]
    return [each is not None and each.enabled for each in found]


async def test_webhooks_stay_without_their_key_and_those_for_everyone_as_long_as_there_is_an_admin_key(
    services: Services,
) -> None:
    ann, bob = [await services.accounts.add(f"{name}@example.com") for name in ("ann", "bob")]
    user, one, other = [(await services.keys.add(ann, role)).record for role in ("user", "admin", "admin")]
    stranger = (await services.keys.add(bob, "admin")).record
    made = [
        await services.webhooks.add(key, "https://hooks.example/in", ["email.received"])
        for key in (user, one, other, stranger)
    ]
    values: dict[str, Any] = {"event": "email.received", "message": "m", "created_at": 1, "request_body": "{}"}
    pending = Delivery(id="d", account=ann.id, webhook=made[1].id, **values)
    await services.store.commit([Put(pending)])
    await services.keys.revoke(one.id)
    assert await enabled(services, made) == [True, True, True, True]
    await services.keys.revoke(other.id)
    assert await enabled(services, made) == [True, False, False, True]
    found = await services.store.get(Delivery, id="d")
    assert found is not None
    assert found.status == "cancelled"
    await services.keys.revoke(user.id)
    assert await enabled(services, made) == [True, False, False, True]


async def test_the_server_s_own_account_has_an_admin_key_whenever_it_runs(services: Services) -> None:
    own = await services.accounts.of("admin@example.com")
    services.keys._until_close.clear()  # as in a command that works on a data folder
    made = (await services.keys.add(own, "admin")).record
    webhook = await services.webhooks.add(made, "https://hooks.example/in", ["email.received"])
    await services.keys.revoke(made.id)
    assert await enabled(services, [webhook]) == [True]


async def test_a_key_that_is_not_stored_is_an_admin_key_too(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    services.keys.accept_until_close(ann, "admin", "temporary")
    made = (await services.keys.add(ann, "admin")).record
    webhook = await services.webhooks.add(made, "https://hooks.example/in", ["email.received"])
    await services.keys.revoke(made.id)
    assert await enabled(services, [webhook]) == [True]
