from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.settings import Settings
from sirrchat_testkit.rest import listener
from sirrchat_testkit.rest.listener import serve_rest
from sirrchat_testkit.store import TinyStore


@pytest_asyncio.fixture
async def backend() -> AsyncIterator[Backend]:
    store = TinyStore()
    made = Backend.build(Settings(api_key="key"), store, asyncio.get_running_loop())
    await made.furnish()
    yield made
    made.clock.close()
    await store.close()


class Held:
    """A view that answers when it is told to."""

    def __init__(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on, self.cancelled = asyncio.Event(), asyncio.Event(), False
        monkeypatch.setattr(backend.domains, "all", self)

    async def __call__(self) -> list[Any]:
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return []


async def ask(host: str, port: int) -> int:
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": "key"}) as client,
        client.get(f"http://{host}:{port}/api/email/domains") as got,
    ):
        return got.status


def accepts(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.mark.asyncio
async def test_any_free_port_is_read_back_and_let_go_of(backend: Backend) -> None:
    async with serve_rest(backend) as bound:
        host, port = bound.address
        assert host == "127.0.0.1"
        assert await ask(host, port) == 200
    assert not accepts(host, port)


@pytest.mark.asyncio
async def test_two_listeners_serve_one_backend_side_by_side(backend: Backend) -> None:
    async with serve_rest(backend) as one, serve_rest(backend) as two:
        for address in (one.address, two.address):
            assert await ask(*address) == 200


@pytest.mark.asyncio
async def test_a_taken_port_is_an_os_error_and_leaves_nothing_open(backend: Backend) -> None:
    async with serve_rest(backend) as bound:
        _, port = bound.address
        settings = Settings(http_port=port)
        store = TinyStore()
        other = Backend.build(settings, store, asyncio.get_running_loop())
        with pytest.raises(OSError, match="in use"):
            async with serve_rest(other):
                pass
        await store.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.asyncio
async def test_ipv6() -> None:
    store = TinyStore()
    backend = Backend.build(Settings(host="::1", api_key="key"), store, asyncio.get_running_loop())
    await backend.furnish()
    async with serve_rest(backend) as bound:
        host, port = bound.address
        assert host == "::1"
        assert await ask("[::1]", port) == 200
    backend.clock.close()
    await store.close()


@pytest.mark.asyncio
async def test_a_request_in_flight_is_finished(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(backend, monkeypatch)
    serving = serve_rest(backend)
    request = asyncio.create_task(ask(*(await serving.__aenter__()).address))
    await held.begun.wait()
    leaving = asyncio.create_task(serving.__aexit__(None, None, None))
    await asyncio.sleep(0)
    held.go_on.set()
    assert await request == 200
    await leaving


@pytest.mark.asyncio
async def test_a_request_that_does_not_end_is_given_up(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener.GRACE == 1
    monkeypatch.setattr(listener, "GRACE", 0.01)
    held = Held(backend, monkeypatch)
    async with serve_rest(backend) as bound:
        request = asyncio.create_task(ask(*bound.address))
        await held.begun.wait()
    assert held.cancelled
    with pytest.raises(aiohttp.ClientError):
        await request


@pytest.mark.asyncio
async def test_an_idle_connection_does_not_hold_up_the_end(backend: Backend) -> None:
    async with aiohttp.ClientSession() as client:
        async with serve_rest(backend) as bound:
            host, port = bound.address
            async with client.get(f"http://{host}:{port}/healthz") as got:
                assert await got.read()
            _, idle = await asyncio.open_connection(host, port)
        assert not accepts(host, port)
        idle.close()
        await idle.wait_closed()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.asyncio
async def test_a_forked_child_lets_go_of_what_it_inherited(backend: Backend) -> None:
    told, tell = os.pipe()
    stay, leave = os.pipe()
    serving = serve_rest(backend)
    async with serving as bound:
        host, port = bound.address
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"}")
        child = os.fork()
        if not child:  # pragma: no cover - in another process
            bound.close_in_child()
            os.write(tell, b"closed")
            os.close(leave)
            os.read(stay, 1)
            os._exit(0)
        os.close(stay)
        assert os.read(told, 6) == b"closed"
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"}")
        assert await ask(host, port) == 200
    try:
        assert not accepts(host, port)
        assert await reader.read() == b""  # the child holds no end of the connection either
    finally:
        os.close(leave)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        os.close(told)
        os.close(tell)
    writer.close()
    await writer.wait_closed()
