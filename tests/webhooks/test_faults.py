"""Faults of the webhook sender: counted, limited to a scope, and visible to the receiver."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sirrchat_testkit import (
    FaultNeverFired,
    Inbox,
    MailNotReceived,
    MailServer,
    MakeInbox,
    Tampering,
    WebhookEvent,
    WebhookNotVerified,
    WebhookSink,
    verify_webhook,
)
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.faults.smtp import SMTP

Webhooked = tuple[MailServer, Inbox, WebhookSink]


@pytest.fixture
def hooked(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> Webhooked:
    """A webhook that points to the sink, and a clock that stands still."""
    mailserver.add_webhook(webhook_sink.url, secret=webhook_sink.secret)
    mailserver.clock.freeze()
    return mailserver, inbox, webhook_sink


def test_a_call_comes_twice(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    fault = server.webhook_faults.duplicate(subject="one")
    inbox.deliver(subject="one")
    inbox.deliver(subject="two")
    server.settle()
    one, again = (each for each in sink.calls if each.subject == "one")
    assert (one.id, one.body, one.attempt, again.attempt) == (again.id, again.body, 1, 2)
    assert len(sink.calls) == 3
    assert fault.fired == 1
    assert [len(each.attempts) for each in server.deliveries] == [2, 1]
    assert [each.status for each in server.deliveries] == ["delivered"] * 2


def test_both_calls_of_a_duplicate_are_received(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.duplicate(event="email.received")
    inbox.deliver(subject="one")
    first, second = sink.receive_all(2)
    assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)


def test_a_success_stays_one_when_the_duplicate_is_refused(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.duplicate()
    sink.answer(lambda call: 200 if call.attempt == 1 else 409)
    inbox.deliver(subject="x")
    server.clock.advance(seconds=60)
    [delivery] = server.deliveries
    assert (delivery.status, [each.status for each in delivery.attempts]) == ("delivered", [200, 409])


def test_calls_come_out_of_order(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.reorder(subject="one")
    for subject in ("one", "two", "three"):
        inbox.deliver(subject=subject)
        server.settle()
    assert [each.subject for each in sink.calls] == ["two", "one", "three"]


def test_a_call_comes_late(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.delay(30)
    inbox.deliver(subject="x")
    server.settle()
    assert sink.calls == []
    server.clock.advance(seconds=29)
    sink.assert_nothing()
    server.clock.advance(seconds=1)
    assert sink.receive(timeout=0).attempt == 1


@pytest.mark.parametrize(
    ("plan", "reason"),
    [("corrupt_signature", "webhook-signature is wrong"), ("stale_timestamp", "s old; the tolerance")],
)
def test_a_bad_signature_is_seen_as_one(hooked: Webhooked, plan: str, reason: str) -> None:
    server, inbox, sink = hooked
    getattr(server.webhook_faults, plan)()
    inbox.deliver(subject="x")
    call = sink.receive()
    assert not call.verified
    assert reason in call.reason
    inbox.deliver(subject="y")
    assert sink.receive().verified


def test_a_body_is_malformed_and_signed(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.malformed_json()
    inbox.deliver(subject="x")
    call = sink.receive()
    assert call.json is None
    assert call.verified


def test_the_content_type_is_wrong(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.wrong_content_type()
    inbox.deliver(subject="x")
    assert sink.receive().headers["content-type"] == "text/plain"


def test_a_body_is_huge_and_still_right(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.huge_body()
    inbox.deliver(subject="x")
    call = sink.receive()
    assert len(call.body) == 10_485_760
    assert call.verified
    call.validate()


def test_what_a_receiver_refuses_comes_right_with_the_retry(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.corrupt_signature()
    sink.answer(lambda call: 200 if call.verified else 401)
    inbox.deliver(subject="x")
    server.clock.advance(seconds=1)
    assert [each.answered for each in sink.calls] == [401, 200]


def test_faults_planned_one_after_the_other_are_a_sequence(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    server.webhook_faults.corrupt_signature(times=2)
    server.webhook_faults.malformed_json()
    for number in range(4):
        inbox.deliver(subject=str(number))
        server.settle()
    assert [(each.verified, each.json is None) for each in sink.calls] == [
        (False, False), (False, False), (True, True), (True, False)
    ]  # fmt: skip


def test_conditions_say_with_which_calls(hooked: Webhooked, make_inbox: MakeInbox) -> None:
    server, inbox, sink = hooked
    other = make_inbox()
    server.webhook_faults.corrupt_signature(times=None, recipient=other.address, event="email.*")
    server.webhook_faults.clear()
    server.webhook_faults.corrupt_signature(times=None, recipient=other.address, event="email.received", attempt=1)
    inbox.deliver(subject="x")
    other.deliver(subject="y")
    server.settle()
    assert [each.verified for each in sink.calls] == [True, False]


def test_a_fault_that_never_fires_is_reported(server: MailServer) -> None:
    with server.scope("test"):
        server.webhook_faults.duplicate(subject="never")
        with pytest.raises(
            FaultNeverFired, match=r"^1 planned fault never fired: duplicate at WEBHOOK for subject='never'$"
        ):
            server.check()
    server.check()


def test_some_faults_are_cleared_and_the_others_stay(mailserver: MailServer) -> None:
    faults = mailserver.webhook_faults
    smtp = mailserver.faults.lose()
    one, other = faults.duplicate(times=2), faults.delay(30, subject="x")
    assert repr(faults) == (
        "<WebhookFaults duplicate at WEBHOOK, never fired; delay of 30 s at WEBHOOK for subject='x', never fired>"
    )
    faults.clear(one)
    assert (faults.planned, len(faults), bool(faults)) == ([other], 1, True)
    faults.clear()
    assert (list(faults), list(mailserver.faults)) == ([], [smtp])
    mailserver.faults.clear()


def test_a_condition_of_the_user_does_not_run_in_the_server_s_thread(hooked: Webhooked) -> None:
    server, inbox, sink = hooked
    ran: list[str] = []

    def picky(subject: str) -> bool:
        ran.append(threading.current_thread().name)
        return subject == "one"

    server.webhook_faults.corrupt_signature(subject=picky)
    for subject in ("two", "one"):
        inbox.deliver(subject=subject)
        server.settle()
    assert [each.verified for each in sink.calls] == [True, False]
    assert len(ran) == 2
    assert "sirrchat-testkit" not in ran


def test_what_a_condition_raises_fails_the_test(server: MailServer) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    with server.make_webhook_sink() as sink:
        server.add_webhook(sink.url)
        server.webhook_faults.duplicate(subject=broken)
        server.make_inbox().deliver(subject="x")
        server.settle()
        with pytest.raises(ZeroDivisionError):
            server.check()


def test_a_failed_wait_says_which_faults_fired(hooked: Webhooked) -> None:
    server, inbox, _ = hooked
    server.webhook_faults.stale_timestamp()
    inbox.deliver(subject="x")
    server.settle()
    inbox.receive()
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    assert "stale timestamp at WEBHOOK: fired 1 of 1 time" in str(caught.value)
    assert f"stale timestamp at WEBHOOK: {inbox.address}" in str(caught.value)


def test_faults_of_webhooks_do_not_concern_smtp(mailserver: MailServer) -> None:
    mailserver.webhook_faults.duplicate()
    assert mailserver.faults.planned == []
    assert not mailserver._now.services.faults.of(SMTP).planned
    mailserver.webhook_faults.clear()


def test_a_misspelt_name_has_a_suggestion(mailserver: MailServer) -> None:
    with pytest.raises(AttributeError, match="did you mean 'corrupt_signature'"):
        mailserver.webhook_faults.bad_signature()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="did you mean 'duplicate'"):
        mailserver.webhook_faults.duplicates  # type: ignore[attr-defined]  # noqa: B018


def test_faults_end_with_their_scope(server: MailServer) -> None:
    server.clock.freeze()
    with server.make_webhook_sink() as sink:
        server.add_webhook(sink.url)
        inbox = server.make_inbox()
        with server.scope("one"):
            server.webhook_faults.duplicate(times=None)
            inbox.deliver(subject="x")
            server.settle()
        inbox.deliver(subject="y")
        server.settle()
        assert [each.subject for each in sink.calls] == ["x", "x", "y"]


def test_an_unknown_condition_is_named(mailserver: MailServer) -> None:
    with pytest.raises(TypeError, match="did you mean 'recipient'"):
        mailserver.webhook_faults.duplicate(recipent="x")  # type: ignore[call-arg]


def test_what_cannot_be_planned_is_refused(mailserver: MailServer) -> None:
    with pytest.raises(ValueError, match="times must be"):
        mailserver.webhook_faults.duplicate(times=0)
    with pytest.raises(ValueError, match="seconds must be a number of seconds, more than 0, not 0"):
        mailserver.webhook_faults.delay(0)
    with pytest.raises(TypeError, match="unknown condition 'verified'"):
        mailserver.webhook_faults.duplicate(verified=True)  # type: ignore[call-arg]


def test_a_call_is_made_as_an_object(mailserver: MailServer, inbox: Inbox) -> None:
    message = inbox.deliver(subject="Hello")
    call = mailserver.webhook_call(event="email.received", message=message, secret="s")
    assert call.json["data"] == {
        "user": inbox.address, "from": "sender@example.org", "subject": "Hello", "size": message.size
    }  # fmt: skip
    assert verify_webhook(call.headers, call.body, "s") == call.headers["webhook-id"]
    push = mailserver.webhook_call("new_message", message)
    assert (push.json["messageId"], push.headers["X-Webhook-Event"]) == (message.id, "new_message")


def test_a_call_that_is_not_sent_reads_like_one_that_a_sink_received(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink, ["email.received"], secret="s")
    message = inbox.deliver(subject="Hello")
    sent, made = webhook_sink.receive(), mailserver.webhook_call("email.received", message, secret="s")
    made.validate()
    assert made.normalised() == sent.normalised()
    assert sorted(made.headers) == sorted(name for name in sent.headers if name in made.headers)
    assert (made.headers["WEBHOOK-ID"], made.attempt, made.answered, made.url) == (made.id, 1, None, "")
    assert (made.verified, made.reason, str(made)) == (True, "", str(sent))


def test_a_call_that_is_not_sent_is_verified_with_its_own_secret(mailserver: MailServer) -> None:
    mailserver.clock.advance(days=400)
    assert mailserver.webhook_call(secret="s").verified
    forged, unsigned = mailserver.webhook_call(secret="s", tamper="signature"), mailserver.webhook_call()
    assert not forged.verified
    assert "webhook-signature is wrong" in forged.reason
    assert not unsigned.verified
    assert "webhook-signature is missing" in unsigned.reason


@pytest.mark.parametrize("event", ["email.received", "email.sent", "new_message"])
def test_a_call_without_a_message_is_a_sample(mailserver: MailServer, event: WebhookEvent) -> None:
    assert "Welcome" in str(mailserver.webhook_call(event).json)


@pytest.mark.parametrize(
    ("tamper", "seen"),
    [
        ("signature", lambda call: call.json),
        ("timestamp", lambda call: call.json),
        ("json", lambda call: call.json is None),
        ("content_type", lambda call: call.headers["Content-Type"] == "text/plain"),
        ("huge", lambda call: len(call.body) > 1_000_000),
    ],
)
def test_a_call_is_tampered_with(mailserver: MailServer, tamper: Tampering, seen: Any) -> None:
    call = mailserver.webhook_call(secret="s", tamper=tamper)
    assert seen(call)
    if tamper in {"signature", "timestamp"}:
        with pytest.raises(WebhookNotVerified):
            verify_webhook(call.headers, call.body, "s")
    else:
        assert verify_webhook(call.headers, call.body, "s")


def test_an_unknown_event_or_tampering_is_named(mailserver: MailServer) -> None:
    with pytest.raises(InvalidValue, match="event must be one of"):
        mailserver.webhook_call("email.read")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="tamper must be one of"):
        mailserver.webhook_call(tamper="everything")  # type: ignore[arg-type]
