"""What each command is answered, alone and in a wrong place."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.listener import Listener, serve_smtp
from tests.support import auntil

if TYPE_CHECKING:
    from tests.smtp.conftest import Dialogue

pytestmark = pytest.mark.asyncio

HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<a@example.net>"
RCPT = "RCPT TO:<user@example.com>"


async def test_the_greeting_names_the_first_domain(smtp: Listener) -> None:
    reader, writer = await asyncio.open_connection(*smtp.address)
    assert await reader.readline() == b"220 example.com ESMTP sirrchat_testkit\r\n"
    writer.close()


async def test_ehlo_offers_the_extensions(talk: Dialogue) -> None:
    assert (await talk(HELLO)).split("\n") == [
        "250-example.com",
        "250-SIZE 33554432",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250-CHUNKING",
        "250-BINARYMIME",
        "250-AUTH PLAIN LOGIN CRAM-MD5",
        "250 HELP",
    ]


async def test_helo_offers_nothing(talk: Dialogue) -> None:
    assert await talk("HELO client.example") == "250 example.com"


@pytest.mark.parametrize(
    ("commands", "start"),
    [
        (["HELO"], "501 5.5.4"),
        (["EHLO"], "501 5.5.4"),
        (["EHLO "], "501 5.5.4"),
        ([MAIL], "503 5.5.1"),
        ([RCPT], "503 5.5.1"),
        (["DATA"], "503 5.5.1"),
        ([HELLO, RCPT], "503 5.5.1"),
        ([HELLO, "DATA"], "503 5.5.1"),
        ([HELLO, MAIL], "250 2.1.0"),
        (["HELO x", MAIL], "250 2.1.0"),
        ([HELLO, MAIL.lower()], "250 2.1.0"),
        ([HELLO, MAIL + "   "], "250 2.1.0"),
        ([HELLO, "MAIL"], "501 5.5.4"),
        ([HELLO, MAIL, MAIL], "503 5.5.1"),
        ([HELLO, MAIL, "DATA"], "503 5.5.1"),
        ([HELLO, MAIL, RCPT], "250 2.1.5"),
        ([HELLO, MAIL, RCPT, RCPT], "250 2.1.5"),
        ([HELLO, MAIL, "RCPT"], "501 5.5.4"),
        ([HELLO, MAIL, "RCPT TO:<>"], "553 5.1.3"),
        ([HELLO, MAIL, "RCPT TO:<nobody@example.com>"], "550 5.1.1"),
        ([HELLO, MAIL, "RCPT TO:<nobody@example.com>", "DATA"], "503 5.5.1"),
        ([HELLO, MAIL, "RCPT TO:<elsewhere@corp.example>"], "250 2.1.5"),
        ([HELLO, MAIL, "RCPT TO:<Postmaster>"], "550 5.1.1"),
        ([HELLO, MAIL, RCPT, "DATA now"], "501 5.5.4"),
        ([HELLO, MAIL, RCPT, "DATA"], "354 End"),
        ([HELLO, MAIL, RCPT, "RSET", RCPT], "503 5.5.1"),
        ([HELLO, MAIL, RCPT, "RSET", MAIL], "250 2.1.0"),
        ([HELLO, MAIL, RCPT, "RSET"], "250 2.0.0"),
        ([HELLO, MAIL, RCPT, "RSET all", "DATA"], "354 End"),
        ([HELLO, MAIL, RCPT, HELLO, "DATA"], "503 5.5.1"),
        ([HELLO, MAIL, RCPT, "HELO x", MAIL], "250 2.1.0"),
        ([HELLO, MAIL, RCPT, "NOOP", "DATA"], "354 End"),
        (["RSET all"], "501 5.5.4"),
        (["RSET"], "250 2.0.0"),
        (["NOOP"], "250 2.0.0"),
        (["NOOP whatever"], "250 2.0.0"),
        (["HELP"], "214 2.0.0"),
        (["HELP mail"], "214 2.0.0"),
        (["HELP nothing"], "504 5.5.4"),
        (["VRFY user"], "252 2.0.0"),
        (["VRFY грета@example.com"], "252 2.0.0"),
        (["VRFY"], "501 5.5.4"),
        (["EXPN list"], "502 5.5.1"),
        (["AUTH PLAIN AHVzZXIAcGFzcw=="], "503 5.5.1"),
        (["HELO x", "AUTH PLAIN AHVzZXIAcGFzcw=="], "503 5.5.1"),
        ([HELLO, "AUTH"], "501 5.5.4"),
        ([HELLO, "AUTH GSSAPI"], "504 5.5.4"),
        ([HELLO, "AUTH XOAUTH2"], "504 5.5.4"),
        ([HELLO, "AUTH PLAIN AHVzZXIAcGFzcw=="], "535 5.7.8"),
        ([HELLO, "AUTH plain ="], "501 5.5.2"),
        ([HELLO, "AUTH PLAIN !"], "501 5.5.2"),
        ([HELLO, "AUTH PLAIN"], "334 "),
        ([HELLO, "AUTH PLAIN", "*"], "501 5.7.0"),
        ([HELLO, "AUTH PLAIN", "*", "NOOP"], "250 2.0.0"),
        ([HELLO, "AUTH PLAIN", "ü"], "501 5.5.2"),
        ([HELLO, "AUTH PLAIN", ""], "501 5.5.2"),
        ([HELLO, "AUTH PLAIN", "x" * 13_000], "500 5.5.2"),
        ([HELLO, "AUTH PLAIN", "QUJD" * 2_000], "501 5.5.2"),
        ([HELLO, "AUTH LOGIN"], "334 VXNlcm5hbWU6"),
        ([HELLO, "AUTH LOGIN dXNlcg=="], "334 UGFzc3dvcmQ6"),
        ([HELLO, "AUTH LOGIN", "dXNlcg==", "cGFzcw=="], "535 5.7.8"),
        ([HELLO, "AUTH CRAM-MD5"], "334 "),
        ([HELLO, "AUTH CRAM-MD5 dXNlcg=="], "501 5.5.2"),
        ([HELLO, "AUTH CRAM-MD5", "dXNlcg=="], "501 5.5.2"),
        ([HELLO, MAIL, "AUTH PLAIN AHVzZXIAcGFzcw=="], "503 5.5.1"),
        ([HELLO, "STARTTLS"], "502 5.5.1"),
        ([HELLO, "BDAT"], "501 5.5.4"),
        ([HELLO, "BDAT x"], "501 5.5.4"),
        ([HELLO, "BDAT 5 FIRST"], "501 5.5.4"),
        (["QUIT now"], "501 5.5.4"),
        (["QUIT"], "221 2.0.0"),
        (["NONSENSE"], "500 5.5.1"),
        (["__init__"], "500 5.5.2"),
        (["handle_exception"], "500 5.5.2"),
        ([""], "500 5.5.2"),
        ([" "], "500 5.5.2"),
        (["\t"], "500 5.5.2"),
        (["M\u0130IL FROM:<>"], "500 5.5.2"),
        ([b"NOOP\n"], "500 5.5.2"),
        ([b"\0\r\n"], "500 5.5.2"),
        ([b"\xff\xfe\xfd\r\n"], "500 5.5.2"),
        ([b"NOOP \0\r\n"], "501 5.5.4"),
        ([b"NOOP \xff\r\n"], "501 5.5.4"),
        ([b"EHLO \xc3\xbc\r\n"], "501 5.5.4"),
        ([b"NOOP\rQUIT\r\n"], "500 5.5.2"),
        ([HELLO, b"MAIL FROM:<a\0b@example.com>\r\n"], "501 5.5.4"),
        ([HELLO, b"MAIL FROM:<a\nb@example.com>\r\n"], "500 5.5.2"),
        ([HELLO, b"MAIL FROM:<\xff@example.com>\r\n"], "501 5.5.4"),
        ([HELLO, b"MAIL FROM:<\xed\xa0\x80@example.com> SMTPUTF8\r\n"], "501 5.5.4"),
        ([HELLO, "MAIL FROM:<ü@example.com>"], "553 5.6.7"),
        ([HELLO, "MAIL FROM:<ü@example.com> SMTPUTF8"], "250 2.1.0"),
        ([HELLO, MAIL, "RCPT TO:<ü@example.net>"], "553 5.6.7"),
        ([HELLO, MAIL + " SMTPUTF8", "RCPT TO:<ü@corp.example>"], "250 2.1.5"),
        ([HELLO, MAIL + " SIZE=33554432"], "250 2.1.0"),
        ([HELLO, MAIL + " SIZE=33554433"], "552 5.3.4"),
        ([HELLO, MAIL + " SIZE=33554433", RCPT], "503 5.5.1"),
        (["HELO x", MAIL + " SIZE=1"], "555 5.5.4"),
        ([b"x" * 600 + b"\r\n"], "500 5.5.2"),
        ([b"NOOP " + b"x" * 100_000 + b"\r\n", "NOOP"], "250 2.0.0"),
        ([HELLO, "MAIL FROM:<" + "x" * 1000 + "@example.com>"], "501 5.1.7"),
        ([HELLO, "MAIL FROM:<" + "x" * 3000 + "@example.com>"], "500 5.5.2"),
    ],
)
async def test_the_last_command_is_answered(
    talk: Dialogue, crashes: Callable[[], list[Crashed]], commands: list[str | bytes], start: str
) -> None:
    assert (await talk(*commands)).startswith(start)
    assert not crashes()


async def test_quit_ends_the_session_and_what_follows_it_is_not_looked_at(talk: Dialogue) -> None:
    talk.write(b"QUIT\r\nNOOP\r\nNOOP\r\n")
    assert await talk.reply() == "221 2.0.0 Bye"
    assert await talk.reply() == ""


async def test_nothing_is_stored_behind_a_quit(talk: Dialogue, services: Services) -> None:
    transaction = f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n.\r\n"
    talk.write(f"QUIT\r\n{transaction}".encode())
    assert await talk.reader.read() == b"221 2.0.0 Bye\r\n"
    assert await services.delivery.messages() == []


async def test_a_session_is_not_busy_after_quit(smtp: Listener, talk: Dialogue, services: Services) -> None:
    await talk(HELLO, MAIL)
    [connection] = smtp._connections
    busy: list[int] = []

    def receive() -> None:
        connection.data_received(b"QUIT\r\n")
        busy.append(len(services.sessions.busy()))

    asyncio.get_running_loop().call_soon(receive)
    assert await talk.reply() == "221 2.0.0 Bye"
    assert busy == [0]


async def test_the_kelvin_sign_is_not_a_letter_of_an_address(talk: Dialogue, services: Services) -> None:
    await services.accounts.add("kate@example.com", password="secret")
    await talk(HELLO, f"{MAIL} SMTPUTF8")
    assert (await talk("RCPT TO:<KATE@example.com>")).startswith("250 2.1.5")
    assert (await talk("RCPT TO:<\u212aate@example.com>")).startswith("550 5.1.1")
    login = base64.b64encode("\0\u212aate@example.com\0secret".encode()).decode()
    assert (await talk("RSET", f"AUTH PLAIN {login}")).startswith("535 5.7.8")


async def test_settings_are_read_at_each_command(talk: Dialogue, services: Services) -> None:
    await talk(HELLO, MAIL)
    services.settings.value = replace(services.settings.value, max_recipients=1, foreign_recipients="reject")
    assert (await talk("RCPT TO:<elsewhere@corp.example>")).startswith("550 5.7.1")
    assert (await talk(RCPT)).startswith("250 2.1.5")
    assert (await talk("RCPT TO:<second@example.com>")) == "452 4.5.3 Too many recipients"
    services.settings.value = replace(services.settings.value, max_message_size=10)
    await talk("DATA")
    assert (await talk(b"more than ten bytes.\r\n.\r\n")).startswith("552 5.3.4")
    assert "250-SIZE 10\n" in await talk(HELLO)


async def test_a_postmaster_that_exists_gets_mail_without_a_domain(services: Services, talk: Dialogue) -> None:
    await services.accounts.add("postmaster@example.com")
    await talk.send(b"help\r\n", "postMaster")
    assert len(await services.delivery.messages("postmaster@example.com")) == 1


async def test_an_idle_client_gets_421_and_is_closed(services: Services) -> None:
    services.settings.value = services.settings.value.replace(idle_timeout=0.01)  # real time is the subject
    async with serve_smtp(services) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        text = (await reader.read()).decode()
        writer.close()
    assert text.splitlines()[1:] == ["421 4.4.2 Timeout: closing connection"]


async def test_a_client_that_goes_on_talking_is_not_timed_out(smtp: Listener, talk: Dialogue) -> None:
    """The one timer checks when bytes were last received."""
    [connection] = smtp._connections
    connection._conversation.received_at -= 301
    await talk("NOOP")
    first = connection._timeout_handle
    connection._timeout_cb()
    assert connection._timeout_handle is not first
    assert (await talk("NOOP")).startswith("250")
    connection._conversation.received_at -= 301
    connection._timeout_cb()
    assert (await talk.reply()).startswith("421 4.4.2")


async def test_whatever_a_client_does_nothing_is_logged_as_a_warning(
    talk: Dialogue, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for command in (b"\xff\r\n", b"AUTH PLAIN\r\n", b"NONSENSE\r\n", b"MAIL FROM:<\r\n", b"x" * 9999 + b"\r\n"):
            await talk(command)
        await talk.to_data()
        talk.write(b"unfinished")
        await talk.close()
    assert not caplog.records


async def test_a_client_that_reads_no_replies_is_held_up_and_gets_them_all(smtp: Listener) -> None:
    loop, commands = asyncio.get_running_loop(), b"HELP\r\n" * 100_000 + b"QUIT\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(smtp.address)
        client.setblocking(False)
        sending = loop.create_task(loop.sock_sendall(client, commands))
        await auntil(lambda: [each for each in smtp._connections if each._runner.waiting])
        [connection] = smtp._connections
        assert connection._socket.get_write_buffer_size() < 200_000
        text = b""
        while chunk := await loop.sock_recv(client, 1_000_000):
            text += chunk
        await sending
    assert text.count(b"\r\n214 2.0.0 ") == 100_000
    assert text.endswith(b"\r\n221 2.0.0 Bye\r\n")


@pytest.mark.parametrize(("most", "refused"), [(1, 100), (120, 120)])
async def test_refused_recipients_are_limited_too(talk: Dialogue, services: Services, most: int, refused: int) -> None:
    services.settings.value = services.settings.value.replace(max_recipients=most)
    await talk(HELLO, MAIL)
    for number in range(refused):
        assert (await talk(f"RCPT TO:<nobody{number}@example.com>")).startswith("550 5.1.1")
    assert (await talk(RCPT)) == "452 4.5.3 Too many recipients"
    await talk("RSET", MAIL)
    assert (await talk(RCPT)).startswith("250")
