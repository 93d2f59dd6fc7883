"""API keys: stored as hashes, listed in pages, and revoked."""

import asyncio
import re

import pytest

from sirrchat_testkit.domain.services import Services
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


async def test_pages_are_oldest_first_without_keys_that_are_not_stored(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    made = [(await services.keys.add(ann, "user")).record for _ in range(3)]
    assert await services.keys.page(1, 5) == (made[1:], 3)
