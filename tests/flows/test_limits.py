"""Limits of sessions: how many, how long, how much; and that slow ones hold nobody up."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import smtplib
import socket
import threading

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.domain import passwords
from tests.support import call_api, connect, until

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


UNKNOWN = (500, b"5.5.1 Command not recognized")
TOO_MANY_UNKNOWN = (421, b"4.7.0 Too many unknown commands; closing connection")
BUSY = (454, b"4.7.0 Temporary authentication failure, try again later")
TOO_MANY_FAILED_LOGINS = (421, b"4.7.0 Too many failed logins; closing connection")


def test_the_twentieth_unknown_command_ends_the_session(mailserver: MailServer) -> None:
    with connect(mailserver) as smtp:
        for _ in range(19):
            assert smtp.docmd("NONSENSE") == UNKNOWN
            assert smtp.noop()[0] == 250
        assert smtp.docmd("NONSENSE") == TOO_MANY_UNKNOWN
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()


@pytest.mark.parametrize(
    "line",
    [b"@\r\n", b"\r\n", b"NOOP\n", b"x" * 13_000 + b"\r\n", b"BDAT 0\r\n", b"AUTH LOGIN\r\n" + b"x" * 13_000 + b"\r\n"],
    ids=["no word", "empty", "bare line feed", "too long", "hidden", "too long response"],
)
def test_malformed_lines_and_hidden_commands_count_as_unknown_commands(mailserver: MailServer, line: bytes) -> None:
    mailserver.configure(max_unknown_commands=2, hide_extensions=["CHUNKING"])
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.send(line)
        assert {smtp.getreply()[0] for _ in line.splitlines()} <= {334, 500}
        assert smtp.docmd("NONSENSE") == TOO_MANY_UNKNOWN


def test_a_refused_command_is_not_an_unknown_one(mailserver: MailServer) -> None:
    mailserver.configure(max_unknown_commands=1)
    with connect(mailserver) as smtp:
        assert [smtp.docmd(each)[0] for each in ("EXPN", "DATA", "MAIL", "NOOP \x01")] == [502, 503, 503, 501]
        assert smtp.docmd("NONSENSE") == TOO_MANY_UNKNOWN


def test_the_fifth_failed_login_ends_the_session(mailserver: MailServer) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        for _ in range(4):
            assert smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==")[0] == 535
            assert smtp.docmd("AUTH PLAIN", "!")[0] == 501
        assert smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==") == TOO_MANY_FAILED_LOGINS
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()
    assert "AUTH PLAIN as 'user' refused with 535: there is no such user (5 times)" in mailserver.overview()


def test_a_login_works_after_failed_ones(mailserver: MailServer) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        for _ in range(4):
            assert smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==")[0] == 535
        assert smtp.login(mailserver.smtp_username, mailserver.smtp_password)[0] == 235


def test_refused_tokens_count_without_the_response_to_their_challenge(mailserver: MailServer) -> None:
    mailserver.configure(max_failed_logins=2, oauth_tokens={"ann": "token"})
    token = base64.b64encode(b"user=ann\x01auth=Bearer wrong\x01\x01").decode()
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.docmd("AUTH XOAUTH2", token)[0] == 334
        assert smtp.docmd("")[0] == 535
        assert smtp.docmd("AUTH XOAUTH2", token) == TOO_MANY_FAILED_LOGINS


def test_a_flood_of_logins_is_refused_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "_derive", lambda *_: b"x" * release.wait(30))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(MailServer(password_cost=20))  # at this cost, no login may wait for another
        stack.callback(release.set)
        user = server.add_account("ann@example.com", "").id
        hasher = server._now.services.passwords
        waiting = [stack.enter_context(connect(server)) for _ in range(hasher._limit)]
        for smtp in waiting:
            smtp.ehlo()
            smtp.putcmd("AUTH PLAIN", "AHVzZXIAcGFzcw==")
        until(server._thread, lambda: hasher._in_progress == len(waiting))
        with connect(server) as smtp:
            smtp.ehlo()
            for _ in range(6):
                assert smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==") == BUSY
            assert "AUTH PLAIN as 'user' refused for now: too many passwords are being hashed" in server.overview()
            new = {"email": "bob@example.com", "password": "x"}
            for method, path, body in [
                ("POST", "/api/v1/users", new),
                ("POST", "/api/v1/users/batch", {"users": [new]}),
                ("PUT", f"/api/v1/users/{user}", {"password": "x"}),
            ]:
                answer = call_api(server, method, path, body)
                assert (answer.status, answer.json["error"]["code"]) == (503, "service_unavailable")
            assert call_api(server, "PUT", f"/api/v1/users/{user}", {"quota": 5}).status == 200
            release.set()
            assert [smtp.getreply()[0] for smtp in waiting] == [535] * len(waiting)
            assert smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==")[0] == 535


def test_zero_is_no_limit(mailserver: MailServer) -> None:
    mailserver.configure(max_unknown_commands=0, max_failed_logins=0)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert {smtp.docmd("NONSENSE") for _ in range(25)} == {UNKNOWN}
        assert {smtp.docmd("AUTH PLAIN", "AHVzZXIAcGFzcw==")[0] for _ in range(10)} == {535}


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
