"""A server that several people use: what would affect others is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sirrchat_testkit import ControlClient, MailServer, SharedServerError
from tests.control.conftest import Control


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A shared server."""
    with MailServer(shared=True) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/clock", {"action": "freeze"}),
        ("PATCH", "/settings", {"max_recipients": 3}),
        ("POST", "/reset", None),
        ("DELETE", "/messages?q=hello", None),
        ("DELETE", "/messages?to=*@example.com", None),
        ("DELETE", "/faults", None),
        ("POST", "/faults", {"effect": "lose"}),
        ("POST", "/faults", {"effect": "lose", "match": {"recipient": "*"}}),
        ("POST", "/faults", {"protocol": "webhook", "effect": "malformed_json", "match": {"event": "email.sent"}}),
        ("POST", "/faults", {"protocol": "rest", "effect": "refuse", "match": {"path": "/api/emails"}}),
    ],
)
def test_what_affects_others_is_refused_with_the_remedy(control: Control, method: str, path: str, body: Any) -> None:
    refusal = control.refusal(method, path, status=409, body=body)
    assert refusal["code"] == "shared_server"
    assert "would affect others who use this server; " in refusal["message"]


def test_what_is_one_s_own_is_not(server: MailServer, control: Control) -> None:
    account = control("POST", "/accounts", status=201, body={})
    address = control("POST", "/addresses", status=201, body={"account": account["id"]})["email"]
    for body in (
        {"effect": "lose", "match": {"recipient": address}, "times": 1},
        {"protocol": "rest", "effect": "refuse", "match": {"account": account["id"]}},
        {"protocol": "webhook", "effect": "malformed_json", "match": {"url": "http://127.0.0.1:1/hook"}},
    ):
        fault = control("POST", "/faults", status=201, body=body)
        control("DELETE", f"/faults/{fault['id']}", status=204)
    control("POST", f"/messages?to={address}", status=201, body=b"Subject: x\r\n\r\nx\r\n")
    assert len(control("DELETE", "/messages", to=address)["deleted"]) == 1
    control("DELETE", f"/accounts/{account['id']}", status=204)
    assert server.stats.storage_used == 0


def test_the_client_raises_the_public_error(server: MailServer) -> None:
    with (
        ControlClient(server.api_key, server.api_url) as client,
        pytest.raises(SharedServerError, match="start a server"),
    ):
        client.clock.freeze()
