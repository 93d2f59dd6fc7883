"""Each extension can be hidden, and is not taken then either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import EXTENSIONS, Settings
from sirrchat_testkit.smtp.session import offer

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<a@example.net>"
RCPT = "RCPT TO:<user@example.com>"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("hidden", "commands", "reply"),
    [
        ("SIZE", [f"{MAIL} SIZE=1"], "555 5.5.4"),
        ("8BITMIME", [f"{MAIL} BODY=8BITMIME"], "555 5.5.4"),
        ("SMTPUTF8", [f"{MAIL} SMTPUTF8"], "555 5.5.4"),
        ("AUTH", ["AUTH LOGIN"], "502 5.5.1"),
        ("AUTH", [f"{MAIL} AUTH=<>"], "555 5.5.4"),
        ("PLAIN", ["AUTH PLAIN ="], "504 5.5.4"),
        ("CHUNKING", ["BDAT 0"], "500 5.5.1"),
        ("CHUNKING", [f"{MAIL} BODY=BINARYMIME"], "555 5.5.4"),
        ("BINARYMIME", [f"{MAIL} BODY=BINARYMIME"], "555 5.5.4"),
        ("BINARYMIME", [f"{MAIL} BODY=8BITMIME"], "250 2.1.0"),
        ("HELP", ["HELP"], "502 5.5.1"),
        ("STARTTLS", ["STARTTLS"], "502 5.5.1"),
        ("ENHANCEDSTATUSCODES", ["NOOP"], "250 OK"),
        ("ENHANCEDSTATUSCODES", [MAIL, "RCPT TO:<nobody@example.com>"], "550 nobody"),
        ("PIPELINING", [MAIL], "250 2.1.0"),
    ],
)
async def test_a_hidden_extension_is_neither_offered_nor_taken(
    talk: Dialogue, services: Services, hidden: str, commands: list[str], reply: str
) -> None:
    services.settings.value = services.settings.value.replace(hide_extensions=[hidden.lower()])
    assert hidden not in (await talk(HELLO)).replace("\n", " ").replace("-", " ").replace("=", " ").split()
    assert (await talk(*commands)).startswith(reply)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        ([f"{MAIL} RET=FULL"], "555 5.5.4 MAIL has no parameter RET"),
        ([f"{MAIL} ENVID=x"], "555 5.5.4 MAIL has no parameter ENVID"),
        ([MAIL, f"{RCPT} NOTIFY=NEVER"], "555 5.5.4 RCPT has no parameter NOTIFY"),
        ([MAIL, f"{RCPT} ORCPT=rfc822;a@example.com"], "555 5.5.4 RCPT has no parameter ORCPT"),
    ],
)
async def test_parameters_of_dsn_are_refused_because_it_is_not_offered(
    talk: Dialogue, commands: list[str], reply: str
) -> None:
    assert "DSN" not in await talk(HELLO)
    assert await talk(*commands) == reply


@pytest.mark.asyncio
async def test_without_pipelining_a_command_that_others_follow_is_refused(talk: Dialogue, services: Services) -> None:
    services.settings.value = services.settings.value.replace(hide_extensions=["PIPELINING"])
    await talk(HELLO)
    talk.write(f"{MAIL}\r\n{RCPT}\r\nNOOP\r\n".encode())
    assert [(await talk.reply())[:9] for _ in range(3)] == ["503 5.5.0", "503 5.5.0", "250 2.0.0"]


@pytest.mark.parametrize("name", EXTENSIONS)
def test_each_is_offered_unless_it_is_hidden(name: str) -> None:
    assert name in offer((), 10, ("PLAIN",), starttls=True).names
    assert name not in offer((name,), 10, ("PLAIN",), starttls=True).names


def test_a_name_that_is_no_extension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hide_extensions must be a list of names out of SIZE, .*, not \('pipes',\)"):
        Settings(hide_extensions=("pipes",))
