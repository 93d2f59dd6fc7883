"""Wrong uses of webhooks, on both sides: every type checker refuses each line marked ``# error``."""

from __future__ import annotations

from sirrchat_testkit import (
    CallConditions,
    MailServer,
    MakeWebhookSink,
    Tampering,
    WebhookCall,
    WebhookEvent,
    WebhookSink,
    verify_webhook,
    webhook_schema,
)


def adds(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    mailserver.add_webook(webhook_sink)  # error
    mailserver.add_webhook(8080)  # error
    mailserver.add_webhook(webhook_sink, ["email.recieved"])  # error
    mailserver.add_webhook(webhook_sink, "email.received")  # error
    mailserver.add_webhook(webhook_sink, event=["email.sent"])  # error
    mailserver.add_webhook(webhook_sink, secret=b"s")  # error
    webhook = mailserver.add_webhook(webhook_sink)
    webhook.update(uri="http://127.0.0.1:2/")  # error
    webhook.update(enable=True)  # error
    webhook.update(events=["email.read"])  # error
    webhook.update(url=webhook_sink)  # error
    webhook.remove()  # error
    webhook.calls  # error
    webhook.url = "x"  # error
    webhook.deliveries[0].state  # error
    webhook.deliveries[0].retry()  # error
    webhook.deliveries[0].record  # error
    webhook.deliveries[0].attempts[0].code  # error
    webhook.deliveries[0].attempts[0].status.bit_length()  # error
    webhook.deliveries[0].due_at.year  # error
    mailserver.webhooks  # error


def makes_a_call(mailserver: MailServer) -> None:
    mailserver.webhook_call("email.read")  # error
    mailserver.webhook_call(tamper="everything")  # error
    mailserver.webhook_call(tampering="json")  # error
    mailserver.webhook_call(message="x")  # error
    mailserver.webhook_call().payload  # error
    event: WebhookEvent = "email.deleted"  # error
    tamper: Tampering = "body"  # error
    mailserver.webhook_call(event, tamper=tamper)
    webhook_schema("email.read")  # error
    verify_webhook({}, {}, "s")  # error
    verify_webhook({}, b"", "s", 60)  # error
    verify_webhook({}, b"", key="s")  # error


def answers(webhook_sink: WebhookSink) -> None:
    webhook_sink.fail()  # error
    webhook_sink.refuse("503")  # error
    webhook_sink.refuse(code=503)  # error
    webhook_sink.refuse(503, time=2)  # error
    webhook_sink.delay()  # error
    webhook_sink.delay(sec=1)  # error
    webhook_sink.drop("all")  # error
    webhook_sink.answer(404)  # error
    webhook_sink.answer(lambda: 404)  # error
    webhook_sink.answer(lambda call: call.evnt)  # error
    webhook_sink.secret = 5  # error
    webhook_sink.url = "x"  # error
    webhook_sink.uri  # error
    WebhookSink(timout=1)  # error


def waits(webhook_sink: WebhookSink) -> None:
    webhook_sink.receive("email.received")  # error
    webhook_sink.receive(evnt="email.received")  # error
    webhook_sink.receive(body="x")  # error
    webhook_sink.receive(html="x")  # error
    webhook_sink.receive(where=lambda call: call.evnt)  # error
    webhook_sink.receive_all("2")  # error
    webhook_sink.receive_all(2, sendr="x")  # error
    webhook_sink.assert_nothing(within="1")  # error
    webhook_sink.assert_no_calls()  # error
    webhook_sink.requests  # error
    webhook_sink.calls[0].payload  # error
    conditions: CallConditions = {"evnt": "x"}  # error
    webhook_sink.receive(**conditions)
    len(webhook_sink)  # error


async def waits_in_a_task(webhook_sink: WebhookSink) -> None:
    await webhook_sink.areceive(evnt="x")  # error
    await webhook_sink.arecieve()  # error


def reads(call: WebhookCall) -> None:
    call.payload  # error
    call.status  # error
    call.tries  # error
    call.is_verified  # error
    call.headers.get_all("X")  # error
    call.check()  # error
    call.validate(model=None)  # error
    call.assert_golden()  # error
    call.assert_golden("x.json", recipient=3)  # error
    call.normalised("x")  # error


def test_takes_a_fixture(make_webhook_sink: MakeWebhookSink) -> None:
    make_webhook_sink("s")  # error
    make_webhook_sink().uri  # error
