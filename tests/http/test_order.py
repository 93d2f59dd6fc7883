"""The order of the checks: for each neighbouring pair, the first error is reported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Service

UUID = "00000000-0000-4000-8000-000000000000"
ROUTES = [
    ("GET", "/api/email/domains"),
    ("POST", "/api/emails/generate"),
    ("GET", "/api/emails"),
    ("DELETE", f"/api/emails/{UUID}"),
    ("GET", f"/api/emails/{UUID}"),
    ("GET", f"/api/emails/{UUID}/{UUID}"),
    ("DELETE", f"/api/emails/{UUID}/{UUID}"),
    ("GET", "/api/webhook"),
    ("POST", "/api/webhook"),
    ("GET", "/api/config"),
]
ALLOWED = {path: ",".join(sorted(method for method, each in ROUTES if each == path)) for _, path in ROUTES}

FAULTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("limit", {}, 403, "limit"),
    ("expiryTime", {"expiryTime": 5}, 400, "expiryTime"),
    ("domain", {"domain": "nowhere.example"}, 400, "domain"),
    ("name", {"name": ".."}, 400, "name"),
    ("taken", {"name": "taken"}, 409, "already exists"),
]


@pytest.mark.parametrize("key", [None, "", "wrong", "mk_live_" + "x" * 32, "é", "\udcff", "x" * 5000])
@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.asyncio
async def test_without_a_key_every_route_is_401(service: Service, method: str, path: str, key: str | None) -> None:
    got = await service.call(method, path, b"{broken" if method == "POST" else None, key=key)
    assert (got.status, got.error) == (401, "API key missing, invalid, revoked or expired")


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.asyncio
async def test_the_secret_and_the_authorization_header_open_nothing(service: Service, method: str, path: str) -> None:
    account = await service.services.accounts.of("admin@example.com")
    made = await service.services.keys.add(account, "admin")
    assert (await service.call(method, path, key=made.secret)).status == 401
    assert (await service.call(method, path, key=None, Authorization=f"Bearer {made.key}")).status == 401
    assert (await service.call(method, path, key=made.key, Authorization="Bearer wrong")).status != 401


@pytest.mark.asyncio
async def test_the_key_comes_before_body_id_and_cursor(service: Service) -> None:
    big = b"x" * 1_048_577
    assert (await service.call("POST", "/api/emails/generate", big, key="wrong")).status == 401
    assert (await service.call("GET", "/api/emails?cursor=%%%", key="wrong")).status == 401
    assert (await service.call("GET", "/api/emails/no-uuid", key="wrong")).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.asyncio
async def test_a_method_that_is_not_documented_is_405_with_allow(service: Service, path: str, method: str) -> None:
    if method in ALLOWED[path].split(","):
        return
    got = await service.call(method, path)
    assert (got.status, got.headers["Allow"]) == (405, ALLOWED[path])
    assert got.error if method != "HEAD" else not got.raw
    assert (await service.call(method, path, key="wrong")).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.asyncio
async def test_health_takes_nothing_but_get(service: Service, path: str) -> None:
    for method in ("HEAD", "POST", "OPTIONS"):
        got = await service.call(method, path, key=None)
        assert (got.status, got.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/", "/api/emails/", "/api/email", "/api/v2/users", "/docs/", "/API/emails", "//api/emails"],
)
@pytest.mark.parametrize("key", [None, "admin"])
@pytest.mark.asyncio
async def test_an_unknown_route_is_404_with_and_without_a_key(service: Service, path: str, key: str | None) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        got = await service.call(method, path, key=key)
        assert (got.status, got.error) == (404, f"no such route: {path}")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nope"])
@pytest.mark.asyncio
async def test_below_the_nested_apis_an_unknown_route_has_the_nested_shape(service: Service, path: str) -> None:
    got = await service.call("GET", path, key=None)
    error = {"code": "not_found", "message": f"no such route: {path}", "details": {}}
    assert (got.status, got.json) == (404, {"error": error})


@pytest.mark.parametrize("first", range(len(FAULTS)))
@pytest.mark.asyncio
async def test_generate_reports_the_first_error_in_its_order(service: Service, first: int) -> None:
    await service.generate("taken")
    settings = service.services.settings
    if first == 0:
        settings.value = dataclasses.replace(settings.value, max_addresses=1)
    body = {"name": "free", "expiryTime": 0, "domain": "example.com"}
    for _, change, _, _ in reversed(FAULTS[first:]):
        body |= change
    got = await service.call("POST", "/api/emails/generate", body)
    _, _, status, text = FAULTS[first]
    assert (got.status, text in got.error) == (status, True)


@pytest.mark.asyncio
async def test_generate_looks_at_the_json_before_the_limit(service: Service) -> None:
    await service.generate("one")
    settings = service.services.settings
    settings.value = dataclasses.replace(settings.value, max_addresses=1)
    assert (await service.call("POST", "/api/emails/generate", b"{broken")).status == 400
    assert (await service.call("POST", "/api/emails/generate", b"[]")).status == 400
    assert (await service.call("POST", "/api/emails/generate", b"{}")).status == 403
    wrong = {"name": 1, "expiryTime": "x", "domain": None}
    assert (await service.call("POST", "/api/emails/generate", wrong)).status == 403


@pytest.mark.asyncio
async def test_a_list_looks_for_the_address_before_the_cursor(service: Service) -> None:
    assert (await service.call("GET", f"/api/emails/{UUID}?cursor=%%%")).status == 404
