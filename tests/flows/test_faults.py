"""Planned faults, as an application's test meets it."""

from __future__ import annotations

import re
import smtplib
import socket
import time
from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailNotReceived, MailServer
from sirrchat_testkit.handles.failures import FaultNeverFired
from tests.support import connect, send, until


def code(caught: pytest.ExceptionInfo[smtplib.SMTPResponseException]) -> tuple[int, bytes]:
    error = caught.value.smtp_error
    return caught.value.smtp_code, error if isinstance(error, bytes) else error.encode()


def test_a_connection_is_turned_away(mailserver: MailServer) -> None:
    mailserver.faults.reject(stage="connect", code=421, text="Too busy", times=1)
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        connect(mailserver)
    assert code(caught) == (421, b"4.3.2 Too busy")
    connect(mailserver).quit()


def test_ehlo_and_helo_are_refused(mailserver: MailServer) -> None:
    mailserver.faults.reject(stage="ehlo", code=550, ehlo="bad.example")
    with connect(mailserver) as smtp:
        assert smtp.ehlo("bad.example") == (550, b"5.7.1 Refused by a fault")
        assert smtp.helo("bad.example")[0] == 550
        assert smtp.ehlo("good.example")[0] == 250


def test_a_sender_is_refused(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.reject(stage="mail", code=451, mail_from="*@shop.example", times=1)
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        send(mailserver, inbox.address)
    assert code(caught) == (451, b"4.3.0 Refused by a fault")
    send(mailserver, inbox.address)
    assert len(inbox.messages) == 1
    assert fault.fired == 1


def test_one_recipient_is_refused_twice_and_then_taken(mailserver: MailServer) -> None:
    one, other = mailserver.make_inbox(), mailserver.make_inbox()
    mailserver.faults.reject(stage="rcpt", code=451, times=2, recipient=one.address)
    for _ in range(2):
        assert send(mailserver, one.address, other.address) == {one.address: (451, b"4.7.1 Refused by a fault")}
    assert send(mailserver, one.address, other.address) == {}
    assert (len(one.messages), len(other.messages)) == (1, 3)
    assert list(other.messages[0].envelope.refused) == [one.address]


def test_data_is_refused(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.reject(stage="data", code=554, text="5.7.9 no data today", times=1)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(mailserver, inbox.address)
    assert code(caught) == (554, b"5.7.9 no data today")


def test_a_subject_is_refused_at_the_end_of_data(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.reject(stage="end", code=550, subject=re.compile("lottery"), text="spam")
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(mailserver, inbox.address, subject="You won the lottery")
    assert code(caught) == (550, b"5.7.1 spam")
    send(mailserver, inbox.address, subject="Invoice")
    assert [each.subject for each in inbox.messages] == ["Invoice"]


def test_faults_one_after_the_other_are_a_sequence(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.reject(stage="rcpt", code=451, times=1)
    mailserver.faults.reject(stage="rcpt", code=550, times=1)
    codes = []
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        codes = [smtp.rcpt(inbox.address)[0] for _ in range(3)]
    assert codes == [451, 550, 250]


def test_a_delay_is_felt_by_the_client_and_by_nobody_else(mailserver: MailServer) -> None:
    slow, quick = mailserver.make_inbox(), mailserver.make_inbox()
    fault = mailserver.faults.delay(30, stage="end", recipient=slow.address)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        smtp.rcpt(slow.address)
        smtp.docmd("DATA")
        smtp.send("Subject: Hello\r\n\r\n.\r\n")
        until(mailserver._thread, lambda: fault.fired)
        send(mailserver, quick.address)
        assert isinstance(smtp.sock, socket.socket)
        smtp.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            smtp.sock.recv(1)
        smtp.close()
    mailserver.settle()
    assert (len(slow.messages), len(quick.messages)) == (0, 1)


def test_a_delay_ends_and_the_mail_is_taken(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.delay(0.05, stage="rcpt")  # real time is the subject
    before = time.monotonic()
    send(mailserver, inbox.address)
    assert time.monotonic() - before >= 0.05
    assert len(inbox.messages) == 1


def octets(server: MailServer) -> Iterator[bytes]:
    with socket.create_connection((server.smtp_host, server.smtp_port)) as client:
        while chunk := client.recv(100):
            yield chunk


def test_a_reply_comes_octet_by_octet(mailserver: MailServer) -> None:
    mailserver.faults.trickle(0.002, stage="connect", times=1)  # real time is the subject
    chunks = octets(mailserver)
    greeting = [next(chunks) for _ in range(10)]
    assert b"".join(greeting).startswith(b"220 ")
    assert max(map(len, greeting)) < 10


@pytest.mark.parametrize(
    ("when", "stored"), [("before", 0), ("instead", 1)], ids=["nothing is done", "stored without a word"]
)
def test_the_connection_ends_in_place_of_a_reply(mailserver: MailServer, when: str, stored: int) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.drop(stage="end", when=when, times=1)  # type: ignore[arg-type]
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mailserver, inbox.address)
    assert len(inbox.messages) == stored


def test_the_connection_ends_behind_a_reply(mailserver: MailServer) -> None:
    mailserver.faults.drop(stage="mail", when="after")
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.mail("a@shop.example")[0] == 250
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.rcpt("b@example.com")


def test_mail_is_accepted_and_lost(mailserver: MailServer) -> None:
    one, other = mailserver.make_inbox(), mailserver.make_inbox()
    mailserver.faults.lose(recipient=one.address, times=1)
    assert send(mailserver, one.address, other.address) == {}
    assert (len(one.messages), len(other.messages)) == (0, 1)
    mailserver.faults.lose(subject="Lost", times=1)
    assert send(mailserver, one.address, subject="Lost") == {}
    assert send(mailserver, one.address) == {}
    assert [each.subject for each in one.messages] == ["Hello"]


def test_a_greylisted_sender_is_taken_after_a_time_of_the_kits_clock(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.clock.freeze()
    mailserver.faults.greylist(wait=60)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            send(mailserver, inbox.address)
        assert caught.value.recipients[inbox.address] == (451, b"4.7.1 Greylisted; try again in 60 seconds")
    mailserver.clock.advance(seconds=60)
    send(mailserver, inbox.address)
    assert len(inbox.messages) == 1


def test_more_than_so_many_messages_a_minute_are_refused(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.clock.freeze()
    mailserver.faults.throttle(2)
    send(mailserver, inbox.address)
    send(mailserver, inbox.address)
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        send(mailserver, inbox.address)
    assert caught.value.smtp_code == 450
    mailserver.clock.advance(minutes=1)
    send(mailserver, inbox.address)
    assert len(inbox.messages) == 3


def test_a_failed_wait_says_when_a_greylisted_sender_is_accepted(mailserver: MailServer) -> None:
    inbox, other = mailserver.make_inbox(), mailserver.make_inbox()
    mailserver.clock.freeze()
    mailserver.faults.reject(stage="rcpt", code=450, recipient=other, times=1)
    mailserver.faults.greylist()
    for recipient in (inbox, other):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(mailserver, recipient)
    mailserver.clock.advance(seconds=47.5)
    later = "a retry is accepted in 4 min 13 s on the server's clock: mailserver.clock.advance(seconds=253)"
    with pytest.raises(MailNotReceived) as failure:
        inbox.receive(timeout=0)
    refused = "Refused with 451 at RCPT by a fault (greylisting for 300 s)"
    assert str(failure.value).startswith(f"{refused}; {later}. Waited")
    assert f"  greylisting for 300 s at RCPT: fired 1 time; {later}\n" in str(failure.value)
    with pytest.raises(MailNotReceived, match=r"^Refused with 450 at RCPT by a fault\. Waited"):
        other.receive(timeout=0)
    mailserver.clock.advance(seconds=253)
    assert "a retry" not in mailserver.overview()
    send(mailserver, inbox)
    inbox.receive(timeout=0)


def test_a_used_up_greylisting_accepts_a_retry_at_once(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.greylist(times=1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, inbox)
    with pytest.raises(MailNotReceived, match=r"^Refused with 451 at RCPT by a fault\. Waited"):
        inbox.receive(timeout=0)
    send(mailserver, inbox)
    inbox.receive(timeout=0)


def test_a_failed_wait_says_when_the_next_message_is_within_the_rate(mailserver: MailServer) -> None:
    inbox, other = mailserver.make_inbox(), mailserver.make_inbox()
    mailserver.clock.freeze()
    mailserver.faults.throttle(1)
    send(mailserver, other)
    mailserver.clock.advance(seconds=17)
    with pytest.raises(smtplib.SMTPSenderRefused, match="More than 1 message a minute; try again in 43 seconds"):
        send(mailserver, inbox)
    later = r"a retry is accepted in 43 s on the server's clock: mailserver\.clock\.advance\(seconds=43\)\. Waited"
    with pytest.raises(MailNotReceived, match=f"^A planned fault fired: throttling above 1 message .*; {later}"):
        inbox.receive(timeout=0)


def test_a_throttle_of_421_ends_the_session(mailserver: MailServer) -> None:
    mailserver.faults.throttle(0, code=421)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.mail("a@shop.example")[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()


def test_a_size_limit_for_one_recipient_is_found_at_the_end(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.limit_size(1000, recipient=inbox.address)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(mailserver, inbox.address, text="x" * 990)
    assert code(caught) == (552, b"5.3.4 The message is bigger than 1000 bytes")
    send(mailserver, inbox.address)


def test_a_size_limit_for_all_counts_what_is_declared(mailserver: MailServer) -> None:
    mailserver.faults.limit_size(1000)
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        send(mailserver, mailserver.make_inbox().address, text="x" * 990)
    assert caught.value.smtp_code == 552


def test_a_condition_of_the_users_runs_elsewhere_than_the_server(mailserver: MailServer) -> None:
    import threading

    ran: list[str] = []

    def picky(address: str) -> bool:
        ran.append(threading.current_thread().name)
        return address.startswith("b")

    mailserver.faults.reject(stage="mail", mail_from=picky)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.mail("b@x.example")[0] == 550
        assert smtp.mail("a@x.example")[0] == 250
    assert len(ran) == 2
    assert "sirrchat-testkit" not in ran


def test_what_a_condition_raises_comes_home() -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    with MailServer() as server:
        server.faults.reject(stage="mail", mail_from=broken)
        with connect(server) as smtp:
            smtp.ehlo()
            assert smtp.mail("b@x.example")[0] == 451
        with pytest.raises(ZeroDivisionError):
            server.check()


def test_a_fault_that_never_fired_is_reported(mailserver: MailServer) -> None:
    mailserver.faults.reject(stage="rcpt", code=451, recipient="nobody@example.com")
    with pytest.raises(FaultNeverFired) as caught:
        mailserver.check()
    assert str(caught.value) == ("1 planned fault never fired: reject 451 at RCPT for recipient='nobody@example.com'")
    mailserver.faults.clear()
    mailserver.check()


def test_faults_of_both_protocols_that_never_fired_are_reported_together(mailserver: MailServer) -> None:
    mailserver.faults.drop(stage="mail")
    mailserver.webhook_faults.delay(30, subject="never")
    with pytest.raises(FaultNeverFired) as caught:
        mailserver.check()
    assert str(caught.value) == (
        "2 planned faults never fired: drop before the command at MAIL; delay of 30 s at WEBHOOK for subject='never'"
    )
    mailserver.webhook_faults.clear()
    assert [str(each) for each in mailserver.faults] == ["drop before the command at MAIL"]
    mailserver.faults.clear()
    mailserver.check()


def test_a_scope_reports_the_faults_that_were_planned_in_it(mailserver: MailServer) -> None:
    mailserver.faults.reject(stage="mail")
    mailserver.webhook_faults.reorder()
    with mailserver.scope("inner"):
        mailserver.check()
        mailserver.webhook_faults.duplicate()
        with pytest.raises(FaultNeverFired, match=r"^1 planned fault never fired: duplicate at WEBHOOK$"):
            mailserver.check()
    with pytest.raises(
        FaultNeverFired, match=r"^2 planned faults never fired: reject 550 at MAIL; reorder at WEBHOOK$"
    ):
        mailserver.check()
    mailserver.faults.clear()
    mailserver.webhook_faults.clear()


def test_faults_go_with_their_scope_and_get_back_what_it_used_up(mailserver: MailServer) -> None:
    outer = mailserver.faults.reject(stage="mail", times=1)
    with mailserver.scope("inner"):
        mailserver.faults.reject(stage="ehlo")
        with connect(mailserver) as smtp:
            assert smtp.ehlo()[0] == 550
        mailserver.faults.clear(mailserver.faults.planned[-1])
        with connect(mailserver) as smtp:
            smtp.ehlo()
            assert [smtp.mail("a@x.example")[0] for _ in range(2)] == [550, 250]
    assert mailserver.faults.planned == [outer]
    assert outer.fired == 0
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.mail("a@x.example")[0] == 550


def test_a_failed_wait_says_which_fault_refused_the_mail(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.reject(stage="rcpt", code=550, recipient=inbox.address)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, inbox.address)
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    assert f"{inbox.address} from shop@shop.example: refused with 550 at RCPT by a fault" in str(caught.value)
    assert f"reject 550 at RCPT for recipient='{inbox.address}': fired 1 time" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ({"stage": "rcpt", "subject": "x"}, ValueError, "'subject' is not known at stage 'rcpt' yet, .* 'end' on"),
        ({"stage": "mail", "recipient": "x"}, ValueError, "only from stage 'rcpt' on"),
        ({"stage": "rcpt", "recipent": "x"}, TypeError, "did you mean 'recipient'"),
        ({"stage": "rctp"}, ValueError, "did you mean 'rcpt'"),
        ({"stage": "rcpt", "code": 250}, ValueError, "code must be a whole number from 400 to 599, not 250"),
        ({"stage": "rcpt", "times": 0}, ValueError, "times must be a whole number of at least 1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    mailserver: MailServer, fault: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        mailserver.faults.reject(**fault)  # type: ignore[arg-type]
    assert mailserver.faults.planned == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("disconnect", "'drop'"),
        ("bounce", "'reject'"),
        ("reject_recipients", "\"reject(stage='rcpt')\""),
        ("refuse_connections", "\"drop(stage='connect')\""),
    ],
)
def test_a_misguessed_name_is_answered(mailserver: MailServer, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"did you mean {meant}?")):
        getattr(mailserver.faults, name)


def test_every_stage_can_be_in_upper_case(mailserver: MailServer) -> None:
    fault = mailserver.faults.reject(stage="RCPT")  # type: ignore[arg-type]
    assert str(fault) == "reject 550 at RCPT"
    mailserver.faults.clear()
    assert repr(mailserver.faults) == "<Faults none>"
