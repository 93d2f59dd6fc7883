"""Errors of the server are reported to its owner; errors of a client are not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.errors import StoreBroken, StoreFull

if TYPE_CHECKING:
    from tests.http.conftest import Service


def crashes(service: Service) -> list[Crashed]:
    return [event for event in service.services.events.after() if isinstance(event, Crashed)]


def break_domains(service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def domains() -> Any:
        raise error

    monkeypatch.setattr(service.services.domains, "all", domains)


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), TimeoutError(), ConnectionResetError(), KeyError("x")])
@pytest.mark.asyncio
async def test_a_bug_is_500_logged_and_reported_to_the_owner(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    break_domains(service, monkeypatch, error)
    got = await service.call("GET", "/api/email/domains?cursor=x")
    assert (got.status, got.error) == (500, "internal server error; see the server's log")
    assert [(each.where, each.error) for each in crashes(service)] == [("GET /api/email/domains", error)]
    [record] = caplog.records
    assert (record.name, record.exc_info and record.exc_info[1]) == ("sirrchat_testkit.http", error)
    assert capfd.readouterr() == ("", "")
    assert (await service.call("GET", "/api/emails")).status == 200


@pytest.mark.asyncio
async def test_a_full_store_is_507_and_not_a_bug(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    break_domains(service, monkeypatch, StoreFull("no room"))
    got = await service.call("GET", "/api/config")
    assert (got.status, got.error) == (507, "no room")
    assert crashes(service) == []


@pytest.mark.asyncio
async def test_a_broken_store_is_500_and_reported(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    error = StoreBroken("the disk failed")
    break_domains(service, monkeypatch, error)
    got = await service.call("GET", "/api/config")
    assert (got.status, got.error) == (500, "the disk failed")
    assert [each.error for each in crashes(service)] == [error]


Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HEAD = b"POST /api/webhook HTTP/1.1\r\nHost: localhost\r\nX-API-Key: KEY\r\n"
UNREADABLE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
    "SMTP": b"EHLO localhost\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown method": b"FOO /api/emails HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in the path": b"GET /api/\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute URL": b"GET http://[::1/api HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "endless path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "endless header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "bad second chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nzz\r\n",
    "unknown transfer coding": HEAD + b"Transfer-Encoding: nonsense\r\n\r\n{}",
}
ODD = {
    "no version": (b"GET /\r\n\r\n", 404),
    "bad percent": (b"GET /api/%zz%ff%u0000 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "CONNECT": (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "key of raw bytes": (b"GET /api/emails HTTP/1.1\r\nHost: localhost\r\nX-API-Key: \xff\xfe\r\n\r\n", 401),
    "upgrade": (
        b"GET /api/emails HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        401,
    ),
    "bad deflate": (HEAD + b"Content-Encoding: deflate\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff", 400),
    "odd expectation": (HEAD + b"Expect: nonsense\r\nContent-Length: 2\r\n\r\n{}", 400),
}
UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "half a header": b"GET / HTTP/1.1\r\nHost",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "half a stream": HEAD + b"Content-Encoding: deflate\r\nContent-Length: 20\r\n\r\n\x78\x9c",
}


@pytest_asyncio.fixture
async def wire(
    service: Service, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Wire]:
    """A bare connection. At the end no crash was reported and nothing was logged or printed."""
    caplog.set_level(logging.INFO)
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()
    await writer.wait_closed()
    assert (await service.call("GET", "/healthz")).status == 200
    assert crashes(service) == []
    assert caplog.get_records("call") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.asyncio
async def test_bad_http_is_400_and_the_end_of_the_connection(service: Service, wire: Wire, sent: bytes) -> None:
    reader, writer = wire
    writer.write(sent.replace(b"KEY", service.key.encode()))
    try:
        got = await reader.read()
    except ConnectionResetError:  # the rest of what was sent arrived after the end
        return
    assert got[8:13] == b" 400 ", got
    [text] = json.loads(got.partition(b"\r\n\r\n")[2]).values()
    assert text.startswith("malformed request: ")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("sent", "limit"), [(b"GET /" + b"a" * 70_000, 65_536), (b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000, 8190)]
)
@pytest.mark.asyncio
async def test_what_is_too_long_is_named(service: Service, wire: Wire, sent: bytes, limit: int) -> None:
    reader, writer = wire
    writer.write(sent)
    answer = await reader.readuntil(b"}")
    text = f"malformed request: the request line or a header is longer than {limit} bytes"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == text


USERS = b" /api/v1/users HTTP/1.1\r\nHost: localhost\r\n"
NESTED = {
    "unknown method": [b"FOO" + USERS + b"\r\n"],
    "lower case": [b"get" + USERS + b"\r\n"],
    "endless header": [b"GET" + USERS + b"X: " + b"a" * 8200 + b"\r\n\r\n"],
    "too many headers": [b"GET" + USERS + b"X: y\r\n" * 200 + b"\r\n"],
    "two pieces": [b"GET" + USERS, b"broken\r\n\r\n"],
    "the query": [b"FOO /api/v1?a=b HTTP/1.1\r\n\r\n"],
}
FLAT = {
    "the other API": [b"FOO /api/emails HTTP/1.1\r\n\r\n"],
    "a longer name": [b"FOO /api/v10 HTTP/1.1\r\n\r\n"],
    "no target": [b"\0\r\n\r\n"],
    "after a good one": [b"GET" + USERS + b"\r\n", b"FOO /api/emails HTTP/1.1\r\n\r\n"],
}


@pytest.mark.parametrize(
    ("pieces", "nested"),
    [*((each, True) for each in NESTED.values()), *((each, False) for each in FLAT.values())],
    ids=[*NESTED, *FLAT],
)
@pytest.mark.asyncio
async def test_bad_http_is_refused_in_the_shape_of_what_it_asks_for(
    wire: Wire, pieces: list[bytes], *, nested: bool
) -> None:
    reader, writer = wire
    for piece in pieces[:-1]:
        writer.write(piece)
        await writer.drain()
        if piece.endswith(b"\r\n\r\n"):
            assert (await reader.readuntil(b"}}"))[8:13] == b" 401 "
    writer.write(pieces[-1])
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"Content-Type: application/json" in head
    error: Any = json.loads(body)["error"]
    if nested:
        assert (error["code"], error["details"]) == ("invalid_request", {})
    else:
        assert isinstance(error, str)


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD)
@pytest.mark.asyncio
async def test_odd_http_is_answered_in_the_api_style(service: Service, wire: Wire, sent: bytes, status: int) -> None:
    reader, writer = wire
    writer.write(sent.replace(b"KEY", service.key.encode()))
    got = await reader.readuntil(b"}")
    assert got[8:13] == b" %d " % status, got
    assert list(json.loads(got.partition(b"\r\n\r\n")[2])) == ["error"]


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.asyncio
async def test_a_request_that_ends_early_is_forgotten(service: Service, wire: Wire, sent: bytes) -> None:
    reader, writer = wire
    writer.write(sent.replace(b"KEY", service.key.encode()))
    writer.write_eof()
    assert await reader.read() == b""


@pytest.mark.asyncio
async def test_expect_100_continue_is_answered(service: Service) -> None:
    body = {"url": "http://localhost", "enabled": True}
    assert (await service.call("POST", "/api/webhook", body, Expect="100-continue")).status == 200
    assert (await service.call("POST", "/api/webhook", body, Expect="nonsense")).status == 200


@pytest.mark.asyncio
async def test_a_client_that_disconnects_is_not_a_crash(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def domains() -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(service.services.domains, "all", domains)
    request = asyncio.create_task(service.call("GET", "/api/email/domains"))
    await begun.wait()
    request.cancel()
    await ended.wait()
    assert crashes(service) == []
