"""Wrong uses of planned faults: every type checker refuses each line that ends with ``# error``."""

from __future__ import annotations

from sirrchat_testkit import FaultConditions, FaultStage, MailServer, RestFaultConditions, RestFaultStage


def plans_faults_of_smtp(mailserver: MailServer) -> None:
    faults = mailserver.faults
    faults.refuse(stage="rcpt")  # error
    faults.disconnect()  # error
    faults.reject()  # error
    faults.reject(stage="rctp")  # error
    faults.reject(stage="RCPT")  # error
    faults.reject(stage="rcpt", status=451)  # error
    faults.reject(stage="rcpt", code="451")  # error
    faults.reject(stage="rcpt", time=2)  # error
    faults.reject(stage="rcpt", times="2")  # error
    faults.reject(stage="rcpt", recipent="x")  # error
    faults.reject("rcpt")  # error
    faults.delay("1")  # error
    faults.delay(1, stage="body")  # error
    faults.delay(1, seconds=1)  # error
    faults.trickle(0.1, header="X-Tag: a")  # error
    faults.drop(when="later")  # error
    faults.drop(after_octets=5)  # error
    faults.drop(after_bytes=0.5)  # error
    faults.lose(body="x")  # error
    faults.greylist("60")  # error
    faults.greylist(60, subject="x")  # error
    faults.throttle(2, code=500)  # error
    faults.throttle(2, recipient="x")  # error
    faults.limit_size(octets=5)  # error
    faults.limit_size(5, stage="end")  # error
    faults.clear("reject")  # error


def looks_at_faults(mailserver: MailServer) -> None:
    planned = mailserver.faults.planned
    assert planned[0].hits  # error
    assert mailserver.faults.plans  # error
    assert mailserver.faults[0]  # error


def passes_stages_and_conditions_on(mailserver: MailServer) -> None:
    stage: FaultStage = "eod"  # error
    conditions: FaultConditions = {"subjekt": "Hello"}  # error
    mailserver.faults.delay(1, stage=stage, **conditions)


def plans_faults_of_webhooks(mailserver: MailServer) -> None:
    faults = mailserver.webhook_faults
    faults.bad_signature()  # error
    faults.reject(code=500)  # error
    faults.duplicate(2)  # error
    faults.duplicate(recipent="x")  # error
    faults.duplicate(mail_from="x")  # error
    faults.duplicate(stage="send")  # error
    faults.reorder(verified=True)  # error
    faults.delay()  # error
    faults.delay("30")  # error
    faults.huge_body(size=5)  # error
    faults.stale_timestamp(times=1.5)  # error


def plans_faults_of_the_apis(mailserver: MailServer) -> None:
    faults = mailserver.rest_faults
    faults.reject(status=503)  # error
    faults.malformd_json()  # error
    faults.refuse("503")  # error
    faults.refuse(code=503)  # error
    faults.refuse(503, 3)  # error
    faults.refuse(retry_after=0.5)  # error
    faults.refuse(stage="rcpt")  # error
    faults.refuse(stage="before")  # error
    faults.refuse(pth="/api/*")  # error
    faults.refuse(recipient="x")  # error
    faults.refuse(times="2")  # error
    faults.delay()  # error
    faults.delay("1")  # error
    faults.drop(when="before")  # error
    faults.drop(reset="yes")  # error
    faults.malformed_json(stage="response")  # error
    faults.wrong_content_type(header="x")  # error
    assert faults.plans  # error


def passes_rest_stages_and_conditions_on(mailserver: MailServer) -> None:
    stage: RestFaultStage = "end"  # error
    conditions: RestFaultConditions = {"url": "/api/emails"}  # error
    mailserver.rest_faults.drop(stage=stage, **conditions)
