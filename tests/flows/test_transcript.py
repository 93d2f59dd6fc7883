"""What was said, as a test reads it."""

from __future__ import annotations

import base64

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.domain.transcript import PAGES, SessionLog
from tests.support import connect

MAIL = b"Subject: hello\r\n\r\nthe body is not for transcripts\r\n"


def texts(lines: object) -> list[str]:
    return [f"{line.who} {line.text}" for line in lines]  # type: ignore[attr-defined]


def test_a_message_has_what_was_said_about_it(mailserver: MailServer) -> None:
    one, other = mailserver.make_inbox(), mailserver.make_inbox()
    with connect(mailserver) as smtp:
        smtp.sendmail("a@x.example", [one.address, "nobody@example.com"], MAIL)
        smtp.docmd(f"MAIL FROM:<a@x.example> SIZE={len(MAIL)}")
        smtp.docmd(f"RCPT TO:<{other.address}>")
        smtp.data(MAIL)
    said = texts(other.messages[0].transcript)
    assert said[:2] == ["S 220 example.com ESMTP sirrchat_testkit", "C ehlo client.example"]
    begin = said.index(f"C RCPT TO:<{other.address}>") - 2
    assert said[begin : begin + 8] == [
        f"C MAIL FROM:<a@x.example> SIZE={len(MAIL)}",
        "S 250 2.1.0 Sender OK",
        f"C RCPT TO:<{other.address}>",
        "S 250 2.1.5 Recipient OK",
        "C data",
        "S 354 End data with <CR><LF>.<CR><LF>",
        f"C [{len(MAIL)} bytes]",
        "S 250 2.0.0 Message stored",
    ]
    first = one.messages[0].transcript
    assert "S 550 5.1.1 nobody@example.com does not exist here" in texts(first)
    assert one.address not in str(other.messages[0].transcript)
    assert "not for transcripts" not in str(first)
    assert [line.at for line in first] == sorted(line.at for line in first)


def test_a_session_has_all_of_it_and_who_connected(mailserver: MailServer) -> None:
    with connect(mailserver) as smtp:
        smtp.helo("old.example")
        [session] = mailserver.sessions
        assert session.ehlo == "old.example"
        assert session.peer.startswith("127.0.0.1:")
        smtp.docmd("WHAT", "is this")
    assert texts(session.transcript)[1:] == [
        "C helo old.example",
        "S 250 example.com",
        "C WHAT is this",
        "S 500 5.5.1 Command not recognized",
        "C QUIT",
        "S 221 2.0.0 Bye",
    ]
    assert mailserver.sessions == [session]
    assert str(session.transcript[0]) == "   0.000 S: 220 example.com ESMTP sirrchat_testkit"


def test_sessions_are_those_of_the_scope(mailserver: MailServer) -> None:
    connect(mailserver).close()
    with mailserver.scope("inner"):
        connect(mailserver).close()
        assert len(mailserver.sessions) == 1
    assert len(mailserver.sessions) == 2


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"])
def test_no_credentials_are_in_it(mailserver: MailServer, mechanism: str) -> None:
    secret = "s3cret-passw0rd"
    mailserver.configure(oauth_tokens={"bob@example.com": secret})
    mailserver.add_account("bob@example.com", secret)
    inbox = mailserver.make_inbox()

    def bearer(_: bytes | None = None) -> str:
        return f"user=bob@example.com\x01auth=Bearer {secret}\x01\x01"

    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = "bob@example.com", secret
        if mechanism == "XOAUTH2":
            smtp.auth(mechanism, bearer)
        else:
            smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}"))
        smtp.docmd("AUTH LOGIN")  # refused, and the client goes on regardless
        smtp.docmd(base64.b64encode(secret.encode()).decode())
        smtp.sendmail("a@x.example", [inbox.address], MAIL)
    text = str(inbox.messages[0].transcript) + str(mailserver.sessions[-1].transcript)
    assert f"AUTH {mechanism}" in text
    assert "235 2.7.0 Authentication succeeded" in text
    for said in (secret, base64.b64encode(secret.encode()).decode(), base64.b64encode(b"bob@").decode()[:5]):
        assert said not in text


def test_faults_are_seen_with_their_times(mailserver: MailServer) -> None:
    mailserver.faults.delay(0.05, stage="mail")  # real time is the subject
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("a@x.example")
    [asked] = [line for line in mailserver.sessions[0].transcript if line.text.startswith("mail")]
    [answered] = [line for line in mailserver.sessions[0].transcript if line.text.startswith("250 2.1.0")]
    assert answered.at - asked.at >= 0.049


def test_mail_that_came_by_no_session_has_an_empty_one(mailserver: MailServer) -> None:
    message = mailserver.make_inbox().deliver(MAIL)
    assert str(message.transcript) == ""


def test_a_long_session_keeps_its_beginning_and_its_end() -> None:
    talk = SessionLog(0.0)
    talk.page.extend((0.0, b"220 hello\r\n"))
    for number in range(3 * PAGES):
        talk.page.extend((1.0, b"MAIL %d" % number))
        talk.begin_page(shared=False)
        talk.page.extend((1.0, b"250 OK\r\n"))
    said = texts(talk.transcript())
    assert said[0] == "S 220 hello"
    assert said[-2:] == [f"C MAIL {3 * PAGES - 1}", "S 250 OK"]
    assert len(said) <= 2 * PAGES + 2


def test_a_page_without_end_is_cut_in_the_middle() -> None:
    talk = SessionLog(0.0)
    for number in range(100_000):
        talk.page.extend((0.0, b"NOOP %d" % number))
        talk.trim()
    said = texts(talk.transcript())
    assert len(said) < 3000
    assert (said[0], said[-1]) == ("C NOOP 0", "C NOOP 99999")
    assert "- lines left out" in said
