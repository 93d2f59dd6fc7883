"""Domains: served as soon as they are added, deleted only without users and addresses."""

import pytest

from sirrchat_testkit.domain.models import Address, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import Conflict, NotFound
from tests.support import deliver

pytestmark = pytest.mark.asyncio


async def test_users_are_counted_by_domain_without_the_admin(services: Services) -> None:
    first, second, _ = await services.domains.all()
    await services.accounts.add("ann@example.com")
    await services.accounts.add("bob@EXAMPLE.com")
    assert [await services.domains.users(each) for each in (first, second)] == [2, 0]


async def test_pages_are_oldest_first(services: Services) -> None:
    every = await services.domains.all()
    assert await services.domains.page(1, 1) == ([every[1]], 3)


@pytest.mark.parametrize("who", ["user", "address"])
async def test_a_domain_with_users_or_addresses_cannot_be_deleted(services: Services, who: str) -> None:
    domain = await services.domains.add("new.example")
    account = await services.accounts.add("ann@new.example" if who == "user" else "ann@example.com")
    if who == "address":
        await services.directory.add_address(account.id, "box@new.example")
    with pytest.raises(Conflict, match="still has users or addresses"):
        await services.domains.delete(domain)
    await services.accounts.delete(account)
    await services.domains.delete(domain)
    assert not await services.domains.serves("new.example")
    with pytest.raises(NotFound):
        await services.domains.get(domain.id)


async def test_the_domain_of_the_admin_cannot_be_deleted(services: Services) -> None:
    with pytest.raises(Conflict):
        await services.domains.delete((await services.domains.all())[0])


async def test_a_domain_is_deleted_with_its_expired_addresses(services: Services) -> None:
    services.clock.freeze(1000)
    domain = await services.domains.add("new.example")
    account = await services.accounts.add("ann@example.com")
    await services.directory.add_address(account.id, "box@new.example", expires_in=10)
    await deliver(services, "box@new.example")
    await services.clock.advance(10)
    await services.domains.delete(domain)
    assert not await services.store.find(Address, {"domain": "new.example"})
    assert not await services.store.find(Message)
