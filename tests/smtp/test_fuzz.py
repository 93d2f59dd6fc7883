"""Whatever a client sends, it is answered to the end, and nothing crashes or is printed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.smtp.listener import serve_smtp
from sirrchat_testkit.storage.store import TinyStore

PIECES = st.sampled_from([
    b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<a@b.example> SMTPUTF8\r\n", b"RCPT TO:<a@b.example>\r\n",
    b"RCPT TO:<nobody@example.com>\r\n", b"DATA\r\n", b"RSET\r\n", b"\r\n.\r\n", b".\r\n", b"\n.\n", b"\r", b"\n",
    b"\r\n", b"..", b"\0", b"\xff", b"MAIL ", b"RCPT TO:<", b"x" * 2100, "ü".encode(), b"AUTH PLAIN\r\n",
    b"STARTTLS\r\n", b"BDAT 3\r\n", b"HELP\r\n", b"VRFY \xff\r\n", b" ",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP\r\nAccept: x\r\n\r\n",
])  # fmt: skip
CHUNKS = st.lists(PIECES | st.binary(max_size=20), max_size=20)
END = b"\r\n\r\n.\r\nQUIT\r\n"
ANSWERS = re.compile(rb"(?:[2-5]\d\d[ -][ -~]*\r\n)+221 2\.0\.0 Bye\r\n")


@pytest.fixture
def silence(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")
    assert not [each for each in caplog.records if each.levelname in {"WARNING", "ERROR", "CRITICAL"}]


async def answers(chunks: list[bytes]) -> bytes:
    """Return everything that is answered to ``chunks``, each sent by itself, and to a goodbye."""
    store = TinyStore()
    services = Services.build(Settings(max_unknown_commands=0, max_failed_logins=0), store, asyncio.get_running_loop())
    await services.set_up()
    async with serve_smtp(services) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        for chunk in [*chunks, END]:
            writer.write(chunk)
            await asyncio.sleep(0)
        text = await reader.read()
        writer.close()
    assert not [event for event in services.events.after() if isinstance(event, Crashed)]
    assert not len(services.sessions)
    services.clock.close()
    await store.close()
    return text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS)
def test_every_conversation_is_answered_to_its_end(silence: None, chunks: list[bytes]) -> None:
    assert ANSWERS.fullmatch(asyncio.run(answers(chunks)))
