"""Clock, settings, the barrier, crashes, reset, accounts, addresses, connections, refusals and deliveries."""

from __future__ import annotations

import smtplib
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.schemas import control as schemas
from tests.control.conftest import Control

if TYPE_CHECKING:
    from pathlib import Path

    from sirrchat_testkit import WebhookSink

HELLO = b"Subject: Hello\r\n\r\nhi\r\n"


def send(server: MailServer, *recipients: str, **login: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        if login:
            client.login(login["user"], login["password"])
        client.sendmail("a@b.example", recipients, HELLO)


def test_the_clock_is_the_one_of_the_handle(server: MailServer, control: Control) -> None:
    frozen = control("POST", "/clock", body={"action": "freeze", "at": "2030-01-31T12:00:00Z"})
    assert frozen == {"now": "2030-01-31T12:00:00.000Z", "frozen": True} == control("GET", "/clock")
    assert server.clock.now() == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert control("POST", "/clock", body={"action": "advance", "seconds": 90.5})["now"] == "2030-01-31T12:01:30.500Z"
    moved = control("POST", "/clock", body={"action": "move_to", "at": "2030-02-01T13:00:00+01:00"})
    assert moved["now"] == "2030-02-01T12:00:00.000Z"
    assert control("POST", "/clock", body={"action": "resume"})["frozen"] is False


def test_advancing_the_clock_expires_addresses(server: MailServer, control: Control) -> None:
    made = control("POST", "/addresses", status=201, body={"expires_in_ms": 60_000})
    send(server, made["email"])
    control("POST", "/clock", body={"action": "advance", "seconds": 61})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, made["email"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "jump"}, "action"),
        ({"action": "advance"}, "seconds"),
        ({"action": "advance", "seconds": -1}, "seconds"),
        ({"action": "advance", "seconds": "1"}, "seconds"),
        ({"action": "advance", "seconds": 1e11}, "seconds"),
        ({"action": "move_to"}, "at"),
        ({"action": "move_to", "at": "soon"}, "at"),
        ({"action": "move_to", "at": "2030-01-31T12:00:00"}, "at"),
    ],
)
def test_a_wrong_move_of_the_clock(control: Control, body: Any, field: str) -> None:
    assert control.refusal("POST", "/clock", status=400, body=body)["details"]["field"] == field


def test_settings_are_those_of_the_handle(server: MailServer, control: Control) -> None:
    shown = control("GET", "/settings")
    assert (shown["max_recipients"], shown["domains"]) == (server.settings.max_recipients, [*server.settings.domains])
    assert not {"api_key", "oauth_tokens"} & set(shown), "secrets are not shown"
    assert control("PATCH", "/settings", body={"max_recipients": 3})["max_recipients"] == 3
    assert server.settings.max_recipients == 3


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"self": 3}, "there is no setting 'self'; there are "),
        ({"max_recipient": 3}, "there is no setting 'max_recipient'; did you mean 'max_recipients'?"),
        ({"max_recipients": "x"}, "max_recipients must be a whole number"),
        ({"max_recipients": 0}, "max_recipients must be a whole number"),
        (
            {"data": "/tmp/x"},
            "data cannot be changed while the server runs; give it to serve or MailServer at the start",
        ),
        ({"max_recipients": 3, "auth": "perhaps"}, "auth must be"),
    ],
)
def test_a_wrong_setting_changes_nothing(server: MailServer, control: Control, body: Any, text: str) -> None:
    before = server.settings
    assert control.refusal("PATCH", "/settings", status=400, body=body)["message"].startswith(text)
    assert server.settings == before


def test_settle_names_what_is_in_progress(server: MailServer, control: Control) -> None:
    assert control("GET", "/settle") == {"settled": True, "busy": []}
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.mail("a@b.example")
        settled = control("GET", "/settle", timeout="0.05")
        assert settled["settled"] is False
        assert [each["what"] for each in settled["busy"]] == ["MAIL FROM:<a@b.example>"]


