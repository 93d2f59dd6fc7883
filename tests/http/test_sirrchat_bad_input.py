"""Invalid input is refused in the documented shape, with the field, and never with 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.events import Crashed

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio

HUGE = 10**400
LONG = "a" * 300

USER = {"email": "new@example.com", "password": "x"}
HOOK = {"url": "http://x.example", "events": ["email.sent"]}


def each(*values: Any) -> tuple[Any, ...]:
    return values


BAD_FIELDS: list[tuple[str, str, dict[str, Any], str, Any]] = [
    *(
        ("POST", "/users", USER, "email", value)
        for value in each(
            "", "invalid-email", "@example.com", "a b@example.com", f"{LONG}@example.com", f"a@{LONG}.com", "a@",
            "a@foreign.example", "a@[127.0.0.1]", "a@example.com\n", "<a@example.com>", "a@b@example.com", 1, None,
            True, [], {}, "..@example.com",
        )
    ),
    *(("POST", "/users", USER, "password", value) for value in each("", None, 1, True, [], {})),
    *(
        (method, path, body, "quota", value)
        for method, path, body in (("POST", "/users", USER), ("PUT", "/users/ID", {}), ("PUT", "/users/ID/quota", {}))
        for value in each(-1, 1.5, True, False, None, "1", 2**53, HUGE, -HUGE, 1e300, [], {})
    ),
    *(
        (method, path, body, "blockchain_address", value)
        for method, path, body in (("POST", "/users", USER), ("PUT", "/users/ID", {}))
        for value in each("", "742d", "0X1", "0x" + "f" * 127, 1, True, [])
    ),
    *(
        ("POST", "/domains", {}, "name", value)
        for value in each("", "a b", "-a.example", f"{LONG}.example", "a..b", 1, None)
    ),
    *(
        (method, path, body, "url", value)
        for method, path, body in (("POST", "/webhooks", HOOK), ("PUT", "/webhooks/HOOK", {}))
        for value in each("", "ftp://x.example", "x.example", "http://", "http://x y", "javascript:1", 1, None)
    ),
    *(
        (method, path, body, "events", value)
        for method, path, body in (("POST", "/webhooks", HOOK), ("PUT", "/webhooks/HOOK", {}))
        for value in each([], ["email.opened"], ["email.sent", 1], "email.sent", None, {})
    ),
    *(
        (method, path, body, "secret", value)
        for method, path, body in (("POST", "/webhooks", HOOK), ("PUT", "/webhooks/HOOK", {}))
        for value in each(1, True, [], "whsec_", "whsec_not base64", "whsec_a", "whsec_YQ==\n", "whsec_\u00fc")
    ),
    *(("PUT", "/webhooks/HOOK", {}, "enabled", value) for value in each(1, "true", None)),
]  # fmt: skip


async def place(service: Service, path: str) -> str:
    if "HOOK" in path:
        return path.replace("HOOK", (await service.api("POST", "/webhooks", HOOK)).json["id"])
    return path.replace("ID", (await service.add_user())["id"]) if "ID" in path else path


@pytest.mark.parametrize(("method", "path", "body", "field", "value"), BAD_FIELDS)
async def test_the_field_at_fault_is_named_with_its_value(
    service: Service, method: str, path: str, body: dict[str, Any], field: str, value: Any
) -> None:
    got = await service.api(method, await place(service, path), body | {field: value})
    status, code, details = got.problem
    assert (status, code, details["field"].partition(".")[0]) == (400, "invalid_request", field)
    if field in {"password", "secret"}:
        assert details["value"] is None
    elif details["field"] == field:
        assert details["value"] == value


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("invalid-email", "Invalid email format"),
        ("a\u200b@example.com", "Invalid email format"),
        ("a@foreign.example", "email must be at a served domain: example.com, example.org, example.net"),
    ],
)
async def test_a_malformed_address_has_the_documented_text_and_a_foreign_one_its_own(
    service: Service, email: str, message: str
) -> None:
    got = await service.api("POST", "/users", USER | {"email": email})
    details = {"field": "email", "value": email}
    assert got.json == {"error": {"code": "invalid_request", "message": message, "details": details}}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/users", {"password": "x"}, "email"),
        ("POST", "/users", {"email": "a@example.com"}, "password"),
        ("POST", "/users/batch", {}, "users"),
        ("POST", "/users/batch", {"users": {}}, "users"),
        ("PUT", "/users/ID/quota", {}, "quota"),
        ("POST", "/domains", {}, "name"),
        ("POST", "/webhooks", {"events": ["email.sent"]}, "url"),
        ("POST", "/webhooks", {"url": "http://x.example"}, "events"),
    ],
)
async def test_a_missing_field_is_named(service: Service, method: str, path: str, body: Any, field: str) -> None:
    got = await service.api(method, await place(service, path), body)
    assert got.problem[0] == 400
    assert got.problem[2]["field"] == field


BAD_BODIES = {
    "empty": b"",
    "broken": b'{"email": ',
    "no object": b"[1]",
    "null": b"null",
    "latin-1": b'{"email": "\xe9"}',
    "NaN": b'{"quota": NaN}',
    "Infinity": b'{"quota": Infinity}',
    "a lone surrogate": b'{"email": "\\ud800@example.com", "password": "x"}',
    "a lone surrogate in a password": b'{"email": "a@example.com", "password": "\\udfff"}',
    "absurd nesting": b'{"email": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/users"),
        ("POST", "/users/batch"),
        ("PUT", "/users/ID"),
        ("PUT", "/users/ID/quota"),
        ("POST", "/domains"),
        ("POST", "/webhooks"),
        ("PUT", "/webhooks/HOOK"),
        ("POST", "/api-keys"),
    ],
)
async def test_a_body_that_is_not_a_json_object_is_400(service: Service, method: str, path: str, body: bytes) -> None:
    got = await service.api(method, await place(service, path), body)
    assert got.problem == (400, "invalid_request", {})


async def test_a_number_too_large_for_a_float_is_not_a_quota(service: Service) -> None:
    got = await service.api("PUT", await place(service, "/users/ID/quota"), b'{"quota": 1e999}')
    assert got.problem == (400, "invalid_request", {"field": "quota", "value": None})


async def test_a_body_of_more_than_a_mebibyte_is_413(service: Service) -> None:
    got = await service.api("POST", "/users", b" " * 1_048_577)
    assert got.problem == (413, "payload_too_large", {})


async def test_get_and_delete_with_a_content_type_and_no_body_work(service: Service) -> None:
    user = await service.add_user()
    for method, status in (("GET", 200), ("DELETE", 204)):
        got = await service.api(method, f"/users/{user['id']}", **{"Content-Type": "application/json"})
        assert got.status == status


@pytest.mark.parametrize("value", [3600000.0, 0, 2**53 - 1])
async def test_what_is_an_integer_is_a_quota(service: Service, value: float) -> None:
    assert (await service.add_user(quota=value))["quota"] == value


@pytest.mark.parametrize("secret", ["whsec_c2VjcmV0", "any text", "", None, "Whsec_not base64"])
async def test_a_secret_may_be_base64_behind_its_prefix_or_any_text(service: Service, secret: str | None) -> None:
    assert (await service.api("POST", "/webhooks", HOOK | {"secret": secret})).status == 201


@pytest.mark.parametrize("part", ["%00", "%FF", "..%2F..", "%F0%9F%92%A9", "a" * 4000, "%ED%A0%80", "' OR 1=1"])
async def test_an_invalid_id_is_404(service: Service, part: str) -> None:
    for method, path in (
        ("GET", "/users/{}"),
        ("DELETE", "/domains/{}"),
        ("GET", "/webhooks/{}"),
        ("DELETE", "/api-keys/{}"),
    ):
        assert (await service.api(method, path.format(part.replace(" ", "%20")))).problem == (404, "not_found", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "email",
        "password",
        "quota",
        "blockchain_address",
        "users",
        "name",
        "url",
        "events",
        "secret",
        "enabled",
        "role",
        "user",
    ]
)
TARGETS = st.sampled_from(
    [
        ("POST", "/users"), ("POST", "/users/batch"), ("PUT", "/users/x"), ("POST", "/domains"),
        ("POST", "/webhooks"), ("POST", "/api-keys"), ("GET", "/users"), ("DELETE", "/webhooks/x"),
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=TARGETS, body=st.dictionaries(FIELDS, JSON, max_size=5))
async def test_no_body_brings_the_server_down(service: Service, target: tuple[str, str], body: dict[str, Any]) -> None:
    method, path = target
    got = await service.api(method, path, body)
    assert got.status < 500
    if got.status >= 400:
        assert got.problem[0] == got.status
    assert not [each for each in service.services.events.after() if isinstance(each, Crashed)]
