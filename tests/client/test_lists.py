"""Lists of several pages stay complete while they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit import AsyncClient, AsyncTempMailClient, Client, MailServer
from sirrchat_testkit.client.calls import SIZE

if TYPE_CHECKING:
    from tests.client.conftest import Fixed, Way

MANY = 2 * SIZE + 50


def users(server: MailServer, count: int) -> list[str]:
    """Make users at ``example.org``; return their ids."""
    with Client(server.api_key, server.api_url) as client:
        made = client.users.batch([{"email": f"u{number}@example.org", "password": "x"} for number in range(count)])
    return [each.user.id for each in made.data if each.user]


def test_pages_are_requested_when_they_are_needed(way: Way, fixed: Fixed) -> None:
    for page in (1, 2):
        data = [
            {"id": f"{page}-{number}", "name": "x", "users_count": 0, "created_at": "2025-01-01T00:00:00Z"}
            for number in range(2)
        ]
        fixed.answer(200, {"data": data, "meta": {"page": page, "limit": 2, "total": 4}})

    async def scenario(client: AsyncClient) -> None:
        found = client.domains.list().__aiter__()
        assert not fixed.requests
        assert [(await anext(found)).id for _ in range(2)] == ["1-0", "1-1"]
        assert len(fixed.requests) == 1
        assert (await anext(found)).id == "2-0"

    way.run(AsyncClient, scenario, "x", fixed.url)
    assert [each.path for each in fixed.requests] == [
        f"/api/v1/domains?limit={SIZE}&page=1",
        f"/api/v1/domains?limit={SIZE}&page=2",
    ]


def test_users_that_are_deleted_while_they_are_listed_hide_none(way: Way, mailserver: MailServer) -> None:
    made = users(mailserver, MANY)

    async def scenario(client: AsyncClient) -> None:
        seen: list[str] = []
        async for user in client.users.list():
            await client.users.delete(user.id)
            seen.append(user.id)
        assert seen == made
        assert [each async for each in client.users.list()] == []

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


@pytest.mark.parametrize("deleted", [0, SIZE - 1, SIZE, MANY - 1])
def test_one_deleted_user_hides_none(deleted: int, way: Way, mailserver: MailServer) -> None:
    made = users(mailserver, MANY)

    async def scenario(client: AsyncClient) -> None:
        seen: list[str] = []
        async for user in client.users.list():
            seen.append(user.id)
            if len(seen) == SIZE:
                await client.users.delete(made[deleted])
        assert [each for each in seen if each != made[deleted]] == [each for each in made if each != made[deleted]]
        assert len(seen) == MANY - (deleted >= SIZE)

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


def test_users_that_are_added_while_they_are_listed_are_listed_too(way: Way, mailserver: MailServer) -> None:
    made = users(mailserver, SIZE + 1)

    async def scenario(client: AsyncClient) -> None:
        seen: list[str] = []
        async for user in client.users.list():
            if not seen:
                made.append((await client.users.create("late@example.org", "x")).id)
            seen.append(user.id)
        assert seen == made

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


@pytest.mark.parametrize("arrives_at", [1, SIZE, SIZE + 1])
def test_mail_that_arrives_while_it_is_listed_repeats_none(arrives_at: int, way: Way, mailserver: MailServer) -> None:
    ann = mailserver.add_account("ann@example.com")
    for number in range(MANY):
        ann.inbox.deliver(subject=str(number))

    async def scenario(client: AsyncClient) -> None:
        seen: list[str] = []
        async for message in client.messages.list(ann.id):
            seen.append(message.subject)
            if len(seen) == arrives_at:
                for number in range(3):
                    ann.inbox.deliver(subject=f"late {number}")
        assert seen == [str(number) for number in reversed(range(MANY))]

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


def test_mail_that_arrives_and_is_deleted_while_it_is_listed_hides_none(way: Way, mailserver: MailServer) -> None:
    ann = mailserver.add_account("ann@example.com")
    for number in range(MANY):
        ann.inbox.deliver(subject=str(number))

    async def scenario(client: AsyncClient) -> None:
        seen: list[str] = []
        async for message in client.messages.list(ann.id):
            seen.append(message.subject)
            await client.messages.delete(ann.id, message.uid)
            if len(seen) % SIZE == 0:
                ann.inbox.deliver(subject="late")
        assert [each for each in seen if each != "late"] == [str(number) for number in reversed(range(MANY))]

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


def test_disposable_mail_that_arrives_while_it_is_listed_repeats_none(way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncTempMailClient) -> None:
        made = await client.emails.generate("ann", "example.com")
        inbox = mailserver.inbox_for(made.email)
        for number in range(45):
            inbox.deliver(subject=str(number))
        seen: list[str] = []
        async for message in client.messages.list(made.id):
            if len(seen) in {0, 19, 20}:
                inbox.deliver(subject="late")
            await client.messages.delete(made.id, message.id)
            seen.append(message.subject)
        assert seen == [str(number) for number in reversed(range(45))]

    way.run(AsyncTempMailClient, scenario, mailserver.api_key, mailserver.api_url)


def test_a_list_that_ignores_pages_and_has_no_total_ends(way: Way, fixed: Fixed) -> None:
    data = [
        {"id": str(number), "name": "x", "users_count": 0, "created_at": "2025-01-01T00:00:00Z"} for number in range(3)
    ]
    fixed.answer(200, {"data": data})

    async def scenario(client: AsyncClient) -> None:
        assert [each.id async for each in client.domains.list()] == ["0", "1", "2"]

    way.run(AsyncClient, scenario, "x", fixed.url)
    assert len(fixed.requests) == 2


def test_a_list_that_is_left_early_is_closed(way: Way, mailserver: MailServer) -> None:
    made = users(mailserver, SIZE + 1)

    async def scenario(client: AsyncClient) -> None:
        async for user in client.users.list():
            assert user.id == made[0]
            break

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)