def test_crashes_are_listed(server: MailServer, control: Control) -> None:
    async def crash() -> None:
        server._now.services.crashed("the test", ValueError("on purpose"))

    server._thread.call(crash())
    [shown] = control("GET", "/crashes")["data"]
    assert (shown["where"], shown["error"]) == ("the test", "ValueError: on purpose")
    assert control("GET", "/crashes", after=shown["id"])["data"] == []
    assert control("GET", "/crashes", after=10**30)["data"] == []
    with pytest.raises(ValueError, match="on purpose"):
        server.check()


def test_an_account_of_its_own(server: MailServer, control: Control) -> None:
    made = control("POST", "/accounts", status=201, body={})
    send(server, "ann@example.com", user=made["email"], password=made["password"])
    own = Control(server, made["api_key"])
    with own.http:
        got = own.http.get(f"{server.api_url}/api/v1/users/{made['id']}")
        assert got.json()["email"] == made["email"]
    assert server.stats.users_total == 0, "it is in no count"
    address = control("POST", "/addresses", status=201, body={"account": made["id"], "name": "own"})
    send(server, address["email"])
    control("DELETE", f"/accounts/{made['id']}", status=204)
    assert control("GET", "/messages", to=address["email"])["data"] == []
    assert control.refusal("DELETE", f"/accounts/{made['id']}", status=404)["code"] == "not_found"


def test_a_named_account_is_an_ordinary_one(server: MailServer, control: Control) -> None:
    body = {"email": "bob@example.com", "password": "secret", "quota": 1000}
    assert control("POST", "/accounts", status=201, body=body)["quota"] == 1000
    send(server, "ann@example.com", user="bob@example.com", password="secret")
    assert server.stats.users_total == 1
    assert control.refusal("POST", "/accounts", status=409, body=body)["details"]["field"] == "email"
    for wrong in ({"email": "bob"}, {"email": "bob@elsewhere.example"}):
        assert control.refusal("POST", "/accounts", status=400, body=wrong)["details"]["field"] == "email"


def test_addresses_with_any_expiry(server: MailServer, control: Control) -> None:
    made = control("POST", "/addresses", status=201, body={"name": "eve", "domain": "example.org", "expires_in_ms": 1})
    assert made["email"] == "eve@example.org"
    schemas.MadeAddress.model_validate(made)
    assert control.refusal("POST", "/addresses", status=409, body={"name": "ann"})["code"] == "conflict"
    for wrong, field in (
        ({"domain": "x.example"}, "domain"),
        ({"name": "a b"}, "name"),
        ({"expires_in_ms": 0}, "expires_in_ms"),
    ):
        assert control.refusal("POST", "/addresses", status=400, body=wrong)["details"]["field"] == field
    assert control.refusal("POST", "/addresses", status=404, body={"account": "none"})["code"] == "not_found"


def test_connections_with_their_dialogues(server: MailServer, control: Control) -> None:
    send(server, "ann@example.com")
    [shown] = control("GET", "/sessions")["data"]
    [handle] = server.sessions
    assert (shown["peer"], shown["closed"], shown["transcript"]) == (handle.peer, True, str(handle.transcript))
    assert control("GET", "/sessions", after=shown["number"])["data"] == []


def test_envelopes_page_newest_first(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    for number in range(25):
        inbox.deliver(subject=f"{number}", text="x")
    first = control("GET", "/envelopes")
    second = control("GET", "/envelopes", cursor=first["next_cursor"])
    shown = [each["id"] for each in (*first["data"], *second["data"])]
    assert shown == [each.id for each in reversed(server.envelopes)]
    assert second["next_cursor"] is None


def test_refusals_name_the_nearest_address(server: MailServer, control: Control) -> None:
    server.make_inbox(address="customer@example.com")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, "custmer@example.com")
    [shown] = control("GET", "/refusals")["data"]
    schemas.Refusal.model_validate(shown)
    assert (shown["recipient"], shown["nearest"], shown["code"]) == (
        "custmer@example.com",
        "customer@example.com",
        "no_such_address",
    )
    assert control("GET", "/refusals", after=shown["id"])["data"] == []


