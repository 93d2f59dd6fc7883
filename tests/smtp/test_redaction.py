"""Credentials are in no transcript, however a client spells AUTH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp import commands
from sirrchat_testkit.smtp import paths as address
from sirrchat_testkit.smtp.redaction import Redaction

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

SECRET = "AHVzZXIAczNjcmV0LXBhc3N3MHJk"
GONE = "(credentials)"

MISSPELT = [
    (f"AUTH PLAIN {SECRET}", f"AUTH PLAIN {GONE}"),
    (f"auth plain {SECRET}==", f"auth plain {GONE}"),
    (f"AUTH PLAIN\t{SECRET}", f"AUTH PLAIN {GONE}"),
    (f"AUTH\tPLAIN {SECRET}", f"AUTH\tPLAIN {GONE}"),
    (f" AUTH PLAIN {SECRET}", f" AUTH PLAIN {GONE}"),
    (f"\tAUTH LOGIN {SECRET}", f"\tAUTH LOGIN {GONE}"),
    (f"AUTH  PLAIN  {SECRET}", f"AUTH  PLAIN {GONE}"),
    (f"AUTH=PLAIN {SECRET}", f"AUTH=PLAIN {GONE}"),
    (f"AUTH PLAIN={SECRET}", f"AUTH PLAIN {GONE}"),
    (f"AUTHPLAIN {SECRET}", f"AUTHPLAIN {GONE}"),
    (f"AUTHPLAIN{SECRET}", GONE),
    (f"AUTH{SECRET}", GONE),
    (f"AUTH={SECRET}", f"AUTH {GONE}"),
    (f"XAUTH PLAIN {SECRET}", f"XAUTH PLAIN {GONE}"),
    (f"AUTH {SECRET}", f"AUTH {GONE}"),
    (f"AUTH PLAIN{SECRET}", f"AUTH {GONE}"),
    (f"SMTP AUTH PLAIN {SECRET}", f"SMTP AUTH {GONE}"),
    (f"NOOP AUTH PLAIN {SECRET}", f"NOOP AUTH {GONE}"),
    (f"MAIL AUTH PLAIN {SECRET}", f"MAIL AUTH {GONE}"),
    (f"RCPT  AUTH={SECRET}", f"RCPT  AUTH {GONE}"),
    (f"{SECRET} AUTH", f"AUTH {GONE}"),
]


@pytest.mark.parametrize(("line", "shown"), MISSPELT)
@pytest.mark.asyncio
async def test_credentials_are_hidden_however_auth_is_spelt(
    talk: Dialogue, services: Services, line: str, shown: str
) -> None:
    await talk("EHLO client.example", line, SECRET)
    [session] = services.sessions
    said = [each.text for each in session.transcript if each.who == "C"]
    assert said == ["EHLO client.example", shown, f"({len(SECRET)} bytes)"]
    assert SECRET not in f"{[*commands._cache]}"


@pytest.mark.parametrize(
    "line",
    [
        f"RCPT PLAIN {SECRET}",
        f"RCPT TO AUTH PLAIN {SECRET}",
        f"MAIL FROM:<a@example.com> AUTH={SECRET}",
        f"MAIL FROM:<{SECRET}",
        f"MAIL FROM:<a@example.com>\t{SECRET}",
        f"NOOP {SECRET}",
        SECRET,
    ],
)
@pytest.mark.asyncio
async def test_what_is_neither_one_word_nor_a_plain_path_is_remembered_nowhere(talk: Dialogue, line: str) -> None:
    await talk("EHLO client.example", "MAIL FROM:<a@example.com>", "RSET", "RSET", line)
    assert b"RSET\r\n" in commands._cache
    assert SECRET not in f"{[*commands._cache]} {[*address._plain]}"


@pytest.mark.parametrize(
    "line",
    [
        b"AUTH",
        b"AUTH CRAM-MD5",
        b"auth login",
        b"HELP AUTH",
        b"EHLO auth.example.com",
        b"NOOP",
    ],
)
def test_what_holds_no_credentials_is_shown(line: bytes) -> None:
    assert Redaction().command(line, known=True) == line


@pytest.mark.asyncio
async def test_addresses_are_shown(talk: Dialogue, services: Services) -> None:
    lines = ["MAIL FROM:<auth@example.net> SIZE=1", "RCPT TO:<author@example.com> NOTIFY=NEVER"]
    await talk("EHLO client.example", *lines)
    [session] = services.sessions
    assert [each.text for each in session.transcript if each.who == "C"][1:] == lines


def test_what_is_no_command_is_shown_until_a_login_was_tried() -> None:
    redaction = Redaction()
    assert redaction.command(b"WHAT is this", known=False) == b"WHAT is this"
    redaction.command(b"AUTH LOGIN", known=True)
    assert redaction.command(b"WHAT is this", known=False) == b"(12 bytes)"
    assert redaction.command(b"NOOP", known=True) == b"NOOP"
