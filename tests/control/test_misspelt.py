"""A misspelt parameter or field is refused: without it, a request would do something else than was meant."""

from __future__ import annotations

from typing import Any

import pytest

from sirrchat_testkit import MailServer
from tests.control.conftest import Control


@pytest.mark.parametrize(
    ("method", "path", "name", "text"),
    [
        ("GET", "/messages?subjct=x", "subjct", "there is no parameter 'subjct'; did you mean 'subject'?"),
        ("GET", "/wait?sender=x", "sender", "there is no parameter 'sender'; there are to, from, subject, text,"),
        ("DELETE", "/messages?to=ann@example.com&subjct=x", "subjct", "did you mean 'subject'?"),
        ("POST", "/messages?too=ann@example.com", "too", "there is no parameter 'too'; there are to, from"),
        ("GET", "/events?since=1", "since", "there is no parameter 'since'; there are after"),
        ("POST", "/reset?durabel=yes", "durabel", "did you mean 'durable'?"),
        ("GET", "/clock?at=now", "at", "there is no parameter 'at'; this route takes none"),
    ],
)
def test_a_parameter(server: MailServer, control: Control, method: str, path: str, name: str, text: str) -> None:
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(subject="Welcome", text="x")
    refusal = control.refusal(method, path, status=400)
    assert text in refusal["message"]
    assert refusal["details"]["field"] == name
    assert [each.subject for each in inbox.messages] == ["Welcome"]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("DELETE", "/messages?to=ann@example.com&q=subject:other&q=is:read", "q"),
        ("DELETE", "/messages?to=ann@example.com&to=bob@example.com", "to"),
        ("GET", "/wait?to=ann@example.com&timeout=0&timeout=1", "timeout"),
        ("POST", "/messages?to=ann@example.com&from=a@b.example&from=c@b.example", "from"),
        ("GET", "/changes?account=x&account=y&after=0&after=1", "after"),
    ],
)
def test_a_repeated_parameter(server: MailServer, control: Control, method: str, path: str, name: str) -> None:
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(subject="Another", text="x")
    refusal = control.refusal(method, path, status=400)
    assert refusal["message"] == f"{name} is given 2 times; give it once"
    assert refusal["details"]["field"] == name
    assert [each.subject for each in inbox.messages] == ["Another"]


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", "/addresses", {"nam": "bob"}, "there is no field 'nam'; did you mean 'name'?"),
        (
            "POST",
            "/accounts",
            {"user": "bob@example.com"},
            "there is no field 'user'; there are email, password, quota",
        ),
        ("POST", "/clock", {"action": "advance", "minutes": 5}, "there is no field 'minutes'; there are action, at,"),
        ("POST", "/faults", {"effect": "lose", "matches": {}}, "there is no field 'matches'; did you mean 'match'?"),
    ],
)
def test_a_field(control: Control, method: str, path: str, body: Any, text: str) -> None:
    assert control.refusal(method, path, status=400, body=body)["message"].startswith(text)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"effect": "x" * 70_000}),
        ("PATCH", "/settings", {"max_sessions": "x" * 70_000}),
        ("POST", "/messages?to=" + "x" * 5_000, None),
        ("GET", "/messages?since=" + "x" * 5_000, None),
    ],
)
def test_a_long_value_is_cut_in_the_text(control: Control, method: str, path: str, body: Any) -> None:
    refusal = control.refusal(method, path, status=400, body=body)
    assert len(refusal["message"]) < 400
    assert len(refusal["details"]["value"]) >= 5_000


def test_the_value_of_an_unknown_field_is_not_repeated(control: Control) -> None:
    refusal = control.refusal("POST", "/accounts", status=400, body={"pasword": "secret"})
    assert refusal["details"] == {"field": "pasword", "value": None}


def test_the_documented_apis_ignore_what_they_do_not_know(server: MailServer, control: Control) -> None:
    got = control.http.get(f"{server.api_url}/api/v1/users?page=1&unknown=x")
    assert got.status_code == 200
    made = control.http.post(f"{server.api_url}/api/v1/domains", json={"name": "shop.example", "unknown": 1})
    assert made.status_code == 201
