"""Bytes become lines and messages, however they are cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.smtp.reader import AUTH_LIMIT, COMMAND_LIMIT, EXTENDED_LIMIT, Flaw, Reader, content

LIMIT = 1000

SMUGGLED = [
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


def next_line(reader: Reader) -> bytes | Flaw | None:
    line = reader.line()
    return None if line is None else content(line)


def lines(reader: Reader) -> list[bytes | Flaw]:
    found: list[bytes | Flaw] = []
    while (line := next_line(reader)) is not None:
        found.append(line)
    return found


def read(chunks: list[bytes], limit: int = LIMIT) -> list[tuple[bool, bytes | Flaw]]:
    """Read a stream in which ``DATA`` is followed by a message and everything else is a command."""
    found: list[tuple[bool, bytes | Flaw]] = []
    reader, in_data = Reader(), False
    for chunk in chunks:
        reader.feed(chunk)
        while (item := reader.message() if in_data else next_line(reader)) is not None:
            found.append((in_data, item))
            in_data = not in_data and item == b"DATA"
            if in_data:
                reader.expect_message(limit)
    return found


def message(data: bytes, limit: int = LIMIT) -> bytes | Flaw | None:
    reader = Reader()
    reader.feed(data)
    reader.expect_message(limit)
    return reader.message()


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(stream)) for place in at})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


def test_lines_are_handed_out_one_by_one() -> None:
    reader = Reader()
    reader.feed(b"EHLO x\r\nMAIL FROM:<>\r\nRC")
    assert lines(reader) == [b"EHLO x", b"MAIL FROM:<>"]
    reader.feed(b"PT TO:<a@b>\r\n")
    assert lines(reader) == [b"RCPT TO:<a@b>"]
    assert reader.pending == 0


def test_a_command_that_ends_with_a_bare_line_feed_is_a_flaw_and_the_next_is_read() -> None:
    reader = Reader()
    reader.feed(b"EHLO x\n\nNOOP\r\n\r\n")
    assert lines(reader) == [Flaw.BARE_LINE_FEED, Flaw.BARE_LINE_FEED, b"NOOP", b""]


def test_a_bare_carriage_return_ends_no_command() -> None:
    reader = Reader()
    reader.feed(b"NOOP\rQUIT\r\n")
    assert lines(reader) == [b"NOOP\rQUIT"]


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        (b"NOOP " + b"x" * (COMMAND_LIMIT - 7), True),
        (b"NOOP " + b"x" * (COMMAND_LIMIT - 6), False),
        (b"MAIL " + b"x" * (EXTENDED_LIMIT - 7), True),
        (b"mail " + b"x" * (EXTENDED_LIMIT - 7), True),
        (b"RCPT " + b"x" * (EXTENDED_LIMIT - 7), True),
        (b"RCPT " + b"x" * (EXTENDED_LIMIT - 6), False),
        (b"x" * 100_000, False),
    ],
)
def test_a_command_line_has_a_longest_length_and_the_session_goes_on(line: bytes, fits: bool) -> None:  # noqa: FBT001
    for chunks in ([line + b"\r\nNOOP\r\n"], [line, b"\r\nNOOP\r\n"], [line + b"\r", b"\n", b"NOOP\r\n"]):
        assert [item for _, item in read(chunks)] == [line if fits else Flaw.TOO_LONG, b"NOOP"]


def test_an_endless_line_fills_no_memory() -> None:
    reader = Reader()
    for _ in range(1000):
        reader.feed(b"x" * 1000)
        assert reader.line() is None
        assert reader.pending <= AUTH_LIMIT


@pytest.mark.parametrize(
    ("data", "raw"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b"a\r\n..\r\n..b\r\n.c\r\n.\r\n", b"a\r\n.\r\n.b\r\nc\r\n"),
        (b"\xff\x00\x80\r\n.\r\n", b"\xff\x00\x80\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\r\n"),
        (b"x" * 900 + b"\r\n.\r\n", b"x" * 900 + b"\r\n"),
    ],
)
def test_the_message_is_kept_but_for_added_dots(data: bytes, raw: bytes) -> None:
    assert message(data) == raw


@pytest.mark.parametrize("false_end", SMUGGLED, ids=repr)
def test_only_a_dot_between_two_line_ends_ends_a_message(false_end: bytes) -> None:
    stream = b"DATA\r\nfirst" + false_end + b"MAIL FROM:<evil@example.com>\r\n.\r\nNOOP\r\n"
    [_, (_, raw), after] = read([stream])
    assert isinstance(raw, bytes)
    assert b"MAIL FROM:<evil@example.com>\r\n" in raw
    assert raw.replace(b".", b"") == (b"first" + false_end + b"MAIL FROM:<evil@example.com>\r\n").replace(b".", b"")
    assert after == (False, b"NOOP")


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (b"x" * 998 + b"\r\n.\r\n", True),
        (b"x" * 999 + b"\r\n.\r\n", False),
        (b"..\r\n" * 333 + b"\r\n.\r\n", False),
        (b"..\r\n" * 332 + b"x\r\n.\r\n", True),  # 999 bytes without the added dots, 1331 with them
    ],
)
def test_the_size_counts_without_added_dots(data: bytes, fits: bool) -> None:  # noqa: FBT001
    for chunks in ([data], cut(data, list(range(0, len(data), 7)))):
        [_, (_, item), after] = read([b"DATA\r\n", *chunks, b"NOOP\r\n"])
        assert (item is not Flaw.TOO_BIG) == fits
        assert after == (False, b"NOOP")


def test_a_message_that_is_too_big_fills_no_memory() -> None:
    reader = Reader()
    reader.expect_message(LIMIT)
    for _ in range(1000):
        reader.feed(b"x" * 998 + b"\r\n")
        assert reader.message() is None
        assert reader.pending < 2 * LIMIT + 1000
    reader.feed(b".\r\nNOOP\r\n")
    assert reader.message() is Flaw.TOO_BIG
    assert next_line(reader) == b"NOOP"


@pytest.mark.parametrize("behind", [b".\r\n", b".a\r\n.\r\n", b"\r\n.\r\n"], ids=["a dot", "a stuffed line", "an end"])
def test_the_first_end_counts_whatever_follows(behind: bytes) -> None:
    [_, (_, raw), *after] = read([b"DATA\r\nx\r\n.\r\n" + behind])
    assert raw == b"x\r\n"
    assert [line for _, line in after] == behind.split(b"\r\n")[:-1]


PIECES = st.sampled_from([
    *SMUGGLED, b"\r\n.\r\n", b".\r\n", b"..", b".", b"\r", b"\n", b"\r\n", b"DATA\r\n", b"NOOP\r\n", b"DATA", b"text",
    b"\xff\xfe", b"\0", b"x" * 300, b"MAIL FROM:<" + b"y" * 900 + b">\r\n", b"z" * 1400,
])  # fmt: skip
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=14).map(b"".join)


@settings(deadline=None)
@given(STREAMS, st.lists(st.integers(0, 4000), max_size=12), st.integers(0, 600))
def test_how_the_stream_is_cut_makes_no_difference(stream: bytes, places: list[int], limit: int) -> None:
    whole = read([stream], limit)
    assert read(cut(stream, places), limit) == whole
    assert read([stream[i : i + 1] for i in range(len(stream))], limit) == whole


@settings(deadline=None)
@given(st.binary(max_size=300) | STREAMS)
def test_what_a_client_stuffs_comes_back(text: bytes) -> None:
    raw = text.replace(b"\r\n.\r\n", b"") + b"\r\n"
    stuffed = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:]
    assert message(stuffed + b".\r\n", 100_000) == raw


@pytest.mark.parametrize("size", [1, 4096], ids=["1-byte chunks", "4-KiB chunks"])
def test_the_cost_is_linear(size: int) -> None:
    def cost(length: int) -> float:
        data = b"a line of some forty bytes of plain text\r\n" * (length // 43)
        chunks = cut(data + b".\r\n", list(range(0, len(data), size)))
        reader = Reader()
        reader.expect_message(10**9)
        before, found = time.process_time(), None
        for chunk in chunks:
            reader.feed(chunk)
            found = reader.message()
        assert found == data
        return time.process_time() - before

    length = 100_000 * min(size, 40)
    once = min(cost(length) for _ in range(3))
    assert min(cost(8 * length) for _ in range(3)) < 8 * once * 3 + 0.01


def test_the_cost_of_many_messages_at_once_is_linear() -> None:
    def cost(messages: int) -> float:
        reader = Reader()
        before = time.process_time()
        reader.feed(b"x\r\n.\r\n" * messages)
        for _ in range(messages):
            reader.expect_message(100)
            assert reader.message() == b"x\r\n"
        return time.process_time() - before

    once = min(cost(1_000) for _ in range(3))
    assert min(cost(16_000) for _ in range(3)) < 16 * once * 3 + 0.01
