"""The exchanges that the API's document shows, with our host and key: every field, its type, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from dirty_equals import IsInstance, IsInt, IsStr, IsUUID

from sirrchat_testkit.schemas import tempmail as schemas

if TYPE_CHECKING:
    from tests.http.conftest import Mail, Service

HTML = "<div>\n<h1>Test Message 1</h1>\n</div>\n"
TEXT = "Test Message 1\n\nThis is test message 1 content.\n\nBest regards,\nSender 1\n"
LISTED = {
    "id": IsUUID,
    "from_address": "sender1@example.org",
    "to_address": "test@example.com",
    "subject": "Test Message 1 - xJOK2h",
    "content": TEXT,
    "html": HTML,
    "received_at": 1_745_224_245_084,
}


@pytest.fixture
def sample(mail: Mail) -> bytes:
    return mail("Test Message 1 - xJOK2h", TEXT, HTML)


@pytest.mark.asyncio
async def test_domains(service: Service) -> None:
    got = await service.get("/api/email/domains")
    assert got == {"domains": ["example.com", "example.org", "example.net"]}
    schemas.Domains.model_validate(got)


@pytest.mark.asyncio
async def test_generate(service: Service) -> None:
    body = {"name": "test", "expiryTime": 3600000, "domain": "example.com"}
    got = await service.call("POST", "/api/emails/generate", body)
    assert (got.status, got.json) == (200, {"id": IsUUID, "email": "test@example.com"})
    assert got.headers["Content-Type"] == "application/json"
    schemas.Generated.model_validate(got.json)


@pytest.mark.asyncio
async def test_list_of_addresses(service: Service) -> None:
    service.services.clock.freeze(1_745_224_245_084)
    for name in range(20):
        await service.generate(f"6Tg3VT{name}", expiry=86_400_000)
    got = await service.get("/api/emails")
    assert got == {"emails": got["emails"], "nextCursor": None, "total": 20}
    assert got["emails"][0] == {
        "id": IsUUID,
        "address": "6Tg3VT19@example.com",
        "userId": IsUUID,
        "createdAt": "2025-04-21T08:30:45.084Z",
        "expiresAt": "2025-04-22T08:30:45.084Z",
    }
    schemas.EmailPage.model_validate(got)


@pytest.mark.asyncio
async def test_a_permanent_address_expires_in_the_year_9999(service: Service) -> None:
    await service.generate(expiry=0)
    [email] = (await service.get("/api/emails"))["emails"]
    assert email["expiresAt"] == "9999-01-01T00:00:00.000Z"


@pytest.mark.asyncio
async def test_delete_address(service: Service) -> None:
    made = await service.generate()
    got = await service.call("DELETE", f"/api/emails/{made['id']}")
    assert (got.status, got.json) == (200, {"success": True})
    schemas.Done.model_validate(got.json)


@pytest.mark.asyncio
async def test_list_of_messages(service: Service, sample: bytes) -> None:
    made = await service.generate("test")
    service.services.clock.freeze(1_745_224_245_084)
    for _ in range(50):
        await service.deliver(made["email"], sample)
    got = await service.get(f"/api/emails/{made['id']}")
    assert got == {"messages": [LISTED] * 20, "nextCursor": IsStr(regex="[A-Za-z0-9_-]+"), "total": 50}
    schemas.MessagePage.model_validate(got)


@pytest.mark.asyncio
async def test_one_message(service: Service, sample: bytes) -> None:
    made = await service.generate("test")
    service.services.clock.freeze(1_745_224_245_084)
    message = await service.deliver(made["email"], sample)
    got = await service.get(f"/api/emails/{made['id']}/{message.id}")
    assert got == {"message": LISTED | {"attachments": []}}
    schemas.OneMessage.model_validate(got)


@pytest.mark.asyncio
async def test_attachments(service: Service, mail: Mail) -> None:
    made = await service.generate("test")
    message = await service.deliver(made["email"], mail(**{"rechnung ü.pdf": b"%PDF" * 100}))
    got = await service.get(f"/api/emails/{made['id']}/{message.id}")
    assert got["message"]["attachments"] == [{"name": "rechnung ü.pdf", "content_type": "application/pdf", "size": 400}]
    schemas.OneMessage.model_validate(got)


@pytest.mark.asyncio
async def test_delete_message(service: Service, sample: bytes) -> None:
    made = await service.generate("test")
    message = await service.deliver(made["email"], sample)
    got = await service.call("DELETE", f"/api/emails/{made['id']}/{message.id}")
    assert (got.status, got.json) == (200, {"success": True})
    assert (await service.get(f"/api/emails/{made['id']}")) == {"messages": [], "nextCursor": None, "total": 0}


@pytest.mark.asyncio
async def test_webhook(service: Service) -> None:
    assert await service.get("/api/webhook") == {"url": "", "enabled": False}
    wanted = {"url": "https://your-server.example/webhook", "enabled": True}
    got = await service.call("POST", "/api/webhook", wanted)
    assert (got.status, got.json) == (200, {"success": True})
    assert await service.get("/api/webhook") == wanted
    schemas.Webhook.model_validate(wanted)


@pytest.mark.asyncio
async def test_config(service: Service) -> None:
    got = await service.get("/api/config")
    assert got == {
        "emailDomains": "example.com,example.org,example.net",
        "maxEmails": "0",
        "defaultRole": "user",
        "adminContact": "",
    }
    schemas.Config.model_validate(got)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.asyncio
async def test_health_needs_no_key(service: Service, path: str) -> None:
    assert (await service.call("GET", path, key=None)).status == 200


def test_the_pushed_body_has_the_documented_fields() -> None:
    body = {
        "emailId": "c2c4f894-c672-4d5b-a918-abca95aff1f7",
        "messageId": "fd13a8df-1465-4fbc-a612-ca7311c31ff2",
        "fromAddress": "sender@example.com",
        "subject": "測試郵件",
        "content": "郵件純文字內容",
        "html": "<div>郵件HTML內容</div>",
        "receivedAt": "2025-01-21T08:30:45.084000Z",
        "toAddress": "test@chat-tempmail.com",
    }
    assert schemas.NewMessage.model_validate(body).model_dump(mode="json", by_alias=True) == body


CURL = [
    (
        r"""curl HOST/api/email/domains \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"domains": ["example.com", "example.org", "example.net"]},
    ),
    (
        r"""curl -X POST HOST/api/emails/generate \
    -H "X-API-Key: YOUR_API_KEY" \
    -H "Content-Type: application/json" \
    -d '{ "name": "test", "expiryTime": 3600000, "domain": "example.com" }' """,
        {"id": IsUUID, "email": "test@example.com"},
    ),
    (
        r"""curl HOST/api/emails \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"emails": [IsInstance(dict)], "nextCursor": None, "total": IsInt},
    ),
    (
        r"""curl "HOST/api/emails/EMAIL" \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"messages": [IsInstance(dict)], "nextCursor": None, "total": 1},
    ),
    (
        r"""curl "HOST/api/emails/EMAIL/MESSAGE" \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"message": IsInstance(dict)},
    ),
    (
        r"""curl -X DELETE "HOST/api/emails/EMAIL/MESSAGE" \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"success": True},
    ),
    (
        r"""curl -X DELETE "HOST/api/emails/EMAIL" \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"success": True},
    ),
    (
        r"""curl HOST/api/webhook \
    -H "X-API-Key: YOUR_API_KEY" """,
        {"url": "", "enabled": False},
    ),
    (
        r"""curl -X POST HOST/api/webhook \
    -H "X-API-Key: YOUR_API_KEY" \
    -H "Content-Type: application/json" \
    -d '{ "url": "https://your-server.example/webhook", "enabled": true }' """,
        {"success": True},
    ),
]


@pytest.mark.skipif(not shutil.which("curl") and os.environ.get("CI") != "true", reason="curl is not installed")
@pytest.mark.parametrize(("line", "expected"), CURL, ids=[line.split("\\")[0].strip() for line, _ in CURL])
@pytest.mark.asyncio
async def test_the_documents_curl_lines_work(service: Service, line: str, expected: dict[str, Any]) -> None:
    made = await service.generate()
    message = await service.deliver(made["email"])
    for placeholder, value in (
        ("HOST", service.url),
        ("YOUR_API_KEY", service.key),
        ("EMAIL", made["id"]),
        ("MESSAGE", message.id),
    ):
        line = line.replace(placeholder, value)
    process = await asyncio.create_subprocess_shell(
        line.replace("curl ", "curl --silent --fail-with-body --noproxy '*' ", 1), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    assert json.loads(out) == expected
