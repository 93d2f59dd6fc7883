"""Transcripts are bounded in bytes, whatever a client says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Sessions
from sirrchat_testkit.domain.transcript import KEPT, PAGE, SESSION, MessageLog, SessionLog, Transcripts
from tests.support import auntil

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

LONG = "x" * 1_960
RAW = b"Subject: hello\r\n\r\nbody\r\n"


@pytest.mark.asyncio
async def test_a_long_line_is_shortened(talk: Dialogue, services: Services) -> None:
    line = f"RCPT TO:<{LONG}@example.com>"
    await talk("EHLO client.example", "MAIL FROM:<a@example.net>", line)
    [session] = services.sessions
    [said] = [each.text for each in session.transcript if "RCPT" in each.text]
    assert said == f"{line[:500]}... [{len(line)} characters]"


@pytest.mark.asyncio
async def test_a_message_with_many_refused_recipients_keeps_a_page(talk: Dialogue, services: Services) -> None:
    await talk("EHLO client.example", "MAIL FROM:<a@example.net>")
    for number in range(500):
        await talk(f"RCPT TO:<{LONG}{number}@example.com>")
    await talk("RCPT TO:<user@example.com>", "DATA", RAW + b".\r\n")
    for number in range(500):
        await talk(f"VRFY {number}")
    [message] = await services.delivery.messages()
    [session] = services.sessions
    part = services.sessions.transcripts.get(message.envelope)
    await talk.close()
    await auntil(lambda: not len(services.sessions))
    assert part is not None
    text = str(part.transcript())
    assert "220 " in text.splitlines()[0]
    assert "MAIL FROM" in text
    assert "lines left out" in text
    assert text.endswith("Message stored")
    assert len(text) < 2 * PAGE
    assert part.size < 2 * PAGE
    assert "VRFY 499" in str(session.transcript)


def test_the_oldest_transcripts_make_room() -> None:
    transcripts = Transcripts()
    for number in range(10):
        transcripts.keep(str(number), MessageLog(0.0, (), [], KEPT // 4))
    assert [transcripts.get(str(number)) is None for number in range(10)] == [True] * 6 + [False] * 4
    mark = transcripts.mark()
    transcripts.keep("later", MessageLog(0.0, (), [], 1))
    transcripts.rewind(mark)
    assert transcripts.get("later") is None
    assert transcripts.get("9") is not None
    transcripts.rewind(0)
    assert (transcripts.size, transcripts.mark()) == (0, 0)


def long_talk(pages: int) -> SessionLog:
    talk = SessionLog(0.0)
    talk.page.extend((0.0, b"220 hello\r\n"))
    for _ in range(pages):
        talk.page.extend((1.0, b"MAIL"))
        talk.begin_page(shared=False)
        for _ in range(100):
            talk.page.extend((1.0, b"x" * 500))
    return talk


def test_a_session_keeps_so_many_bytes_and_its_first_page() -> None:
    talk = long_talk(100)
    assert talk.size <= SESSION
    text = str(talk.transcript())
    assert len(text) < 2 * SESSION
    assert "220 hello" in text.splitlines()[0]


def test_a_message_s_transcript_begins_with_the_ten_latest_pages_between_messages() -> None:
    talk = SessionLog(0.0)
    for number in range(30):
        talk.page.extend((1.0, b"MAIL"))
        talk.begin_page(shared=False)
        talk.page.extend((1.0, b"EHLO %d" % number))
        talk.begin_page(shared=True)
    assert [page[1] for page in talk.of_message().shared] == [b"EHLO %d" % number for number in range(20, 30)]


@pytest.mark.asyncio
async def test_closed_sessions_keep_so_many_bytes() -> None:
    sessions = Sessions()
    for number in range(100):
        session = sessions.open(f"peer {number}")
        session.log = long_talk(30)
        sessions.close(session)
    kept = sessions.known()
    assert sum(each.log.size for each in kept) <= KEPT
    assert kept[-1].peer == "peer 99"


@pytest.mark.asyncio
async def test_the_latest_200_closed_sessions_are_remembered() -> None:
    sessions = Sessions()
    for number in range(250):
        sessions.close(sessions.open(f"peer {number}"))
    assert [each.number for each in sessions.known()] == list(range(51, 251))
