"""API keys: stored as hashes, listed in pages, and revoked."""

import pytest

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import NotFound

pytestmark = pytest.mark.asyncio


async def test_a_store_holds_no_key_and_no_secret(backend: Backend) -> None:
    made = await backend.keys.add(await backend.accounts.add("ann@example.com"), "user")
    assert len(made.key.removeprefix("mk_live_")) == len(made.secret.removeprefix("sk_live_")) == 32
    stored = repr(made.record)
    assert made.key not in stored
    assert made.secret not in stored
    assert len(made.record.key_hash) == len(made.record.secret_hash) == 64


async def test_a_revoked_key_is_not_accepted(backend: Backend) -> None:
    made = await backend.keys.add(await backend.accounts.add("ann@example.com"), "admin")
    assert await backend.keys.find(made.key) == made.record
    await backend.keys.revoke(made.record.id)
    assert await backend.keys.find(made.key) is None
    with pytest.raises(NotFound):
        await backend.keys.revoke(made.record.id)


async def test_pages_are_oldest_first_without_keys_that_are_not_stored(backend: Backend) -> None:
    ann = await backend.accounts.add("ann@example.com")
    made = [(await backend.keys.add(ann, "user")).record for _ in range(3)]
    assert await backend.keys.page(1, 5) == (made[1:], 3)
