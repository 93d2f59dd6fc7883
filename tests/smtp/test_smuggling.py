"""False ends of a message never end it, on the wire as in the reader, and never split one into two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

pytestmark = pytest.mark.asyncio

FALSE_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n. \r\n",
]
SECOND = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nsmuggled\r\n"


@pytest.mark.parametrize("false_end", FALSE_ENDS, ids=repr)
async def test_a_false_end_is_text(
    talk: Dialogue, stored: Callable[..., Awaitable[list[bytes]]], false_end: bytes
) -> None:
    await talk.to_data()
    assert await talk(b"outer" + false_end + SECOND + b".\r\n") == "250 2.0.0 Message stored"
    [raw] = await stored()
    assert raw == b"outer" + false_end.replace(b"\r\n.", b"\r\n") + SECOND
    assert (await talk("NOOP")).startswith("250")


async def test_a_command_smuggled_behind_a_bare_line_feed_is_not_obeyed(talk: Dialogue) -> None:
    await talk("EHLO x")
    talk.write(b"NOOP\nMAIL FROM:<evil@example.net>\r\n")
    assert (await talk.reply()).startswith("500 5.5.2")
    assert (await talk.reply()).startswith("250 2.1.0")
    assert (await talk(b"NOOP x\rRCPT TO:<user@example.com>\r\n")).startswith("501")
    assert (await talk("DATA")).startswith("503")


@pytest.mark.parametrize("target", ["/", "/" + "a" * 600, "/" + "a" * 20_000], ids=["short", "too long", "discarded"])
@pytest.mark.parametrize("method", ["POST", "get", "NOOP"])
async def test_a_web_page_cannot_send_mail(
    talk: Dialogue, stored: Callable[..., Awaitable[list[bytes]]], method: str, target: str
) -> None:
    mail = b"EHLO x\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n\r\n.\r\n"
    request = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:1025\r\nContent-Length: {len(mail)}\r\n\r\n".encode()
    talk.write(request + mail)
    *_, last = (await talk.reader.read()).splitlines()
    assert last == b"421 4.7.0 HTTP is not served on this port; closing connection"
    assert await stored() == []
