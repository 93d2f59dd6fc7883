"""Users: batches, filters, races, and one record behind both APIs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.domain.models import Account
from sirrchat_testkit.schemas import sirrchat as answers

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio


async def batch(service: Service, *users: Any) -> Any:
    got = await service.api("POST", "/users/batch", {"users": list(users)})
    answers.BatchResult.model_validate(got.json)
    return got


async def test_a_whole_batch_is_201(service: Service) -> None:
    got = await batch(service, *({"email": f"u{number}@example.com", "password": "x"} for number in range(3)))
    assert (got.status, got.json["meta"]) == (201, {"created": 3, "failed": 0})
    listed = (await service.fetch("/users"))["data"]
    assert got.json["data"] == [{"index": index, "status": 201, "user": user} for index, user in enumerate(listed)]


async def test_a_batch_with_a_fault_in_it_is_207_and_says_which(service: Service) -> None:
    await service.add_user("taken@example.com")
    got = await batch(
        service,
        {"email": "one@example.com", "password": "x"},
        {"email": "taken@example.com", "password": "x"},
        {"email": "two@example.com", "password": ""},
        "no object",
        {"email": "three@foreign.example", "password": "x"},
        {"email": "one@example.com", "password": "x"},
        {"email": "four@example.com", "password": "x", "quota": -1},
    )
    assert (got.status, got.json["meta"]) == (207, {"created": 1, "failed": 6})
    assert [each["index"] for each in got.json["data"]] == list(range(7))
    assert [each["status"] for each in got.json["data"]] == [201, 409, 400, 400, 400, 409, 400]
    errors = [each["error"] for each in got.json["data"][1:]]
    assert [error["code"] for error in errors] == ["conflict", *["invalid_request"] * 3, "conflict", "invalid_request"]
    assert [error["details"].get("field") for error in errors] == [
        "email", "password", "body", "email", "email", "quota",
    ]  # fmt: skip
    assert (await service.fetch("/users"))["meta"]["total"] == 2


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000(service: Service, count: int) -> None:
    got = await service.api("POST", "/users/batch", {"users": [{}] * count})
    status, code, details = got.problem
    assert (status, code, details["field"]) == (400, "invalid_request", "users")


async def test_a_batch_of_1000_is_made(service: Service) -> None:
    got = await batch(service, *({"email": f"u{number}@example.com", "password": "x"} for number in range(1000)))
    assert (got.status, got.json["meta"]) == (201, {"created": 1000, "failed": 0})
    assert (await service.fetch("/users?limit=1000"))["meta"] == {
        "page": 1, "limit": 100, "total": 1000, "total_pages": 10,
    }  # fmt: skip


async def test_of_thirty_creations_at_once_one_wins(service: Service) -> None:
    body = {"email": "ann@example.com", "password": "x"}
    got = await asyncio.gather(*(service.api("POST", "/users", body) for _ in range(30)))
    assert sorted(each.status for each in got) == [201] + [409] * 29
    assert (await service.fetch("/users"))["meta"]["total"] == 1
    lost = next(each for each in got if each.status == 409)
    assert lost.problem == (409, "conflict", {"field": "email", "value": "ann@example.com"})


async def test_of_a_batch_and_single_creations_at_once_one_wins(service: Service) -> None:
    body = {"email": "ann@example.com", "password": "x"}
    paths = [("/users", body), ("/users/batch", {"users": [body]})] * 10
    got = await asyncio.gather(*(service.api("POST", path, body) for path, body in paths))
    assert sum(each.status == 201 for each in got) == 1
    assert await service.services.store.count(Account, listed=True) == 1


async def test_the_list_can_be_of_one_domain(service: Service) -> None:
    for email in ("a@example.com", "b@example.org", "c@EXAMPLE.org"):
        await service.add_user(email)
    got = await service.fetch("/users?domain=Example.ORG&limit=1")
    assert ([each["email"] for each in got["data"]], got["meta"]["total"]) == (["b@example.org"], 2)
    assert got["links"]["next"] == "/api/v1/users?domain=Example.ORG&limit=1&page=2"
    assert (await service.fetch("/users?domain=nowhere.example"))["data"] == []


async def test_the_admin_is_not_a_user(service: Service) -> None:
    assert (await service.fetch("/users"))["meta"]["total"] == 0
    assert (await service.fetch("/stats"))["users_total"] == 0
    admin = await service.services.accounts.of("admin@example.com")
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/quota"), ("GET", "/messages")):
        assert (await service.api(method, f"/users/{admin.id}{path}", {})).problem == (404, "not_found", {})
    taken = await service.api("POST", "/users", {"email": "Admin@example.com", "password": "x"})
    assert taken.status == 409


async def test_a_change_without_fields_changes_nothing(service: Service) -> None:
    made = await service.add_user(blockchain_address="0x1")
    got = await service.api("PUT", f"/users/{made['id']}", {"email": "other@example.com", "unknown": 1})
    assert (got.status, got.json) == (200, made)


async def test_a_blockchain_address_can_be_changed_and_taken_away(service: Service) -> None:
    made = await service.add_user(blockchain_address="0x1")
    got = await service.api("PUT", f"/users/{made['id']}", {"blockchain_address": "0x" + "f" * 126})
    assert got.json == made | {"blockchain_address": "0x" + "f" * 126}
    got = await service.api("PUT", f"/users/{made['id']}", {"blockchain_address": None})
    assert "blockchain_address" not in got.json


async def test_a_quota_of_0_is_used_to_0_percent(service: Service) -> None:
    made = await service.add_user(quota=0)
    assert (await service.fetch(f"/users/{made['id']}/quota"))["percentage"] == 0.0


async def test_a_user_owns_disposable_addresses_of_the_other_api(service: Service) -> None:
    ann = await service.add_user("ann@example.com")
    key = await service.key_of("ann@example.com")
    box = await service.generate("box", key=key)
    listed = await service.get("/api/emails", key=key)
    assert [each["userId"] for each in listed["emails"]] == [ann["id"]]
    raw = b"Subject: x\r\n\r\nx\r\n"
    for to in ("ann@example.com", "box@example.com"):
        await service.deliver(to, raw)
    quota = await service.fetch(f"/users/{ann['id']}/quota", key=key)
    assert (quota["used"], quota["files_count"]) == (2 * len(raw), 2)
    inbox = await service.fetch(f"/users/{ann['id']}/messages", key=key)
    assert inbox["meta"]["total"] == 1
    assert (await service.get(f"/api/emails/{box['id']}", key=key))["total"] == 1

    assert (await service.api("DELETE", f"/users/{ann['id']}")).status == 204
    assert (await service.call("GET", "/api/emails", key=key)).status == 401
    assert (await service.fetch("/stats"))["storage_used"] == 0
    assert (await service.add_user("box@example.com"))["id"] != ann["id"]


async def test_an_address_is_unique_over_both_apis(service: Service) -> None:
    await service.generate("box")
    body = {"email": "BOX@example.com", "password": "x"}
    assert (await service.api("POST", "/users", body)).status == 409
    await service.add_user("ann@example.com")
    taken = await service.call(
        "POST", "/api/emails/generate", {"name": "Ann", "expiryTime": 0, "domain": "example.com"}
    )
    assert (taken.status, "already exists" in taken.error) == (409, True)


@pytest.mark.parametrize("service", ["folder"], indirect=True)
async def test_thirty_at_once_on_a_durable_store(service: Service) -> None:
    body = {"email": "ann@example.com", "password": "x"}
    got = await asyncio.gather(*(service.api("POST", "/users", body) for _ in range(30)))
    assert sorted(each.status for each in got) == [201] + [409] * 29


async def test_no_answer_and_no_record_holds_a_password(service: Service) -> None:
    sent = [
        ("POST", "/users", {"email": "a@example.com", "password": "hunter2"}),
        ("POST", "/users", {"email": "bad", "password": "hunter2"}),
        ("POST", "/users", {"email": "b@example.com", "password": ["hunter2"]}),
        ("POST", "/users/batch", {"users": [{"email": "c@example.com", "password": {"x": "hunter2"}}, ["hunter2"]]}),
        ("POST", "/webhooks", {"url": "http://x.example", "events": ["email.sent"], "secret": ["hunter2"]}),
        ("POST", "/webhooks", {"url": "http://x.example", "events": ["email.sent"], "secret": "whsec_hunter2!"}),
    ]
    for method, path, body in sent:
        got = await service.api(method, path, body)
        assert b"hunter2" not in got.raw, (path, json.dumps(body))
    assert "hunter2" not in repr(await service.services.store.find(Account))
