"""Tests on a server that others use too: the same verbs, and nothing of the others."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sirrchat_testkit import (
    Client,
    Conflict,
    FaultNeverFired,
    InvalidValue,
    MailNotReceived,
    MailServer,
    NoSuchAddress,
    NotFound,
    OverQuota,
    Settings,
    SharedServerError,
    UnexpectedMail,
    Unreachable,
)
from sirrchat_testkit.attached.connection import describe
from sirrchat_testkit.attached.server import AttachedServer
from sirrchat_testkit.control import changes
from sirrchat_testkit.domain import events as domain
from tests.support import connect, send, until


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[MailServer]:
    """The server that runs elsewhere."""
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def attached(elsewhere: MailServer) -> Iterator[MailServer]:
    with AttachedServer(elsewhere.api_url, elsewhere.api_key) as server:
        yield server


@pytest.fixture(scope="module")
def attached_by_others(elsewhere: MailServer) -> Iterator[MailServer]:
    with AttachedServer(elsewhere.api_url, elsewhere.api_key) as server:
        yield server


@pytest.fixture
def mine(attached: MailServer) -> Iterator[MailServer]:
    with attached.scope("mine", check=False):
        yield attached


@pytest.fixture
def theirs(attached_by_others: MailServer) -> Iterator[MailServer]:
    with attached_by_others.scope("theirs", check=False):
        yield attached_by_others


def refused(server: MailServer, recipient: str) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, recipient)


def test_each_sees_only_its_own(mine: MailServer, theirs: MailServer) -> None:
    inbox, other = mine.make_inbox(), theirs.make_inbox()
    for each in (inbox, other):
        send(mine, each, subject=each)
        refused(mine, each.replace("@", "x@"))
    with connect(theirs) as smtp:
        smtp.login(theirs.smtp_username, theirs.smtp_password)
        smtp.sendmail("a@b.example", ["ops@corp.example"], "Subject: out\r\n\r\n")
    for server, name in ((mine, inbox), (theirs, other)):
        assert [each.recipient for each in server.refusals] == [name.replace("@", "x@")]
        assert {recipient for each in server.sessions for recipient in each.recipients} <= {
            name,
            name.replace("@", "x@"),
            "ops@corp.example",
        }
    assert [each.subject for each in mine.messages] == [inbox]
    assert [each.subject for each in theirs.messages] == [other, "out"]
    assert [each.recipients for each in mine.envelopes] == [(inbox,)]
    assert inbox.receive(timeout=0).subject == inbox
    mine.assert_nothing()
    with pytest.raises(UnexpectedMail):
        theirs.assert_nothing()


def test_an_address_of_others_is_unknown(mine: MailServer, theirs: MailServer) -> None:
    other = theirs.make_inbox(address="ann@example.com")
    assert mine.inbox_for(other).messages == []
    with pytest.raises(NoSuchAddress):
        mine.inbox_for(other).deliver(subject="x")
    with pytest.raises(Conflict, match="others use this server too"):
        mine.make_inbox(address="ANN@example.com")
    with pytest.raises(Conflict, match="inbox_for"):
        theirs.make_inbox(address="ANN@example.com")


def test_a_scope_deletes_what_it_made_and_nothing_else(elsewhere: MailServer, attached: MailServer) -> None:
    kept = elsewhere.make_inbox()
    send(elsewhere, kept)
    before = {each.id for each in elsewhere.messages}
    news = attached.make_inbox("news")
    with attached.scope("first", check=False):
        account = attached.add_account("bob@example.com", password="pw", quota=10_000)
        send(attached, news, account.address, attached.make_inbox(), "ops@corp.example")
        attached.inbox_for("corp@corp.example").deliver(subject="out")
        assert len(attached.messages) == 4
        assert len(news.messages) == 1
    # without a login, mail to elsewhere belongs to nobody
    left = {each.recipient for each in elsewhere.messages if each.id not in before}
    assert left == {"ops@corp.example"}
    assert news.messages == []
    with pytest.raises(NotFound):
        elsewhere._thread.call(elsewhere._now.services.accounts.of("bob@example.com"))
    send(attached, news, subject="still there")
    assert news.receive(timeout=0).subject == "still there"
    news.clear()
    elsewhere.inbox_for("ops@corp.example").clear()


def test_what_is_deleted_of_an_outer_scope_stays_deleted(attached: MailServer) -> None:
    news = attached.make_inbox("news")
    news.deliver(subject="first")
    with attached.scope("inner", check=False):
        assert [each.subject for each in news.clear()] == ["first"]
    assert news.messages == []


def test_late_mail_is_charged_to_its_scope(attached: MailServer, attached_by_others: MailServer) -> None:
    with attached.scope("early", check=False):
        inbox = attached.make_inbox()
    refused(attached, inbox)
    assert [(each.recipient, each.scope) for each in attached.late_mail] == [(inbox, "early")]
    assert [each.scope for each in attached._now.findings.take_late()] == ["early"]
    assert attached_by_others.late_mail == []


def test_a_refusal_belongs_to_the_login_or_the_envelope(mine: MailServer, theirs: MailServer) -> None:
    inbox = mine.make_inbox()
    theirs.make_inbox()
    with connect(mine) as smtp:
        smtp.login(mine.smtp_username, mine.smtp_password)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@b.example", ["q@example.com"], "x")
        smtp.sendmail("a@b.example", [inbox, "zz@example.com"], "Subject: x\r\n\r\n")
    with connect(mine) as smtp:
        smtp.sendmail("a@b.example", ["yy@example.com", inbox], "Subject: x\r\n\r\n")
    refused(mine, "ww@example.com")
    assert [each.recipient for each in mine.refusals] == ["q@example.com", "zz@example.com", "yy@example.com"]
    assert theirs.refusals == []


def test_a_wait_wakes_when_mail_arrives(mine: MailServer) -> None:
    inbox = mine.make_inbox()
    sending = threading.Timer(0.1, send, [mine, inbox])
    sending.start()
    assert inbox.receive(timeout=30).text == "Hi.\n"
    sending.join()


def test_a_wait_on_all_mail_sees_an_account_that_is_made_later(mine: MailServer) -> None:
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(mine.receive(timeout=30)))
    waiting.start()
    until(mine._thread, mine._control.feeds.all)
    send(mine, mine.make_inbox(), subject="first")
    waiting.join()
    assert found[0].subject == "first"


@pytest.mark.asyncio
async def test_a_task_waits_without_blocking(mine: MailServer) -> None:
    inbox = mine.make_inbox()
    waiting = asyncio.create_task(inbox.areceive(timeout=30))
    await asyncio.to_thread(send, mine, inbox)
    assert (await waiting).subject == "Hello"
    await inbox.aassert_nothing()


def test_contents_outlive_their_deletion_if_the_message_was_taken(mine: MailServer) -> None:
    inbox = mine.make_inbox()
    send(mine, inbox, text="first")
    send(mine, inbox, text="second")
    [first, second] = inbox.messages
    taken = inbox.receive()
    inbox.clear()
    assert taken.text == "first\n"
    assert taken.transcript[-1].text.startswith("250 ")
    assert taken.uid == first.uid
    with pytest.raises(NotFound, match="was deleted before its contents were read"):
        second.text  # noqa: B018 - it raises


def test_mail_that_the_application_reads_and_deletes_over_rest(mine: MailServer, elsewhere: MailServer) -> None:
    inbox = mine.make_inbox()
    first, second = inbox.deliver(subject="first"), inbox.deliver(subject="second")

    async def change() -> None:
        services = elsewhere._now.services
        records = {each.id: each for each in await services.delivery.messages(inbox)}
        await services.folders.see(records[first.id])
        await services.delivery.delete([records[second.id]])

    elsewhere._thread.call(change())
    assert [each.flags for each in inbox.messages] == [("\\Seen",)]
    with pytest.raises(MailNotReceived, match=r"1 message arrived, and was deleted|'second'"):
        inbox.receive(subject="second", timeout=0)


def test_delivering_without_smtp(mine: MailServer) -> None:
    account = mine.add_account("poor@example.com", quota=500)
    made = account.inbox.deliver(subject="Hello", sender="Shop <shop@shop.example>")
    assert (made.subject, made.mail_from, made.recipient) == ("Hello", "shop@shop.example", "poor@example.com")
    assert account.inbox.receive(timeout=0).id == made.id
    with pytest.raises(OverQuota, match="is full"):
        account.inbox.deliver(subject="Hello", text="x" * 1000)
    with pytest.raises(NoSuchAddress, match=r"make it with mailserver\.make_inbox"):
        mine.inbox_for("nobody@example.com").deliver(subject="x")
    assert account.inbox.deliver(b"From: a@b.example\r\n\r\n").mail_from == "sender@example.org"


def test_expiry_is_on_the_server_s_clock(mine: MailServer, elsewhere: MailServer) -> None:
    inbox = mine.make_inbox(expires_in=timedelta(hours=1))
    assert inbox.expires_at is not None
    with elsewhere.scope("later", check=False):
        elsewhere.clock.advance(hours=2)
        assert abs(mine.clock.now() - elsewhere.clock.now()) < timedelta(seconds=5)
        refused(mine, inbox)
        with pytest.raises(MailNotReceived, match="expired"):
            inbox.receive(timeout=0)
    assert abs(mine.clock.now() - elsewhere.clock.now()) < timedelta(seconds=5)


def test_faults_for_an_own_recipient(mine: MailServer, theirs: MailServer, elsewhere: MailServer) -> None:
    inbox, other = mine.make_inbox(), theirs.make_inbox()
    fault = mine.faults.reject(stage="rcpt", code=451, times=1, recipient=inbox)
    send(theirs, other)
    assert (fault.fired, fault.spent) == (0, False)
    refused(mine, inbox)
    assert (fault.fired, fault.spent) == (1, True)
    send(mine, inbox)
    with pytest.raises(MailNotReceived, match="Faults that fired:\n  reject 451 at RCPT"):
        inbox.receive(subject="x", timeout=0)
    assert [*map(str, mine.faults)] == [f"reject 451 at RCPT for recipient='{inbox}'"]
    assert not theirs.faults.planned
    mine.faults.lose(recipient=inbox)
    mine.faults.clear(fault)
    assert [*map(str, elsewhere.faults)] == [f"lose at RCPT for recipient='{inbox}'"]
    mine.faults.clear()
    assert not elsewhere.faults.planned


def test_a_fault_ends_with_its_scope_and_is_reported_if_it_never_fired(
    attached: MailServer, elsewhere: MailServer
) -> None:
    with pytest.raises(FaultNeverFired, match="greylist"), attached.scope("inner"):
        attached.faults.greylist(timedelta(minutes=5), recipient=attached.make_inbox())
    assert not elsewhere.faults.planned


def test_faults_for_an_own_login_account_and_webhook(mine: MailServer) -> None:
    account = mine.add_account()
    mine.faults.reject(stage="mail", code=451, login=account.address)
    with connect(mine) as smtp:
        smtp.login(account.address, account.password)
        assert smtp.mail("a@b.example")[0] == 451
    mine.rest_faults.refuse(503, account=account)
    mine.rest_faults.refuse(503, account=account.id)
    sink = mine.make_webhook_sink()
    mine.add_webhook(sink, secret="s3cret")
    inbox = mine.make_inbox()
    mine.webhook_faults.duplicate(recipient=inbox)
    mine.webhook_faults.corrupt_signature(url=sink.url, times=None)
    for _ in range(3):
        send(mine, inbox)
    calls = sink.receive_all(4)
    assert len({each.id for each in calls}) == 3
    assert sum(each.verified for each in calls) == 2


@pytest.mark.parametrize(
    "plan",
    [
        lambda server, _: server.faults.reject(stage="connect", code=421),
        lambda server, _: server.faults.lose(),
        lambda server, _: server.faults.lose(recipient="*@example.com"),
        lambda server, other: server.faults.lose(recipient=other),
        lambda server, _: server.rest_faults.refuse(503),
        lambda server, _: server.webhook_faults.duplicate(),
        lambda server, _: server.webhook_faults.duplicate(url="http://127.0.0.1:1/"),
    ],
)
def test_a_fault_that_others_would_notice_is_refused(
    mine: MailServer, theirs: MailServer, elsewhere: MailServer, plan: Callable[[MailServer, str], Any]
) -> None:
    with pytest.raises(SharedServerError, match="limit it by"):
        plan(mine, theirs.make_inbox())
    assert not elsewhere.faults.planned
    assert not mine.faults.planned


def test_a_fault_needs_conditions_that_can_be_sent(mine: MailServer) -> None:
    with pytest.raises(ValueError, match="subject must be a text or a number"):
        mine.faults.reject(stage="end", recipient=mine.make_inbox(), subject=len)
    with pytest.raises(ValueError, match="stage must be one of"):
        mine.faults.reject(stage="rcp", recipient=mine.make_inbox())  # type: ignore[arg-type]
    assert not mine.faults.planned


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda server: server.clock.freeze(), "moving the clock would affect others"),
        (lambda server: server.clock.resume(), "moving the clock"),
        (lambda server: server.clock.follow(), "moving the clock"),
        (lambda server: server.clock.advance(hours=1), "moving the clock"),
        (lambda server: asyncio.run(server.clock.aadvance(hours=1)), "moving the clock"),
        (lambda server: server.clock.move_to(server.clock.now()), "moving the clock"),
        (lambda server: server.configure(max_recipients=3), "changing settings would affect others"),
        (lambda server: server.rate_limit(3), "a rate limit would affect others"),
        (lambda server: server.add_domain("shop.example"), "name shop.example at its start"),
        (lambda server: server.reset(), "a reset would affect others.*scope"),
        (lambda server: server.stats, "count mailserver.messages instead"),
        (lambda server: server.database, "MailServer"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(
    mine: MailServer, change: Callable[[MailServer], Any], words: str
) -> None:
    with pytest.raises(SharedServerError, match=words):
        change(mine)


def test_strict_checks_are_those_of_the_tests(attached: MailServer) -> None:
    attached.configure(strict=["unread"])
    with pytest.raises(AssertionError, match=r"1 message was never received \(unread\)"), attached.scope("strict"):
        send(attached, attached.make_inbox())
    attached.configure(strict=[])


def test_webhooks_report_the_mail_of_the_scope(mine: MailServer, theirs: MailServer) -> None:
    sink = mine.make_webhook_sink()
    webhook = mine.add_webhook(sink, ["email.received"], secret="s3cret")
    push = mine.make_webhook_sink()
    mine.add_webhook(push, ["new_message"])
    send(theirs, theirs.make_inbox())
    message = mine.make_inbox().deliver(subject="Hello")
    call = sink.receive()
    assert call.verified
    assert push.receive().event == "new_message"
    mine.settle()
    assert {each.event: each.status for each in mine.deliveries} == {
        "email.received": "delivered",
        "new_message": "delivered",
    }
    [delivery] = webhook.deliveries
    assert (delivery.json["data"]["subject"], delivery.attempts[0].status) == ("Hello", 200)
    assert delivery.attempts[0].request.startswith("POST / ")
    delivery.redeliver()
    assert sink.receive().id == call.id
    assert len(webhook.deliveries[0].attempts) == 2
    assert theirs.deliveries == []
    webhook.disable()
    mine.make_inbox().deliver(subject="silent")
    sink.assert_nothing()
    webhook.delete()
    assert mine.webhook_call("new_message", message).json["subject"] == "Hello"


def test_the_mail_of_another_account_is_reported_by_a_webhook_of_its_own(mine: MailServer) -> None:
    sink = mine.make_webhook_sink()
    mine.add_webhook(sink, ["email.received"])
    account = mine.add_account()
    send(mine, account, subject="not reported")
    with Client(account.api_key, mine.api_url) as client:
        client.webhooks.create(sink.url, ["email.received"])
    send(mine, account, subject="reported")
    send(mine, mine.make_inbox(), subject="own")
    calls = sink.receive_all(count=2)
    assert {each.json["data"]["subject"] for each in calls} == {"reported", "own"}


def test_a_failed_call_of_a_webhook_is_explained(mine: MailServer) -> None:
    sink = mine.make_webhook_sink()
    mine.add_webhook(sink)
    sink.refuse(503)
    mine.make_inbox().deliver(subject="Hello")
    mine.settle()
    with pytest.raises(AssertionError, match=r"(?s)answered 503.*the next attempt is due|its next attempt is due"):
        sink.receive(timeout=0)
    assert "answered 503" in mine.overview()


def test_logins_and_presets(mine: MailServer) -> None:
    with connect(mine) as smtp:
        smtp.login(mine.smtp_username, mine.smtp_password)
    with connect(mine) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(mine.smtp_username, "wrong")
    assert "wrong password" in mine.overview()
    made = mine.env()
    assert (made["SMTP_PORT"], made["MAIL_API_URL"]) == (str(mine.smtp_port), mine.api_url)


def test_tls_is_that_of_the_server() -> None:
    with (
        MailServer(starttls=True, smtps_port=0) as elsewhere,
        AttachedServer(elsewhere.api_url, elsewhere.api_key) as server,
    ):
        assert server.smtps_port == elsewhere.smtps_port
        inbox = server.make_inbox()
        with connect(server) as smtp:
            smtp.starttls(context=server.tls.ssl_context())
            smtp.sendmail("a@b.example", [inbox], "Subject: secret\r\n\r\n")
        assert inbox.receive().envelope.tls


def test_no_client_connected_is_about_this_test(mine: MailServer, theirs: MailServer) -> None:
    inbox = mine.make_inbox()
    send(theirs, theirs.make_inbox())
    with pytest.raises(MailNotReceived, match="No client connected to"):
        inbox.receive(timeout=0)
    with connect(mine), pytest.raises(MailNotReceived, match=r"In progress:\n.*has not sent mail yet"):
        inbox.receive(timeout=0)
    assert mine.sessions == []


def test_others_do_not_hold_up_the_barrier(mine: MailServer, theirs: MailServer) -> None:
    other = theirs.make_inbox()
    with connect(theirs) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        smtp.rcpt(other)
        mine.make_inbox().assert_nothing()
        with pytest.raises(AssertionError, match=r"still busy after 1\.0 s: .*MAIL FROM:<a@b\.example>"):
            theirs.settle()


def test_an_error_in_the_server_fails_the_test(mine: MailServer, elsewhere: MailServer) -> None:
    async def crash() -> None:
        elsewhere._now.services.crashed("testing", ZeroDivisionError("oops"))

    elsewhere._thread.call(crash())
    with pytest.raises(RuntimeError, match="ZeroDivisionError: oops"):
        mine.check()
    with pytest.raises(ZeroDivisionError):
        elsewhere.check()


def test_nothing_is_missed_after_a_gap(
    mine: MailServer, elsewhere: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = mine.make_inbox()
    _, deleted = inbox.deliver(subject="kept"), inbox.deliver(subject="deleted")
    send(mine, inbox, subject="missed")
    log = elsewhere._now.services.events

    async def forget() -> None:
        records = {each.id: each for each in await elsewhere._now.services.delivery.messages(inbox)}
        await elsewhere._now.services.delivery.delete([records[deleted.id]])
        log._entries.clear()
        log.append(domain.ClockMoved(at=0, frozen=False))

    elsewhere._thread.call(forget())
    monkeypatch.setattr(changes, "MOST", 1)
    assert [each.subject for each in inbox.messages] == ["kept", "missed"]


def test_many_messages_arrive_in_several_answers(mine: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST", 3)
    inbox = mine.make_inbox()
    for number in range(10):
        send(mine, inbox, subject=str(number))
    assert [each.subject for each in inbox.receive_all(10)] == [str(number) for number in range(10)]


def test_wrong_values_are_those_of_every_server(mine: MailServer) -> None:
    with pytest.raises(InvalidValue, match=r"corp\.example is not a served domain \(example\.com, "):
        mine.make_inbox(domain="corp.example")
    with pytest.raises(InvalidValue, match="address must be an e-mail address"):
        mine.add_account("ann")
    with pytest.raises(ValueError, match="expires_in must be"):
        mine.make_inbox(expires_in=timedelta())


def test_names_are_random_unless_there_is_a_seed(elsewhere: MailServer) -> None:
    def name(seed: str | None, option: str = "") -> str:
        settings = Settings() if seed is None else Settings(seed=seed)
        with AttachedServer(elsewhere.api_url, elsewhere.api_key, settings, option) as server, server.scope("test"):
            return str(server.make_inbox())

    assert name("abc") == name("abc")
    assert len({name("abc"), name("abd"), name(None), name(None)}) == 4
    assert name(None, "abc") == name("abc")
    assert name(None, Settings().seed) == name(None, Settings().seed)


def test_stopping_deletes_everything_and_leaves_the_server(elsewhere: MailServer) -> None:
    with AttachedServer(elsewhere.api_url, elsewhere.api_key) as server:
        inbox = server.make_inbox()
        send(server, inbox)
        server.faults.lose(recipient=inbox)
        server.faults.clear()
    assert elsewhere.inbox_for(inbox).messages == []
    with pytest.raises(RuntimeError, match="is not running"):
        server.make_inbox()


def test_a_server_that_goes_away_is_named() -> None:
    elsewhere = MailServer().start()
    server = AttachedServer(elsewhere.api_url, elsewhere.api_key).start()
    inbox = server.make_inbox()
    subscribers = elsewhere._now.services.events._subscribers
    before = len(subscribers)

    def stop_when_waiting() -> None:
        until(elsewhere._thread, lambda: len(subscribers) > before)  # the long poll has begun
        elsewhere.stop()

    stopping = threading.Thread(target=stop_when_waiting)
    stopping.start()
    with pytest.raises(RuntimeError, match="the mail server stopped"):
        inbox.receive(timeout=30)
    stopping.join()
    with pytest.raises(Unreachable, match="no answer from http://127"):
        inbox.receive(timeout=0)
    server.stop()


def test_a_server_that_cannot_be_used(elsewhere: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    account = elsewhere.add_account()
    for url, key, words in (
        ("http://127.0.0.1:1", "x", "no answer from http://127.0.0.1:1: Connection refused; is the server running"),
        (elsewhere.api_url, "wrong", "does not know the API key; serve prints its key"),
        (elsewhere.api_url, account.api_key, "the API key of a user does not suffice"),
        (
            f"{elsewhere.api_url}/docs",
            elsewhere.api_key,
            "is not a sirrchat-testkit server, or is an older",
        ),
    ):
        with pytest.raises(ConnectionError, match=words) as caught:
            AttachedServer(url, key).start()
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("sirrchat_testkit.control.state.version", lambda _name: "9.9")
    with pytest.raises(ConnectionError, match=r"is version 9\.9, and the tests use .*; install the same for both"):
        describe(elsewhere.api_url, elsewhere.api_key)


def test_an_address_of_others_is_told_apart_from_one_that_does_not_exist(
    elsewhere: MailServer, mine: MailServer
) -> None:
    with elsewhere.scope():
        theirs = elsewhere.add_account("zoe@example.com").inbox  # as made with the admin's key
        send(mine, theirs)
        with pytest.raises(
            MailNotReceived, match=r"^zoe@example\.com does not exist here, or belongs to others; make it"
        ):
            mine.inbox_for(theirs).receive(timeout=0)
    unknown = mine.inbox_for("nobody@example.com")
    refused(mine, unknown)
    with pytest.raises(MailNotReceived, match=r"^Refused: nobody@example\.com does not exist here; make it with"):
        unknown.receive(timeout=0)


def test_the_users_that_its_client_makes_belong_to_the_test(elsewhere: MailServer, attached: MailServer) -> None:
    with attached.scope("mine"), attached._mail_client() as client:
        ann = client.users.create("ann@example.com", "secret")
        client.users.batch([{"email": "bob@example.com", "password": "x"}, {"email": "wrong", "password": "x"}])
        for address in ("ann@example.com", "bob@example.com"):
            inbox = attached.inbox_for(address)
            send(attached, inbox, subject=address)
            assert inbox.receive().subject == address
        assert [each.subject for each in client.messages.list(ann.id)] == ["ann@example.com"]
        client.users.update(ann.id, quota=10_000)
        client.users.delete(ann.id)
    with Client(elsewhere.api_key, elsewhere.api_url) as admin:
        assert {each.email for each in admin.users.list()}.isdisjoint({"ann@example.com", "bob@example.com"})


def test_its_client_changes_nothing_of_others(elsewhere: MailServer, attached: MailServer) -> None:
    with elsewhere.scope(), attached.scope("mine"), attached._mail_client() as client:
        theirs = elsewhere.add_account("zoe@example.com")
        assert client.users.get(theirs.id).email == "zoe@example.com"
        for change, remedy in (
            (lambda: client.users.delete(theirs.id), "change only users that the test made"),
            (lambda: client.users.update(theirs.id, password="x"), "change only users that the test made"),
            (lambda: client.domains.create("new.example"), "start the server with the domain"),
            (lambda: client.webhooks.create("http://127.0.0.1:1", ["email.received"]), "use mailserver.add_webhook"),
        ):
            with pytest.raises(SharedServerError, match=remedy):
                change()


def test_its_client_reads_no_message_of_others_since_that_marks_it_as_read(
    elsewhere: MailServer, attached: MailServer
) -> None:
    with elsewhere.scope(check=False), attached.scope("mine", check=False), attached._mail_client() as client:
        theirs = elsewhere.add_account("zoe@example.com")
        ann = client.users.create("ann@example.com", "secret")
        for address in ("zoe@example.com", "ann@example.com"):
            elsewhere.inbox_for(address).deliver(subject="Hello", text="x")
        [foreign], [own] = client.messages.list(theirs.id), client.messages.list(ann.id)
        for read in (client.messages.get, client.messages.raw):
            with pytest.raises(SharedServerError, match="read those of users that the test has made"):
                read(theirs.id, foreign.uid)
        assert client.messages.get(ann.id, own.uid).subject == "Hello"
        assert [each.flags for each in elsewhere.inbox_for("zoe@example.com").messages] == [()]


def test_its_client_makes_and_revokes_keys_of_its_own_users_alone(elsewhere: MailServer, attached: MailServer) -> None:
    with elsewhere.scope(), attached.scope("mine"), attached._mail_client() as client:
        theirs = elsewhere.add_account("zoe@example.com")
        ann = client.users.create("ann@example.com", "secret")
        by_id, by_address = client.api_keys.create(ann.id, role="user"), client.api_keys.create("Ann@example.com")
        client.api_keys.revoke(by_id.id)
        for user in (theirs.id, "zoe@example.com", "nobody@example.com", attached.smtp_username.replace("@", "x@")):
            with pytest.raises(SharedServerError, match="use those of users that the test made"):
                client.api_keys.create(user)
        (key,) = [each for each in client.api_keys.list() if each.user == "zoe@example.com"]
        with pytest.raises(SharedServerError, match="revoking API keys of others"):
            client.api_keys.revoke(key.id)
        with pytest.raises(NotFound):
            client.api_keys.revoke(by_id.id)
        with Client(by_address.key, elsewhere.api_url) as of_ann:
            assert of_ann.stats.server().users_total >= 2


def test_the_url_may_have_a_host_name(elsewhere: MailServer) -> None:
    url = elsewhere.api_url.replace("127.0.0.1", "localhost")
    with AttachedServer(f"{url}/", elsewhere.api_key) as server:
        assert (server.smtp_host, server.api_url, server.web_url) == ("localhost", url, f"{url}/")
        assert server.env()["SMTP_HOST"] == "localhost"
