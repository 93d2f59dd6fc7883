"""A connection that breaks in the middle of the message's octets."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator

import aiosmtplib
import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.handles.failures import FaultNeverFired
from tests.support import asend, connect, send

TEXT = b"Subject: Hello\r\n\r\n" + b"It works.\r\n" * 8
LARGE = TEXT * 80_000  # more than the buffers of two sockets hold


def by_data(smtp: smtplib.SMTP, text: bytes) -> None:
    assert smtp.docmd("DATA")[0] == 354
    smtp.send(text)


def by_bdat(smtp: smtplib.SMTP, text: bytes) -> None:
    """Send a chunk of 60 octets, and the rest as the last one."""
    smtp.send(b"BDAT 60\r\n" + text[:60])
    if len(text) >= 60:
        assert smtp.getreply()[0] == 250
    smtp.send(b"BDAT %d LAST\r\n" % (len(TEXT) - 60) + text[60:])


Sending = Callable[[smtplib.SMTP, bytes], None]
both_ways = pytest.mark.parametrize("sending", [by_data, by_bdat])


@pytest.fixture
def server(running: MailServer) -> Iterator[MailServer]:
    with running.scope("test"):
        yield running


@pytest.fixture(params=["plain", "tls"])
def smtp(server: MailServer, request: pytest.FixtureRequest) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("localhost", server.smtp_port, timeout=10) as smtp:
        if request.param == "tls":
            smtp.starttls(context=server.tls.ssl_context())
        yield smtp


def begin(smtp: smtplib.SMTP, *recipients: str) -> None:
    smtp.ehlo()
    smtp.mail("shop@shop.example")
    for recipient in recipients:
        assert smtp.rcpt(recipient)[0] == 250


def test_a_sender_that_tries_again_delivers_once(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=50, times=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mailserver, inbox.address, raw=TEXT)
    assert (fault.fired, inbox.messages) == (1, [])
    send(mailserver, inbox.address, raw=TEXT)
    assert [each.raw for each in inbox.messages] == [TEXT]


def test_a_large_message_is_broken_off_while_it_is_sent(server: MailServer, smtp: smtplib.SMTP) -> None:
    inbox = server.make_inbox()
    server.faults.drop(after_bytes=100_000)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail("shop@shop.example", [inbox.address], LARGE)
    server.settle()
    assert inbox.messages == []
    server.check()


@pytest.mark.asyncio
@pytest.mark.parametrize("tls", [False, True])
async def test_aiosmtplib_sees_the_connection_break(server: MailServer, tls: bool) -> None:  # noqa: FBT001 - a table
    inbox = server.make_inbox()
    fault = server.faults.drop(after_bytes=100_000, times=1)

    async def try_once() -> None:
        await asend(
            LARGE,
            "shop@shop.example",
            inbox.address,
            hostname="localhost",
            port=server.smtps_port if tls else server.smtp_port,
            use_tls=tls,
            start_tls=False,
            tls_context=server.tls.ssl_context() if tls else None,
        )

    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await try_once()
    assert (fault.fired, inbox.messages) == (1, [])
    await try_once()
    assert (await inbox.areceive()).size == len(LARGE)


@both_ways
def test_it_breaks_as_soon_as_so_many_octets_have_come(
    server: MailServer, smtp: smtplib.SMTP, sending: Sending
) -> None:
    inbox = server.make_inbox()
    fault = server.faults.drop(after_bytes=70)
    begin(smtp, inbox.address)
    sending(smtp, TEXT[:70])
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.getreply()
    assert (fault.fired, inbox.messages) == (1, [])


def test_it_breaks_in_the_first_chunk(server: MailServer, smtp: smtplib.SMTP) -> None:
    fault = server.faults.drop(after_bytes=5)
    begin(smtp, server.make_inbox().address)
    smtp.send(b"BDAT 60\r\n" + TEXT[:5])
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.getreply()
    assert fault.fired == 1


def test_under_tls_it_breaks_without_a_word_of_parting(server: MailServer) -> None:
    server.faults.drop(after_bytes=5)
    with smtplib.SMTP("localhost", server.smtp_port, timeout=10) as smtp:
        smtp.starttls(context=server.tls.ssl_context())
        begin(smtp, server.make_inbox().address)
        by_data(smtp, TEXT[:5])
        assert isinstance(smtp.sock, ssl.SSLSocket)
        smtp.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # an end without parting is an error then
        with pytest.raises((ssl.SSLEOFError, ConnectionError)):
            smtp.sock.recv(1)
        smtp.close()


@pytest.mark.parametrize("cut", [False, True], ids=["at once", "octet by octet"])
@pytest.mark.parametrize(("size", "fired"), [(len(TEXT) + 3, 1), (len(TEXT) + 4, 0)])
def test_the_final_dot_is_the_last_that_counts(
    mailserver: MailServer,
    size: int,
    fired: int,
    cut: bool,  # noqa: FBT001 - a table
) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=size)
    with connect(mailserver) as smtp:
        begin(smtp, inbox.address)
        by_data(smtp, TEXT)
        for part in [b".", b"\r", b"\n"] if cut else [b".\r\n"]:
            smtp.send(part)
        if fired:
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.getreply()
        else:
            assert smtp.getreply()[0] == 250
    assert (fault.fired, len(inbox.messages)) == (fired, 1 - fired)
    mailserver.faults.clear()


@pytest.mark.parametrize(("size", "fired"), [(len(TEXT), 1), (len(TEXT) + 1, 0)])
def test_chunks_count_all_together(mailserver: MailServer, size: int, fired: int) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=size)
    with connect(mailserver) as smtp:
        begin(smtp, inbox.address)
        by_bdat(smtp, TEXT)
        if fired:
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.getreply()
        else:
            assert smtp.getreply()[0] == 250
    assert (fault.fired, len(inbox.messages)) == (fired, 1 - fired)
    mailserver.faults.clear()


def test_what_is_pipelined_behind_a_message_does_not_count(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.drop(after_bytes=len(TEXT) + 10)
    with connect(mailserver) as smtp:
        begin(smtp, inbox.address)
        by_data(smtp, TEXT + b".\r\n" + b"NOOP\r\n" * 10)
        assert [smtp.getreply()[0] for _ in range(11)] == [250] * 11
    assert len(inbox.messages) == 1
    mailserver.faults.clear()


def test_a_message_that_is_too_big_anyway_is_broken_off_all_the_same(mailserver: MailServer) -> None:
    mailserver.configure(max_message_size=1000)
    fault = mailserver.faults.drop(after_bytes=5000)
    with connect(mailserver) as smtp:
        begin(smtp, mailserver.make_inbox().address)
        by_data(smtp, b"x" * 5000)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.getreply()
    assert fault.fired == 1


def test_it_breaks_for_whom_the_conditions_say(mailserver: MailServer) -> None:
    unlucky, lucky = mailserver.make_inbox(), mailserver.make_inbox()
    mailserver.faults.drop(after_bytes=50, recipient=unlucky.address, mail_from="shop@*")
    send(mailserver, lucky.address, raw=TEXT)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mailserver, unlucky.address, raw=TEXT)
    assert (len(lucky.messages), len(unlucky.messages)) == (1, 0)


def test_every_recipient_is_known_when_the_first_chunk_comes(mailserver: MailServer) -> None:
    one, other = mailserver.make_inbox(), mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=50, recipient=other.address)
    with connect(mailserver) as smtp:
        begin(smtp, one.address)
        by_bdat(smtp, TEXT)
        assert smtp.getreply()[0] == 250
        begin(smtp, one.address, other.address)
        smtp.send(b"BDAT 60\r\n" + TEXT[:60])
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.getreply()
    assert (fault.fired, len(one.messages)) == (1, 1)


@both_ways
def test_it_is_one_of_a_sequence(mailserver: MailServer, sending: Sending) -> None:
    inbox = mailserver.make_inbox()
    faults = mailserver.faults
    planned = [
        faults.drop(after_bytes=50, times=2),
        faults.reject(stage="data", code=451, times=1),
    ]
    for _ in range(2):
        with connect(mailserver) as smtp:
            begin(smtp, inbox.address)
            with pytest.raises(smtplib.SMTPServerDisconnected):  # noqa: PT012 - it breaks here or there
                sending(smtp, TEXT)
                smtp.getreply()
    with connect(mailserver) as smtp:
        begin(smtp, inbox.address)
        smtp.send(b"DATA\r\n" if sending is by_data else b"BDAT 1 LAST\r\nx")
        assert smtp.getreply()[0] == 451
    send(mailserver, inbox.address, raw=TEXT)
    assert [each.fired for each in planned] == [2, 1]
    assert len(inbox.messages) == 1


def test_two_sessions_share_one_fault(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=50, times=1)
    clients = [connect(mailserver) for _ in range(2)]
    for smtp in clients:
        begin(smtp, inbox.address)
        by_data(smtp, TEXT[:49])
    first, second = clients
    first.send(TEXT[49:])
    with pytest.raises(smtplib.SMTPServerDisconnected):
        first.getreply()
    second.send(TEXT[49:] + b".\r\n")
    assert second.getreply()[0] == 250
    second.quit()
    assert (fault.fired, [each.raw for each in inbox.messages]) == (1, [TEXT])


def test_a_fault_that_is_cleared_breaks_nothing_off(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    fault = mailserver.faults.drop(after_bytes=50)
    with connect(mailserver) as smtp:
        begin(smtp, inbox.address)
        by_data(smtp, TEXT[:49])
        mailserver.faults.clear()
        smtp.send(TEXT[49:] + b".\r\n")
        assert smtp.getreply()[0] == 250
    assert (fault.fired, len(inbox.messages)) == (0, 1)


def test_it_goes_with_its_scope(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    with mailserver.scope("inner"):
        mailserver.faults.drop(after_bytes=50)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(mailserver, inbox.address, raw=TEXT)
    send(mailserver, inbox.address, raw=TEXT)
    assert len(inbox.messages) == 1


def test_one_that_no_message_was_long_enough_for_is_reported(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    mailserver.faults.drop(after_bytes=10_000)
    send(mailserver, inbox.address, raw=TEXT)
    assert len(inbox.messages) == 1
    with pytest.raises(FaultNeverFired, match="drop after 10000 bytes at DATA"):
        mailserver.check()
    mailserver.faults.clear()


def test_the_transcript_says_how_much_had_come(mailserver: MailServer) -> None:
    mailserver.faults.drop(after_bytes=50)
    with connect(mailserver) as smtp:
        begin(smtp, mailserver.make_inbox().address)
        by_data(smtp, TEXT[:60])
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.getreply()
    [session] = mailserver.sessions
    assert str(session.transcript).splitlines()[-1].endswith("C: [60 bytes]")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"after_bytes": 0}, "after_bytes must be a whole number of at least 1, not 0"),
        ({"after_bytes": 1.5}, "after_bytes must be a whole number of at least 1, not 1.5"),
        ({"after_bytes": 9, "stage": "rcpt"}, "it needs stage='data'"),
        ({"after_bytes": 9, "when": "after"}, "without when"),
        ({"after_bytes": 9, "subject": "x"}, "'subject' is not known at stage 'data' yet"),
    ],
)
def test_one_that_makes_no_sense_is_refused(mailserver: MailServer, fault: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        mailserver.faults.drop(**fault)  # type: ignore[arg-type]
    assert mailserver.faults.planned == []
