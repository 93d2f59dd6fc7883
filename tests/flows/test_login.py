"""AUTH with real clients, and what a login makes of mail."""

from __future__ import annotations

import base64
import smtplib
import threading
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from sirrchat_testkit import MailNotReceived, MailServer
from sirrchat_testkit.domain.events import MessageSent
from sirrchat_testkit.domain.models import Message, Tally
from tests.support import connect

ANN, SECRET = "ann@example.com", "pässwörd, with blanks"


def mail(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ANN, to, "Hello"
    message.set_content("It works.\n")
    return message


def greeted(server: MailServer) -> smtplib.SMTP:
    smtp = connect(server)
    smtp.ehlo()
    return smtp


def log_in(smtp: smtplib.SMTP, mechanism: str, user: str, password: str) -> tuple[int, bytes]:
    smtp.user, smtp.password = user, password
    method: Callable[..., str] = getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}")
    return smtp.auth(mechanism, method)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_smtplib_logs_in(mailserver: MailServer, mechanism: str) -> None:
    mailserver.add_account("bob@example.com", "secret")
    with greeted(mailserver) as smtp:
        assert log_in(smtp, mechanism, "bob@example.com", "secret") == (235, b"2.7.0 Authentication succeeded")
    [session] = mailserver.sessions
    assert session.login == "bob@example.com"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_wrong_password_is_refused_and_told(mailserver: MailServer, mechanism: str) -> None:
    mailserver.add_account("bob@example.com", "secret")
    with greeted(mailserver) as smtp, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        log_in(smtp, mechanism, "bob@example.com", "wrong")
    assert caught.value.smtp_code == 535
    with pytest.raises(MailNotReceived) as failed:
        mailserver.receive(timeout=0)
    assert f"AUTH {mechanism} as 'bob@example.com' refused with 535: wrong password" in str(failed.value)


def test_a_user_that_does_not_exist_is_told_apart_for_the_test_alone(mailserver: MailServer) -> None:
    with greeted(mailserver) as smtp, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        smtp.login("app", "secret")
    assert caught.value.smtp_error == b"5.7.8 Authentication credentials invalid"
    assert "AUTH LOGIN as 'app' refused with 535: there is no such user" in mailserver.overview()


@pytest.mark.parametrize("mechanism", ["plain", "login", "crammd5"])
@pytest.mark.asyncio
async def test_aiosmtplib_logs_in_with_any_characters(mailserver: MailServer, mechanism: str) -> None:
    mailserver.add_account(ANN, SECRET)
    async with aiosmtplib.SMTP(hostname=mailserver.smtp_host, port=mailserver.smtp_port) as smtp:
        method = getattr(smtp, f"auth_{mechanism}")
        assert (await method(ANN, SECRET)).code == 235


def test_the_login_of_the_scope_works(mailserver: MailServer) -> None:
    env = mailserver.env()
    with greeted(mailserver) as smtp:
        assert smtp.login(env["SMTP_USERNAME"], env["SMTP_PASSWORD"])[0] == 235
    assert (env["SMTP_USERNAME"], env["SMTP_PASSWORD"]) == (mailserver.smtp_username, mailserver.smtp_password)


