"""Right uses of planned faults: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

import re
from datetime import timedelta
from typing import assert_type

from dirty_equals import IsInt, IsStr

from sirrchat_testkit import (
    DropWhen,
    Fault,
    FaultConditions,
    Faults,
    FaultStage,
    Inbox,
    MailServer,
    RestFaultConditions,
    RestFaults,
    RestFaultStage,
    WebhookFaultConditions,
    WebhookFaults,
)


def plans_faults_of_smtp(mailserver: MailServer, inbox: Inbox) -> None:
    faults = mailserver.faults
    assert_type(faults, Faults)
    assert_type(faults.reject(stage="rcpt", code=451, times=2, recipient=inbox.address), Fault)
    faults.reject(stage="connect", code=421, text="4.3.2 Too busy", peer="127.0.0.1:*")
    faults.reject(stage="end", subject=re.compile("lottery"), header={"X-Tag": "a", "X-Other": None})
    faults.reject(stage="end", html=lambda html: "<script" in html, has_attachment=True)
    faults.delay(0.5, stage="auth", login="owner-*")
    faults.delay(1, text="slow", size=lambda size: size > 1000)
    faults.trickle(stage="ehlo", ehlo=str.islower)
    faults.drop(when="instead", times=1)
    faults.drop(after_bytes=100_000, tls="TLS*", mail_from="*@shop.example")
    faults.lose(recipient=inbox, times=None)
    faults.lose(subject=IsStr(regex="^Lost"), size=IsInt(gt=3), filename="*.exe", cc="*")
    faults.greylist(timedelta(minutes=5), recipient=inbox.address)
    faults.greylist(60.0)
    faults.throttle(2, code=421, mail_from=re.compile("shop"))
    faults.limit_size(1000, sender="a@x.example", to="*@example.com")


def plans_faults_of_the_apis(mailserver: MailServer) -> None:
    faults = mailserver.rest_faults
    assert_type(faults, RestFaults)
    assert_type(faults.refuse(), Fault)
    faults.refuse(429, text="slow down", retry_after=3, stage="response", times=2, path="/api/*", method="POST")
    faults.refuse(status=500, path=re.compile("users"), account=mailserver.add_account())
    faults.delay(0.5, account="ann@example.com")
    faults.delay(seconds=2, stage="response", method=IsStr(regex="P.*"))
    faults.drop(reset=True, stage="response", path=str.isascii)
    faults.malformed_json(times=1)
    faults.wrong_content_type(path="/healthz")
    assert_type([each.fired for each in faults.planned], list[int])
    faults.clear(*faults)


def passes_rest_stages_and_conditions_on(mailserver: MailServer, stage: RestFaultStage) -> Fault:
    conditions: RestFaultConditions = {"method": "GET", "path": "/api/emails"}
    return mailserver.rest_faults.drop(stage=stage, **conditions)


def passes_stages_and_conditions_on(mailserver: MailServer, stage: FaultStage, when: DropWhen) -> Fault:
    conditions: FaultConditions = {"subject": "Hello", "text": "works"}
    mailserver.faults.delay(1, stage=stage, **conditions)
    calls: WebhookFaultConditions = {"event": "email.received"}
    mailserver.webhook_faults.duplicate(**calls)
    return mailserver.faults.drop(stage=stage, when=when)


def looks_at_faults(mailserver: MailServer) -> None:
    planned = mailserver.faults.planned
    assert_type(planned, list[Fault])
    assert_type(planned[0].fired, int)
    assert_type(planned[0].times, int | None)
    assert_type([each.count() for each in mailserver.webhook_faults], list[str])
    mailserver.faults.clear()
    mailserver.webhook_faults.clear(*planned)


def plans_faults_of_webhooks(mailserver: MailServer, inbox: Inbox) -> None:
    faults = mailserver.webhook_faults
    assert_type(faults, WebhookFaults)
    assert_type(faults.duplicate(subject="one"), Fault)
    faults.reorder(event="email.received", recipient=inbox)
    faults.delay(30, times=None, attempt=1)
    faults.corrupt_signature(times=3, sender=re.compile("shop"))
    faults.stale_timestamp(url="*/hook")
    faults.malformed_json(json=lambda body: body["data"]["size"] > 5)
    faults.wrong_content_type(text="Hello")
    faults.huge_body(attempt=lambda attempt: attempt > 1)
