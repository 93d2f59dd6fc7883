"""How a listener starts and ends, and what a forked child does with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.smtp import listener as listening
from sirrchat_testkit.smtp.listener import Listener, serve_smtp
from sirrchat_testkit.storage.store import TinyStore
from tests.support import auntil

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit import SettingsChanges
    from tests.smtp.conftest import Dialogue

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [each.getMessage() for each in caplog.records if each.name == "sirrchat_testkit.smtp"]


@contextlib.asynccontextmanager
async def served(**changes: Unpack[SettingsChanges]) -> AsyncIterator[tuple[Services, Listener]]:
    store = TinyStore()
    services = Services.build(Settings().replace(**changes), store, asyncio.get_running_loop())
    await services.set_up()
    async with serve_smtp(services) as listener:
        yield services, listener
    services.clock.close()
    await store.close()


async def connected(listener: Listener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*listener.address)
    await reader.readline()
    return reader, writer


async def test_the_port_is_bound_when_the_context_is_entered_and_free_when_it_is_left() -> None:
    async with served() as (_, listener):
        address = listener.address
        assert address == (listener.host, listener.port)
        assert address[0] == "127.0.0.1"
        assert address[1] > 0
        assert repr(listener) == f"<SMTP on 127.0.0.1:{address[1]}, 0 connections>"
        _, writer = await connected(listener)
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    async with served(smtp_port=address[1]) as (_, again):
        assert again.address == address


async def test_a_port_that_is_taken_is_named() -> None:
    async with served() as (_, listener):
        with pytest.raises(OSError, match=f"cannot listen for SMTP on 127.0.0.1:{listener.port}: "):
            async with served(smtp_port=listener.port):
                pass


async def test_it_listens_on_ipv6_where_there_is_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with served(host="::1") as (services, listener):
        _, writer = await connected(listener)
        assert [each.peer.startswith("[::1]:") for each in services.sessions] == [True]
        writer.close()


async def test_two_listeners_stand_side_by_side() -> None:
    async with served() as (one, first), served(domains=["corp.example"]) as (two, second):
        assert first.port != second.port
        for listener, recipient in ((first, "at-first@elsewhere.example"), (second, "at-second@elsewhere.example")):
            reader, writer = await connected(listener)
            writer.write(f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
            while not (await reader.readline()).startswith(b"354"):
                pass
            writer.write(b".\r\n")
            await reader.readline()
            writer.close()
        assert [each.recipient for each in await one.delivery.messages()] == ["at-first@elsewhere.example"]
        assert [each.recipient for each in await two.delivery.messages()] == ["at-second@elsewhere.example"]


async def test_idle_clients_get_421_and_are_closed_at_once(
    monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[str]]
) -> None:
    assert listening.GRACE == 1
    monkeypatch.setattr(listening, "GRACE", 30)
    async with served() as (_, listener):
        reader, writer = await connected(listener)
        writer.write(b"EHLO x\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        silent, other = await connected(listener)
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < listening.GRACE / 2
    assert await reader.read() == b"421 4.3.2 The server is stopping\r\n"
    assert await silent.read() == b"421 4.3.2 The server is stopping\r\n"
    assert log() == []
    writer.close()
    other.close()


async def test_a_client_that_connects_while_the_listener_stops_gets_421() -> None:
    async with served() as (_, listener):
        listener._connections.stopping = True
        reader, writer = await asyncio.open_connection(*listener.address)
        assert await reader.read() == b"421 4.3.2 The server is stopping\r\n"
        writer.close()


async def test_a_transaction_in_flight_is_finished(talk: Dialogue, smtp: Listener, stored: Stored) -> None:
    await talk.to_data()
    talk.write(b"one\r\n")
    stopping = asyncio.create_task(smtp._stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    assert await talk(b"two\r\n.\r\n") == "250 2.0.0 Message stored"
    assert await talk.reply() == "421 4.3.2 The server is stopping"
    assert await talk.reply() == ""
    await stopping
    assert await stored() == [b"one\r\ntwo\r\n"]


async def test_a_transaction_that_does_not_end_is_broken_off_and_named(
    monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(listening, "GRACE", 0.05)  # real time is the subject
    async with served() as (services, listener):
        reader, writer = await connected(listener)
        writer.write(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@elsewhere.example>\r\nDATA\r\nunfinished")
        while not (await reader.readline()).startswith(b"354"):
            pass
        [session] = services.sessions
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    [line] = log()
    assert line == f"stopped with 1 connections open, aborted: MAIL FROM:<a@example.net> from {session.peer}"
    assert not len(services.sessions)
    assert not any(isinstance(each, Crashed) for each in services.events.after())


async def test_a_delivery_that_never_ends_is_broken_off(
    monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(listening, "GRACE", 0.05)  # real time is the subject
    async with served() as (services, listener):

        async def never(_: bytes) -> str:
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(services.store, "put_blob", never)
        reader, writer = await connected(listener)
        writer.write(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@elsewhere.example>\r\nDATA\r\n.\r\n")
        while not (await reader.readline()).startswith(b"354"):
            pass
    assert len(log()) == 1
    assert not len(services.sessions)
    writer.close()


async def test_a_client_that_does_not_read_its_421_cannot_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "GRACE", 0.05)  # real time is the subject
    async with served() as (_, listener):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(listener.address)
            client.setblocking(False)
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(client, b"HELP\r\n" * 100_000))
            await auntil(lambda: any(each._runner.waiting for each in listener._connections))
            sending.cancel()
            await listener._stop()
            assert not len(listener._connections)


def forked(listener: Listener) -> tuple[int, int]:
    """Fork a child that lets go of the listener and then lives until the descriptor returned beside it is closed."""
    told, tell = os.pipe()
    wait, release = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            listener.close_in_child()
            os.write(tell, b"closed")
            os.close(release)
            os.read(wait, 1)
        finally:
            os._exit(0)
    assert os.read(told, 10) == b"closed"
    for each in (wait, told, tell):
        os.close(each)
    return child, release


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_forked_child_lets_go_and_the_parent_goes_on() -> None:
    async with served() as (_, listener):
        (reader, writer), (second, other) = await connected(listener), await connected(listener)
        child, release = forked(listener)
        writer.write(b"NOOP\r\n")  # the child has not taken it out of the epoll that both share
        assert (await reader.readline()).startswith(b"250")
        _, third = await connected(listener)
        other.write(b"QUIT\r\n")
        assert (await second.readline()).startswith(b"221")
        assert await second.read() == b""  # the end arrives, so the child holds no copy of the socket
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*listener.address)
    os.close(release)
    assert os.waitpid(child, 0)[1] == 0  # noqa: ASYNC222 - it ends now
    for each in (writer, other, third):
        each.close()


async def test_the_log_has_a_handler() -> None:
    assert logging.getLogger("sirrchat_testkit.smtp").handlers
