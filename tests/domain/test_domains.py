"""Domains: served as soon as they are added, deleted only without users and addresses."""

import pytest

from sirrchat_testkit.domain.models import Address, Message
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import Conflict, NotFound
from tests.support import deliver

pytestmark = pytest.mark.asyncio


async def test_users_are_counted_by_domain_without_the_admin(backend: Backend) -> None:
    first, second, _ = await backend.domains.all()
    await backend.accounts.add("ann@example.com")
    await backend.accounts.add("bob@EXAMPLE.com")
    assert [await backend.domains.users(each) for each in (first, second)] == [2, 0]


async def test_pages_are_oldest_first(backend: Backend) -> None:
    every = await backend.domains.all()
    assert await backend.domains.page(1, 1) == ([every[1]], 3)


@pytest.mark.parametrize("who", ["user", "address"])
async def test_a_domain_with_users_or_addresses_cannot_be_deleted(backend: Backend, who: str) -> None:
    domain = await backend.domains.add("new.example")
    account = await backend.accounts.add("ann@new.example" if who == "user" else "ann@example.com")
    if who == "address":
        await backend.directory.add_address(account.id, "box@new.example")
    with pytest.raises(Conflict, match="still has users or addresses"):
        await backend.domains.delete(domain)
    await backend.accounts.delete(account)
    await backend.domains.delete(domain)
    assert not await backend.domains.serves("new.example")
    with pytest.raises(NotFound):
        await backend.domains.get(domain.id)


async def test_the_domain_of_the_admin_cannot_be_deleted(backend: Backend) -> None:
    with pytest.raises(Conflict):
        await backend.domains.delete((await backend.domains.all())[0])


async def test_a_domain_is_deleted_with_its_expired_addresses(backend: Backend) -> None:
    backend.clock.freeze(1000)
    domain = await backend.domains.add("new.example")
    account = await backend.accounts.add("ann@example.com")
    await backend.directory.add_address(account.id, "box@new.example", expires_in=10)
    await deliver(backend, "box@new.example")
    await backend.clock.advance(10)
    await backend.domains.delete(domain)
    assert not await backend.store.find(Address, {"domain": "new.example"})
    assert not await backend.store.find(Message)
