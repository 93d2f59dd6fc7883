"""Why mail did not come: what a failed wait says of it."""

import smtplib
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sirrchat_testkit import Inbox, MailNotReceived, MailServer, MakeInbox, Refused
from tests.support import connect


def failure(inbox: Inbox, **match: Any) -> str:
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0, **match)
    return str(caught.value)


def ends(server: MailServer, inbox: Inbox) -> list[str]:
    """Return what a failed wait says of connections, without their ports."""
    server.settle()
    before, _, after = failure(inbox).partition("\nConnections that delivered no mail:\n")
    [line] = before.splitlines()
    found = [line.partition(" ")[2] for line in after.replace("  127.0.0.1:", "").splitlines()]
    end = "" if found[0].endswith("?") else "."
    assert line.endswith(f"{found[0]}{end} Waited 0.0 s for a message for {inbox}.")
    return found


def test_a_sender_that_must_log_in(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.configure(auth="required")
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<a@b.example> SIZE=15")[0] == 530
    assert ends(mailserver, inbox) == [
        "was refused at C: MAIL FROM:<a@b.example> SIZE=15  S: 530 5.7.0 Authentication required"
    ]


def test_a_sender_that_is_malformed(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL FROM:<a b@c.example>")
    [end] = ends(mailserver, inbox)
    assert end.startswith("was refused at C: MAIL FROM:<a b@c.example>  S: 553 5.1.7 ")


def test_a_message_that_is_announced_too_big(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL FROM:<a@b.example> SIZE=99999999999")
    [end] = ends(mailserver, inbox)
    assert end.startswith("was refused at C: MAIL FROM:<a@b.example> SIZE=99999999999  S: 552 5.3.4 ")


def test_a_message_that_is_too_big(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.configure(max_message_size=1000)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        smtp.rcpt(str(inbox))
        assert smtp.data("x" * 2000)[0] == 552
    [end] = ends(mailserver, inbox)
    assert end.startswith("was refused at C: data  S: 552 5.3.4 ")


def test_what_follows_a_refusal_that_is_told(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        smtp.rcpt("nobody@example.com")
        smtp.rset()
        smtp.docmd("MAIL FROM:<a b@c.example>")
    assert " was refused at C: MAIL FROM:<a b@c.example>  S: 553 " in failure(inbox)


def test_a_connection_that_breaks_off_without_a_reply(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.drop(stage="mail", times=1)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.docmd("MAIL FROM:<a@b.example>")
    mailserver.settle()
    assert " ended with C: MAIL FROM:<a@b.example>  S: (no reply)" in failure(inbox)


def test_a_client_that_misses_starttls(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPNotSupportedError):
        smtp.starttls()
    [end] = ends(mailserver, inbox)
    assert end.startswith("ended with C: ehlo ")
    assert "S: 250 example.com, SIZE 33554432, 8BITMIME, " in end


def test_a_client_that_stops_before_data(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        smtp.docmd(f"RCPT TO:<{inbox}>")
        text = failure(inbox)
    assert "In progress:\n  127.0.0.1:" in text
    assert f"; it is still connected after C: RCPT TO:<{inbox}>  S: 250 2.1.5 Recipient OK" in text
    assert ends(mailserver, inbox) == [f"ended with C: RCPT TO:<{inbox}>  S: 250 2.1.5 Recipient OK"]


HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01"


def say(server: MailServer, octets: bytes) -> None:
    """Say something that is no SMTP, and wait until the server has hung up."""
    with socket.create_connection((server.smtp_host, server.smtp_port)) as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass


@pytest.mark.parametrize(
    ("octets", "end"),
    [
        (HELLO, "sent no command"),
        (HELLO + b"\n", "was refused at C: (no command)  S: 500 5.5.2 Lines must end with <CR><LF>, not a bare <LF>"),
    ],
)
def test_a_client_that_begins_with_tls(mailserver: MailServer, inbox: Inbox, octets: bytes, end: str) -> None:
    say(mailserver, octets)
    assert ends(mailserver, inbox) == [f"{end}; does the client start with TLS?"]


def test_a_client_that_speaks_http(mailserver: MailServer, inbox: Inbox) -> None:
    say(mailserver, b"GET / HTTP/1.1\r\nHost: mail\r\n\r\n")
    assert ends(mailserver, inbox) == [
        "was refused at C: GET / HTTP/1.1  S: 421 4.7.0 HTTP is not served on this port; closing connection"
    ]


def test_a_password_is_in_no_failure(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login("ann@example.com", "correct horse")
    text = failure(inbox)
    assert "was refused at C: AUTH " in text
    assert "horse" not in text
    assert "Y29ycmVjdCBob3JzZQ" not in text


def test_of_many_connections_the_latest_are_shown_and_long_lines_cut(mailserver: MailServer, inbox: Inbox) -> None:
    for number in range(7):
        with connect(mailserver) as smtp:
            smtp.docmd(f"LOOK {number} {'x' * 300}")
    text = failure(inbox)
    assert "Connections that delivered no mail:\n  2 more before\n" in text
    assert text.count("S: 500") == 6
    assert "LOOK 6" in text.splitlines()[0]
    assert max(map(len, text.splitlines())) < 320


def test_a_connection_whose_refusal_is_told_is_not_told_again(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.sendmail("a@b.example", ["nobody@example.com"], "Subject: Hi\r\n\r\n")
    assert "Connections" not in failure(inbox)


def test_a_connection_that_brought_mail_is_not_told(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    with connect(mailserver) as smtp:
        smtp.sendmail("a@b.example", [str(make_inbox())], "Subject: Hi\r\n\r\n")
    assert "Connections" not in failure(make_inbox())


def test_nobody_need_connect_where_mail_comes_otherwise(make_inbox: MakeInbox) -> None:
    make_inbox().deliver(subject="Hello")
    assert "No client connected" not in failure(make_inbox())


def refuse(server: MailServer, recipient: object) -> None:
    with connect(server) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.sendmail("a@b.example", [str(recipient)], "Subject: Hi\r\n\r\n")


def refusal(inbox: Inbox) -> str:
    """Return what a failed wait says of the one recipient that was refused."""
    lines = failure(inbox).splitlines()
    return lines[lines.index("Refused:") + 1].strip()


@pytest.mark.parametrize("unknown", ["nobody@example.com", "admon@example.com", "owner-x@example.com"])
def test_an_address_that_is_not_near_is_not_suggested(mailserver: MailServer, inbox: Inbox, unknown: str) -> None:
    refuse(mailserver, unknown)
    assert refusal(inbox) == f"{unknown} from a@b.example: {unknown} does not exist here"


def test_for_a_full_mailbox_no_other_is_suggested(mailserver: MailServer, inbox: Inbox) -> None:
    full = mailserver.add_account("full@example.com", quota=1)
    mailserver.add_account("fully@example.com")
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPDataError):
        smtp.sendmail("a@b.example", [full.address], "Subject: Hi\r\n\r\n")
    text = refusal(inbox)
    assert text.startswith("full@example.com from a@b.example: ")
    assert "nearest" not in text


def test_a_refused_address_that_has_expired(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    mailserver.clock.freeze(datetime(2030, 1, 31, 12, 10, tzinfo=UTC))
    inbox, other = make_inbox(expires_in=timedelta(minutes=20)), make_inbox()
    mailserver.clock.advance(minutes=30)
    refuse(mailserver, inbox)
    said = f"{inbox} expired at 2030-01-31 12:30:00 UTC (the server's clock says 2030-01-31 12:40:00 UTC)"
    assert refusal(other) == f"{inbox} from a@b.example: {said}"
    assert failure(inbox).startswith(f"Refused: {said}. Waited 0.0 s for a message for {inbox}.")


@pytest.mark.parametrize("minutes", [30, 90])
def test_an_expired_inbox_says_so(mailserver: MailServer, make_inbox: MakeInbox, minutes: int) -> None:
    mailserver.clock.freeze(datetime(2030, 1, 31, 12, 10, tzinfo=UTC))
    inbox = make_inbox(expires_in=timedelta(minutes=20))
    mailserver.clock.advance(minutes=minutes)
    now = mailserver.clock.now().strftime("%H:%M:%S")
    assert failure(inbox).splitlines()[0] == (
        f"{inbox} expired at 2030-01-31 12:30:00 UTC (the server's clock says 2030-01-31 {now} UTC). "
        f"Waited 0.0 s for a message for {inbox}."
    )


@pytest.mark.parametrize("minutes", [30, 90])
def test_what_is_delivered_to_an_expired_inbox_is_told_so(
    mailserver: MailServer, make_inbox: MakeInbox, minutes: int
) -> None:
    mailserver.clock.freeze(datetime(2030, 1, 31, 12, 10, tzinfo=UTC))
    inbox = make_inbox(expires_in=timedelta(minutes=20))
    mailserver.clock.advance(minutes=minutes)
    now = mailserver.clock.now().strftime("%H:%M:%S")
    with pytest.raises(Refused) as caught:
        inbox.deliver(subject="Hello")
    assert (
        str(caught.value)
        == f"{inbox} expired at 2030-01-31 12:30:00 UTC (the server's clock says 2030-01-31 {now} UTC)"
    )


def test_an_inbox_whose_address_was_deleted_says_so(mailserver: MailServer, inbox: Inbox) -> None:
    with httpx.Client(base_url=mailserver.api_url, headers={"X-API-Key": inbox.api_key}) as client:
        assert client.delete(f"/api/emails/{inbox.id}").is_success
    reason = f"{inbox} does not exist here; make it with mailserver.make_inbox(address='{inbox}')"
    assert failure(inbox).startswith(f"{reason}. Waited 0.0 s for a message for {inbox}.")
    with pytest.raises(Refused) as caught:
        inbox.deliver(subject="Hello")
    assert str(caught.value) == reason


def test_an_unknown_address_is_named_with_its_remedy(mailserver: MailServer, inbox: Inbox) -> None:
    remedy = "mailserver.make_inbox(address='nobody@example.com')"
    assert failure(mailserver.inbox_for("nobody@example.com")).startswith(
        f"nobody@example.com does not exist here; make it with {remedy}. "
    )
    refuse(mailserver, "nobody@example.com")
    assert failure(mailserver.inbox_for("nobody@example.com")).startswith(
        f"Refused: nobody@example.com does not exist here; make it with {remedy}. "
    )
    assert f"\nTo accept mail for nobody@example.com: {remedy}" in failure(inbox)
    refuse(mailserver, f"x{inbox}")
    assert f"x{inbox} does not exist here; the nearest address is {inbox}" in failure(inbox)
    assert f"To accept mail for x{inbox}" not in failure(inbox)


def test_an_address_that_was_made_after_a_refusal_needs_no_remedy() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        refuse(server, "nobody@example.com")
        assert "To accept mail for nobody@example.com" in failure(inbox)
        server.make_inbox(address="nobody@example.com").deliver(subject="Hello")
        assert "To accept mail for nobody@example.com" not in failure(inbox)


def test_an_inbox_of_an_ended_scope_names_the_scope() -> None:
    with MailServer() as server:
        with server.scope("earlier"):
            made = server.make_inbox()
        reason = "it belonged to earlier, which has ended: make the inbox in the test that uses it"
        assert failure(made).startswith(f"{made} does not exist here; {reason}.")


def test_a_refusal_names_the_test_that_the_address_belonged_to() -> None:
    with MailServer() as server:
        with server.scope("earlier"):
            made = server.make_inbox("made")
        for address in ("unknown@example.com", made):
            refuse(server, address)
        assert [each.recipient for each in server.refusals] == ["unknown@example.com"]
        assert [each.scope for each in server.late_mail] == ["earlier"]
        assert "unknown@example.com does not exist here\n" in failure(server.make_inbox())


GONE = (
    "Messages that arrived during an earlier test and were removed at its end "
    "(receive them in the fixture that makes the address):"
)


def gone(inbox: Inbox, **match: object) -> list[str]:
    """Return what a failed wait says of mail that went with earlier scopes."""
    _, _, after = failure(inbox, **match).partition(f"\n{GONE}\n")
    return [line.strip() for line in after.splitlines() if " during " in line]


def test_mail_that_went_with_an_earlier_scope_is_told() -> None:
    with MailServer() as server:
        wide = server.make_inbox()
        with server.scope("outer"):
            wide.deliver(subject="one", sender="a@b.example")
            with server.scope("inner"):
                wide.deliver(subject="two", text="Hello", sender="a@b.example")
            wide.deliver(subject="three", sender="a@b.example")
            assert gone(wide, subject="two") == [f"'two' from a@b.example to {wide}, during outer > inner"]
        with server.scope("later"):
            told = {subject: f"'{subject}' from a@b.example to {wide}" for subject in ("one", "two", "three")}
            assert gone(wide) == [
                f"{told['one']}, during outer",
                f"{told['two']}, during outer > inner",
                f"{told['three']}, during outer",
            ]
            assert gone(wide, subject="two") == [f"{told['two']}, during outer > inner"]
            assert gone(wide, subject="two", text="is gone, so nobody knows") == [
                f"{told['two']}, during outer > inner"
            ]
            assert gone(wide, subject="four") == []
            assert gone(server.make_inbox()) == []


def test_of_much_mail_that_went_the_latest_is_told() -> None:
    with MailServer() as server:
        wide = server.make_inbox()
        for number in range(7):
            with server.scope(f"scope {number}"):
                wide.deliver(subject=str(number))
        assert "\n  2 more before\n" in failure(wide)
        assert [line.rpartition(" ")[2] for line in gone(wide)] == ["2", "3", "4", "5", "6"]


def test_mail_that_stayed_or_went_with_its_address_is_not_told_to_have_gone() -> None:
    with MailServer() as server:
        wide = server.make_inbox()
        wide.deliver(subject="stays")
        with server.scope("earlier"):
            server.make_inbox(address="ann@example.com").deliver(subject="hers")
        with server.scope("later"):
            assert gone(server.make_inbox(address="ann@example.com")) == []
            wide.deliver(subject="stays")
            assert len(wide.receive_all(2, subject="stays")) == 2
            assert gone(wide, subject="stays") == []


@pytest.mark.parametrize("address", ["nobody", "nobody@", "@example.com", "a b@example.com", ""])
def test_an_inbox_has_an_address(mailserver: MailServer, address: str) -> None:
    with pytest.raises(ValueError, match=f"an e-mail address such as 'ann@example.com', not '{address}'"):
        mailserver.inbox_for(address)


def test_a_misspelt_recipient_is_the_finding_rather_than_a_later_refusal() -> None:
    with MailServer() as server:
        ann = server.make_inbox(address="ann@example.com")
        with connect(server) as smtp:
            smtp.ehlo()
            smtp.mail("a@b.example")
            for recipient in ("anne@example.com", "full@example.com"):
                assert smtp.rcpt(recipient)[0] == 550
        text = failure(ann)
        assert text.startswith("Refused: anne@example.com does not exist here; the nearest address is ann@example.com.")
        assert "To accept mail for" not in text
