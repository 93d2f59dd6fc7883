"""The clients read the answers in the documents of the APIs, which have fewer fields, and unknown fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit import AsyncClient, AsyncTempMailClient

if TYPE_CHECKING:
    from tests.client.conftest import Fixed, Way


def test_users_without_links_and_with_unknown_fields(way: Way, fixed: Fixed) -> None:
    user = {
        "id": "user123",
        "email": "ann@example.com",
        "quota": 5368709120,
        "used": 1073741824,
        "created_at": "2025-01-15T10:30:00Z",
        "plan": "pro",
    }
    fixed.answer(200, {"data": [user], "meta": {"page": 1, "limit": 20, "total": 100}})
    fixed.answer(200, {"data": [], "meta": {"page": 5, "limit": 20, "total": 81}})

    async def scenario(client: AsyncClient) -> None:
        found = client.users.list()
        first = await anext(found)
        assert (first.email, first.used, first.blockchain_address) == ("ann@example.com", 1073741824, None)

    way.run(AsyncClient, scenario, "mk_live_abc123", f"{fixed.url}/api/v1")
    [request] = fixed.requests
    assert request.headers["Authorization"] == "Bearer mk_live_abc123"


def test_a_user_of_whom_only_the_id_and_the_address_are_told(way: Way, fixed: Fixed) -> None:
    fixed.answer(201, {"id": "user456", "email": "ann@example.com", "created_at": "2025-01-15T11:00:00Z"})

    async def scenario(client: AsyncClient) -> None:
        made = await client.users.create("ann@example.com", "securepassword", quota=5368709120)
        assert (made.id, made.email, made.created_at.hour) == ("user456", "ann@example.com", 11)
        with pytest.raises(AttributeError, match="quota"):
            _ = made.quota

    way.run(AsyncClient, scenario, "x", fixed.url)
    assert fixed.requests[0].json == {"email": "ann@example.com", "password": "securepassword", "quota": 5368709120}


def test_domains_and_messages_without_meta(way: Way, fixed: Fixed) -> None:
    domain = {"id": "domain123", "name": "example.com", "users_count": 25, "created_at": "2025-01-01T00:00:00Z"}
    message = {
        "uid": 12345,
        "from": "bob@example.com",
        "to": ["ann@example.com"],
        "subject": "Test Email",
        "date": "2025-01-15T10:30:00Z",
        "size": 1024,
        "flags": ["\\Seen"],
    }
    fixed.answer(200, {"data": [domain]})
    fixed.answer(200, {"data": []})
    fixed.answer(200, {"data": [message]})
    fixed.answer(200, {"data": []})

    async def scenario(client: AsyncClient) -> None:
        assert [each.name async for each in client.domains.list()] == ["example.com"]
        assert [each.sender async for each in client.messages.list("user123", mailbox="Sent")] == ["bob@example.com"]

    way.run(AsyncClient, scenario, "x", fixed.url)
    assert [each.path.partition("?")[2] for each in fixed.requests[2:]] == [
        "mailbox=Sent&limit=100&offset=0",
        "mailbox=Sent&limit=100&offset=1",
    ]


def test_disposable_mail_without_texts_in_lists(way: Way, fixed: Fixed) -> None:
    listed = {"id": "m1", "from_address": "bob@example.com", "subject": "Test", "received_at": 1745224245084}
    fixed.answer(200, {"messages": [listed], "nextCursor": "eyJ0aW1lc3RhbXAiOjE3NDUxNTU4NDUwODR9=", "total": 2})
    fixed.answer(200, {"messages": [], "nextCursor": None, "total": 2})
    fixed.answer(200, {"message": {**listed, "content": "Hi.", "html": ""}})

    async def scenario(client: AsyncTempMailClient) -> None:
        [found] = [each async for each in client.messages.list("e1")]
        assert (found.subject, found.received_at) == ("Test", 1745224245084)
        assert not hasattr(found, "content")
        message = await client.messages.get("e1", found.id)
        assert (message.content, hasattr(message, "attachments")) == ("Hi.", False)

    way.run(AsyncTempMailClient, scenario, "k", fixed.url)
    assert [each.headers["X-API-Key"] for each in fixed.requests] == ["k", "k", "k"]
    assert fixed.requests[1].path == "/api/emails/e1?cursor=eyJ0aW1lc3RhbXAiOjE3NDUxNTU4NDUwODR9%3D"


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("http://127.0.0.1:8080", False),
        ("https://localhost", False),
        ("http://[::1]:8080", False),
        ("http://0.0.0.0:8080", False),
        ("https://mail.example.com", True),
        ("http://mail:8080", True),
    ],
)
def test_proxies_of_the_environment_are_for_other_hosts(
    url: str, *, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}

    class Recorded:
        def __init__(self, **options: Any) -> None:
            made.update(options)

    monkeypatch.setattr("sirrchat_testkit.client.driver.httpx.AsyncClient", Recorded)
    AsyncClient("x", url)
    assert made["trust_env"] is trusted
    assert made["verify"] is True or not url.startswith("https")
