"""Slow and idle connections, and the health routes."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from sirrchat_testkit.errors import StoreBroken, StoreFull
from sirrchat_testkit.http import connection
from sirrchat_testkit.storage.journal_file import JournalFile

if TYPE_CHECKING:
    from tests.http.conftest import Service

pytestmark = pytest.mark.asyncio
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
TEXT = "the headers were not complete within 0.05 seconds"


Connect = Callable[..., Awaitable[Wire]]


@pytest_asyncio.fixture
async def connect(service: Service) -> AsyncIterator[Connect]:
    """Open bare connections, and close them at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def opened(sent: bytes = b"") -> Wire:
        reader, writer = await asyncio.open_connection(*service.url.removeprefix("http://").split(":"))
        writers.append(writer)
        writer.write(sent)
        return reader, writer

    yield opened
    for each in writers:
        each.close()
    await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)


async def ask(wire: Wire) -> bytes:
    """Send a whole request; return its answer, or nothing if the server has closed the connection."""
    wire[1].write(WHOLE)
    try:
        return await wire[0].readuntil(b"}")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection.HEAD_TIMEOUT == 10
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 0.05)  # real time is the subject


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("before", [b"", WHOLE], ids=["first", "second"])
@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"GET /api/v1/us", None),
        (b"GET /api/v1/users HTTP/1.1", None),
        (b"\r\nGET /api/emails HTTP/1.1\r\nHost: loc", {"error": TEXT}),
        (
            b"GET /api/v1/users HTTP/1.1\r\nHost: localhost\r\n",
            {"error": {"code": "request_timeout", "message": TEXT, "details": {}}},
        ),
    ],
)
async def test_headers_that_are_not_complete_in_time_are_408(
    connect: Connect, before: bytes, sent: bytes, body: Any
) -> None:
    reader, writer = await connect(before)
    if before:
        await reader.readuntil(b"}")
    writer.write(sent)
    head, _, got = (await reader.read()).partition(b"\r\n\r\n")
    assert (json.loads(got) if got else None) == body
    if body:
        assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"Connection: close" in head


@pytest.mark.usefixtures("short")
async def test_headers_that_trickle_do_not_gain_time(connect: Connect) -> None:
    reader, writer = await connect(b"GET /healthz HTTP/1.1\r\n")
    answer = asyncio.create_task(reader.readline())  # what is written after it resets the connection
    while not answer.done():
        writer.write(b"X: y\r\n")
        await asyncio.wait([answer], timeout=0.01)
    assert b" 408 " in answer.result()


@pytest.mark.usefixtures("short")
async def test_a_connection_without_a_request_is_closed_and_an_idle_one_is_not(connect: Connect) -> None:
    idle = await connect()
    assert await ask(idle)
    silent = await connect()
    assert await silent[0].read() == b""
    assert await ask(idle)


@pytest.mark.usefixtures("short")
async def test_a_slow_body_has_more_time(service: Service, connect: Connect) -> None:
    body = b'{"url": "http://127.0.0.1/", "enabled": false}'
    head = (
        f"POST /api/webhook HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {service.key}\r\nContent-Length: {len(body)}\r\n"
    )
    reader, writer = await connect(head.encode() + b"\r\n" + body[:5])
    await asyncio.sleep(0.1)
    writer.write(body[5:])
    assert b" 200 " in await reader.readuntil(b"}")


async def test_a_new_connection_closes_the_one_that_was_idle_the_longest(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connection.MAX_IDLE == 256
    monkeypatch.setattr(connection, "MAX_IDLE", 3)
    wires = [await connect() for _ in range(3)]
    for each in wires:
        assert await ask(each)
    assert await ask(wires[0])  # the second has been idle the longest now
    wires.append(await connect())
    assert await wires[1][0].read() == b""
    assert [bool(await ask(each)) for each in wires] == [True, False, True, True]


async def test_connections_with_a_request_are_not_closed_by_new_ones(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_IDLE", 2)
    busy = [await connect(WHOLE[:-2]) for _ in range(4)]
    idle = [await connect() for _ in range(3)]
    assert await idle[0][0].read() == b""
    for reader, writer in busy:
        writer.write(b"\r\n")
        assert await reader.readuntil(b"}")


def full(*_: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("service", ["folder"], indirect=True)
async def test_a_server_is_not_ready_while_the_disk_is_full(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await service.get("/readyz") == {"status": "ready"}
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", full)
        with pytest.raises(StoreFull):
            await service.services.domains.add("shop.example")
    got = await service.call("GET", "/readyz")
    assert (got.status, got.json) == (503, {"status": "read-only"})
    assert await service.get("/healthz") == {"status": "ok"}
    await service.services.domains.add("shop.example")
    assert await service.get("/readyz") == {"status": "ready"}


@pytest.mark.parametrize("service", ["folder"], indirect=True)
async def test_a_server_whose_disk_failed_is_not_ready(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "sync", full)
        with pytest.raises(StoreBroken):
            await service.services.domains.add("shop.example")
    assert (await service.call("GET", "/readyz")).status == 503
    assert await service.get("/healthz") == {"status": "ok"}
