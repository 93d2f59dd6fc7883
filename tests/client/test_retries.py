"""What is sent again, and what never is. Pauses are recorded instead of slept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit import AsyncClient, AsyncControlClient, MailNotReceived, RateLimited, ServerError, Unreachable

if TYPE_CHECKING:
    from tests.client.conftest import Fixed, Way

USER = {"id": "u1", "email": "ann@example.com", "quota": 5, "used": 0, "created_at": "2025-01-15T10:30:00Z"}
LIMITED = {"error": {"code": "rate_limited", "message": "Slow down", "details": {}}}


async def gets(client: AsyncClient) -> None:
    assert (await client.users.get("u1")).email == "ann@example.com"


async def creates(client: AsyncClient) -> None:
    assert (await client.users.create("ann@example.com", "pw")).id == "u1"


@pytest.mark.parametrize("scenario", [gets, creates])
def test_a_request_over_the_limit_is_sent_again_when_the_server_says(scenario: Any, way: Way, fixed: Fixed) -> None:
    fixed.answer(429, LIMITED, Retry_After="3")
    fixed.answer(429, LIMITED, Retry_After="0")
    fixed.answer(200, USER)
    assert way.run(AsyncClient, scenario, "x", fixed.url) == [3, 0]
    assert len(fixed.requests) == 3
    assert fixed.requests[0].json == fixed.requests[2].json


@pytest.mark.parametrize(
    ("after", "options", "requests"),
    [
        ("3", {}, 3),
        ("3", {"retries": 1}, 2),
        ("3", {"retries": 0}, 1),
        ("31", {}, 1),
        ("3", {"timeout": 5.9}, 2),
        ("20", {}, 2),
        ("", {}, 1),
        ("-1", {}, 1),
        ("Wed, 21 Oct 2030 07:28:00 GMT", {}, 1),
    ],
)
def test_the_number_and_the_pauses_are_bounded(
    after: str, options: dict[str, Any], requests: int, way: Way, fixed: Fixed
) -> None:
    fixed.answer(429, LIMITED, **({"Retry_After": after} if after else {}))

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(RateLimited):
            await client.users.get("u1")

    assert way.run(AsyncClient, scenario, "x", fixed.url, **options) == (requests - 1) * [
        float(after) if requests > 1 else 0
    ]
    assert len(fixed.requests) == requests


def test_a_get_whose_connection_broke_is_sent_again(way: Way, fixed: Fixed) -> None:
    fixed.answers += [None, None, (200, USER, {})]
    assert way.run(AsyncClient, gets, "x", fixed.url) == [0.1, 0.4]
    assert len(fixed.requests) == 3


def test_a_get_is_sent_three_times_at_most(way: Way, fixed: Fixed) -> None:
    fixed.answers += [None]

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(Unreachable, match="no answer from"):
            await gets(client)

    assert way.run(AsyncClient, scenario, "x", fixed.url) == [0.1, 0.4]
    assert len(fixed.requests) == 3


@pytest.mark.parametrize(
    ("seconds", "pauses"), [(0, [0.1, 0.4]), (3, [0.1, 0.4, 1.0, 1.0]), (60, [0.1, 0.4, *29 * [1.0]])]
)
def test_a_long_poll_tries_to_connect_again_for_as_long_as_it_waits_but_not_longer(
    seconds: float, pauses: list[float], way: Way, fixed: Fixed
) -> None:
    fixed.answer(404, {"error": {"code": "timeout", "message": "none came", "details": {"near_misses": []}}})
    fixed.answers += [None]

    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(MailNotReceived):
            await client.messages.wait(to="ann@example.com", timeout=seconds)
        with pytest.raises(Unreachable, match="no answer from"):
            await client.messages.wait(to="ann@example.com", timeout=seconds)

    assert way.run(AsyncControlClient, scenario, "x", fixed.url) == pytest.approx(pauses)


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.users.create("ann@example.com", "pw"),
        lambda client: client.users.update("u1", quota=5),
        lambda client: client.users.delete("u1"),
    ],
    ids=["POST", "PUT", "DELETE"],
)
def test_a_change_whose_connection_broke_is_sent_once(change: Any, way: Way, fixed: Fixed) -> None:
    fixed.answers += [None, (200, USER, {})]

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(Unreachable):
            await change(client)

    assert way.run(AsyncClient, scenario, "x", fixed.url) == []
    assert len(fixed.requests) == 1


def test_a_server_that_failed_is_not_asked_again(way: Way, fixed: Fixed) -> None:
    fixed.answer(503, b"", Retry_After="1")

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(ServerError):
            await gets(client)

    assert way.run(AsyncClient, scenario, "x", fixed.url) == []
