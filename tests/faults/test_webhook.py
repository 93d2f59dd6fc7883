"""The faults of the webhook sender without sockets."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.faults.engine import Always, Fault
from sirrchat_testkit.faults.webhook import (
    WEBHOOK,
    CallContext,
    CallDecision,
    CallFaultMatch,
    Tampering,
    WebhookPayload,
)
from sirrchat_testkit.faults.webhook_handle import WebhookFaultConditions
from sirrchat_testkit.webhooks.calls import call

BODY = {"event": "email.received", "data": {"user": "ann@example.com", "from": "a@x.example", "subject": "Hello"}}
CALL = CallContext("send", "http://127.0.0.1:9/hook", {}, json.dumps(BODY).encode(), 2)


@pytest.mark.parametrize(
    "conditions",
    [
        {"event": "email.received"},
        {"attempt": 2},
        {"url": "*/hook"},
        {"subject": "Hello"},
        {"sender": "A@x.example"},
        {"recipient": "ann@*"},
        {"text": "x.example"},
        {"json": BODY},
    ],
)
def test_conditions_select_calls(conditions: dict[str, Any]) -> None:
    assert CallFaultMatch(**conditions).accepts(CALL)
    assert not CallFaultMatch(**dict.fromkeys(conditions, "other")).accepts(CALL)


def test_the_typed_conditions_are_those_of_the_table() -> None:
    assert set(WebhookFaultConditions.__annotations__) == set(CallFaultMatch.table)


@pytest.mark.asyncio
async def test_a_fault_that_fires_on_a_call_is_an_event(services: Services) -> None:
    planned = services.faults.plan(Fault(WEBHOOK, ("send",), Always(CallDecision(duplicate=True), "duplicate"), {}, 1))
    decisions = [await services.faults.of(WEBHOOK).decide(CALL) for _ in range(2)]
    assert [each.duplicate for each in decisions] == [True, False]
    assert planned.fired == 1
    [fired] = [event for event in services.events.after() if isinstance(event, FaultFired)]
    assert (fired.stage, fired.text, fired.peer) == ("webhook", "duplicate", "http://127.0.0.1:9/hook")
    assert (fired.sender, fired.recipients) == ("a@x.example", ("ann@example.com",))


@pytest.mark.parametrize("tampering", get_args(Tampering))
def test_every_tampering_changes_a_call(tampering: Tampering) -> None:
    plain, tampered = (call("email.received", "1", "{}", secret="s", tampering=each) for each in ("", tampering))
    assert (plain.headers, plain.body) != (tampered.headers, tampered.body)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[1]", b'{"data": 5}', b"[" * 100_000])
def test_a_body_without_the_fields_has_empty_ones(body: bytes) -> None:
    payload = WebhookPayload()
    payload.headers, payload.body = {}, body
    assert (payload.event, payload.subject, payload.sender, payload.recipient) == ("", "", "", "")
