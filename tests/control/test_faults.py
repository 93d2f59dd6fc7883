"""Faults that are planned over HTTP."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.schemas import control as schemas

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer
    from tests.control.conftest import Control


def refused(server: MailServer, recipient: str = "ann@example.com") -> int:
    """Return the code with which the recipient is refused, or 250."""
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.mail("a@b.example")
        return client.rcpt(recipient)[0]


def test_a_fault_is_the_one_of_the_handle(server: MailServer, control: Control) -> None:
    server.make_inbox(address="bob@example.com")
    body = {"stage": "rcpt", "effect": {"name": "reject", "code": 451}, "times": 2, "match": {"recipient": "ann@*"}}
    made = control("POST", "/faults", status=201, body=body)
    schemas.Fault.model_validate(made)
    [planned] = server.faults.planned
    assert (made["id"], made["text"]) == (planned.number, str(planned))
    assert [refused(server, "bob@example.com"), *(refused(server) for _ in range(3))] == [250, 451, 451, 250]
    [shown] = control("GET", "/faults")["data"]
    assert (shown["fired"], shown["spent"], shown["match"]) == (2, True, {"recipient": "ann@*"})


def test_faults_of_each_protocol(server: MailServer, control: Control) -> None:
    for body in (
        {"effect": "lose", "times": 1},
        {"protocol": "webhook", "effect": "malformed_json"},
        {"protocol": "rest", "effect": {"name": "refuse", "status": 503}, "match": {"path": "/api/emails"}},
    ):
        assert control("POST", "/faults", status=201, body=body)["protocol"] == body.get("protocol", "smtp")
    assert len(server.faults.planned) == len(server.webhook_faults.planned) == len(server.rest_faults.planned) == 1
    got = control.http.get(f"{server.api_url}/api/emails", headers={"X-API-Key": server.api_key})
    assert got.status_code == 503
    control("DELETE", "/faults", status=204)
    assert control("GET", "/faults")["data"] == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"effect": {"name": "delay", "seconds": 1}, "match": {"seconds": 2}},
            "seconds is not a condition: write it next to match, or in effect",
        ),
        (
            {"stage": "rcpt", "effect": "reject", "match": {"code": 451}},
            "code is not a condition: write it next to match, or in effect",
        ),
        ({"effect": "lose", "match": {"self": 1}}, "unknown condition 'self'; the conditions are peer, "),
        ({"protocol": "rest", "effect": "drop", "match": {"self": 1}}, "unknown condition 'self'; the conditions are "),
    ],
)
def test_a_name_that_is_no_condition(server: MailServer, control: Control, body: Any, text: str) -> None:
    refusal = control.refusal("POST", "/faults", status=400, body=body)
    assert refusal["message"].startswith(text)
    assert refusal["details"]["field"] == "match"
    assert not [*server.faults.planned, *server.rest_faults.planned]


def test_a_fault_is_removed_by_its_id(server: MailServer, control: Control) -> None:
    first, second = (control("POST", "/faults", status=201, body={"effect": "lose"}) for _ in range(2))
    control("DELETE", f"/faults/{first['id']}", status=204)
    assert [each["id"] for each in control("GET", "/faults")["data"]] == [second["id"]]
    assert control.refusal("DELETE", f"/faults/{first['id']}", status=404)["code"] == "not_found"
    control("DELETE", "/faults", status=204)
    assert not server.faults.planned


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({}, "effect", "effect is required"),
        ({"effect": "rejct"}, "effect", "did you mean 'reject'?"),
        ({"effect": "clear"}, "effect", "effect must be one of"),
        ({"effect": {"action": "reset"}}, "effect", "effect must be the name of a verb, or an object such as"),
        ({"effect": 7}, "effect", "effect must be the name of a verb, or an object such as"),
        ({"effect": {"name": "reject", "cod": 451}, "stage": "rcpt"}, "effect", "did you mean 'code'?"),
        ({"effect": {"name": "lose", "matc": {}}}, "effect", "lose has no parameter 'matc'; did you mean 'match'?"),
        ({"effect": {"name": "lose", "times": 2}}, "effect", "times belongs next to effect, not inside it"),
        ({"effect": {"name": "reject", "code": 200}, "stage": "rcpt"}, "code", "code must be"),
        ({"effect": "reject", "stage": "rctp"}, "stage", "did you mean 'rcpt'?"),
        ({"effect": "reject"}, "stage", "reject needs a stage: connect, ehlo, auth, mail, rcpt, data, end"),
        ({"effect": "delay"}, "seconds", "delay needs seconds"),
        ({"effect": {"name": "reject", "code": 550, "text": 7}, "stage": "rcpt"}, "text", "text must be a string"),
        ({"protocol": "rest", "effect": {"name": "refuse", "text": 7}}, "text", "text must be a string"),
        ({"effct": "reject"}, "effct", "there is no field 'effct'; did you mean 'effect'?"),
        ({"effect": "lose", "stage": "rcpt"}, "stage", "lose has no stage"),
        ({"effect": "lose", "times": 0}, "times", "times must be 1 or more"),
        ({"effect": "lose", "match": {"subjct": "x"}}, "match", "did you mean 'subject'?"),
        ({"effect": "lose", "protocol": "pop3"}, "protocol", "protocol must be"),
    ],
)
def test_a_wrong_fault_says_what_is_wrong(
    server: MailServer, control: Control, body: Any, field: str, text: str
) -> None:
    refusal = control.refusal("POST", "/faults", status=400, body=body)
    assert text in refusal["message"]
    assert refusal["details"]["field"].split(".")[0] == field
    assert not server.faults.planned
