"""Permissions of the SirrChat API: keys, roles, methods."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.http.sirrchat import sirrchat

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio

ROUTES = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("POST", "/users/batch"),
    ("GET", "/users/USER"),
    ("PUT", "/users/USER"),
    ("DELETE", "/users/USER"),
    ("GET", "/users/USER/quota"),
    ("PUT", "/users/USER/quota"),
    ("GET", "/users/USER/messages"),
    ("GET", "/users/USER/messages/1"),
    ("DELETE", "/users/USER/messages/1"),
    ("GET", "/users/USER/stats"),
    ("GET", "/stats"),
    ("GET", "/domains"),
    ("POST", "/domains"),
    ("DELETE", "/domains/1"),
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("GET", "/webhooks/1"),
    ("PUT", "/webhooks/1"),
    ("DELETE", "/webhooks/1"),
    ("GET", "/webhooks/1/deliveries"),
    ("POST", "/webhooks/1/deliveries/1/redeliver"),
    ("GET", "/api-keys"),
    ("POST", "/api-keys"),
    ("DELETE", "/api-keys/1"),
]


async def test_the_table_below_is_every_route(service: Service) -> None:
    served = {(each.method, each.path) for each in sirrchat(service.services).operations}
    assert len(served) == len(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_key_every_route_is_401_before_anything_else(service: Service, method: str, path: str) -> None:
    for key in (None, "", "wrong"):
        got = await service.api(method, path, b"no json", key=key)
        assert got.problem == (401, "unauthorized", {})
    got = await service.call(method, f"/api/v1{path}", key="admin")
    assert got.problem == (401, "unauthorized", {}), "the other API's header opens nothing here"


@pytest.mark.parametrize("header", ["bearer KEY", "BEARER  KEY ", "Basic KEY", "KEY", "BearerKEY"])
async def test_the_scheme_is_bearer_in_any_case(service: Service, header: str) -> None:
    sent = {"Authorization": header.replace("KEY", service.key)}
    got = await service.call("GET", "/api/v1/users", key=None, **sent)
    assert got.status == (200 if header[:7].lower() == "bearer " else 401)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_user_s_key_opens_what_is_its_own(service: Service, method: str, path: str) -> None:
    own, other = await service.add_user(), await service.add_user()
    key = await service.key_of(own["id"])
    for foreign in (other["id"], "nobody") if "USER" in path else ():
        got = await service.api(method, path.replace("USER", foreign), b"no json", key=key)
        assert got.problem == (403, "forbidden", {})
    got = await service.api(method, path.replace("USER", own["id"]), {}, key=key)
    may = ("USER" in path or path.startswith("/webhooks")) and (method, path) != ("PUT", "/users/USER/quota")
    assert (got.status == 403) is not may


async def test_a_user_s_admin_key_opens_everything(service: Service) -> None:
    user = await service.add_user()
    key = await service.key_of(user["id"], "admin")
    for path in ("/users", "/stats", "/domains", "/api-keys"):
        await service.fetch(path, key=key)


async def test_a_secret_and_a_revoked_key_are_refused(service: Service) -> None:
    user = await service.add_user()
    made = (await service.api("POST", "/api-keys", {"user": user["id"]})).json
    assert (await service.api("GET", "/users", key=made["secret"])).status == 401
    assert (await service.api("GET", "/users", key=made["key"])).status == 200
    assert (await service.api("DELETE", f"/api-keys/{made['id']}")).status == 204
    assert (await service.api("GET", "/users", key=made["key"])).status == 401
    assert (await service.api("DELETE", f"/api-keys/{made['id']}")).problem == (404, "not_found", {})


async def test_an_expired_key_is_refused_and_still_listed(service: Service) -> None:
    user = await service.add_user()
    made = (await service.api("POST", "/api-keys", {"user": user["id"], "expires_in_ms": 3_600_000})).json
    created, expires = (datetime.fromisoformat(made[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(hours=1)
    await service.services.clock.advance(3_599_999)
    assert (await service.api("GET", "/users", key=made["key"])).status == 200
    await service.services.clock.advance(1)
    assert (await service.api("GET", "/users", key=made["key"])).status == 401
    [listed] = [each for each in (await service.fetch("/api-keys"))["data"] if each["id"] == made["id"]]
    assert listed["expires_at"] == made["expires_at"]
    assert (await service.api("DELETE", f"/api-keys/{made['id']}")).status == 204


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"user": "nobody@example.com"}, 404, None),
        ({"user": "no-id"}, 404, None),
        ({"user": 1}, 400, "user"),
        ({}, 400, "user"),
        ({"user": "ann@example.com", "role": "root"}, 400, "role"),
        ({"user": "ann@example.com", "role": None}, 400, "role"),
        ({"user": "ann@example.com", "expires_in_ms": 0}, 400, "expires_in_ms"),
        ({"user": "ann@example.com", "expires_in_ms": 1.5}, 400, "expires_in_ms"),
        ({"user": "ann@example.com", "expires_in_ms": True}, 400, "expires_in_ms"),
        ({"user": "ann@example.com", "expires_in_ms": 2**53}, 400, "expires_in_ms"),
    ],
)
async def test_a_key_is_made_for_a_known_user_in_a_known_role(
    service: Service, body: object, status: int, field: str | None
) -> None:
    await service.add_user("ann@example.com")
    got = await service.api("POST", "/api-keys", body)
    assert (got.problem[0], got.problem[2].get("field")) == (status, field)


async def test_a_key_can_be_made_for_the_admin_by_its_address(service: Service) -> None:
    key = await service.key_of("admin@example.com", "admin")
    await service.fetch("/users", key=key)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/users", "GET,POST"),
        ("GET", "/users/batch", "POST"),
        ("DELETE", "/users/batch", "POST"),
        ("PATCH", "/users/x", "DELETE,GET,PUT"),
        ("POST", "/stats", "GET"),
        ("GET", "/domains/x", "DELETE"),
        ("GET", "/webhooks/x/deliveries/y/redeliver", "POST"),
    ],
)
async def test_another_method_is_405_with_allow(service: Service, method: str, path: str, allow: str) -> None:
    got = await service.api(method, path)
    assert got.problem == (405, "method_not_allowed", {})
    assert got.headers["Allow"] == allow
    assert (await service.api(method, path, key=None)).status == 401


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/users/", "/users/x/nothing", "/v2/users", "/emails"])
async def test_an_unknown_route_is_404_with_and_without_a_key(service: Service, path: str) -> None:
    for key in ("admin", None):
        assert (await service.api("GET", path, key=key)).problem == (404, "not_found", {})


async def test_webhooks_are_seen_by_those_they_concern(service: Service) -> None:
    ann, bob = (
        await service.key_of((await service.add_user())["id"]),
        await service.key_of((await service.add_user())["id"]),
    )
    body = {"url": "http://x.example", "events": ["email.received"]}
    made = {key: (await service.api("POST", "/webhooks", body, key=key)).json["id"] for key in (ann, bob, "admin")}
    for key, seen in ((ann, [made[ann]]), (bob, [made[bob]]), ("admin", list(made.values()))):
        assert [each["id"] for each in (await service.fetch("/webhooks", key=key))["data"]] == seen
    for foreign in (made[bob], made["admin"]):
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/deliveries")):
            got = await service.api(method, f"/webhooks/{foreign}{path}", {}, key=ann)
            assert got.problem == (404, "not_found", {})


async def test_a_user_key_reads_its_quota_and_cannot_change_it(service: Service) -> None:
    user = await service.add_user(quota=1000)
    key, path = await service.key_of(user["id"]), f"/users/{user['id']}"
    for changed, body in (
        (f"{path}/quota", {"quota": 2000}),
        (f"{path}/quota", {"quota": "x"}),
        (path, {"quota": 2000}),
        (path, {"quota": 1000, "password": "new"}),
        (path, {"quota": "x"}),
    ):
        assert (await service.api("PUT", changed, body, key=key)).problem == (403, "forbidden", {})
    assert (await service.fetch(f"{path}/quota", key=key))["quota"] == 1000
    assert (await service.api("PUT", path, {"password": "new", "blockchain_address": "0x1"}, key=key)).status == 200
    assert (await service.api("PUT", path, {"quota": 3000})).json["quota"] == 3000
    admin = await service.key_of(user["id"], "admin")
    assert (await service.api("PUT", f"{path}/quota", {"quota": 4000}, key=admin)).json["quota"] == 4000
