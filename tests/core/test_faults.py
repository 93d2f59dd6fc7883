"""Faults without sockets: who strikes when, and what a scope gives back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.effects import Always, Greylist, Ruling, Throttle, refusal
from sirrchat_testkit.core.events import FaultFired
from sirrchat_testkit.core.faults import Fault
from sirrchat_testkit.core.moments import CONDITIONS, KNOWN, STAGES, FaultMatch, Moment

RAW = b"Subject: =?utf-8?q?Hell=C3=B6?=\r\nFrom: a@x.example\r\nTo: b@example.com\r\nX-Tag: one\r\n\r\nsome text\r\n"
END = Moment("end", "127.0.0.1:5", mail_from="a@x.example", recipients=("b@example.com",), size=len(RAW), raw=RAW)


def fault(ruling: Ruling, times: int | None = None, stage: str = "end", **match: Any) -> Fault:
    return Fault((stage,), FaultMatch(**match), Always(ruling, "it"), times)


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
    assert FaultMatch(**conditions).accepts(END)
    assert not FaultMatch(**conditions, ehlo="other").accepts(END)


def test_each_stage_knows_what_those_before_it_knew() -> None:
    for earlier, later in itertools.pairwise(STAGES):
        assert KNOWN[earlier] <= KNOWN[later]
    assert KNOWN["end"] == set(CONDITIONS)


def test_only_code_of_the_users_leaves_the_servers_thread() -> None:
    assert not FaultMatch(subject="x", size=5, header={"X": None}).asks_user_code
    assert FaultMatch(subject=str.isupper).asks_user_code
    assert FaultMatch(header={"X": bool}).asks_user_code


@pytest.mark.asyncio
async def test_a_delay_and_a_refusal_go_together_and_two_refusals_do_not(backend: Backend) -> None:
    faults = backend.faults
    faults.plan(fault(Ruling(delay=1.0)))
    faults.plan(fault(Ruling(delay=2.0)))
    faults.plan(fault(Ruling(refusal("end", 451)), times=1))
    faults.plan(fault(Ruling(drop="after")))
    first, second = [await faults.next_for("end", END) for _ in range(2)]
    assert (first.delay, first.drop, first.refusal) == (1.0, None, refusal("end", 451))
    assert (second.delay, second.drop, second.refusal) == (1.0, "after", None)
    assert [each.fired for each in faults.all()] == [2, 0, 1, 1]
    assert len([event for event in backend.events.after() if isinstance(event, FaultFired)]) == 4


@pytest.mark.asyncio
async def test_nobody_is_asked_where_nothing_is_planned(backend: Backend) -> None:
    assert not backend.faults.planned
    planned = backend.faults.plan(fault(Ruling(lose=True)))
    assert backend.faults.planned
    backend.faults.cancel(planned)
    assert not backend.faults.planned


@pytest.mark.asyncio
async def test_a_scope_gives_back_what_was_remembered(backend: Backend) -> None:
    backend.clock.freeze(0)
    for effect in (Greylist(1000), Throttle(1, 450)):
        backend.faults.plan(Fault(("rcpt",), FaultMatch(), effect))
    rcpt = Moment("rcpt", "peer", mail_from="a@x.example", recipients=("b@example.com",))
    assert (await backend.faults.next_for("rcpt", rcpt)).refusal
    before = [each.effect.remember() for each in backend.faults.all()]
    scope = await backend.scopes.open("inner")
    await backend.clock.advance(2000)
    assert not (await backend.faults.next_for("rcpt", rcpt)).refusal
    await backend.scopes.close(scope)
    assert [each.effect.remember() for each in backend.faults.all()] == before
    assert [each.fired for each in backend.faults.all()] == [1, 0]


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
