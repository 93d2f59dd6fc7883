"""Limits of sessions: how many, how long, how much; and that slow ones hold nobody up."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket

import pytest

from sirrchat_testkit import MailServer
from tests.support import connect, until

MAIL = b"Subject: hello\r\n\r\nbody\r\n"


def test_sessions_at_once(mailserver: MailServer) -> None:
    mailserver.configure(max_sessions=2)
    with connect(mailserver), connect(mailserver) as second:
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            connect(mailserver)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (421, b"4.7.0 Too many connections")
        assert second.noop()[0] == 250
    mailserver.settle()
    connect(mailserver).quit()


def test_messages_of_one_session(mailserver: MailServer) -> None:
    mailserver.configure(max_session_messages=2)
    inbox = mailserver.make_inbox()
    with connect(mailserver) as smtp:
        for _ in range(2):
            smtp.sendmail("a@x.example", [inbox.address], MAIL)
        assert smtp.mail("a@x.example")[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()
    with connect(mailserver) as smtp:
        smtp.sendmail("a@x.example", [inbox.address], MAIL)
    assert len(inbox.messages) == 3


def test_a_silent_client_is_told_and_left(mailserver: MailServer) -> None:
    mailserver.configure(idle_timeout=0.01)  # real time is the subject
    with socket.create_connection((mailserver.smtp_host, mailserver.smtp_port), timeout=10) as client:
        file = client.makefile("rb")
        assert file.read().splitlines()[1:] == [b"421 4.4.2 Timeout: closing connection"]
    assert mailserver.sessions[0].transcript[-1].at >= 0.01


def test_a_session_that_lasts_too_long_is_told_and_left(mailserver: MailServer) -> None:
    mailserver.configure(session_timeout=0.05, idle_timeout=60.0)  # real time is the subject
    with connect(mailserver) as smtp:
        code, text = 250, b""
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            while code == 250:
                code, text = smtp.noop()
            assert (code, text) == (421, b"4.7.0 Session time limit exceeded")
    [line] = [each for each in mailserver.sessions[0].transcript if each.text.startswith("421")]
    assert line.text == "421 4.7.0 Session time limit exceeded"
    assert line.at >= 0.05


def test_a_delay_is_not_the_clients_silence(mailserver: MailServer) -> None:
    mailserver.faults.delay(60, stage="ehlo")
    with connect(mailserver) as smtp:
        smtp.putcmd("ehlo", "client.example")
        [connection] = mailserver._now.smtp._connections  # type: ignore[attr-defined]
        until(mailserver._thread, lambda: connection._replies._hang_up)

        async def time_out_and_end_the_delay() -> None:
            connection._conversation.received_at -= 10_000
            connection._timeout_cb()
            connection._replies._hang_up.set_result(None)

        mailserver._thread.call(time_out_and_end_the_delay())
        assert smtp.getreply()[0] == 250


@pytest.mark.asyncio
async def test_a_hundred_slow_connections_leave_everybody_else_served(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.delay(60, stage="rcpt", mail_from="slow@x.example")
    loop = asyncio.get_running_loop()

    async def stall(kind: int) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(mailserver.smtp_host, mailserver.smtp_port)
        await reader.readline()
        start = f"EHLO x\r\nMAIL FROM:<{'slow' if kind else 'a'}@x.example>\r\nRCPT TO:<{inbox.address}>\r\n"
        writer.write((start + ("" if kind else "DATA\r\nan unfinished line")).encode())
        await writer.drain()
        return writer

    stalled = await asyncio.gather(*(stall(number % 2) for number in range(100)))
    before = loop.time()

    def send() -> None:
        for _ in range(20):
            with connect(mailserver) as smtp:
                smtp.sendmail("b@x.example", [inbox.address], MAIL)

    await asyncio.to_thread(send)
    assert loop.time() - before < 5
    for writer in stalled:
        writer.transport.abort()
    await mailserver.asettle()
    assert len(inbox.messages) == 20
