"""The figures agree: an account's and the server's, in the REST API and Python, after any traffic."""

from __future__ import annotations

import smtplib
from dataclasses import asdict
from typing import Any

import pytest

from sirrchat_testkit import MailAccount, MailServer
from sirrchat_testkit.errors import NoSuchAddress
from tests.support import call_api, connect, send

RAW = b"From: ann@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
SIZE = len(RAW)
ANN, NEWS, BOB, BOX = "ann@example.com", "ann+news@example.com", "bob@example.com", "box@example.com"
OPS, DEV, NOBODY = "ops@corp.example", "dev@corp.example", "nobody@example.com"


def stats(server: MailServer, user: MailAccount) -> Any:
    answer = call_api(server, "GET", f"/api/v1/users/{user.id}/stats", key=user.api_key)
    assert answer.status == 200
    return answer.json


def submit(server: MailServer, login: str, *recipients: str) -> None:
    """Send ``RAW`` with the login of an account."""
    with connect(server) as smtp:
        smtp.login(login, "secret")
        smtp.sendmail(login, recipients, RAW)


def test_a_login_s_mail_counts_the_same_for_the_account_and_the_server(mailserver: MailServer) -> None:
    ann, bob = mailserver.add_account(ANN, "secret"), mailserver.add_account(BOB)
    submit(mailserver, ANN, BOB, OPS, DEV)

    server = call_api(mailserver, "GET", "/api/v1/stats").json
    sender, receiver = stats(mailserver, ann), stats(mailserver, bob)
    assert server["smtp"] == {"sent": 1, "received": 1, "rejected": 0}
    assert (sender["sent"], sender["received"], sender["rejected"]) == (1, 0, 0)
    assert (receiver["sent"], receiver["received"], receiver["rejected"]) == (0, 1, 0)
    assert server["messages_today"] == 2
    assert server["storage_used"] == 4 * SIZE
    assert (sender["messages_total"], sender["storage_used"]) == (1, SIZE)
    assert asdict(mailserver.stats) == server


def test_mail_is_sent_once_with_a_login_or_to_foreign_recipients(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    steps: list[tuple[str, tuple[str, ...], tuple[int, int, int]]] = [
        (ANN, (ANN,), (1, 1, 1)),  # to herself
        ("", (ANN,), (1, 2, 1)),
        ("", (OPS, DEV), (2, 2, 1)),
        (ANN, (OPS,), (3, 2, 2)),
        ("", (ANN, OPS), (4, 3, 2)),
    ]
    for login, recipients, figures in steps:
        if login:
            submit(mailserver, login, *recipients)
        else:
            send(mailserver, *recipients, raw=RAW)
        smtp = mailserver.stats.smtp
        assert (smtp.sent, smtp.received, stats(mailserver, ann)["sent"]) == figures, (login, recipients)
    assert mailserver.stats.messages_today == 7


def test_a_token_s_user_without_an_account_sends_as_a_client_without_a_login(mailserver: MailServer) -> None:
    mailserver.configure(oauth_tokens={"app@corp.example": "t0ken"})
    mailserver.add_account(ANN)
    for recipient in (ANN, OPS):
        with connect(mailserver) as smtp:
            smtp.ehlo()
            token = "user=app@corp.example\x01auth=Bearer t0ken\x01\x01"
            assert smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else token)[0] == 235  # noqa: B023
            smtp.sendmail("app@corp.example", [recipient], RAW)
    assert (mailserver.stats.smtp.sent, mailserver.stats.smtp.received) == (1, 1)


def test_kept_mail_for_an_unknown_recipient_is_received_by_the_server_alone(mailserver: MailServer) -> None:
    mailserver.configure(unknown_recipients="keep")
    ann = mailserver.add_account(ANN, "secret")
    submit(mailserver, ANN, NOBODY)
    send(mailserver, NOBODY, raw=RAW)
    assert (mailserver.stats.smtp.sent, mailserver.stats.smtp.received) == (1, 2)
    assert stats(mailserver, ann)["received"] == 0


def test_each_refused_recipient_counts_once_as_mailserver_refusals_has_it(mailserver: MailServer) -> None:
    ann, bob = mailserver.add_account(ANN, quota=1), mailserver.add_account(BOB)
    mailserver.configure(max_recipients=3)
    with pytest.raises(smtplib.SMTPDataError):
        send(mailserver, ANN, NEWS, BOB, DEV, raw=RAW)  # over Ann's quota, and Dev is one too many
    mailserver.faults.reject(stage="rcpt", code=451, times=1)
    mailserver.faults.reject(stage="end", code=554)
    with pytest.raises(smtplib.SMTPDataError):
        send(mailserver, BOB, NOBODY, OPS, raw=RAW)  # the faults refuse Bob, and then Ops
    rejected = [stats(mailserver, each)["rejected"] for each in (ann, bob)]
    assert (mailserver.stats.smtp.rejected, rejected) == (7, [2, 2])
    assert [each.recipient for each in mailserver.refusals] == [DEV, ANN, NEWS, BOB, BOB, NOBODY, OPS]
    assert mailserver.refusals[0].reason == "Too many recipients"


def test_mail_that_is_lost_or_that_no_client_sent(mailserver: MailServer) -> None:
    ann = mailserver.add_account(ANN, "secret")
    ann.inbox.deliver(subject="Injected")
    with pytest.raises(NoSuchAddress):
        mailserver.inbox_for(NOBODY).deliver(subject="Not stored")
    mailserver.faults.lose(recipient=ANN)
    mailserver.faults.lose(subject="Hello")
    submit(mailserver, ANN, ANN)
    submit(mailserver, ANN, OPS)
    smtp = mailserver.stats.smtp
    assert (smtp.received, smtp.sent, smtp.rejected) == (1, 0, 0)
    assert mailserver.refusals == []
