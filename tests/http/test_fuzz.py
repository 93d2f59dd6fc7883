"""Arbitrary requests are answered in the API's shape, and never with 500."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.http.pagination import encode_cursor
from sirrchat_testkit.schemas import tempmail as wire

if TYPE_CHECKING:
    from tests.http.conftest import Service

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = values | st.text("aA.0_+- é@", max_size=70)
expiries = values | st.sampled_from([0, 3_600_000, 86_400_000.0, True, False, "0"])
domains = values | st.sampled_from(["example.com", "EXAMPLE.ORG", "example.com.", "xn--a", "é.example"])
generates = st.fixed_dictionaries({}, optional={"name": names, "expiryTime": expiries, "domain": domains})
urls = values | st.builds("{}{}".format, st.sampled_from(["http://", "https://", "//", "http:"]), st.text(max_size=20))
webhooks = st.fixed_dictionaries({}, optional={"url": urls, "enabled": values})
bodies = st.binary(max_size=60) | st.builds(lambda value: json.dumps(value).encode(), generates | webhooks | values)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.integers().map(str) | st.integers(1, 2**64).map(encode_cursor)
cursors = texts | numbers | st.text(string.ascii_letters + "-_=")
segments = texts | st.sampled_from(["emails", "email", "domains", "generate", "webhook", "config", "v1", "..", ".", ""])


def check(service: Service, status: int, body: Any) -> None:
    crashed = [event for event in service.services.events.after() if isinstance(event, Crashed)]
    assert not crashed, crashed
    assert status < 500
    if status >= 400:
        wire.Problem.model_validate(body)
        assert list(body) == ["error"]


@quick
@given(body=bodies)
@pytest.mark.asyncio
async def test_bodies(service: Service, body: bytes) -> None:
    for path, shape in (("/api/emails/generate", wire.Generated), ("/api/webhook", wire.Done)):
        got = await service.call("POST", path, body)
        check(service, got.status, got.json)
        assert got.status in {200, 400, 409}
        if got.status == 200:
            shape.model_validate(got.json)


@quick
@given(cursor=cursors)
@pytest.mark.asyncio
async def test_cursors(service: Service, cursor: str) -> None:
    key = await service.services.keys.find(service.key)
    assert key is not None
    account = key.account
    address = await service.services.directory.find_address("fuzz@example.com")
    if address is None:
        address = await service.services.directory.add_address(account, "fuzz@example.com")
        await service.deliver("fuzz@example.com")
    for path in ("/api/emails", f"/api/emails/{address.id}"):
        got = await service.call("GET", f"{path}?cursor={quote(cursor, safe='=')}")
        check(service, got.status, got.json)
        assert got.status in {200, 400}


@quick
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    path=st.lists(segments, max_size=4),
    query=texts,
)
@pytest.mark.asyncio
async def test_paths(service: Service, method: str, path: list[str], query: str) -> None:
    target = "/api/" + "/".join(quote(each, safe="") for each in path)
    if target.startswith("/api/v1"):
        return
    got = await service.call(method, f"{target}?{quote(query, safe='=&;+')}")
    check(service, got.status, got.json)


@quick
@given(key=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60))
@pytest.mark.asyncio
async def test_keys(service: Service, key: str) -> None:
    got = await service.call("GET", "/api/emails", key=key)
    check(service, got.status, got.json)
    assert got.status == 401
