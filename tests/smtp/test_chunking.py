"""BDAT: messages that come in chunks, byte by byte as they were sent."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.services import Services

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]
HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<a@example.net>"
RCPT = "RCPT TO:<user@example.com>"


async def test_chunks_make_one_message(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, MAIL, RCPT)
    assert await talk(b"BDAT 3\r\na\r\n") == "250 2.0.0 3 bytes received"
    assert await talk(b"BDAT 5\r\n.\r\n.\r") == "250 2.0.0 5 bytes received"
    assert await talk(b"bdat 1 last\r\n\n") == "250 2.0.0 Message stored"
    assert await stored() == [b"a\r\n.\r\n.\r\n"]
    assert (await talk(MAIL)).startswith("250")


LINES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b".", b"..", b".a", b"", b"BDAT 5 LAST", b"QUIT", b"a\rb", b"a\nb", b"\n.\n", b"\r.\r", b"x" * 1200]
    ),
)
TEXTS = st.lists(LINES, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines)).filter(bool)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, cuts=st.lists(st.integers(0, 400), max_size=6), empty_last=st.booleans(), pipelined=st.booleans())
async def test_what_comes_in_chunks_is_what_comes_by_data(
    talk: Dialogue, stored: Stored, text: bytes, cuts: list[int], *, empty_last: bool, pipelined: bool
) -> None:
    kept = len(await stored())
    assert (await talk.send(text)).startswith("250")
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)] + [b""] * empty_last
    commands = [b"BDAT %d\r\n%b" % (len(each), each) for each in pieces[:-1]]
    commands.append(b"BDAT %d LAST\r\n%b" % (len(pieces[-1]), pieces[-1]))
    await talk(HELLO, MAIL, RCPT)
    if pipelined:
        talk.write(b"".join(commands))
        assert [(await talk.reply())[:3] for _ in commands] == ["250"] * len(commands)
    else:
        assert [(await talk(each))[:3] for each in commands] == ["250"] * len(commands)
    assert (await stored())[kept:] == [text, text]


async def test_an_empty_last_chunk_ends_the_message(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, MAIL, RCPT, b"BDAT 4\r\nbody")
    assert await talk("BDAT 0 LAST") == "250 2.0.0 Message stored"
    assert await stored() == [b"body"]


async def test_chunks_are_pipelined_with_everything(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO)
    talk.write(f"{MAIL}\r\n{RCPT}\r\nBDAT 6\r\nQUIT\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n".encode())
    assert [(await talk.reply())[:3] for _ in range(5)] == ["250"] * 5
    assert await stored() == [b"QUIT\r\n\r\n"]


async def test_a_chunk_cut_anywhere_is_the_same(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, MAIL, RCPT)
    for byte in b"BDAT 9 LAST\r\nab\r\n.\r\ncd":
        talk.write(bytes([byte]))
        await talk.writer.drain()
    assert await talk.reply() == "250 2.0.0 Message stored"
    assert await stored() == [b"ab\r\n.\r\ncd"]


@pytest.mark.parametrize(
    ("before", "reply"),
    [
        ([], "503 5.5.1 Send EHLO"),
        ([HELLO], "503 5.5.1 Send MAIL"),
        ([HELLO, MAIL], "503 5.5.1 Send RCPT"),
    ],
)
async def test_the_bytes_of_a_refused_chunk_are_discarded(talk: Dialogue, before: list[str], reply: str) -> None:
    if before:
        await talk(*before)
    assert (await talk(b"BDAT 6 LAST\r\nNOOP\r\n")).startswith(reply)
    assert await talk("NOOP") == "250 2.0.0 OK"


async def test_data_and_bdat_do_not_mix(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, MAIL, RCPT, b"BDAT 1\r\na")
    assert (await talk("DATA")).startswith("503 5.5.1")
    assert (await talk(b"BDAT 1 LAST\r\nb")).startswith("250")
    assert await stored() == [b"ab"]


async def test_rset_forgets_the_chunks(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, MAIL, RCPT, b"BDAT 1\r\na", "RSET", MAIL, RCPT)
    assert (await talk(b"BDAT 1 LAST\r\nb")).startswith("250")
    assert await stored() == [b"b"]


async def test_chunks_that_are_too_big_together_end_the_transaction(
    talk: Dialogue, services: Services, stored: Stored
) -> None:
    services.settings.value = services.settings.value.replace(max_message_size=10)
    await talk(HELLO, MAIL, RCPT, b"BDAT 6\r\n123456")
    assert (await talk(b"BDAT 5\r\n12345")).startswith("552 5.3.4")
    assert (await talk(b"BDAT 1 LAST\r\n1")).startswith("503 5.5.1")
    assert await stored() == []


async def test_binary_text_comes_by_bdat_alone(talk: Dialogue, stored: Stored) -> None:
    await talk(HELLO, f"{MAIL} BODY=BINARYMIME", RCPT)
    assert (await talk("DATA")).startswith("503 5.5.1")
    assert (await talk(b"BDAT 4 LAST\r\n\0\n\r\xff")).startswith("250")
    assert await stored() == [b"\0\n\r\xff"]


@pytest.mark.parametrize("chunk", [b"BDAT 0\r\n", b"BDAT 1\r\nx"])
async def test_many_small_chunks_cost_what_their_number_is(talk: Dialogue, chunk: bytes) -> None:
    async def cost(chunks: int) -> float:
        await talk(MAIL, RCPT)
        began = time.process_time()
        talk.write(chunk * chunks + b"NOOP\r\n")
        while not (await talk.reply()).endswith("OK"):
            pass
        spent = time.process_time() - began
        assert (await talk("BDAT 0 LAST")).startswith("250")
        return spent

    await talk(HELLO)
    few = max(await cost(2_500), await cost(2_500))
    assert await cost(20_000) < 24 * few  # 8 where it is linear, 64 where it is quadratic