def test_deliveries_of_both_apis(server: MailServer, control: Control, webhook_sink: WebhookSink) -> None:
    hook = server.add_webhook(webhook_sink.url, events=["email.received"])
    server.add_webhook(webhook_sink.url, events=["new_message"])
    server.inbox_for("ann@example.com").deliver(subject="x", text="x")
    webhook_sink.receive_all(2)
    assert control("GET", "/settle")["settled"]
    shown = control("GET", "/deliveries")["data"]
    for each in shown:
        schemas.Delivery.model_validate(each)
        assert (each["status"], each["attempts"][0]["status"]) == ("delivered", 200)
        assert each["attempts"][0]["request"].startswith("POST ")
    assert {each["event"] for each in shown} == {"email.received", "new_message"}
    [own] = control("GET", "/deliveries", webhook=hook.id)["data"]
    assert own["event"] == "email.received"


def test_reset_goes_back_to_the_start(control: Control, server: MailServer) -> None:
    server.add_domain("new.example")
    account = server.add_account("bob@example.com")
    server.inbox_for("ann@example.com").deliver(subject="x", text="x")
    server.inbox_for("ops@elsewhere.example").deliver(subject="x", text="x")
    server.configure(max_recipients=3)
    server.clock.freeze(at=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, "nobody@example.com")
    server.faults.reject(stage="rcpt", code=451)
    control("POST", "/reset", status=204)
    for path in ("/messages", "/envelopes", "/refusals", "/sessions", "/faults", "/deliveries"):
        assert control("GET", path)["data"] == [], path
    assert control("GET", "/settings")["max_recipients"] != 3
    assert not server.faults.planned
    assert server.clock.now() < datetime(2029, 1, 1, tzinfo=UTC)
    stats = server.stats
    assert (stats.users_total, stats.storage_used, stats.smtp.received, stats.smtp.sent) == (0, 0, 0, 0)
    domains = control.http.get(f"{server.api_url}/api/v1/domains").json()["data"]
    assert [each["name"] for each in domains] == [*server.settings.domains]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, "ann@example.com")
    got = control.http.get(f"{server.api_url}/api/emails", headers={"X-API-Key": account.api_key})
    assert got.status_code == 401
    server.make_inbox(address="ann@example.com").deliver(subject="again", text="x")


def test_reset_is_refused_in_a_scope(server: MailServer, control: Control) -> None:
    with server.scope():
        assert "scope is open" in control.refusal("POST", "/reset", status=409)["message"]


def test_a_server_with_a_data_folder_is_reset_only_on_demand(tmp_path: Path) -> None:
    with MailServer(data=tmp_path) as server:
        inbox = server.make_inbox(address="ann@example.com", expires_in=timedelta(days=1))
        inbox.deliver(subject="x", text="x")
        control = Control(server)
        with control.http:
            assert "durable=yes" in control.refusal("POST", "/reset", status=409)["message"]
            assert len(inbox.messages) == 1
            control("POST", "/reset?durable=yes", status=204)
            assert control("GET", "/messages")["data"] == []
    with MailServer(data=tmp_path) as server:
        assert server.stats.storage_used == 0


def test_requests_of_other_apis_are_not_affected(server: MailServer, control: Control) -> None:
    assert control.http.get(f"{server.api_url}/testkit/v1/nothing").json()["error"]["code"] == "not_found"
    got = control.http.delete("/clock")
    assert (got.status_code, got.headers["Allow"]) == (405, "GET,POST")
    with socket.create_connection(("127.0.0.1", int(server.api_url.rpartition(":")[2]))) as client:
        client.sendall(b"GET /testkit/v1/clock HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 421")
