"""A slow store: when replies are sent, and what may happen in the meantime."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.events import Event, MessageReceived
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.listener import Listener
from tests.support import auntil

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]
START = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n"
RAW = b"Subject: hello\r\n\r\nbody\r\n"


class Held:
    """A store that was asked to store something and waits until it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()


@pytest_asyncio.fixture
async def held(monkeypatch: pytest.MonkeyPatch, services: Services) -> Held:
    made, put_blob = Held(), services.store.put_blob

    async def slow(raw: bytes) -> str:
        made.asked.set()
        await made.go_on.wait()
        return await put_blob(raw)

    monkeypatch.setattr(services.store, "put_blob", slow)
    return made


@pytest.mark.parametrize("waits", [0, 1, 3], ids=lambda count: f"the store waits {count} times")
async def test_the_250_is_in_the_socket_before_subscribers_are_called(
    monkeypatch: pytest.MonkeyPatch, smtp: Listener, services: Services, waits: int
) -> None:
    """The subscriber blocks the loop while it looks into the socket: what is not there by then never gets there."""
    put_blob = services.store.put_blob

    async def slow(raw: bytes) -> str:
        for _ in range(waits):
            await asyncio.sleep(0)
        return await put_blob(raw)

    monkeypatch.setattr(services.store, "put_blob", slow)
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[bytes] = loop.create_future()
    with socket.create_connection(smtp.address) as client:
        client.setblocking(False)

        def look(_: int, event: Event) -> None:
            if isinstance(event, MessageReceived):
                there = select.select([client], [], [], 1)[0]
                seen.set_result(client.recv(1000) if there else b"nothing")

        await loop.sock_recv(client, 1000)
        await loop.sock_sendall(client, START)
        text = b""
        while b"354" not in text:
            text += await loop.sock_recv(client, 1000)
        services.events.subscribe(look)
        await loop.sock_sendall(client, b"text\r\n.\r\n")
        assert await seen == b"250 2.0.0 Message stored\r\n"


async def test_commands_behind_the_final_dot_wait_for_it(talk: Dialogue, held: Held, stored: Stored) -> None:
    await talk.to_data()
    talk.write(b"one\r\n.\r\n" + START.removeprefix(b"EHLO x\r\n"))
    await held.asked.wait()
    talk.write(b"two\r\n.\r\nQUIT\r\n")
    assert await stored() == []
    held.go_on.set()
    assert [(await talk.reply())[:3] for _ in range(6)] == ["250", "250", "250", "354", "250", "221"]
    assert await stored() == [b"one\r\n", b"two\r\n"]


@pytest.mark.parametrize("reset", [True, False], ids=["by a reset", "by closing"])
async def test_a_delivery_that_has_begun_is_finished_although_the_client_has_gone(
    smtp: Listener, talk: Dialogue, held: Held, services: Services, stored: Stored, *, reset: bool
) -> None:
    await talk.to_data()
    [connection] = smtp._connections
    talk.write(RAW + b".\r\nMAIL FROM:<>\r\n")
    await held.asked.wait()
    if reset:
        linger = struct.pack("ii", 1, 0)
        talk.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await talk.close()
    await auntil(lambda: connection.transport is None if reset else connection._eof_received)
    assert services.sessions.busy()
    held.go_on.set()
    await auntil(lambda: not len(services.sessions))
    assert await stored() == [RAW]


async def test_a_delivery_is_finished_although_its_client_was_gone_before_anything_could_be_answered(
    talk: Dialogue, held: Held, services: Services, stored: Stored
) -> None:
    await talk("EHLO client.example")
    writing = talk.writer.get_extra_info("socket")
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.write(START.removeprefix(b"EHLO x\r\n") + RAW + b".\r\n")
    talk.writer.transport.abort()  # a reset, before the server has read: its first write fails
    await held.asked.wait()
    held.go_on.set()
    await auntil(lambda: not len(services.sessions))
    assert await stored() == [RAW]


async def test_a_client_that_goes_on_sending_is_held_up(smtp: Listener, held: Held) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_connection(smtp.address) as client:
        client.setblocking(False)
        sending = loop.create_task(loop.sock_sendall(client, START + b".\r\n" + b"NOOP\r\n" * 4_000_000))
        await held.asked.wait()
        [connection] = smtp._connections
        await auntil(lambda: not connection._socket.is_reading())
        assert connection._conversation.pending < 1_000_000
        assert not sending.done()
        sending.cancel()
        held.go_on.set()
        await auntil(lambda: connection._socket.is_reading() and not connection._runner.waiting)


async def test_a_client_that_has_closed_its_side_still_gets_its_replies(
    smtp: Listener, talk: Dialogue, held: Held, stored: Stored
) -> None:
    await talk.to_data()
    talk.write(RAW + b".\r\nNOOP\r\n")
    talk.writer.write_eof()
    [connection] = smtp._connections
    await auntil(lambda: connection._eof_received)
    held.go_on.set()
    assert await talk.reader.read() == b"250 2.0.0 Message stored\r\n250 2.0.0 OK\r\n"
    assert await stored() == [RAW]


async def test_a_client_is_not_timed_out_while_the_store_is_slow(smtp: Listener, talk: Dialogue, held: Held) -> None:
    await talk.to_data()
    talk.write(RAW + b".\r\n")
    await held.asked.wait()
    [connection] = smtp._connections
    connection._conversation.received_at -= 10_000
    connection._timeout_cb()
    held.go_on.set()
    assert (await talk.reply()).startswith("250")


async def test_a_delivery_in_flight_is_finished_when_the_listener_stops(
    smtp: Listener, talk: Dialogue, held: Held, stored: Stored
) -> None:
    await talk.to_data()
    talk.write(RAW + b".\r\n")
    await held.asked.wait()
    stopping = asyncio.create_task(smtp._stop())
    await asyncio.sleep(0)
    held.go_on.set()
    assert (await talk.reply()).startswith("250")
    assert (await talk.reply()).startswith("421 4.3.2")
    await stopping
    assert await stored() == [RAW]


async def test_a_delivery_in_the_store_ends_with_its_scope(
    talk: Dialogue, held: Held, services: Services, stored: Stored
) -> None:
    scope = await services.scopes.open("test")
    await talk.to_data()
    talk.write(RAW + b".\r\n")
    await held.asked.wait()
    await services.scopes.close(scope)
    held.go_on.set()
    assert (await talk.reply()).startswith("421 4.3.2")
    assert await talk.reply() == ""
    assert await stored() == []


async def test_a_delivery_whose_client_has_gone_ends_with_its_scope(
    talk: Dialogue, held: Held, services: Services, stored: Stored
) -> None:
    scope = await services.scopes.open("test")
    await talk.to_data()
    talk.write(RAW + b".\r\n")
    await held.asked.wait()
    talk.writer.transport.abort()
    [session] = services.sessions
    await services.scopes.close(scope)
    assert not session.busy
    held.go_on.set()
    await auntil(lambda: not len(services.sessions))
    assert await stored() == []


async def test_settling_sees_a_connection_that_only_the_kernel_has_accepted(smtp: Listener, services: Services) -> None:
    with socket.create_connection(smtp.address):
        [activity] = await services.sessions.settled(0)
        assert "has not sent mail yet" in activity.what


async def test_settling_sees_a_command_that_the_server_has_not_read(talk: Dialogue, services: Services) -> None:
    await talk("EHLO client.example", "MAIL FROM:<a@example.net>", "RSET")
    talk.write(b"MAIL FROM:<b@example.net>\r\n")
    [activity] = await services.sessions.settled(0)
    assert activity.what == "MAIL FROM:<b@example.net>"
