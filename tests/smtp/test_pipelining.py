"""Commands that arrive together are answered together and in order (RFC 2920)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.dialogue import MANY
from sirrchat_testkit.smtp.listener import Listener

if TYPE_CHECKING:
    from tests.smtp.conftest import Dial, Dialogue

pytestmark = pytest.mark.asyncio

GROUP = (
    b"MAIL FROM:<a@example.net>\r\nRCPT TO:<nobody@example.com>\r\nRCPT TO:<user@example.com>\r\n"
    b"NONSENSE\r\nVRFY x\r\nDATA\r\n"
)
CODES = ["250", "550", "250", "500", "252", "354"]


async def test_replies_come_in_the_order_of_the_commands(talk: Dialogue) -> None:
    await talk("EHLO x")
    talk.write(GROUP)
    assert [(await talk.reply())[:3] for _ in CODES] == CODES


async def test_a_group_is_answered_by_one_write(talk: Dialogue) -> None:
    await talk("EHLO x")
    talk.write(GROUP)
    assert (await talk.reader.read(100_000)).count(b"\r\n") == len(CODES)


async def test_whole_transactions_in_one_write(
    talk: Dialogue, services: Services, stored: Callable[..., Awaitable[list[bytes]]]
) -> None:
    services.settings.value = services.settings.value.replace(max_unknown_commands=0)
    message = GROUP + b"%d\r\n.\r\n"
    talk.write(b"EHLO x\r\n" + b"".join(message % number for number in range(20)) + b"QUIT\r\n")
    await talk.reply()
    codes = [(await talk.reply())[:3] for _ in range(7 * 20 + 1)]
    assert codes == [*CODES, "250"] * 20 + ["221"]
    assert await stored() == [b"%d\r\n" % number for number in range(20)]


async def test_it_makes_no_difference_how_the_bytes_arrive(dial: Dial) -> None:
    stream = b"EHLO x\r\n" + GROUP + b"..text\r\n.\r\n" + GROUP + b"\r\n.\r\nRSET\r\nQUIT\r\n"
    answers = []
    for size in (len(stream), 1, 7):
        talk = await dial()
        for start in range(0, len(stream), size):
            talk.write(stream[start : start + size])
            await asyncio.sleep(0)
        answers.append(await talk.reader.read())
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].endswith(b"221 2.0.0 Bye\r\n")


async def test_a_client_that_sends_all_and_closes_its_side_is_answered(
    talk: Dialogue, stored: Callable[..., Awaitable[list[bytes]]]
) -> None:
    talk.write(b"EHLO x\r\n" + GROUP + b"text\r\n.\r\n")
    talk.writer.write_eof()
    text = await talk.reader.read()
    assert text.endswith(b"250 2.0.0 Message stored\r\n")
    assert await stored() == [b"text\r\n"]


async def test_a_flood_of_commands_is_answered_in_parts(talk: Dialogue, smtp: Listener) -> None:
    await talk("EHLO client.example")
    [connection] = smtp._connections
    written: list[bytes] = []
    transport = connection._socket

    def note(data: bytes) -> None:
        written.append(data)
        transport.write(data)

    connection._replies.transport = cast("Any", SimpleNamespace(write=note))
    talk.write(b"NOOP\r\n" * 1000)
    assert [(await talk.reply())[:3] for _ in range(1000)] == ["250"] * 1000
    assert [data.count(b"\r\n") for data in written] == [MANY] * 10
