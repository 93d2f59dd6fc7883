from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.errors import NoSuchAddress

if TYPE_CHECKING:
    from tests.http.conftest import Service

HOUR = 3_600_000
either_store = pytest.mark.parametrize("service", ["memory", "folder"], indirect=True)


def limit(service: Service, most: int) -> None:
    settings = service.services.settings
    settings.value = dataclasses.replace(settings.value, max_addresses=most)


@either_store
@pytest.mark.asyncio
async def test_thirty_at_once_for_one_name_make_one_address(service: Service) -> None:
    body = {"name": "popular", "expiryTime": 0, "domain": "example.com"}
    answers = await asyncio.gather(*(service.call("POST", "/api/emails/generate", body) for _ in range(30)))
    assert sorted(each.status for each in answers) == [200] + [409] * 29
    assert all("already exists" in each.error for each in answers if each.status == 409)
    assert (await service.get("/api/emails"))["total"] == 1


@pytest.mark.parametrize(
    ("name", "domain"), [("TEST", "example.com"), ("test", "EXAMPLE.com"), ("tEsT", "Example.Com")]
)
@pytest.mark.asyncio
async def test_a_name_is_taken_whatever_its_case(service: Service, name: str, domain: str) -> None:
    await service.generate("Test")
    got = await service.call("POST", "/api/emails/generate", {"name": name, "expiryTime": 0, "domain": domain})
    assert got.status == 409
    assert "already exists" in got.error


@pytest.mark.asyncio
async def test_an_address_is_shown_as_it_was_made(service: Service) -> None:
    got = await service.call(
        "POST", "/api/emails/generate", {"name": "6Tg3VT", "expiryTime": 0, "domain": "Example.COM"}
    )
    assert got.json["email"] == "6Tg3VT@Example.COM"
    assert (await service.get("/api/emails"))["emails"][0]["address"] == "6Tg3VT@Example.COM"


@pytest.mark.parametrize("taken", ["admin", "user0"])
@pytest.mark.asyncio
async def test_permanent_addresses_are_taken_and_unlisted(service: Service, taken: str) -> None:
    key = await service.user()
    body = {"name": taken, "expiryTime": 0, "domain": "example.com"}
    assert (await service.call("POST", "/api/emails/generate", body)).status == 409
    assert await service.get("/api/emails", key=key) == {"emails": [], "nextCursor": None, "total": 0}


@pytest.mark.parametrize("name", ["a", "A.b_c+d-e", "0", "x" * 64, "a.b.c", "-", "_+"])
@pytest.mark.asyncio
async def test_valid_names(service: Service, name: str) -> None:
    made = await service.generate(name)
    assert made["email"] == f"{name}@example.com"


@pytest.mark.asyncio
async def test_a_whole_float_is_an_expiry_time(service: Service) -> None:
    await service.generate(expiry=3_600_000.0)  # type: ignore[arg-type]
    [email] = (await service.get("/api/emails"))["emails"]
    assert email["expiresAt"] == "2025-04-21T09:30:00.000Z"


@pytest.mark.asyncio
async def test_with_one_frozen_moment_the_order_is_that_of_making(service: Service) -> None:
    made = [await service.generate(expiry=0) for _ in range(5)]
    page = await service.get("/api/emails")
    assert [each["id"] for each in page["emails"]] == [each["id"] for each in made[::-1]]


