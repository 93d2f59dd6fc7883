"""Valid and invalid request bodies of the disposable-address API."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Service

POSTS = ("/api/emails/generate", "/api/webhook")
GOOD = {"name": "test", "expiryTime": 3_600_000, "domain": "example.com"}

NO_JSON_OBJECT = {
    "empty": b"",
    "blank": b"  \r\n",
    "broken": b'{"name": "test"',
    "trailing comma": b'{"name": "test",}',
    "single quotes": b"{'name': 'test'}",
    "two values": b"{} {}",
    "form": b"name=test&domain=example.com",
    "no UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "test"}'.encode("utf-16"),
    "encoded surrogate": b'{"name": "\xed\xa0\x80"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\0",
    "raw control character": b'{"name": "a\x01b"}',
    "array": b"[]",
    "text": b'"test"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"expiryTime": NaN}',
    "Infinity": b'{"expiryTime": Infinity}',
    "-Infinity": b'{"expiryTime": -Infinity}',
    "NaN elsewhere": b'{"other": [NaN]}',
    "high surrogate": b'{"name": "a\\ud800"}',
    "high surrogate and text": b'{"name": "\\ud800abcdef"}',
    "low surrogate": b'{"name": "\\udc00"}',
    "low before high": b'{"name": "\\udc00\\ud800"}',
    "surrogate in a key": b'{"\\ud800": 1}',
    "surrogate deep within": b'{"other": [{"x": "\\udfff"}]}',
    "100 000 brackets": b"[" * 100_000,
    "100 000 braces": b'{"a":' * 100_000,
    "100 000 brackets, closed": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an endless number": b'{"expiryTime": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", NO_JSON_OBJECT.values(), ids=NO_JSON_OBJECT)
@pytest.mark.asyncio
async def test_a_body_that_is_not_a_json_object_is_400(service: Service, path: str, body: bytes) -> None:
    got = await service.call("POST", path, body)
    assert got.status == 400
    assert got.error.startswith("the body must be")
    assert (await service.get("/api/emails"))["total"] == 0


BAD_FIELDS: dict[str, list[Any]] = {
    "expiryTime": [
        *(1, -1, 3_600_001, 3_600_000.5, 1e300, 10**400),
        *(True, False, None, "3600000", "", [3_600_000], {}),
    ],
    "domain": [
        *("", "nowhere.example", "example.com.", " example.com", "x" * 10_000, "é" * 10_000, "a\0b", "\u212aexample"),
        *(True, None, 1, ["example.com"]),
    ],
    "name": [
        *(
            "",
            ".a",
            "a.",
            "a..b",
            "a b",
            "a@b",
            "é",
            "x" * 65,
            "a\n",
            "a\0",
            "a/b",
            '"a"',
            "<a>",
            "a,b",
            "\u200b",
            "😀",
        ),
        *(False, None, 7, [], {}),
    ],
}
BAD_WEBHOOKS: dict[str, list[Any]] = {
    "url": ["", "localhost", "ftp://a", "http://", None, 1, ["http://a"]],
    "enabled": [1, 0, "true", None, [], 1.0],
}


def each_of(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(field, value, id=f"{field}={value!r:.30}") for field in table for value in table[field]]


@pytest.mark.parametrize(("field", "value"), each_of(BAD_FIELDS))
@pytest.mark.asyncio
async def test_generate_names_the_field_that_is_wrong(service: Service, field: str, value: Any) -> None:
    got = await service.call("POST", "/api/emails/generate", GOOD | {field: value})
    assert got.status == 400
    assert got.error.startswith(f"{field} must be")
    assert got.error.endswith("; it is missing") == (value is None)


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.asyncio
async def test_generate_needs_all_three_fields(service: Service, field: str) -> None:
    takes = {
        "name": "1 to 64 of A-Z a-z 0-9 . _ + -",
        "expiryTime": "one of 3600000, 86400000, 259200000, 0",
        "domain": "one of the served domains",
    }
    got = await service.call("POST", "/api/emails/generate", {k: v for k, v in GOOD.items() if k != field})
    assert (got.status, got.json) == (400, {"error": f"{field} must be {takes[field]}; it is missing"})


@pytest.mark.parametrize(("field", "value"), each_of(BAD_WEBHOOKS))
@pytest.mark.asyncio
async def test_a_wrong_webhook_is_400_and_changes_nothing(service: Service, field: str, value: Any) -> None:
    good = {"url": "http://localhost", "enabled": True}
    missing = {name: each for name, each in good.items() if name != field}
    for body in (good | {field: value}, missing):
        got = await service.call("POST", "/api/webhook", body)
        assert got.status == 400
        assert got.error.startswith((f"{field} must be ", f"{field} is required"))
    assert await service.get("/api/webhook") == {"url": "", "enabled": False}


@pytest.mark.asyncio
async def test_each_account_has_a_webhook_of_its_own(service: Service) -> None:
    key = await service.user()
    await service.call("POST", "/api/webhook", {"url": "http://localhost/a", "enabled": False}, key=key)
    assert await service.get("/api/webhook") == {"url": "", "enabled": False}
    assert await service.get("/api/webhook", key=key) == {"url": "http://localhost/a", "enabled": False}


@pytest.mark.asyncio
async def test_an_empty_url_that_is_not_enabled_unsets_the_webhook(service: Service) -> None:
    unset = {"url": "", "enabled": False}
    for _ in range(2):  # also if there is none
        assert (await service.call("POST", "/api/webhook", unset)).json == {"success": True}
        assert await service.get("/api/webhook") == unset
        await service.call("POST", "/api/webhook", {"url": "http://localhost/a", "enabled": True})
    for wrong in ({"url": "", "enabled": True}, {"url": "", "enabled": 0}, {"url": ""}):
        assert (await service.call("POST", "/api/webhook", wrong)).status == 400


@pytest.mark.asyncio
async def test_unknown_fields_are_ignored_and_a_pair_of_surrogates_is_a_character(service: Service) -> None:
    body = json.dumps(GOOD | {"other": {"deep": [1, None, "\U0001f600"]}, "expiry": 7}).encode()
    assert b"\\ud83d\\ude00" in body
    assert (await service.call("POST", "/api/emails/generate", body)).status == 200


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", "a/b; charset=utf-16"],
)
@pytest.mark.asyncio
async def test_the_content_type_is_not_looked_at(service: Service, kind: str) -> None:
    headers = {"Content-Type": kind}
    assert (await service.call("POST", "/api/emails/generate", GOOD, **headers)).status == 200
    [email] = (await service.get("/api/emails", **headers))["emails"]
    got = await service.call("DELETE", f"/api/emails/{email['id']}", **headers, **{"Content-Length": "0"})
    assert got.status == 200


@pytest.mark.asyncio
async def test_a_body_may_have_one_mebibyte_and_no_more(service: Service) -> None:
    body = json.dumps(GOOD).encode()
    full = body + b" " * (1_048_576 - len(body))
    assert (await service.call("POST", "/api/emails/generate", full)).status == 200
    got = await service.call("POST", "/api/emails/generate", full + b" ")
    assert (got.status, got.error) == (413, "the body is larger than 1048576 bytes")


def deflated(body: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(9, wbits=wbits)
    return compressor.compress(body) + compressor.flush()


PACKED = {
    "gzip": ("gzip", gzip.compress),
    "upper case": ("GZIP", gzip.compress),
    "zlib": ("deflate", lambda body: deflated(body, 15)),
    "bare deflate": ("deflate", lambda body: deflated(body, -15)),
    "identity": ("identity", bytes),
    "identity and gzip": ("identity, gzip", gzip.compress),
    "nothing": ("", bytes),
}


@pytest.mark.parametrize(("coding", "pack"), PACKED.values(), ids=PACKED)
@pytest.mark.asyncio
async def test_a_compressed_body_is_decompressed_up_to_the_limit(
    service: Service, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = {"Content-Encoding": coding}
    body = json.dumps(GOOD).encode()
    full = body + b" " * (1_048_576 - len(body))
    assert (await service.call("POST", "/api/emails/generate", pack(full), **headers)).status == 200
    got = await service.call("POST", "/api/emails/generate", pack(full + b" "), **headers)
    assert (got.status, got.error) == (413, "the body is larger than 1048576 bytes")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "extended", "empty"])
@pytest.mark.asyncio
async def test_a_body_that_does_not_match_its_coding_is_400(service: Service, coding: str, damage: str) -> None:
    packed = deflated(json.dumps(GOOD).encode(), 31 if coding == "gzip" else 15)
    body = {"garbage": b"no gzip at all", "cut": packed[:-1], "extended": packed + b"x", "empty": b""}[damage]
    got = await service.call("POST", "/api/emails/generate", body, **{"Content-Encoding": coding})
    assert (got.status, got.error.startswith("the body does not match")) == (400, True)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "nonsense", "gzip, gzip", "gzip, br"])
@pytest.mark.asyncio
async def test_an_unsupported_coding_is_415(service: Service, coding: str) -> None:
    headers = {"Content-Encoding": coding}
    got = await service.call("POST", "/api/emails/generate", GOOD, **headers)
    assert (got.status, got.error) == (415, "unsupported Content-Encoding; supported: gzip, deflate")
    assert got.headers["Accept-Encoding"] == "gzip, deflate"
    got = await service.api("POST", "/users", {}, **headers)
    assert got.problem == (415, "unsupported_media_type", {})
    assert (await service.call("GET", "/api/emails", **headers)).status == 200


@pytest.mark.parametrize(("key", "status"), [("admin", 413), ("wrong", 401)])
@pytest.mark.asyncio
async def test_a_decompression_bomb_is_not_decompressed(
    service: Service, monkeypatch: pytest.MonkeyPatch, key: str, status: int
) -> None:
    produced = 0

    def decompressobj(wbits: int) -> Any:
        made = zlib_decompressobj(wbits)

        def decompress(data: bytes, max_length: int = 0) -> bytes:
            nonlocal produced
            decoded = made.decompress(data, max_length)
            produced += len(decoded)
            return decoded

        return SimpleNamespace(decompress=decompress)

    zlib_decompressobj = zlib.decompressobj
    bomb = gzip.compress(b" " * 50_000_000)
    monkeypatch.setattr(zlib, "decompressobj", decompressobj)
    got = await service.call("POST", "/api/emails/generate", bomb, key=key, **{"Content-Encoding": "gzip"})
    assert got.status == status
    assert produced <= 1_048_577


@pytest.mark.asyncio
async def test_a_body_that_no_route_expects_is_ignored(service: Service) -> None:
    assert (await service.call("GET", "/api/emails", b"\xff{")).status == 200
    made = await service.generate()
    assert (await service.call("DELETE", f"/api/emails/{made['id']}", b"[" * 100_000)).status == 200
