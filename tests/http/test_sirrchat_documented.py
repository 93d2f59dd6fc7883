"""The exchanges that the SirrChat document shows, with our host, key and addresses: every field, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from dirty_equals import IsInt, IsUUID

from sirrchat_testkit.domain.accounts import MAX_QUOTA, QUOTA
from sirrchat_testkit.domain.models import Delivery
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.schemas import sirrchat as schemas
from sirrchat_testkit.schemas import webhooks as calls

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio

CREATED = 1_736_937_000_000
"""2025-01-15T10:30:00Z."""


@pytest.fixture
def service(service: Service) -> Service:
    service.services.clock.freeze(CREATED)
    return service


def first(links: dict[str, Any]) -> list[Any]:
    return [links[name] for name in ("first", "last", "prev", "next")]


async def test_list_users(service: Service) -> None:
    await service.add_user("user@example.com", quota=5368709120)
    got = await service.fetch("/users")
    assert got["data"] == [
        {
            "id": IsUUID,
            "email": "user@example.com",
            "quota": 5368709120,
            "used": 0,
            "created_at": "2025-01-15T10:30:00Z",
        }
    ]
    assert got["meta"] == {"page": 1, "limit": 20, "total": 1, "total_pages": 1}
    assert first(got["links"]) == ["/api/v1/users?page=1", "/api/v1/users?page=1", None, None]
    schemas.UserPage.model_validate(got)


async def test_paging(service: Service) -> None:
    users = [{"email": f"u{number}@example.com", "password": "x"} for number in range(100)]
    await service.api("POST", "/users/batch", {"users": users})
    got = await service.fetch("/users")
    assert got["meta"] == {"page": 1, "limit": 20, "total": 100, "total_pages": 5}
    assert got["links"] == {
        "first": "/api/v1/users?page=1",
        "last": "/api/v1/users?page=5",
        "prev": None,
        "next": "/api/v1/users?page=2",
    }


async def test_create_user(service: Service) -> None:
    sample = {
        "email": "newuser@example.com",
        "password": "securepassword",
        "quota": 5368709120,
        "blockchain_address": "0x742d...",
    }
    got = await service.api("POST", "/users", sample)
    assert got.status == 201
    assert got.json == {
        "id": IsUUID,
        "email": "newuser@example.com",
        "quota": 5368709120,
        "used": 0,
        "created_at": "2025-01-15T10:30:00Z",
        "blockchain_address": "0x742d...",
    }
    assert got.headers["Content-Type"] == "application/json"
    schemas.User.model_validate(got.json)
    assert await service.fetch(f"/users/{got.json['id']}") == got.json


async def test_update_user(service: Service) -> None:
    made = await service.add_user()
    got = await service.api("PUT", f"/users/{made['id']}", {"quota": 10737418240, "password": "newpassword"})
    assert (got.status, got.json) == (200, made | {"quota": 10737418240})
    account = await service.services.accounts.get(made["id"])
    assert await service.services.passwords.verify("newpassword", account.password)


async def test_delete_user(service: Service) -> None:
    made = await service.add_user()
    got = await service.api("DELETE", f"/users/{made['id']}")
    assert (got.status, got.raw) == (204, b"")
    assert (await service.api("GET", f"/users/{made['id']}")).problem == (404, "not_found", {})


async def test_list_domains(service: Service) -> None:
    await service.add_user()
    got = await service.fetch("/domains")
    assert [each["name"] for each in got["data"]] == ["example.com", "example.org", "example.net"]
    assert got["data"][0].keys() == {"id", "name", "users_count", "created_at"}
    assert [each["users_count"] for each in got["data"]] == [1, 0, 0]
    schemas.DomainPage.model_validate(got)


async def test_create_and_delete_domain(service: Service) -> None:
    got = await service.api("POST", "/domains", {"name": "newdomain.com"})
    created = {"id": IsUUID, "name": "newdomain.com", "users_count": 0, "created_at": "2025-01-15T10:30:00Z"}
    assert (got.status, got.json) == (201, created)
    schemas.Domain.model_validate(got.json)
    assert (await service.api("DELETE", f"/domains/{got.json['id']}")).status == 204
    assert [each["name"] for each in (await service.fetch("/domains"))["data"]][3:] == []


async def test_quota(service: Service) -> None:
    made = await service.add_user(quota=215)
    await service.deliver(made["email"], b"x" * 43)
    got = await service.fetch(f"/users/{made['id']}/quota")
    assert got == {"quota": 215, "used": 43, "percentage": 20.0, "files_count": 1}
    schemas.QuotaUsage.model_validate(got)
    changed = await service.api("PUT", f"/users/{made['id']}/quota", {"quota": 10737418240})
    assert (changed.status, changed.json) == (200, got | {"quota": 10737418240, "percentage": 0.0})


async def test_list_messages(service: Service) -> None:
    made = await service.add_user("recipient@example.com")
    raw = b"From: Sender <sender@example.org>\r\nTo: recipient@example.com\r\nSubject: Test Email\r\n\r\n"
    raw += b"x" * (1024 - len(raw))
    await service.deliver(made["email"], raw)
    uid = (await service.fetch(f"/users/{made['id']}/messages"))["data"][0]["uid"]
    await service.fetch(f"/users/{made['id']}/messages/{uid}")
    got = await service.fetch(f"/users/{made['id']}/messages?mailbox=INBOX&limit=20&offset=0")
    assert got == {
        "data": [
            {
                "uid": IsInt(gt=0),
                "from": "sender@example.org",
                "to": ["recipient@example.com"],
                "subject": "Test Email",
                "date": "2025-01-15T10:30:00Z",
                "size": 1024,
                "flags": ["\\Seen"],
            }
        ],
        "meta": {"limit": 20, "offset": 0, "total": 1},
    }
    schemas.MessageList.model_validate(got)


async def test_message_content_and_delete(service: Service) -> None:
    made = await service.add_user()
    message = await service.deliver(made["email"], b"From: a@b.example\r\nCc: c@d.example\r\nSubject: s\r\n\r\nt\r\n")
    path = f"/users/{made['id']}/messages/{message.seq}"
    got = await service.fetch(path)
    assert got == {
        "uid": message.seq,
        "from": "a@b.example",
        "to": [],
        "subject": "s",
        "date": "2025-01-15T10:30:00Z",
        "size": message.size,
        "flags": ["\\Seen"],
        "cc": ["c@d.example"],
        "headers": {"From": "a@b.example", "Cc": "c@d.example", "Subject": "s"},
        "text": "t\n",
        "html": "",
        "attachments": [],
    }
    schemas.Message.model_validate(got)
    assert (await service.api("DELETE", path)).status == 204
    assert (await service.api("GET", path)).problem == (404, "not_found", {})


async def test_server_statistics(service: Service) -> None:
    got = await service.fetch("/stats")
    assert got == {
        "uptime": 0,
        "users_total": 0,
        "sessions_active": 0,
        "messages_today": 0,
        "storage_used": 0,
        "smtp": {"sent": 0, "received": 0, "rejected": 0},
        "imap": {"connections": 0, "commands": 0},
    }
    schemas.ServerStats.model_validate(got)


async def test_user_statistics(service: Service) -> None:
    made = await service.add_user(quota=1000)
    path = f"/users/{made['id']}/stats"
    fresh = await service.fetch(path)
    assert fresh["last_received_at"] is None
    await service.deliver(made["email"], b"x" * 50)
    got = await service.fetch(path)
    assert got == {
        "messages_total": 1,
        "messages_unseen": 1,
        "received": 1,
        "sent": 0,
        "rejected": 0,
        "storage_used": 50,
        "quota": 1000,
        "last_received_at": "2025-01-15T10:30:00Z",
    }
    for each in (fresh, got):
        schemas.UserStats.model_validate(each)


async def test_configure_webhook(service: Service) -> None:
    sample = {
        "url": "https://example.com/webhook",
        "events": ["email.received", "email.sent"],
        "secret": "webhook_secret",
    }
    got = await service.api("POST", "/webhooks", sample)
    assert got.status == 201
    assert got.json == {
        "id": IsUUID,
        "url": "https://example.com/webhook",
        "events": ["email.received", "email.sent"],
        "enabled": True,
        "created_at": "2025-01-15T10:30:00Z",
    }
    schemas.Webhook.model_validate(got.json)
    schemas.WebhookPage.model_validate(await service.fetch("/webhooks"))
    assert await service.fetch(f"/webhooks/{got.json['id']}") == got.json


async def test_deliveries_and_redelivery(service: Service) -> None:
    made = (await service.api("POST", "/webhooks", {"url": "http://x.example", "events": ["email.sent"]})).json
    attempt = {"at": CREATED, "http_status": 500, "error": None, "duration_ms": 12}
    failed = Delivery(
        id="d1", account="a", webhook=made["id"], event="email.sent", message="m", created_at=CREATED,
        request_body='{"event":"email.sent"}', status="failed", attempts=(attempt,),
    )  # fmt: skip
    await service.services.store.commit([Put(failed)])
    got = await service.fetch(f"/webhooks/{made['id']}/deliveries")
    shown = {
        "id": "d1",
        "event": "email.sent",
        "status": "failed",
        "request_body": '{"event":"email.sent"}',
        "attempts": [{"at": "2025-01-15T10:30:00Z", "http_status": 500, "error": None, "duration_ms": 12}],
    }
    assert (got["data"], got["meta"]["total"]) == ([shown], 1)
    schemas.DeliveryPage.model_validate(got)
    again = await service.api("POST", f"/webhooks/{made['id']}/deliveries/d1/redeliver")
    assert (again.status, again.json) == (202, shown | {"status": "pending"})


async def test_webhook_calls_have_the_documented_fields() -> None:
    received = {
        "event": "email.received",
        "timestamp": "2025-01-15T10:30:00Z",
        "data": {"user": "user@example.com", "from": "sender@example.org", "subject": "Email Subject", "size": 1024},
    }
    sent = {
        "event": "email.sent",
        "timestamp": "2025-01-15T10:30:00Z",
        "data": {"user": "user@example.com", "to": ["recipient@example.org"], "subject": "Email Subject"},
    }
    for model, body in ((calls.EmailReceived, received), (calls.EmailSent, sent)):
        assert model.model_validate_json(json.dumps(body)).model_dump(mode="json", by_alias=True) == body


async def test_the_error_shape(service: Service) -> None:
    got = await service.api("POST", "/users", {"email": "invalid-email", "password": "x"})
    assert got.problem == (400, "invalid_request", {"field": "email", "value": "invalid-email"})


async def test_rate_limit_headers(service: Service) -> None:
    got = await service.api("GET", "/users")
    assert got.headers["X-RateLimit-Limit"] == "1000"
    assert got.headers["X-RateLimit-Remaining"] == "999"
    assert got.headers["X-RateLimit-Reset"] == str(CREATED // 1000 + 1800)


async def test_keys_look_as_the_document_shows_them(service: Service) -> None:
    made = await service.add_user("user@example.com")
    got = await service.api("POST", "/api-keys", {"user": "user@example.com"})
    assert got.status == 201
    assert got.json.keys() == {"id", "user", "role", "key", "secret", "created_at"}
    assert (got.json["user"], got.json["role"]) == ("user@example.com", "admin")
    assert got.json["key"].startswith("mk_live_")
    assert got.json["secret"].startswith("sk_live_")
    schemas.NewlyMadeApiKey.model_validate(got.json)
    listed = await service.fetch("/api-keys", key=got.json["key"])
    shown = {name: got.json[name] for name in ("id", "user", "role", "created_at")}
    assert listed["data"] == [shown | {"expires_at": None}]
    schemas.ApiKeyPage.model_validate(listed)
    assert (await service.api("POST", "/api-keys", {"user": made["id"], "role": "user"})).json["role"] == "user"


async def test_the_numbers_of_the_wire_are_those_of_the_domain() -> None:
    assert (schemas.DEFAULT_QUOTA, schemas.MAX_QUOTA) == (QUOTA, MAX_QUOTA)
