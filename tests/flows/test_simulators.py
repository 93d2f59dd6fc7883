"""Simulators over SMTP, as a person who tries an application by hand meets them."""

import smtplib
import time
from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailServer, StrictCheckFailed
from tests.support import call_api, connect, send


@pytest.fixture(scope="module")
def simulating() -> Iterator[MailServer]:
    with MailServer(simulators=True) as server:
        yield server


@pytest.fixture
def server(simulating: MailServer) -> Iterator[MailServer]:
    with simulating.scope(check=False):
        yield simulating


def reply(server: MailServer, recipient: str, sender: str = "shop@shop.example") -> tuple[int, bytes]:
    """Return the reply to RCPT."""
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail(sender)
        return smtp.rcpt(recipient)


@pytest.mark.parametrize(
    ("recipient", "code", "text"),
    [
        ("bounced@example.com", 550, b"5.1.1 The mailbox does not exist (simulated)"),
        ("Bounced+tag@EXAMPLE.org", 550, b"5.1.1 The mailbox does not exist (simulated)"),
        ("soft-451@example.com", 451, b"4.3.0 Temporary failure, try again later (simulated)"),
        ("full@example.net", 552, b"5.2.2 The mailbox is full (simulated)"),
    ],
)
def test_one_that_refuses_does_so_at_rcpt_every_time(
    server: MailServer, recipient: str, code: int, text: bytes
) -> None:
    assert reply(server, recipient) == reply(server, recipient) == (code, text)
    name = recipient.lower().partition("@")[0].partition("+")[0]
    assert server.refusals[-1].reason == f"refused with {code} at RCPT by the simulator {name}@"


def test_a_refusal_names_no_nearest_address_and_is_no_mistake(server: MailServer) -> None:
    server.make_inbox(address="bounce@example.com")
    reply(server, "bounced@example.com")
    [refusal] = server.refusals
    assert (refusal.code, refusal.nearest) == ("simulated", None)
    assert "make_inbox" not in server.overview()
    with server.scope(check=False):
        server.configure(strict=["refused"])
        reply(server, "bounced@example.com")
        server._check_at_end()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, "unknown@example.com")
        with pytest.raises(StrictCheckFailed):
            server._check_at_end()


def test_others_of_the_same_message_get_it(server: MailServer) -> None:
    inbox = server.make_inbox()
    assert [*send(server, inbox, "full@example.com")] == ["full@example.com"]
    assert inbox.receive(timeout=0).envelope.refused["full@example.com"].startswith("552 5.2.2 ")


def test_greylisting_accepts_a_retry_of_the_same_sender(server: MailServer) -> None:
    assert reply(server, "greylist@example.com")[0] == 451
    assert reply(server, "greylist@example.com", "other@shop.example")[0] == 451
    assert reply(server, "greylist@example.com")[0] == 250
    send(server, "greylist@example.com")
    assert server.inbox_for("greylist@example.com").receive(timeout=0).subject == "Hello"


def test_a_slow_one_accepts_after_real_time(server: MailServer) -> None:
    server.clock.freeze()
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("shop@shop.example")
        began = time.monotonic()
        assert smtp.rcpt("slow-80ms@example.com")[0] == 250
        assert time.monotonic() - began >= 0.08
        began = time.monotonic()
        assert smtp.rcpt("slow-601s@example.com")[0] == 550  # too long to be one
        assert smtp.data("Subject: Hello\r\n\r\n")[0] == 250


def test_one_closes_the_connection(server: MailServer) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected):
        reply(server, "drop@example.com")
    assert server.refusals[-1].reason == "connection closed at RCPT by the simulator drop@"


@pytest.mark.parametrize(
    ("name", "subject"), [("late-bounce", "Undelivered Mail Returned to Sender"), ("ooto", "Auto: Hello")]
)
def test_something_comes_back_to_a_local_sender(server: MailServer, name: str, subject: str) -> None:
    inbox = server.make_inbox()
    send(server, f"{name}@example.com", sender=inbox.address)
    message = inbox.receive()
    assert (message.subject, message.mail_from) == (subject, "")
    server.settle()
    assert len(server.messages) == 2


def test_the_server_has_settled_only_when_it_has_come_back(server: MailServer) -> None:
    inbox = server.make_inbox()
    for _ in range(5):
        send(server, "ooto@example.com", sender=inbox.address)
        server.settle()
        inbox.receive(timeout=0)


def test_a_planned_fault_comes_first(server: MailServer) -> None:
    server.faults.reject(stage="rcpt", code=452, times=1)
    assert [reply(server, "bounced@example.com")[0] for _ in range(2)] == [452, 550]


def test_they_can_be_switched_while_the_server_runs(mailserver: MailServer) -> None:
    assert reply(mailserver, "soft-451@example.com")[0] == 550
    mailserver.configure(simulators=True)
    assert reply(mailserver, "soft-451@example.com")[0] == 451
    assert [each.code for each in mailserver.refusals] == ["no_such_address", "simulated"]


def test_an_address_can_be_made_in_its_place(mailserver: MailServer) -> None:
    mailserver.configure(simulators=True)
    body = {"name": "full", "expiryTime": 0, "domain": "example.com"}
    assert call_api(mailserver, "POST", "/api/emails/generate", body).status == 200
    assert reply(mailserver, "full@example.com")[0] == 250
    assert reply(mailserver, "full@example.org")[0] == 552


def test_injecting_mail_into_one_that_refuses_is_a_clear_error(server: MailServer) -> None:
    answer = call_api(server, "POST", "/testkit/v1/messages?to=full@example.com", {})
    assert answer.status == 400
    assert answer.json["error"]["message"] == (
        "full@example.com is a simulator: it refuses mail with 552, as a full mailbox"
    )
