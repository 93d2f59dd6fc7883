"""Right uses of webhooks, on both sides: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from dirty_equals import IsPartialDict
from pydantic import BaseModel

from sirrchat_testkit import (
    CallConditions,
    MailServer,
    MakeWebhookSink,
    ReceivedMessage,
    Tampering,
    WebhookAttempt,
    WebhookCall,
    WebhookDelivery,
    WebhookEvent,
    WebhookHandle,
    WebhookSink,
    verify_webhook,
    webhook_schema,
)


class Body(BaseModel):
    event: str


def adds(mailserver: MailServer, webhook_sink: WebhookSink, events: list[WebhookEvent]) -> None:
    webhook = mailserver.add_webhook(webhook_sink.url, ["email.received"], secret="s3cret")
    assert_type(webhook, WebhookHandle)
    mailserver.add_webhook(webhook_sink, events)
    mailserver.add_webhook("http://127.0.0.1:1/", events=("email.received", "email.sent"))
    webhook.update(url="http://127.0.0.1:2/", events=["email.sent"], secret="", enabled=False)
    webhook.enable()
    webhook.disable()
    webhook.delete()
    assert_type(webhook.id + webhook.url + webhook.secret, str)
    assert_type(webhook.events, tuple[str, ...])
    assert_type(webhook.deliveries + mailserver.deliveries, list[WebhookDelivery])


def looks_at_deliveries(mailserver: MailServer) -> None:
    assert mailserver.deliveries[0].status == "pending"
    mailserver.clock.advance(seconds=31)
    assert mailserver.deliveries[0].status == "delivered"
    delivery = mailserver.deliveries[0]
    assert_type(delivery.attempts, list[WebhookAttempt])
    assert_type(delivery.attempts[0].status, int | None)
    assert_type(delivery.attempts[0].at + timedelta(seconds=1), datetime)
    assert_type(delivery.due_at, datetime | None)
    assert_type(delivery.json, Any)
    assert_type(delivery.body, bytes)
    delivery.redeliver()


def makes_a_call(mailserver: MailServer, message: ReceivedMessage, tamper: Tampering) -> None:
    call = mailserver.webhook_call("email.sent", message, secret="s", tamper="signature")
    assert_type(call, WebhookCall)
    assert_type(verify_webhook(call.headers, call.body, "s", tolerance=60), str)
    mailserver.webhook_call(tamper=tamper)
    assert_type(webhook_schema("new_message"), dict[str, Any])


def answers(webhook_sink: WebhookSink) -> None:
    webhook_sink.refuse()
    webhook_sink.refuse(410, times=None)
    webhook_sink.delay(0.5, times=2)
    webhook_sink.drop()
    webhook_sink.answer(lambda call: 404 if call.attempt == 1 else (200, {"seen": call.event}))
    webhook_sink.secret = "s"
    with WebhookSink("s", timeout=1) as other:
        assert_type(other.url, str)


async def lives_in_a_task() -> None:
    async with WebhookSink() as sink:
        assert_type(await sink.areceive(event="email.received", timeout=1), WebhookCall)


def waits(webhook_sink: WebhookSink) -> None:
    conditions: CallConditions = {"event": "email.sent", "verified": True}
    assert_type(webhook_sink.receive(**conditions), WebhookCall)
    webhook_sink.receive(json=IsPartialDict(event="x"), header={"X-Webhook-Event": None}, path="/hook")
    webhook_sink.receive(attempt=lambda attempt: attempt > 1, where=lambda call: call.answered == 200)
    assert_type(webhook_sink.receive_all(2, recipient="a@*"), list[WebhookCall])
    webhook_sink.assert_nothing(within=0.1, url="*/hook")
    assert_type(webhook_sink.calls, list[WebhookCall])


def reads(call: WebhookCall, golden: Path) -> None:
    assert_type(call.event + call.subject + call.sender + call.recipient + call.text + call.id + call.reason, str)
    assert_type(call.json, Any)
    assert_type(call.headers["Content-Type"], str)
    assert_type(call.answered, int | None)
    assert_type(call.verified and call.accepted, bool)
    call.validate()
    call.validate(Body)
    call.validate({"type": "object"})
    call.assert_golden(golden, recipient="<me>")


def test_takes_a_fixture(make_webhook_sink: MakeWebhookSink) -> None:
    assert_type(make_webhook_sink(), WebhookSink)
