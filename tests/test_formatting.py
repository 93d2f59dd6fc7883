"""Texts show what clients send without the characters that a terminal obeys, and times in words."""

import re
from datetime import UTC, datetime

import pytest

from sirrchat_testkit import Inbox, MailNotReceived, MailServer, NotExactlyOne
from sirrchat_testkit.formatting import in_utc, printable
from sirrchat_testkit.handles.remedies import FOR_TESTS
from tests.support import connect

HOSTILE = "\x1b[31m\x07\x9b\x7f\u202e\u2066\u200b\ufeff\u2028"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße, 你好, שלום, 🙂", "Grüße, 你好, שלום, 🙂"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\rc\x00\x7f\x9b", "a\\tb\\rc\\x00\\x7f\\x9b"),
        ("\u202eevil\u2066\u200b\ufeff", "\\u202eevil\\u2066\\u200b\\ufeff"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_bidirectional_and_zero_width_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown", "seconds"),
    [
        (1, "1 s", 1),
        (252_000, "4 min 12 s", 252),
        (3_600_001, "1 h 1 s", 3601),
        (86_400_000, "1 day", 86_400),
        (1_234_567_890, "14 days 6 h 56 min 8 s", 1_234_568),
    ],
)
def test_a_time_on_the_clock_of_the_server_has_the_call_that_moves_the_clock(
    milliseconds: int, shown: str, seconds: int
) -> None:
    assert (
        FOR_TESTS.due(milliseconds) == f"in {shown} on the server's clock: mailserver.clock.advance(seconds={seconds})"
    )


def is_shown(text: str) -> bool:
    return not {*HOSTILE} - {"[", "3", "1", "m"} & {*text}


def test_no_text_of_the_package_shows_them(mailserver: MailServer, inbox: Inbox) -> None:
    mail = f"From: {HOSTILE}@shop.example\r\nSubject: {HOSTILE}\r\n\r\n{HOSTILE} https://a.example/{HOSTILE}x".encode()
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.send(f"NOOP {HOSTILE}\r\n".encode())
        smtp.getreply()
        smtp.docmd("MAIL FROM:<a@b.example> SMTPUTF8")
        smtp.send(f"RCPT TO:<{HOSTILE}@example.com>\r\n".encode())
        smtp.getreply()
        smtp.docmd(f"RCPT TO:<{inbox.address}>")
        smtp.data(mail)
    message = inbox.receive()
    texts = [repr(message), str(message.transcript), mailserver.overview(), *map(str, mailserver.refusals)]
    inbox.deliver(mail)
    for fail in (lambda: inbox.receive(subject="x", timeout=0), mailserver.assert_nothing, message.code):
        try:
            fail()
        except (MailNotReceived, NotExactlyOne, AssertionError) as error:
            texts.append(str(error))
    assert [text for text in texts if not is_shown(text)] == []


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "31 May"])
def test_a_time_that_utc_does_not_have_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        in_utc(text)


def test_a_time_is_in_utc_unless_it_has_an_offset() -> None:
    assert in_utc("2026-01-31T12:00") == in_utc("2026-01-31T14:00+02:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
