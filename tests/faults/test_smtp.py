"""The faults of SMTP without sockets: stages, conditions, decisions, and what a scope puts back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.faults.engine import Always, Fault
from sirrchat_testkit.faults.smtp import SMTP, Greylist, SmtpContext, SmtpDecision, SmtpMatch, Throttle, refusal
from sirrchat_testkit.faults.smtp_handle import (
    FaultConditions,
    MailFaultConditions,
    RcptFaultConditions,
    RejectFaultConditions,
)

RAW = b"Subject: =?utf-8?q?Hell=C3=B6?=\r\nFrom: a@x.example\r\nTo: b@example.com\r\nX-Tag: one\r\n\r\nsome text\r\n"
END = SmtpContext("end", "127.0.0.1:5", mail_from="a@x.example", recipients=("b@example.com",), size=len(RAW), raw=RAW)


def fault(decision: SmtpDecision, times: int | None = None) -> Fault:
    return Fault(SMTP, ("end",), Always(decision, "it"), {}, times)


@pytest.mark.parametrize(
    "conditions",
    [
        {"subject": "Hellö"},
        {"sender": "A@x.example"},
        {"to": "b@*"},
        {"header": {"X-Tag": "one"}},
        {"text": "some"},
        {"size": len(RAW)},
        {"has_attachment": False},
        {"recipient": "B@example.com"},
        {"mail_from": "*@x.example", "peer": "127.0.0.1:*"},
    ],
)
def test_conditions_on_a_message_are_those_of_a_wait(conditions: dict[str, Any]) -> None:
    assert SmtpMatch(**conditions).accepts(END)
    assert not SmtpMatch(**conditions, ehlo="other").accepts(END)


def test_each_stage_knows_what_those_before_it_knew() -> None:
    for earlier, later in itertools.pairwise(SMTP.stages.values()):
        assert earlier.conditions <= later.conditions
    assert SMTP.stages["end"].conditions == set(SmtpMatch.table)


def test_the_typed_conditions_are_those_of_the_table() -> None:
    assert set(FaultConditions.__annotations__) == set(SmtpMatch.table)
    assert set(RejectFaultConditions.__annotations__) == set(SmtpMatch.table) - {"text"}  # there it is the reply's
    assert set(RcptFaultConditions.__annotations__) == SMTP.stages["rcpt"].conditions
    assert set(MailFaultConditions.__annotations__) == SMTP.stages["mail"].conditions


@pytest.mark.asyncio
async def test_a_delay_and_a_refusal_go_together_and_two_refusals_do_not(services: Services) -> None:
    registry, faults = services.faults, services.faults.of(SMTP)
    registry.plan(fault(SmtpDecision(delay=1.0)))
    registry.plan(fault(SmtpDecision(delay=2.0)))
    registry.plan(fault(SmtpDecision(refusal=refusal("end", 451)), times=1))
    registry.plan(fault(SmtpDecision(drop="after")))
    first, second = [await faults.decide(END) for _ in range(2)]
    assert (first.delay, first.drop, first.refusal) == (1.0, None, refusal("end", 451))
    assert (second.delay, second.drop, second.refusal) == (1.0, "after", None)
    assert [each.fired for each in registry.all()] == [2, 0, 1, 1]
    fired = [event for event in services.events.after() if isinstance(event, FaultFired)]
    assert len(fired) == 4
    assert fired[0] == FaultFired(
        at=fired[0].at,
        fault=1,
        stage="end",
        text="it",
        peer="127.0.0.1:5",
        sender="a@x.example",
        recipients=("b@example.com",),
    )


@pytest.mark.asyncio
async def test_a_scope_gives_back_what_was_remembered(services: Services) -> None:
    services.clock.freeze(0)
    registry, faults = services.faults, services.faults.of(SMTP)
    for action in (Greylist(1000), Throttle(1, 450)):
        registry.plan(Fault(SMTP, ("rcpt",), action, {}))
    rcpt = SmtpContext("rcpt", "peer", mail_from="a@x.example", recipients=("b@example.com",))
    assert (await faults.decide(rcpt)).refusal
    before = [each.action.snapshot() for each in registry.all()]
    scope = await services.scopes.open("inner")
    await services.clock.advance(2000)
    assert not (await faults.decide(rcpt)).refusal
    await services.scopes.close(scope)
    assert [each.action.snapshot() for each in registry.all()] == before
    assert [each.fired for each in registry.all()] == [1, 0]


@pytest.mark.parametrize(
    ("stage", "code", "text", "status"),
    [
        ("rcpt", 550, "", "5.1.1"),
        ("rcpt", 451, "", "4.7.1"),
        ("end", 550, "", "5.7.1"),
        ("end", 499, "", "4.0.0"),
        ("mail", 550, "5.7.26 no SPF", "5.7.26"),
        ("connect", 421, "", "4.3.2"),
    ],
)
def test_a_refusal_has_a_status_that_suits_it(stage: str, code: int, text: str, status: str) -> None:
    assert refusal(stage, code, text).status == status