@pytest.mark.asyncio
async def test_an_expired_address_is_gone_and_its_name_free_after_the_purge(service: Service) -> None:
    made = await service.generate("short")
    message = await service.deliver(made["email"])
    keeper = await service.generate("long", expiry=0)
    await service.services.clock.advance(HOUR - 1)
    assert (await service.get("/api/emails"))["total"] == 2
    await service.services.clock.advance(1)  # 09:30
    assert [each["id"] for each in (await service.get("/api/emails"))["emails"]] == [keeper["id"]]
    assert (await service.get("/api/emails"))["total"] == 1
    for method, path in (
        ("GET", f"/api/emails/{made['id']}"),
        ("DELETE", f"/api/emails/{made['id']}"),
        ("GET", f"/api/emails/{made['id']}/{message.id}"),
        ("DELETE", f"/api/emails/{made['id']}/{message.id}"),
    ):
        assert (await service.call(method, path)).status == 404
    with pytest.raises(NoSuchAddress):
        await service.deliver(made["email"])
    body = {"name": "short", "expiryTime": 0, "domain": "example.com"}
    assert (await service.call("POST", "/api/emails/generate", body)).status == 409
    await service.services.clock.advance(HOUR // 2 - 1)
    assert (await service.call("POST", "/api/emails/generate", body)).status == 409
    await service.services.clock.advance(1)  # 10:00
    assert (await service.call("POST", "/api/emails/generate", body)).status == 200


@either_store
@pytest.mark.asyncio
async def test_deleting_an_address_takes_its_messages_and_frees_its_name(service: Service) -> None:
    made = await service.generate("again")
    await service.deliver(made["email"])
    assert (await service.call("DELETE", f"/api/emails/{made['id']}")).status == 200
    assert await service.services.delivery.messages() == []
    assert await service.services.delivery.envelopes() == []
    renewed = await service.generate("again")
    assert renewed["id"] != made["id"]
    assert (await service.get(f"/api/emails/{renewed['id']}"))["total"] == 0


@pytest.mark.asyncio
async def test_foreign_and_absent_look_the_same(service: Service) -> None:
    stranger = await service.user()
    made = await service.generate()
    message = await service.deliver(made["email"])
    other = await service.generate()
    absent = "00000000-0000-4000-8000-000000000000"
    expected = await service.call("GET", f"/api/emails/{absent}")
    assert expected.status == 404
    for method, path, key in (
        ("GET", f"/api/emails/{made['id']}", stranger),
        ("DELETE", f"/api/emails/{made['id']}", stranger),
        ("GET", f"/api/emails/{made['id']}/{message.id}", stranger),
        ("DELETE", f"/api/emails/{made['id']}/{message.id}", stranger),
        ("GET", "/api/emails/no-uuid", "admin"),
        ("GET", "/api/emails/%2e%2e%2f%00", "admin"),
        ("GET", f"/api/emails/{absent}/{message.id}", "admin"),
    ):
        got = await service.call(method, path, key=key)
        assert (got.status, got.error) == (404, expected.error)
    expected = await service.call("GET", f"/api/emails/{made['id']}/{absent}")
    got = await service.call("GET", f"/api/emails/{other['id']}/{message.id}")
    assert (got.status, got.error) == (expected.status, expected.error)
    assert (await service.get("/api/emails", key=stranger))["total"] == 0
    assert (await service.get(f"/api/emails/{made['id']}"))["total"] == 1


@pytest.mark.asyncio
async def test_an_admin_too_sees_only_its_own_addresses(service: Service) -> None:
    made = await service.generate(key=await service.user())
    assert (await service.get("/api/emails"))["total"] == 0
    assert (await service.call("GET", f"/api/emails/{made['id']}")).status == 404


@pytest.mark.asyncio
async def test_a_permanent_address_is_not_in_this_api(service: Service) -> None:
    address = await service.services.directory.find_address("admin@example.com")
    assert address is not None
    assert (await service.call("GET", f"/api/emails/{address.id}")).status == 404
    assert (await service.call("DELETE", f"/api/emails/{address.id}")).status == 404


@pytest.mark.asyncio
async def test_the_limit_counts_active_addresses_of_the_account(service: Service) -> None:
    stranger = await service.user()
    limit(service, 2)
    assert (await service.get("/api/config"))["maxEmails"] == "2"
    first = await service.generate()
    await service.generate()
    got = await service.call("POST", "/api/emails/generate", {"name": "c", "expiryTime": 0, "domain": "example.com"})
    assert (got.status, got.error) == (403, "the limit of 2 active addresses is reached")
    await service.generate(key=stranger)
    await service.call("DELETE", f"/api/emails/{first['id']}")
    await service.generate()
    await service.services.clock.advance(HOUR)
    await service.generate()


@either_store
@pytest.mark.asyncio
async def test_thirty_at_once_do_not_exceed_the_limit(service: Service) -> None:
    limit(service, 5)
    bodies = [{"name": f"n{each}", "expiryTime": 0, "domain": "example.com"} for each in range(30)]
    answers = await asyncio.gather(*(service.call("POST", "/api/emails/generate", body) for body in bodies))
    assert sorted(each.status for each in answers) == [200] * 5 + [403] * 25


@pytest.mark.asyncio
async def test_mail_for_several_addresses_is_a_message_of_each(service: Service) -> None:
    one, two = await service.generate(), await service.generate()
    envelope = Envelope(id="", sender="", recipients=(one["email"], two["email"]))
    await service.services.delivery.deliver(envelope, b"Subject: both\r\n\r\n")
    for made in (one, two):
        [message] = (await service.get(f"/api/emails/{made['id']}"))["messages"]
        assert (message["to_address"], message["from_address"], message["subject"]) == (made["email"], "", "both")
    await service.call("DELETE", f"/api/emails/{one['id']}")
    assert (await service.get(f"/api/emails/{two['id']}"))["total"] == 1
