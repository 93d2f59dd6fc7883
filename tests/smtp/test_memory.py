"""Memory: one bound for the incomplete messages of all connections, and 452 if there is none."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.listener import Listener
from sirrchat_testkit.smtp.reader import Flaw, Reader
from tests.support import StartServe, auntil, connect

if TYPE_CHECKING:
    from tests.smtp.conftest import Dial, Dialogue

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]
Crashes = Callable[[], list[Crashed]]

LIMIT = 100_000
BOUND = 4 * LIMIT
LINE = b"x" * 98 + b"\r\n"
MOST = LINE * (LIMIT // 100 - 50)  # of a message
HELLO, MAIL, RCPT = "EHLO client.example", "MAIL FROM:<a@example.net>", "RCPT TO:<user@example.com>"
OUT_OF_MEMORY = "452 4.3.1 Insufficient memory; try again later"


@pytest.fixture
def limited(services: Services) -> Services:
    services.settings.value = services.settings.value.replace(max_message_size=LIMIT)
    return services


@pytest.fixture
def no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def upload(dial: Dial, services: Services, *, chunk: bool = False) -> Dialogue:
    """Send most of a message, and wait until the server holds it."""
    talk = await dial()
    before = services.sessions.held
    if chunk:
        await talk(HELLO, MAIL, RCPT)
        talk.write(b"BDAT %d LAST\r\n" % (len(MOST) + 3) + MOST)
    else:
        await talk.to_data()
        talk.write(MOST)
    await auntil(lambda: services.sessions.held == before + len(MOST))
    return talk


@pytest.mark.parametrize("chunk", [False, True], ids=["DATA", "BDAT"])
async def test_incomplete_messages_of_all_connections_share_one_bound(
    dial: Dial, limited: Services, stored: Stored, *, chunk: bool
) -> None:
    late = await dial()
    await late.to_data()
    talks = [await upload(dial, limited, chunk=chunk) for _ in range(4)]
    late.write(MOST)
    assert await late(b".\r\n") == OUT_OF_MEMORY
    assert limited.sessions.held == 4 * len(MOST)
    assert (await late("NOOP")).startswith("250")
    for talk in talks:
        assert (await talk(b"y\r\n" if chunk else b".\r\n")).startswith("250")
    assert limited.sessions.held == 0
    assert await late.send(MOST) == "250 2.0.0 Message stored"
    assert sorted(await stored()) == sorted([MOST + b"y\r\n" * chunk] * 4 + [MOST])


async def test_many_uploads_at_once_never_hold_more_than_the_bound(dial: Dial, limited: Services) -> None:
    talks = [await dial() for _ in range(20)]
    for talk in talks:
        await talk.to_data()
    held = []
    for _ in range(9):
        for talk in talks:
            talk.write(LINE * 100)
            await talk.writer.drain()
            await asyncio.sleep(0)
            held.append(limited.sessions.held)
    replies = [await talk(b".\r\n") for talk in talks]
    assert max(held) <= BOUND
    assert 4 <= sum(reply.startswith("250") for reply in replies) < 20
    assert {reply for reply in replies if not reply.startswith("250")} == {OUT_OF_MEMORY}
    assert limited.sessions.held == 0


async def test_a_chunk_that_would_exceed_the_bound_ends_the_transaction(dial: Dial, limited: Services) -> None:
    late = await dial()
    await late(HELLO, MAIL, RCPT, b"BDAT 10\r\n1234567890")
    assert limited.sessions.held == 10
    for _ in range(4):
        await upload(dial, limited)
    assert await late(b"BDAT %d LAST\r\n" % LIMIT + b"x" * LIMIT) == "552 5.3.4 Message size exceeds the limit"
    await late(MAIL, RCPT)
    assert await late(b"BDAT 30000\r\n" + b"x" * 30_000) == OUT_OF_MEMORY
    assert (await late(b"BDAT 1 LAST\r\n1")).startswith("503 5.5.1")
    await late(MAIL, RCPT)
    assert (await late(b"BDAT 1 LAST\r\n1")).startswith("250")


async def test_earlier_chunks_are_discarded_with_the_one_that_exceeds_the_bound(dial: Dial, limited: Services) -> None:
    late = await dial()
    await late(HELLO, MAIL, RCPT, b"BDAT 10000\r\n" + b"x" * 10_000)
    late.write(b"BDAT 90000 LAST\r\n")
    for _ in range(4):
        await upload(dial, limited)
    late.write(b"x" * 50_000)
    await auntil(lambda: limited.sessions.held == 4 * len(MOST))
    assert await late(b"x" * 40_000) == OUT_OF_MEMORY


async def test_data_is_refused_while_there_is_no_memory_for_the_declared_size(dial: Dial, limited: Services) -> None:
    talks = [await upload(dial, limited) for _ in range(4)]
    late = await dial()
    await late(HELLO, f"{MAIL} SIZE=30000", RCPT)
    assert await late("DATA") == OUT_OF_MEMORY
    assert (await talks[0](b".\r\n")).startswith("250")
    assert (await late("DATA")).startswith("354")


async def test_the_bound_follows_the_size_limit(dial: Dial, limited: Services) -> None:
    for _ in range(4):
        await upload(dial, limited)
    limited.settings.value = limited.settings.value.replace(max_message_size=2 * LIMIT)
    await upload(dial, limited)
    limited.settings.value = limited.settings.value.replace(max_message_size=LIMIT)
    late = await dial()
    assert await late.to_data() == OUT_OF_MEMORY


@pytest.mark.parametrize("end", ["RSET", "close", "abort", "scope"])
async def test_memory_is_released_with_the_transaction(dial: Dial, limited: Services, end: str) -> None:
    scope = await limited.scopes.open("test")
    talk = await dial()
    await talk(HELLO, MAIL, RCPT, b"BDAT 1000\r\n" + b"x" * 1000)
    assert limited.sessions.held == 1000
    if end == "RSET":
        await talk("RSET")
    elif end == "close":
        await talk.close()
    elif end == "abort":
        talk.writer.transport.abort()
    await limited.scopes.close(scope)
    await auntil(lambda: limited.sessions.held == 0)


@pytest.mark.parametrize("chunk", [False, True], ids=["DATA", "BDAT"])
async def test_an_aborted_upload_is_freed_without_the_garbage_collector(
    dial: Dial, services: Services, smtp: Listener, no_gc: None, *, chunk: bool
) -> None:
    size = 8_000_000
    tracemalloc.start()
    try:
        for _ in range(3):
            talk = await dial()
            await talk(HELLO, MAIL, RCPT)
            if chunk:
                talk.write(b"BDAT %d LAST\r\n" % (size + 1))
            else:
                await talk("DATA")
            talk.write(LINE * (size // 100))
            await auntil(lambda: services.sessions.held == size)
            assert tracemalloc.get_traced_memory()[0] > size
            talk.writer.transport.abort()
            await auntil(lambda: not len(services.sessions))
            await asyncio.sleep(0)
            assert tracemalloc.get_traced_memory()[0] < size // 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("abort", [False, True], ids=["closed", "aborted"])
async def test_a_connection_is_freed_without_the_garbage_collector(
    dial: Dial, services: Services, smtp: Listener, no_gc: None, *, abort: bool
) -> None:
    talk = await dial()
    await talk.to_data()
    talk.write(MOST)
    await auntil(lambda: services.sessions.held)
    [connection] = smtp._connections
    freed: list[weakref.ref[object]] = [weakref.ref(connection), weakref.ref(connection._conversation.session)]
    del connection
    if abort:
        talk.writer.transport.abort()
    else:
        await talk.close()
    await auntil(lambda: not len(services.sessions))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [each() for each in freed] == [None, None]


@pytest.mark.parametrize("where", ["put_blob", "commit"])
async def test_a_lack_of_memory_in_the_store_is_a_452(
    talk: Dialogue,
    services: Services,
    stored: Stored,
    crashes: Crashes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    async def fail(*_: object) -> str:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(services.store, where, fail)
        assert await talk.send(b"text\r\n") == OUT_OF_MEMORY
        await talk(MAIL, RCPT)
        assert await talk(b"BDAT 4 LAST\r\ntext") == OUT_OF_MEMORY
    assert (await talk("RSET")).startswith("250")
    assert await talk.send(b"text\r\n") == "250 2.0.0 Message stored"
    assert await stored() == [b"text\r\n"]
    assert crashes() == []
    records = [each for each in caplog.records if each.name == "sirrchat_testkit.smtp"]
    assert {each.levelno for each in records} == {logging.ERROR}
    assert all(each.getMessage().endswith(": out of memory") for each in records)


@pytest.mark.parametrize("chunk", [False, True], ids=["DATA", "BDAT"])
async def test_a_lack_of_memory_while_a_message_is_received_is_a_452(
    talk: Dialogue, services: Services, stored: Stored, crashes: Crashes, limited: Services,
    monkeypatch: pytest.MonkeyPatch, *, chunk: bool,
) -> None:  # fmt: skip
    append = Reader._append

    def fail(reader: Reader, data: bytes) -> None:
        if reader.pending > LIMIT // 2:
            raise MemoryError
        append(reader, data)

    monkeypatch.setattr(Reader, "_append", fail)
    for _ in range(2):
        await talk(HELLO, MAIL, RCPT, *(() if chunk else ("DATA",)))
        if chunk:
            talk.write(b"BDAT %d LAST\r\n" % len(MOST))
        for start in range(0, len(MOST), 5000):
            talk.write(MOST[start : start + 5000])
            await talk.writer.drain()
            await asyncio.sleep(0)
        assert await (talk.reply() if chunk else talk(b".\r\n")) == OUT_OF_MEMORY
    assert await talk.send(b"text\r\n") == "250 2.0.0 Message stored"
    assert await stored() == [b"text\r\n"]
    assert crashes() == []
    assert services.sessions.held == 0


@pytest.mark.parametrize("stream", [b"\r\n.\r\n", b".\r\n", b"text\r\n..\r\n.\r\n", b".x\r\n.\r\n", b"x\r\n\r\n.\r\n"])
async def test_a_discarded_message_ends_where_it_ends(stream: bytes) -> None:
    for cut in range(1, len(stream)):
        reader = Reader()
        reader.expect_message(100)
        reader.feed(stream[:cut])
        assert reader.message() is None
        reader.discard(Flaw.OUT_OF_MEMORY)
        assert reader.held == 0
        reader.feed(stream[cut:] + b"NOOP\r\n")
        assert reader.message() is Flaw.OUT_OF_MEMORY
        assert reader.line() == b"NOOP\r\n"


@pytest.mark.parametrize("flaw", [None, Flaw.TOO_BIG])
async def test_a_discarded_chunk_ends_where_it_ends(flaw: Literal[Flaw.TOO_BIG] | None) -> None:
    stream = b"0123456789"
    for cut in range(1, len(stream)):
        reader = Reader()
        reader.expect_chunk(len(stream), flaw)
        reader.feed(stream[:cut])
        assert reader.chunk() is None
        reader.discard(Flaw.OUT_OF_MEMORY)
        assert reader.pending == 0
        reader.feed(stream[cut:] + b"NOOP\r\n")
        assert reader.chunk() is (flaw or Flaw.OUT_OF_MEMORY)
        assert reader.line() == b"NOOP\r\n"


async def test_a_server_whose_memory_is_used_up_answers_452_and_goes_on(serve: StartServe) -> None:
    """The process may use 700 MB; three messages of 190 MB at once do not fit into that."""
    limit = 700_000_000
    server = serve(
        "--max-message-size", "200000000", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )

    def send() -> list[int]:
        sessions = [connect(server) for _ in range(3)]
        for smtp in sessions:
            smtp.ehlo()
            assert smtp.mail("a@example.net")[0] == smtp.rcpt("b@elsewhere.example")[0] == 250
            assert smtp.docmd("DATA")[0] == 354
        for _ in range(190):
            for smtp in sessions:
                smtp.send((b"x" * 998 + b"\r\n") * 1000)
        replies = [smtp.docmd(".")[0] for smtp in sessions]
        assert [smtp.noop()[0] for smtp in sessions] == [250] * 3
        sessions[0].sendmail("a@example.net", ["b@elsewhere.example"], b"small\r\n")
        for smtp in sessions:
            smtp.close()
        return replies

    replies = await asyncio.to_thread(send)
    assert set(replies) <= {250, 452}
    assert 452 in replies
    status, errors = server.end()
    assert status == 0
    assert "Traceback" not in errors