def test_a_login_submits(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    inbox = mailserver.make_inbox()
    with greeted(mailserver) as smtp:
        smtp.login(ANN, "secret")
        smtp.send_message(mail(inbox.address), to_addrs=[inbox.address, "far@corp.example"])
    assert inbox.receive(timeout=0).envelope.login == ANN
    assert len(mailserver.messages) == 2
    assert ann.inbox.messages == []
    services = mailserver._now.services

    async def sent() -> tuple[list[Message], Tally]:
        account = await services.accounts.of(ANN)
        found, total = await services.folders.page(account, "Sent", 0, 10)
        assert total == len(found)
        return found, await services.counters.read(account.id)

    [copy], tally = mailserver._thread.call(sent())
    assert (copy.subject, copy.flags, copy.seen) == ("Hello", ("\\Seen",), True)
    assert (tally.sent, tally.received) == (1, 0)
    [event] = [each for each in services.events.after() if isinstance(each, MessageSent) and each.message.id == copy.id]
    assert event.message.folder == "Sent"


def test_mail_to_oneself_is_both(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    with greeted(mailserver) as smtp:
        smtp.login(ANN, "secret")
        smtp.send_message(mail(ANN))
    assert len(ann.inbox.messages) == 1


def xoauth2(user: str, token: str) -> Callable[..., str]:
    def answer(challenge: bytes | None = None) -> str:
        return "" if challenge else f"user={user}\x01auth=Bearer {token}\x01\x01"

    return answer


def test_a_token_of_the_table_logs_in(mailserver: MailServer) -> None:
    mailserver.configure(oauth_tokens={"app@corp.example": "t0ken="})
    with greeted(mailserver) as smtp:
        assert smtp.esmtp_features["auth"].split()[-1] == "XOAUTH2"
        assert smtp.auth("XOAUTH2", xoauth2("app@corp.example", "t0ken="))[0] == 235
    with greeted(mailserver) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("XOAUTH2", xoauth2("app@corp.example", "other"))
        assert smtp.auth("XOAUTH2", xoauth2("app@corp.example", "t0ken="))[0] == 235
    assert "AUTH XOAUTH2 as 'app@corp.example' refused with 535: wrong token" in mailserver.overview()


def test_a_function_that_checks_tokens_runs_elsewhere_and_its_errors_come_home() -> None:
    ran: list[str] = []

    def check(user: str, token: str) -> bool:
        ran.append(threading.current_thread().name)
        return {"good": True, "bad": False}[token] and user == "app"

    with MailServer(oauth_tokens=check) as server:
        with greeted(server) as smtp:
            assert smtp.auth("XOAUTH2", xoauth2("app", "good"))[0] == 235
        with greeted(server) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("XOAUTH2", xoauth2("app", "bad"))
        with greeted(server) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("XOAUTH2", xoauth2("app", "ugly"))
        assert "sirrchat-testkit" not in ran
        with pytest.raises(KeyError, match="ugly"):
            server.check()


def test_mail_is_refused_until_there_is_a_login(mailserver: MailServer) -> None:
    mailserver.configure(auth="required")
    inbox = mailserver.make_inbox()
    with greeted(mailserver) as smtp:
        assert smtp.mail("a@x.example") == (530, b"5.7.0 Authentication required")
        smtp.login(mailserver.smtp_username, mailserver.smtp_password)
        smtp.send_message(mail(inbox.address))
        assert smtp.docmd("AUTH PLAIN")[0] == 503
    assert len(inbox.messages) == 1


def test_a_fault_refuses_a_login(mailserver: MailServer) -> None:
    mailserver.faults.reject(stage="auth", code=454, login="owner-*", times=1)
    with greeted(mailserver) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            log_in(smtp, "PLAIN", mailserver.smtp_username, mailserver.smtp_password)
        assert caught.value.smtp_code == 454
        assert smtp.login(mailserver.smtp_username, mailserver.smtp_password)[0] == 235


def test_a_durable_store_keeps_nothing_that_could_answer_a_challenge(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path), password_cost=4) as server:
        server.add_account(ANN, "secret")
        with greeted(server) as smtp:
            assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
            assert smtp.docmd("AUTH CRAM-MD5")[0] == 504
            assert smtp.login(ANN, "secret")[0] == 235


def test_one_who_may_not_act_for_another_is_refused(mailserver: MailServer) -> None:
    mailserver.add_account(ANN, "secret")
    words = base64.b64encode(f"boss\0{ANN}\0secret".encode()).decode()
    with greeted(mailserver) as smtp:
        assert smtp.docmd("AUTH PLAIN " + words)[0] == 535
