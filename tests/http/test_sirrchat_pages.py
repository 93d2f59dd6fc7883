"""Numbered pages: their records and their links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio


async def fill(service: Service, count: int) -> None:
    users = [{"email": f"u{number}@example.com", "password": "x"} for number in range(count)]
    got = await service.api("POST", "/users/batch", {"users": users})
    assert got.status == 201


async def test_following_next_shows_everything_once_in_order(service: Service) -> None:
    await fill(service, 23)
    seen: list[str] = []
    path: str | None = "/api/v1/users?limit=5"
    while path:
        got = (await service.call("GET", path, key=None, Authorization=f"Bearer {service.key}")).json
        seen += [each["email"] for each in got["data"]]
        path = got["links"]["next"]
    assert seen == [f"u{number}@example.com" for number in range(23)]


@pytest.mark.parametrize(
    ("query", "data", "meta", "links"),
    [
        ("", 20, (1, 20, 3), ("?page=1", "?page=3", None, "?page=2")),
        ("?page=3", 10, (3, 20, 3), ("?page=1", "?page=3", "?page=2", None)),
        ("?page=4", 0, (4, 20, 3), ("?page=1", "?page=3", "?page=3", None)),
        ("?page=9&limit=25", 0, (9, 25, 2), ("?limit=25&page=1", "?limit=25&page=2", "?limit=25&page=2", None)),
        ("?limit=1000", 50, (1, 100, 1), ("?limit=1000&page=1", "?limit=1000&page=1", None, None)),
        ("?page=002", 20, (2, 20, 3), ("?page=1", "?page=3", "?page=1", "?page=3")),
        (
            "?x=%20a%2B&page=2&domain=example.com&p%61ge=7&x=b",
            20,
            (2, 20, 3),
            tuple(f"?x=%20a%2B&domain=example.com&x=b&page={page}" for page in (1, 3, 1, 3)),
        ),
    ],
)  # fmt: skip
async def test_meta_and_links(service: Service, query: str, data: int, meta: Any, links: Any) -> None:
    await fill(service, 50)
    got = await service.fetch(f"/users{query}")
    assert len(got["data"]) == data
    assert got["meta"] == {"page": meta[0], "limit": meta[1], "total": 50, "total_pages": meta[2]}
    assert list(got["links"]) == ["first", "last", "prev", "next"]
    assert list(got["links"].values()) == [each and f"/api/v1/users{each}" for each in links]


async def test_an_empty_list_has_a_first_and_a_last_page(service: Service) -> None:
    got = await service.fetch("/webhooks")
    assert (got["data"], got["meta"]) == ([], {"page": 1, "limit": 20, "total": 0, "total_pages": 0})
    one = "/api/v1/webhooks?page=1"
    assert got["links"] == {"first": one, "last": one, "prev": None, "next": None}


@pytest.mark.parametrize("page", ["1000000000000", "9" * 40, "9" * 4000])
async def test_a_page_far_past_the_end_is_empty(service: Service, page: str) -> None:
    await fill(service, 3)
    for path in ("/users", "/domains", "/webhooks", "/api-keys"):
        got = await service.fetch(f"{path}?page={page}")
        assert got["data"] == []


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize("value", ["0", "-1", "", "x", "1.0", "1e3", "+1", "%D9%A1", "1%20", "0x1", "null", "%C2%B2"])
async def test_what_is_no_positive_number_is_400(service: Service, name: str, value: str) -> None:
    for path in ("/users", "/domains", "/webhooks", "/api-keys"):
        status, code, details = (await service.api("GET", f"{path}?{name}={value}")).problem
        assert (status, code, details["field"]) == (400, "invalid_request", name)
        assert isinstance(details["value"], str)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "offset=", "offset=1.5"])
async def test_messages_take_a_limit_and_an_offset(service: Service, query: str) -> None:
    user = await service.add_user()
    got = await service.api("GET", f"/users/{user['id']}/messages?{query}")
    assert got.problem[:2] == (400, "invalid_request")
    assert got.problem[2]["field"] == query.partition("=")[0]


async def test_deliveries_link_below_their_webhook(service: Service) -> None:
    made = (await service.api("POST", "/webhooks", {"url": "http://x.example", "events": ["email.sent"]})).json
    got = await service.fetch(f"/webhooks/{made['id']}/deliveries")
    assert got["links"]["first"] == f"/api/v1/webhooks/{made['id']}/deliveries?page=1"
