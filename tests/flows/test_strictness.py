"""Strict checks at the end of scopes and servers, ``receive(only=True)``, and whose mail is missing."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable

import pytest

from sirrchat_testkit import Inbox, MailNotReceived, MailServer, StrictCheckFailed, UnexpectedMail
from sirrchat_testkit.domain.sessions import Sessions
from tests.support import connect, send


def send_refused(server: MailServer, recipient: object) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, recipient)


@pytest.fixture
def server() -> MailServer:
    return MailServer(strict=True)


def test_a_server_checks_when_its_block_ends_and_stops_all_the_same(server: MailServer) -> None:
    with pytest.raises(StrictCheckFailed, match=r"^1 message was never received \(unread\): 'Hello' from"), server:
        send(server, server.make_inbox())
    with pytest.raises(RuntimeError, match="not running"):
        server.smtp_port  # noqa: B018 - reading it raises
    with server:
        pass


@pytest.mark.asyncio
async def test_a_server_checks_at_the_end_of_async_with_too(server: MailServer) -> None:
    with pytest.raises(StrictCheckFailed, match="never received"):
        async with server:
            send(server, server.make_inbox())


def test_a_block_that_raises_gets_no_further_errors(server: MailServer) -> None:
    def fail() -> None:
        with server:
            send(server, server.make_inbox())
            raise KeyError

    with pytest.raises(KeyError):
        fail()


def test_a_scope_is_checked_by_itself() -> None:
    with MailServer(strict=["unread", "refused"]) as server:
        with pytest.raises(StrictCheckFailed, match="never received"), server.scope():
            send(server, server.make_inbox())
        refused = r"1 recipient was refused \(refused\): x@example.com"
        with pytest.raises(StrictCheckFailed, match=refused), server.scope():
            send_refused(server, "x@example.com")
        with server.scope():
            server.configure(strict=False)
            send(server, server.make_inbox())


def failure_of(server: MailServer, test: Callable[[MailServer], None]) -> str:
    """Return the text with which the scope of ``test`` fails."""
    with pytest.raises(StrictCheckFailed) as failure, server.scope():
        test(server)
    return str(failure.value)


def test_a_refusal_that_the_test_read_is_expected() -> None:
    def read_and_go_on(server: MailServer) -> None:
        send_refused(server, "gone@example.com")
        assert len(server.refusals) == 1
        send_refused(server, "later@example.com")

    with MailServer(strict=["refused"]) as server:
        with server.scope():
            send_refused(server, "gone@example.com")
            [refusal] = server.refusals
            assert refusal.recipient == "gone@example.com"
            with server.scope():
                assert server.refusals == []
        assert failure_of(server, read_and_go_on).startswith(
            "1 recipient was refused (refused): later@example.com from"
        )


def test_what_a_nested_scope_read_is_its_own() -> None:
    def nested(server: MailServer) -> None:
        with server.scope():
            send_refused(server, "inner@example.com")
            assert [each.recipient for each in server.refusals] == ["inner@example.com"]

    def before(server: MailServer) -> None:
        send_refused(server, "outer@example.com")
        nested(server)

    def after(server: MailServer) -> None:
        nested(server)
        send_refused(server, "outer@example.com")

    with MailServer(strict=["refused"]) as server:
        for test in (before, after):
            assert failure_of(server, test).startswith("1 recipient was refused (refused): outer@example.com from ")


def test_a_refusal_has_the_way_to_accept_mail_and_the_way_to_expect_the_refusal() -> None:
    def misspelt(server: MailServer) -> None:
        server.make_inbox(address="ann@example.com")
        send_refused(server, "anna@example.com")

    with MailServer(strict=["refused"]) as server:
        text = failure_of(server, lambda server: send_refused(server, "gone@example.com"))
        assert text.splitlines()[1:] == [
            "To accept mail for gone@example.com: mailserver.make_inbox(address='gone@example.com')",
            "If the test expects the refusal: assert mailserver.refusals[-1].recipient == 'gone@example.com'",
            "Strict checks in force: refused.",
        ]
        assert "To accept" not in failure_of(server, misspelt)


def test_errors_in_the_server_come_first(server: MailServer) -> None:
    def crash() -> None:
        send(server, server.make_inbox())
        server._now.services.crashed("a request", ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError), server:
        crash()


def test_late_mail_fails_the_scope_that_it_arrives_in(server: MailServer) -> None:
    with server:
        with server.scope("early"):
            inbox = server.make_inbox()
        late = r"1 late message was refused \(late\): .*it belonged to early"
        with pytest.raises(StrictCheckFailed, match=late), server.scope("later"):
            send_refused(server, inbox)


def test_equal_message_ids_make_a_duplicate_and_equal_texts_to_others_do_not() -> None:
    raw = "From: a@shop.example\r\nSubject: Hi\r\nMessage-ID: <1@shop.example>\r\n\r\n{}\r\n"
    twice = r"^1 message arrived more than once \(duplicate\): 'Hi' .* \(2 times\)"

    def send_both(server: MailServer, inbox: Inbox) -> None:
        for text in ("one", "two"):
            send(server, inbox, raw=raw.format(text).encode())

    with MailServer(strict=["duplicate"]) as server:
        ann, bob = server.make_inbox(), server.make_inbox()
        with pytest.raises(StrictCheckFailed, match=twice), server.scope():
            send_both(server, ann)
        send(server, ann, bob)


def test_a_connection_that_is_closed_meanwhile_is_no_leak() -> None:
    with MailServer(strict=["leaks"]) as server:
        with server.scope():
            smtp = connect(server)
            smtp.ehlo()
            assert smtp.sock is not None
            smtp.sock.close()
            smtp.close()
        kept = connect(server)
        with server.scope():
            kept.noop()
        kept.close()


@pytest.mark.asyncio
async def test_connections_have_a_moment_to_close() -> None:
    sessions = Sessions()
    kept, closing = sessions.open("127.0.0.1:1"), sessions.open("127.0.0.1:2")
    asyncio.get_running_loop().call_later(0.01, sessions.close, closing)
    assert await sessions.still_open(10, after=kept.number) == []
    assert await sessions.still_open(0.01) == [kept]


def test_only_returns_the_one_match() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        send(server, inbox, subject="Welcome")
        send(server, inbox, subject="News")
        assert inbox.receive(subject="Welcome", only=True).subject == "Welcome"
        assert inbox.receive(only=True).subject == "News"
        with pytest.raises(MailNotReceived, match=r"Waited 0.0 s for a message for"):
            inbox.receive(only=True, timeout=0)


@pytest.mark.asyncio
async def test_only_fails_if_more_match_and_takes_none() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        for subject in ("Welcome", "Welcome", "News"):
            send(server, inbox, subject=subject)
        with pytest.raises(UnexpectedMail) as caught:
            inbox.receive(subject="Welcome", only=True)
        line = f"  'Welcome' from shop@shop.example to {inbox.address}"
        head = f"2 messages arrived, expected 1 for {inbox.address} with subject='Welcome':"
        assert str(caught.value) == f"{head}\n{line}\n{line}"
        with pytest.raises(UnexpectedMail, match="2 messages arrived, expected 1"):
            await inbox.areceive(subject="Welcome", only=True)
        assert len(inbox.receive_all(3)) == 3


def test_the_recipients_without_mail_are_named_with_their_refusals() -> None:
    with MailServer() as server:
        server.make_inbox(address="outer@example.com")
        with server.scope():
            made = [server.make_inbox(address=f"p{number}@example.com") for number in range(5)]
            server.faults.reject(stage="rcpt", code=550, recipient="p3@example.com")
            for each in made[:4]:
                try:
                    send(server, each)
                except smtplib.SMTPRecipientsRefused:
                    assert each is made[3]
            with pytest.raises(MailNotReceived) as caught:
                server.receive_all(5, timeout=0)
            first, *_ = str(caught.value).splitlines()
            assert first == (
                "3 of 5 messages arrived; none for p3@example.com (refused with 550 at RCPT by a fault), "
                "p4@example.com. Waited 0.0 s for 5 messages for any recipient."
            )
            with pytest.raises(MailNotReceived, match=r"^1 of 2 messages arrived\. "):
                made[0].receive_all(2, timeout=0)


def test_many_recipients_without_mail_are_counted() -> None:
    with MailServer() as server:
        for number in range(9):
            server.make_inbox(address=f"p{number}@example.com")
        server.inbox_for("p8@example.com").deliver(subject="x")
        with pytest.raises(MailNotReceived, match=r"1 of 9 messages arrived; none for p0@.*, p4@example.com, 3 more"):
            server.receive_all(9, timeout=0)
