"""The cost of a page does not depend on the number of records. It is counted in calls, which noise cannot disturb."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.domain.accounts import NewAccount
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.store import Put

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio


async def calls(work: Callable[[], Awaitable[Any]]) -> int:
    """Return how many calls of Python and C functions ``work`` makes, the second time it runs."""
    await work()
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await work()
    finally:
        sys.setprofile(before)
    return made


async def fill(service: Service, start: int, stop: int) -> None:
    accounts = service.services.accounts
    await accounts.add_all([NewAccount(email=f"u{number}@example.com") for number in range(start, stop)])
    user = await accounts.of("u0@example.com")
    address = await service.services.directory.permanent(user)
    await service.services.store.commit(
        [
            Put(
                Message(
                    id=f"m{number}", account=user.id, address=address.id, recipient=address.text,
                    recipient_key=address.key, envelope="e", blob="b", size=1, received_at=1,
                )
            )
            for number in range(start, stop)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("place", ["first", "middle"])
async def test_a_page_of_many_costs_what_a_page_of_few_costs(service: Service, place: str) -> None:
    services = service.services
    sizes: list[tuple[int, ...]] = []
    for start, stop in ((0, 100), (100, 5000)):
        await fill(service, start, stop)
        offset = 0 if place == "first" else stop // 2
        user = await services.accounts.of("u0@example.com")

        async def users(offset: int = offset) -> None:
            found, _ = await services.accounts.page(offset, 20)
            assert len(await services.accounts.sizes(found)) == 20

        async def of_a_domain(offset: int = offset) -> None:
            assert len((await services.accounts.page(offset, 20, "example.com"))[0]) == 20

        async def messages(offset: int = offset, user: Any = user) -> None:
            assert len((await services.folders.page(user, "INBOX", offset, 20))[0]) == 20

        async def statistics(user: Any = user) -> None:
            await services.stats.account(user)
            await services.stats.server()

        sizes.append(tuple([await calls(work) for work in (users, of_a_domain, messages, statistics)]))
    few, many = sizes
    assert many == pytest.approx(few, rel=0.1)
