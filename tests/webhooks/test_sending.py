"""The sender over real sockets: bodies, headers, order, retries, and the end of deliveries."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any

import pytest
from dirty_equals import IsStr, IsUUID
from standardwebhooks.webhooks import Webhook

from sirrchat_testkit import Inbox, MailServer, MakeInboxes, MakeWebhookSink, WebhookSink, verify_webhook
from sirrchat_testkit.errors import Conflict, InvalidValue, NotFound
from sirrchat_testkit.webhooks import client as sender
from tests.support import call_api, connect, generate, send


def test_mail_is_reported_as_documented(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url, ["email.received"])
    send(mailserver, inbox, subject="Email Subject")
    call = webhook_sink.receive(event="email.received")
    assert call.json == {
        "event": "email.received",
        "timestamp": IsStr(regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        "data": {
            "user": inbox.address,
            "from": "shop@shop.example",
            "subject": "Email Subject",
            "size": inbox.receive().size,
        },
    }
    assert call.method == "POST"
    assert call.headers["content-type"] == "application/json"
    assert {name.lower() for name in call.headers} == {
        "host", "user-agent", "content-type", "content-length", "connection", "webhook-id", "webhook-timestamp"
    }  # fmt: skip


def test_the_sender_is_that_of_the_envelope_where_no_header_says_it(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(b"Subject: x\r\n\r\ny")
    assert webhook_sink.receive().sender == "sender@example.org"


def test_a_disposable_address_pushes_as_documented(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    made = generate(mailserver, "ann").json
    call_api(mailserver, "POST", "/api/webhook", {"url": webhook_sink.url, "enabled": True})
    send(mailserver, "ann@example.com", subject="測試郵件", sender="bounce@shop.example")
    call = webhook_sink.receive(event="new_message")
    assert call.headers["X-Webhook-Event"] == "new_message"
    assert call.headers["Content-Type"] == "application/json"
    assert "webhook-signature" not in call.headers
    assert call.headers["webhook-id"] == IsUUID()
    assert call.json == {
        "emailId": made["id"],
        "messageId": mailserver.receive().id,
        "fromAddress": "bounce@shop.example",
        "subject": "測試郵件",
        "content": "Hi.\n",
        "html": "",
        "receivedAt": IsStr(regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
        "toAddress": "ann@example.com",
    }


def test_a_permanent_address_pushes_nothing(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    account = mailserver.add_account("ann@example.com")
    call_api(mailserver, "POST", "/api/webhook", {"url": webhook_sink.url, "enabled": True}, key=account.api_key)
    account.inbox.deliver(subject="x")
    webhook_sink.assert_nothing()


def test_each_recipient_is_reported(
    mailserver: MailServer, make_inboxes: MakeInboxes, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    inboxes = make_inboxes(3)
    send(mailserver, *inboxes)
    assert [each.recipient for each in webhook_sink.receive_all(3)] == [each.address for each in inboxes]


def test_a_user_s_webhook_reports_only_its_own_mail(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    ann, bob = mailserver.add_account("ann@example.com"), mailserver.add_account("bob@example.com")
    body = {"url": webhook_sink.url, "events": ["email.received"]}
    call_api(mailserver, "POST", "/api/v1/webhooks", body, key=ann.api_key)
    bob.inbox.deliver(subject="for Bob")
    ann.inbox.deliver(subject="for Ann")
    assert [each.subject for each in webhook_sink.receive_all(1)] == ["for Ann"]


def test_outgoing_mail_without_an_account_is_not_reported(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    send(mailserver, "somebody@corp.com")
    mailserver.receive(recipient="somebody@corp.com")
    webhook_sink.assert_nothing()


def test_earlier_mail_is_not_reported(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    inbox.deliver(subject="before")
    webhook = mailserver.add_webhook(webhook_sink.url)
    webhook.disable()
    inbox.deliver(subject="meanwhile")
    webhook.enable()
    inbox.deliver(subject="after")
    assert [each.subject for each in webhook_sink.receive_all()] == ["after"]


def test_what_was_not_asked_for_is_not_told(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url, ["email.sent"])
    inbox.deliver(subject="x")
    webhook_sink.assert_nothing()


@pytest.mark.parametrize("secret", ["webhook_secret", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="])
def test_calls_are_signed_where_there_is_a_secret(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, secret: str
) -> None:
    mailserver.add_webhook(webhook_sink.url, secret=secret)
    inbox.deliver(subject="x")
    call = webhook_sink.receive(verified=True)
    assert verify_webhook(call.headers, call.body, secret) == call.id == mailserver.deliveries[0].id
    if secret.startswith("whsec_"):
        assert Webhook(secret).verify(call.body, {name.lower(): each for name, each in call.headers.items()})


def test_retries_over_31_seconds_take_no_real_time(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url, secret="s")
    mailserver.clock.freeze()
    webhook_sink.refuse(500, times=3)
    began = time.monotonic()
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=31)
    [delivery] = mailserver.deliveries
    assert time.monotonic() - began < 1
    assert delivery.status == "delivered"
    assert [each.status for each in delivery.attempts] == [500, 500, 500, 200]
    first = delivery.attempts[0].at
    assert [(each.at - first).total_seconds() for each in delivery.attempts] == [0, 1, 6, 31]
    calls = webhook_sink.calls
    assert [each.attempt for each in calls] == [1, 2, 3, 4]
    assert len({each.id for each in calls}) == 1
    assert len({each.body for each in calls}) == 1
    for call in calls:  # real time, which receivers compare with their own clocks
        assert abs(time.time() - int(call.headers["webhook-timestamp"])) < 60
    assert all(each.verified for each in calls)


def test_after_four_attempts_it_is_given_up(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse(503, times=None)
    inbox.deliver(subject="x")
    mailserver.clock.advance(hours=2)
    assert [each.status for each in webhook.deliveries] == ["failed"]
    assert len(webhook_sink.calls) == 4


def test_an_attempt_is_not_due_before_its_time(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse(times=1)
    inbox.deliver(subject="x")
    mailserver.settle()
    assert mailserver.deliveries[0].status == "pending"
    mailserver.clock.advance(milliseconds=999)
    webhook_sink.assert_nothing()
    mailserver.clock.advance(milliseconds=1)
    assert webhook_sink.receive(timeout=0).attempt == 2


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, status: int) -> None:
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.answer(lambda _: status)
    inbox.deliver(subject="x")
    webhook_sink.receive()
    assert [each.status for each in mailserver.deliveries] == ["delivered"]


def test_a_redirect_is_a_failure_and_not_followed(
    mailserver: MailServer, inbox: Inbox, make_webhook_sink: MakeWebhookSink
) -> None:
    near, far = make_webhook_sink(), make_webhook_sink()
    mailserver.add_webhook(near.url)
    near.refuse(302)
    near.answer(lambda _: 307)
    inbox.deliver(subject="x")
    mailserver.settle()
    [delivery] = mailserver.deliveries
    assert (delivery.status, delivery.attempts[0].status) == ("pending", 302)
    assert far.calls == []


def test_a_dropped_connection_is_retried(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.drop()
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=1)
    first, second = mailserver.deliveries[0].attempts
    assert (first.status, first.error) == (None, "connection_broken")
    assert (second.status, second.error) == (200, None)
    assert [each.answered for each in webhook_sink.calls] == [None, 200]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"hello\r\n\r\n", "the response is malformed: Bad status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "the response is malformed: Invalid character in"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "the response is malformed: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 50_000 + b"\r\n\r\n", "the response is malformed: Got more than"),
    ],
)
def test_a_malformed_response_is_an_error_in_one_line(
    mailserver: MailServer, inbox: Inbox, response: bytes, reason: str
) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        mailserver.clock.freeze()
        mailserver.add_webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        inbox.deliver(subject="x")
        mailserver.settle()
        thread.join()
    [attempt] = mailserver.deliveries[0].attempts
    assert attempt.error == "connection_broken"
    assert attempt.reason.startswith(reason)
    assert len(attempt.reason.splitlines()) == 1
    assert len(attempt.reason) < 120


def test_a_refused_connection_is_an_error_of_the_attempt(mailserver: MailServer, inbox: Inbox) -> None:
    with WebhookSink() as gone:
        pass
    mailserver.add_webhook(gone.url)
    mailserver.clock.freeze()
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=31)
    [delivery] = mailserver.deliveries
    assert delivery.status == "failed"
    assert [(each.status, each.error) for each in delivery.attempts] == [(None, "connection_refused")] * 4
    target = gone.url.removeprefix("http://").rstrip("/")
    assert {each.reason for each in delivery.attempts} == {f"{target} refused the connection"}


def test_the_reason_names_a_tls_handshake_that_failed(mailserver: MailServer, inbox: Inbox) -> None:
    with WebhookSink() as plain:
        mailserver.add_webhook(plain.url.replace("http:", "https:"))
        mailserver.clock.freeze()
        inbox.deliver(subject="x")
        mailserver.settle()
    [attempt] = mailserver.deliveries[0].attempts
    target = plain.url.removeprefix("http://").rstrip("/")
    assert attempt.error == "connection_failed"
    assert re.fullmatch(rf"cannot connect to {target}: \[SSL[^(]*", attempt.reason)


def test_attempts_show_their_heads(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(f"{webhook_sink.url}hook?token=1")
    inbox.deliver(subject="x")
    call = webhook_sink.receive(path="/hook?token=1")
    [attempt] = mailserver.deliveries[0].attempts
    assert attempt.request.startswith("POST /hook?token=1 HTTP/1.1\nHost: 127.0.0.1:")
    assert f"webhook-id: {call.id}" in attempt.request
    assert attempt.response.startswith("HTTP/1.1 200 OK\n")
    assert 0 <= attempt.duration < 5
    assert attempt.at <= mailserver.clock.now()


def test_first_attempts_start_in_the_order_of_arrival(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    for number in range(60):
        inbox.deliver(subject=str(number))
    mailserver.settle()
    assert [each.subject for each in webhook_sink.calls] == [str(number) for number in range(60)]


def test_at_most_eight_attempts_are_in_progress_and_a_slow_webhook_delays_no_other(
    mailserver: MailServer, inbox: Inbox, make_webhook_sink: MakeWebhookSink
) -> None:
    slow, quick = make_webhook_sink(), make_webhook_sink()
    mailserver.add_webhook(slow.url)
    mailserver.add_webhook(quick.url)
    slow.delay(60, times=None)
    for number in range(20):
        inbox.deliver(subject=str(number))
    quick.receive(subject="19")
    assert len(quick.calls) == 20
    assert len(slow.calls) == 8
    assert inbox.receive(subject="19").subject == "19"


def test_disabling_ends_what_is_pending(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    webhook.disable()
    assert [each.status for each in webhook.deliveries] == ["cancelled"]
    mailserver.clock.advance(seconds=60)
    assert len(webhook_sink.calls) == 1
    with pytest.raises(Conflict):
        webhook.deliveries[0].redeliver()


def test_deleting_ends_what_is_pending(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    webhook.delete()
    mailserver.clock.advance(seconds=60)
    assert len(webhook_sink.calls) == 1
    assert [each.status for each in mailserver.deliveries] == ["cancelled"]


def test_deleting_a_message_deletes_the_text_of_its_deliveries(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="secret")
    webhook_sink.receive()
    mailserver.settle()
    inbox.clear()
    [delivery] = mailserver.deliveries
    [shown] = call_api(mailserver, "GET", f"/api/v1/webhooks/{webhook.id}/deliveries").json["data"]
    assert (delivery.status, shown["request_body"]) == ("delivered", None)
    for text in ("body", "json"):
        with pytest.raises(NotFound, match="was deleted with its message"):
            getattr(delivery, text)
    with pytest.raises(Conflict, match="was deleted with its message"):
        delivery.redeliver()
    assert (
        call_api(mailserver, "POST", f"/api/v1/webhooks/{webhook.id}/deliveries/{delivery.id}/redeliver").status == 409
    )


def test_a_pending_delivery_ends_with_its_message(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse()
    inbox.deliver(subject="secret")
    mailserver.settle()
    inbox.clear()
    mailserver.clock.advance(seconds=60)
    assert len(webhook_sink.calls) == 1
    assert [each.status for each in mailserver.deliveries] == ["cancelled"]


def test_every_message_is_reported_however_few_are_kept(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url, ["email.received"])
    mailserver.configure(max_messages=10)
    with connect(mailserver) as smtp:
        for number in range(100):
            smtp.sendmail("a@b.example", str(inbox), f"Subject: {number}\r\n\r\n".encode())
    mailserver.settle()
    assert {call.json["data"]["subject"] for call in webhook_sink.calls} == set(map(str, range(100)))
    assert len(mailserver.messages) == 10
    assert len(mailserver.deliveries) == 10


def test_an_attempt_goes_to_the_url_of_the_moment(
    mailserver: MailServer, inbox: Inbox, make_webhook_sink: MakeWebhookSink
) -> None:
    old, new = make_webhook_sink(), make_webhook_sink()
    webhook = mailserver.add_webhook(old.url)
    mailserver.clock.freeze()
    old.refuse()
    inbox.deliver(subject="x")
    mailserver.settle()
    webhook.update(url=new.url)
    mailserver.clock.advance(seconds=1)
    assert (len(old.calls), len(new.calls)) == (1, 1)
    assert old.calls[0].id == new.calls[0].id


def test_rest_lists_deliveries_and_sends_again(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url, secret="s")
    mailserver.clock.freeze()
    webhook_sink.refuse(503, times=4)
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=31)
    path = f"/api/v1/webhooks/{webhook.id}/deliveries"
    [delivery] = call_api(mailserver, "GET", path).json["data"]
    assert delivery["status"] == "failed"
    assert [each["http_status"] for each in delivery["attempts"]] == [503] * 4
    again = call_api(mailserver, "POST", f"{path}/{delivery['id']}/redeliver").json
    assert again["id"] == delivery["id"]
    call = webhook_sink.receive(attempt=5, verified=True)
    assert call.body == webhook_sink.calls[0].body == delivery["request_body"].encode()
    [delivery] = call_api(mailserver, "GET", path).json["data"]
    assert delivery["status"] == "delivered"
    assert len(delivery["attempts"]) == 5


def test_what_is_sent_again_has_all_its_retries(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    inbox.deliver(subject="x")
    mailserver.settle()
    webhook_sink.refuse(times=None)
    mailserver.deliveries[0].redeliver()
    mailserver.clock.advance(seconds=31)
    [delivery] = mailserver.deliveries
    assert delivery.status == "failed"
    assert len(delivery.attempts) == 5


def test_the_end_of_a_scope_removes_its_deliveries(server: MailServer) -> None:
    server.clock.freeze()
    with server.make_webhook_sink() as sink:
        with server.scope("one"):
            server.add_webhook(sink.url)
            sink.refuse(times=None)
            server.make_inbox().deliver(subject="x")
            server.settle()
            assert len(sink.calls) == 1
        server.clock.advance(seconds=60)
        assert len(sink.calls) == 1
        assert server.deliveries == []
        with server.scope("two"):
            server.make_inbox().deliver(subject="y")
            server.settle()
        assert len(sink.calls) == 1


def test_an_attempt_under_way_ends_with_its_scope(server: MailServer) -> None:
    with server.make_webhook_sink() as sink:
        sink.delay(60)
        with server.scope("one"):
            server.add_webhook(sink.url)
            server.make_inbox().deliver(subject="x")
            server.configure(max_addresses=0)
        server.settle()
        assert server.deliveries == []


def test_a_webhook_of_the_session_goes_on_after_a_scope(server: MailServer) -> None:
    server.clock.freeze()
    with server.make_webhook_sink() as sink:
        server.add_webhook(sink.url)
        inbox = server.make_inbox()
        for name in ("one", "two"):
            with server.scope(name):
                inbox.deliver(subject=name)
                server.settle()
        inbox.deliver(subject="outside")
        server.settle()
        assert [each.subject for each in sink.calls] == ["one", "two", "outside"]


def test_a_retry_from_outside_is_made_again_after_a_scope(server: MailServer) -> None:
    server.clock.freeze()
    with server.make_webhook_sink() as sink:
        server.add_webhook(sink.url)
        sink.refuse()
        server.make_inbox().deliver(subject="x")
        server.settle()
        with server.scope("one"):
            server.clock.advance(seconds=1)
            assert server.deliveries[0].status == "delivered"
        assert server.deliveries[0].status == "pending"
        server.clock.advance(seconds=1)
        assert server.deliveries[0].status == "delivered"


@pytest.mark.parametrize(
    ("events", "secret"), [(["email.read"], None), ([], None), (["new_message"], "s"), (["email.sent"], "whsec_*")]
)
def test_a_webhook_that_cannot_be_is_refused(mailserver: MailServer, events: list[Any], secret: str | None) -> None:
    with pytest.raises(InvalidValue):
        mailserver.add_webhook("http://127.0.0.1:1/", events, secret)


def test_the_test_s_own_addresses_push(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url, ["new_message"])
    message = inbox.deliver(subject="x", text="body\n")
    call = webhook_sink.receive(event="new_message", subject="x", sender="sender@example.org")
    assert json.loads(call.body)["messageId"] == message.id
    call.validate()


def test_ids_do_not_depend_on_when_a_webhook_was_called() -> None:
    seen = []
    for settle_first in (True, False):
        with MailServer() as server, server.make_webhook_sink() as sink:
            server.add_webhook(sink.url)
            inbox = server.make_inbox("ann")
            inbox.deliver(subject="one")
            if settle_first:
                server.settle()
            inbox.deliver(subject="two")
            server.settle()
            seen.append(([each.id for each in inbox.messages], [each.id for each in server.deliveries]))
    assert seen[0] == seen[1]


def test_mail_that_a_user_submits_is_reported_as_documented(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url)
    account = mailserver.add_account("ann@example.com", "secret")
    with connect(mailserver) as smtp:
        smtp.login(account.address, "secret")
        smtp.sendmail(account.address, [inbox.address, "bob@corp.com"], "Subject: Offer\r\n\r\nHi.\r\n")
    call = webhook_sink.receive(event="email.sent")
    assert call.json["data"] == {"user": account.address, "to": [inbox.address, "bob@corp.com"], "subject": "Offer"}
    call.validate()
    assert webhook_sink.receive(event="email.received").recipient == inbox.address
    webhook_sink.assert_nothing()


def test_a_receiver_that_does_not_answer_in_time_is_called_again(
    webhook_sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sender.TIMEOUT == 10
    monkeypatch.setattr(sender, "TIMEOUT", 0.05)  # real time is the subject
    with MailServer() as server:
        server.clock.freeze()
        webhook = server.add_webhook(webhook_sink.url)
        webhook_sink.delay(seconds=5, times=1)
        server.make_inbox().deliver(subject="x")
        server.clock.advance(seconds=1)
        [delivery] = webhook.deliveries
        assert [(each.status, each.error) for each in delivery.attempts] == [(None, "timeout"), (200, None)]
        assert delivery.status == "delivered"
