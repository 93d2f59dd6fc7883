"""Why mail did not come: what a failed wait says of it."""

import smtplib
import socket
import ssl
from collections.abc import Callable

import pytest

from sirrchat_testkit import Inbox, MailNotReceived, MailServer

MakeInbox = Callable[..., Inbox]


def failure(inbox: Inbox, **match: object) -> str:
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0, **match)
    return str(caught.value)


def connect(server: MailServer) -> smtplib.SMTP:
    return smtplib.SMTP(server.smtp_host, server.smtp_port)


def ends(server: MailServer, inbox: Inbox) -> list[str]:
    """Return what a failed wait says of connections, without their ports."""
    server.settle()
    before, _, after = failure(inbox).partition("\nConnections that brought no mail:\n")
    assert before.startswith(f"No message for {inbox} came within")
    return [line.partition(" ")[2] for line in after.replace("  127.0.0.1:", "").splitlines()]


def test_a_sender_that_must_log_in(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.policy(auth="required")
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPSenderRefused):
        smtp.sendmail("a@b.example", [str(inbox)], "Subject: Hi\r\n\r\n")
    assert ends(mailserver, inbox) == ["ended with C: mail FROM:<a@b.example> size=15  S: 530 5.7.0 Log in first"]


def test_a_sender_that_is_malformed(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL FROM:<a b@c.example>")
    [end] = ends(mailserver, inbox)
    assert end.startswith("ended with C: MAIL FROM:<a b@c.example>  S: 553 5.1.7 ")


def test_a_message_that_is_announced_too_big(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example", ["SIZE=99999999999"])
    [end] = ends(mailserver, inbox)
    assert end.startswith("ended with C: mail FROM:<a@b.example> SIZE=99999999999  S: 552 5.3.4 ")


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
        smtp.rcpt(str(inbox))
        text = failure(inbox)
    assert "Under way:\n  127.0.0.1:" in text
    assert f"; it is still connected after C: rcpt TO:<{inbox}>  S: 250 2.1.5 Recipient OK" in text
    assert ends(mailserver, inbox) == [f"ended with C: rcpt TO:<{inbox}>  S: 250 2.1.5 Recipient OK"]


def test_a_client_that_begins_with_tls(mailserver: MailServer, inbox: Inbox) -> None:
    with pytest.raises(ssl.SSLError):
        smtplib.SMTP_SSL(mailserver.smtp_host, mailserver.smtp_port)
    [end] = ends(mailserver, inbox)
    assert end in {
        "sent no command; does the client begin with TLS?",
        "sent bytes that are no command; does the client begin with TLS?",
    }


def test_a_client_that_speaks_http(mailserver: MailServer, inbox: Inbox) -> None:
    with socket.create_connection((mailserver.smtp_host, mailserver.smtp_port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: mail\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    assert ends(mailserver, inbox) == ["ended with C: GET / HTTP/1.1  S: 500 5.5.1 No such command"]


def test_a_password_is_in_no_failure(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login("ann@example.com", "correct horse")
    text = failure(inbox)
    assert "ended with C: AUTH " in text
    assert "horse" not in text
    assert "Y29ycmVjdCBob3JzZQ" not in text


def test_of_many_connections_the_latest_are_shown_and_long_lines_cut(mailserver: MailServer, inbox: Inbox) -> None:
    for number in range(7):
        with connect(mailserver) as smtp:
            smtp.docmd(f"LOOK {number} {'x' * 300}")
    text = failure(inbox)
    assert "Connections that brought no mail:\n  2 more before\n" in text
    assert text.count("S: 500") == 5
    assert max(map(len, text.splitlines())) < 300


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
    assert "Nobody connected" not in failure(make_inbox())
