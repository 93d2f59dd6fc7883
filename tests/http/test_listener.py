from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http import listener
from sirrchat_testkit.http.listener import serve_rest
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage import TinyStore


@pytest_asyncio.fixture
async def services() -> AsyncIterator[Services]:
    store = TinyStore()
    made = Services.build(Settings(api_key="key"), store, asyncio.get_running_loop())
    await made.set_up()
    yield made
    made.clock.close()
    await store.close()


class Held:
    """A view that answers when it is released."""

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on, self.cancelled = asyncio.Event(), asyncio.Event(), False
        monkeypatch.setattr(services.domains, "all", self)

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


@pytest.fixture(autouse=True)
def no_freezegun(monkeypatch: pytest.MonkeyPatch) -> None:
    """With freezegun the API is loaded at the start; another test of this process may have imported it."""
    monkeypatch.delitem(sys.modules, "freezegun", raising=False)


class Loading:
    """The import of the API, which waits until it is released. It fails ``failures`` times."""

    def __init__(self, load: Callable[..., Any]) -> None:
        self._load = load
        self.begun, self.release = threading.Event(), threading.Event()
        self.failures = 0

    def __call__(self, *arguments: Any) -> Any:
        self.begun.set()
        self.release.wait()
        if self.failures:
            self.failures -= 1
            raise ImportError("aiohttp is broken")
        return self._load(*arguments)

    async def has_begun(self) -> None:
        await asyncio.to_thread(self.begun.wait)


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loading]:
    made = Loading(listener._load_api)
    monkeypatch.setattr(listener, "_load_api", made)
    yield made
    made.release.set()


async def connect(bound: listener.Listener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*bound.address)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return reader, writer


async def everything(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"


@pytest.mark.asyncio
async def test_connections_that_arrive_while_the_api_loads_are_served(services: Services, loading: Loading) -> None:
    async with serve_rest(services) as bound:
        clients = [await connect(bound) for _ in range(150)]  # more than wait in a socket's backlog
        await loading.has_begun()
        silent = await asyncio.open_connection(*bound.address)
        loading.release.set()
        for reader, writer in clients:
            assert (await reader.read()).endswith(b'{"status":"ok"}')
            writer.close()
        silent[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await silent[0].read()).endswith(b'{"status":"ok"}')
        silent[1].close()


@pytest.mark.asyncio
async def test_a_connection_that_is_accepted_as_the_api_gets_ready_is_served(services: Services) -> None:
    async with serve_rest(services) as bound:
        early = bound._accept()
        assert await ask(*bound.address) == 200
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: early, theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b'{"status":"ok"}')
        writer.close()


@pytest.mark.asyncio
async def test_a_stop_while_the_api_loads_closes_the_connections(services: Services, loading: Loading) -> None:
    async with serve_rest(services) as bound:
        reader, writer = await connect(bound)
        await loading.has_begun()
        late = bound._accept()
    assert await everything(reader) in {b"", b"reset"}
    writer.close()
    ours, theirs = socket.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: late, theirs)  # accepted just before the stop
    ours.setblocking(False)
    assert await asyncio.get_running_loop().sock_recv(ours, 1) == b""
    ours.close()
    assert not accepts(*bound.address)
    assert not [each for each in services.events.after() if isinstance(each, Crashed)]


@pytest.mark.asyncio
async def test_an_import_that_fails_is_a_crash_and_the_next_connection_tries_again(
    services: Services, loading: Loading
) -> None:
    loading.failures = 1
    loading.release.set()
    async with serve_rest(services) as bound:
        reader, writer = await connect(bound)
        assert await everything(reader) in {b"", b"reset"}
        writer.close()
        [crash] = [each for each in services.events.after() if isinstance(each, Crashed)]
        assert crash.where == "loading the REST API"
        assert str(crash.error) == "aiohttp is broken"
        assert await ask(*bound.address) == 200


@pytest.mark.asyncio
async def test_a_free_port_is_chosen_and_released(services: Services) -> None:
    async with serve_rest(services) as bound:
        host, port = bound.address
        assert host == "127.0.0.1"
        assert await ask(host, port) == 200
    assert not accepts(host, port)


@pytest.mark.asyncio
async def test_two_listeners_serve_the_same_services_side_by_side(services: Services) -> None:
    async with serve_rest(services) as one, serve_rest(services) as two:
        for address in (one.address, two.address):
            assert await ask(*address) == 200


@pytest.mark.asyncio
async def test_a_taken_port_is_an_os_error_and_leaves_nothing_open(services: Services) -> None:
    async with serve_rest(services) as bound:
        _, port = bound.address
        settings = Settings(http_port=port)
        store = TinyStore()
        other = Services.build(settings, store, asyncio.get_running_loop())
        with pytest.raises(OSError, match="in use"):
            async with serve_rest(other):
                pass
        await store.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.asyncio
async def test_ipv6() -> None:
    store = TinyStore()
    services = Services.build(Settings(host="::1", api_key="key"), store, asyncio.get_running_loop())
    await services.set_up()
    async with serve_rest(services) as bound:
        host, port = bound.address
        assert host == "::1"
        assert await ask("[::1]", port) == 200
    services.clock.close()
    await store.close()


@pytest.mark.asyncio
async def test_a_request_in_flight_is_finished(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(services, monkeypatch)
    serving = serve_rest(services)
    request = asyncio.create_task(ask(*(await serving.__aenter__()).address))
    await held.begun.wait()
    leaving = asyncio.create_task(serving.__aexit__(None, None, None))
    await asyncio.sleep(0)
    held.go_on.set()
    assert await request == 200
    await leaving


@pytest.mark.asyncio
async def test_a_request_that_does_not_end_is_given_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener.GRACE == 1
    monkeypatch.setattr(listener, "GRACE", 0.01)  # real time is the subject
    held = Held(services, monkeypatch)
    async with serve_rest(services) as bound:
        request = asyncio.create_task(ask(*bound.address))
        await held.begun.wait()
    assert held.cancelled
    with pytest.raises(aiohttp.ClientError):
        await request


@pytest.mark.asyncio
async def test_an_idle_connection_does_not_hold_up_the_end(services: Services) -> None:
    async with aiohttp.ClientSession() as client:
        async with serve_rest(services) as bound:
            host, port = bound.address
            async with client.get(f"http://{host}:{port}/healthz") as got:
                assert await got.read()
            _, idle = await asyncio.open_connection(host, port)
        assert not accepts(host, port)
        idle.close()
        await idle.wait_closed()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.asyncio
async def test_a_forked_child_closes_connections_that_wait_for_the_api(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def never(_imports: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(listener, "import_in_thread", never)
    stay, leave = os.pipe()
    async with serve_rest(services) as bound:
        reader, writer = await connect(bound)
        await begun.wait()
        child = os.fork()
        if not child:  # pragma: no cover - in another process
            bound.close_in_child()
            os.close(leave)
            os.read(stay, 1)
            os._exit(0)
        os.close(stay)
    try:
        assert await everything(reader) in {b"", b"reset"}
        assert not accepts(*bound.address)
    finally:
        os.close(leave)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
    writer.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.asyncio
async def test_a_forked_child_closes_inherited_sockets(services: Services) -> None:
    told, tell = os.pipe()
    stay, leave = os.pipe()
    serving = serve_rest(services)
    async with serving as bound:
        host, port = bound.address
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
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
