"""Faults of the REST APIs, as a client of a running server meets them."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sirrchat_testkit import FaultNeverFired, MailNotReceived, MailServer, RestFaults
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.faults.webhook import WEBHOOK
from sirrchat_testkit.schemas import sirrchat, tempmail
from tests.support import until

LONG = 600.0
EMAILS, USERS = "/api/emails", "/api/v1/users"


@pytest.fixture
def client(server: MailServer) -> Iterator[httpx.Client]:
    """A client with the admin's key for both APIs."""
    headers = {"X-API-Key": server.api_key, "Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.api_url, headers=headers, timeout=30) as made:
        yield made


@pytest.fixture
def faults(server: MailServer) -> RestFaults:
    return server.rest_faults


def add_user(client: httpx.Client) -> httpx.Response:
    return client.post(USERS, json={"email": "ann@example.com", "password": "secret"})


def users(client: httpx.Client) -> list[str]:
    return [each["email"] for each in client.get(USERS).json()["data"]]


def test_an_error_has_the_shape_of_its_api(client: httpx.Client, faults: RestFaults) -> None:
    fault = faults.refuse(times=2)
    one, other = client.get(EMAILS), client.get(USERS)
    assert (one.status_code, one.json()) == (503, {"error": "refused by a fault"})
    expected = {"code": "service_unavailable", "message": "refused by a fault", "details": {}}
    assert (other.status_code, other.json()) == (503, {"error": expected})
    assert "retry-after" not in one.headers
    assert (client.get(EMAILS).status_code, fault.fired, fault.spent) == (200, 2, True)


@pytest.mark.parametrize(
    ("status", "code"),
    [(418, "invalid_request"), (501, "internal_error"), (502, "bad_gateway"), (504, "gateway_timeout")],
)
def test_any_error_can_be_planned(client: httpx.Client, faults: RestFaults, status: int, code: str) -> None:
    faults.refuse(status, text="out of order", retry_after=7, times=1)
    got = client.get(USERS)
    assert (got.status_code, got.headers["retry-after"]) == (status, "7")
    assert got.json()["error"] == {"code": code, "message": "out of order", "details": {}}


def test_too_many_requests_look_like_the_rate_limit(
    server: MailServer, client: httpx.Client, faults: RestFaults
) -> None:
    server.clock.freeze()
    server.clock.move_to(datetime(2030, 1, 1, 8, 59, tzinfo=UTC))
    faults.refuse(429, retry_after=30, times=1)
    faults.refuse(429, text="rate limit exceeded: 1 request an hour", times=1)
    first, planned = client.get(EMAILS), client.get(EMAILS)
    assert (first.status_code, first.headers["retry-after"]) == (429, "30")
    server.rate_limit(requests=1)
    _, real = client.get(EMAILS), client.get(EMAILS)
    assert (planned.status_code, planned.json()) == (real.status_code, real.json())
    assert (planned.headers["retry-after"], planned.headers["x-ratelimit-remaining"]) == ("60", "0")
    assert planned.headers.keys() == real.headers.keys()


def test_an_outage_is_before_keys_and_rate_limits(server: MailServer, client: httpx.Client, faults: RestFaults) -> None:
    server.rate_limit(requests=1)
    faults.refuse(times=2)
    assert httpx.get(f"{server.api_url}{EMAILS}").status_code == 503
    assert [client.get(EMAILS).status_code for _ in range(3)] == [503, 200, 429]


@pytest.mark.parametrize(("reset", "error"), [(False, httpx.RemoteProtocolError), (True, httpx.ReadError)])
@pytest.mark.parametrize("stage", ["request", "response"])
def test_a_dropped_request_has_its_effect_only_at_response(
    client: httpx.Client, faults: RestFaults, stage: Any, reset: Any, error: type[httpx.TransportError]
) -> None:
    faults.drop(reset=reset, stage=stage, method="POST", times=1)
    with pytest.raises(error):
        add_user(client)
    assert users(client) == (["ann@example.com"] if stage == "response" else [])
    assert add_user(client).status_code == (409 if stage == "response" else 201)


@pytest.mark.parametrize("stage", ["request", "response"])
def test_a_refused_request_has_its_effect_only_at_response(
    client: httpx.Client, faults: RestFaults, stage: Any
) -> None:
    faults.refuse(stage=stage, method="POST", times=1)
    assert add_user(client).status_code == 503
    assert users(client) == (["ann@example.com"] if stage == "response" else [])


def test_a_refusal_of_the_api_is_an_answer_too(client: httpx.Client, faults: RestFaults) -> None:
    faults.refuse(500, stage="response", times=1)
    assert [client.get(f"{USERS}/nobody").status_code for _ in range(2)] == [500, 404]


def test_malformed_json_is_half_of_the_answer(client: httpx.Client, faults: RestFaults) -> None:
    whole = client.get(EMAILS)
    faults.malformed_json(times=1)
    half = client.get(EMAILS)
    assert (half.status_code, half.headers["content-type"]) == (200, "application/json")
    assert half.content == whole.content[: len(whole.content) // 2]
    assert half.headers["content-length"] == str(len(half.content))
    with pytest.raises(json.JSONDecodeError):
        half.json()


def test_a_wrong_content_type_has_the_same_body(client: httpx.Client, faults: RestFaults) -> None:
    whole = client.get(EMAILS)
    faults.wrong_content_type(times=1)
    got = client.get(EMAILS)
    assert (got.status_code, got.headers["content-type"], got.content) == (200, "text/plain", whole.content)


def test_damage_passes_answers_without_json(client: httpx.Client, faults: RestFaults) -> None:
    made = add_user(client).json()
    fault = faults.malformed_json(path=f"{USERS}/*", times=1)
    deleted = client.delete(f"{USERS}/{made['id']}")
    assert (deleted.status_code, deleted.content, fault.fired) == (204, b"", 0)
    faults.clear()


def test_an_answer_is_delayed_in_real_time(client: httpx.Client, faults: RestFaults) -> None:
    faults.delay(0.05, times=1)
    faults.refuse(times=1)
    began = time.monotonic()
    assert client.get(EMAILS).status_code == 503
    assert time.monotonic() - began >= 0.05
    assert [each.fired for each in faults] == [1, 1]


BODY = b'{"email": "ann@example.com", "password": "secret"}'


def post(server: MailServer, body: bytes = BODY) -> socket.socket:
    """Send a POST that makes ``ann@example.com``, but only ``body`` of its body; return the socket."""
    head = f"POST {USERS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.api_key}\r\n"
    host, _, port = server.api_url.removeprefix("http://").partition(":")
    opened = socket.create_connection((host, int(port)), timeout=30)
    opened.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + body)
    return opened


def test_a_connection_is_dropped_after_the_body_was_read(server: MailServer) -> None:
    fault = server.rest_faults.drop()
    with post(server, BODY[:10]) as opened:
        until(server._thread, lambda: fault.fired)
        opened.sendall(BODY[10:])
        assert opened.recv(1) == b""  # and not ConnectionResetError


def is_idle(server: MailServer) -> bool:
    return not server._now.http.mark() - {None}  # type: ignore[attr-defined]


def test_a_client_that_hangs_up_during_a_delay_has_no_effect(server: MailServer, client: httpx.Client) -> None:
    fault = server.rest_faults.delay(LONG, method="POST")
    with post(server):
        until(server._thread, lambda: fault.fired)
        assert not is_idle(server)
    until(server._thread, lambda: is_idle(server))
    assert users(client) == []


@pytest.mark.parametrize("stage", ["request", "response"])
def test_a_delay_ends_with_its_scope(server: MailServer, client: httpx.Client, stage: Any) -> None:
    with server.scope("outage"):
        fault = server.rest_faults.delay(LONG, stage=stage)
        opened = post(server)
        until(server._thread, lambda: fault.fired)
    with opened:
        with contextlib.suppress(ConnectionResetError):
            assert opened.recv(1) == b""
        until(server._thread, lambda: is_idle(server))
        assert users(client) == []


def test_other_requests_are_not_delayed(server: MailServer, client: httpx.Client) -> None:
    fault = server.rest_faults.delay(LONG, method="POST")
    with post(server):
        until(server._thread, lambda: fault.fired)
        assert client.get(EMAILS).status_code == 200


def test_faults_end_with_their_scope_and_get_back_what_it_used_up(
    server: MailServer, client: httpx.Client, faults: RestFaults
) -> None:
    outer = faults.refuse(502, times=1)
    with server.scope("inner"):
        faults.refuse(504)
        assert [client.get(EMAILS).status_code for _ in range(3)] == [502, 504, 504]
    assert (faults.planned, outer.fired) == ([outer], 0)
    assert [client.get(EMAILS).status_code for _ in range(2)] == [502, 200]


def test_faults_select_by_method_path_and_account(server: MailServer, client: httpx.Client, faults: RestFaults) -> None:
    ann, bob = server.add_account("ann@example.com"), server.add_account("bob@example.com")

    def ask(key: str, path: str = EMAILS, method: str = "GET") -> int:
        return client.request(method, path, headers={"X-API-Key": key, "Authorization": f"Bearer {key}"}).status_code

    faults.refuse(account=ann, path="/api/emails*", method="get")
    assert [ask(ann.api_key), ask(bob.api_key), ask("wrong")] == [503, 200, 401]
    assert [ask(ann.api_key, "/api/config"), ask(ann.api_key, f"{EMAILS}/x", "DELETE")] == [200, 404]
    assert ask(ann.api_key, f"{EMAILS}?cursor=") == 503
    faults.clear()
    faults.refuse(account=bob.id)
    assert [ask(ann.api_key, f"{USERS}/{ann.id}"), ask(bob.api_key, f"{USERS}/{bob.id}")] == [200, 503]
    faults.clear()
    faults.refuse(account=server.smtp_username, times=1)
    assert [ask(server.make_inbox().api_key) for _ in range(2)] == [503, 200]


SERVER = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/testkit/v1/clock"]


def test_the_server_s_own_routes_are_spared(client: httpx.Client, faults: RestFaults) -> None:
    usual = [client.get(each).status_code for each in SERVER]
    faults.drop()
    faults.drop(path="*")
    faults.drop(stage="response", path=re.compile("/"))
    assert [client.get(each).status_code for each in SERVER] == usual
    faults.clear()
    faults.refuse(path="/healthz", times=1)
    assert [client.get("/healthz").status_code for _ in range(2)] == [503, 200]


def test_unknown_routes_of_the_apis_are_down_too(client: httpx.Client, faults: RestFaults) -> None:
    faults.refuse(times=2)
    assert [client.get(each).status_code for each in ("/api/x", "/api/v1/x", "/api/x", "/x")] == [503, 503, 404, 404]


def test_a_condition_of_the_user_does_not_run_in_the_server_s_thread(client: httpx.Client, faults: RestFaults) -> None:
    ran: list[str] = []

    def picky(path: str) -> bool:
        ran.append(threading.current_thread().name)
        return path == USERS

    faults.refuse(path=picky)
    assert [client.get(each).status_code for each in (EMAILS, USERS)] == [200, 503]
    assert len(ran) == 2
    assert "sirrchat-testkit" not in ran


@pytest.mark.parametrize("stage", ["request", "response"])
def test_what_a_condition_raises_is_500_and_fails_the_test(
    server: MailServer, client: httpx.Client, stage: Any
) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    server.rest_faults.refuse(stage=stage, path=broken)
    assert sirrchat.Problem.model_validate(client.get(USERS).json()).error.code == "internal_error"
    assert tempmail.Problem.model_validate(client.get(EMAILS).json()).error.startswith("internal server error")
    with pytest.raises(ExceptionGroup) as caught:
        server.check()
    assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError] * 2


def test_faults_are_logged_and_are_no_errors_of_the_server(
    server: MailServer, client: httpx.Client, faults: RestFaults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sirrchat_testkit")
    faults.refuse(503, times=1)
    faults.drop(stage="response", times=1)
    client.get(EMAILS)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(USERS)
    logged = [each for each in caplog.records if each.name.startswith("sirrchat_testkit")]
    assert [(each.levelname, each.getMessage()) for each in logged] == [
        ("INFO", f"GET {EMAILS}: refuse 503 at stage request, by a planned fault"),
        ("INFO", f"GET {USERS}: drop at stage response, by a planned fault"),
    ]
    server.check()


def test_a_fault_that_never_fired_is_reported(server: MailServer, client: httpx.Client, faults: RestFaults) -> None:
    faults.refuse(path="/api/v1/*")
    server.faults.lose()
    client.get(EMAILS)
    with pytest.raises(FaultNeverFired) as caught:
        server.check()
    expected = "2 planned faults never fired: refuse 503 at REST REQUEST for path='/api/v1/*'; lose at END"
    assert str(caught.value) == expected


def test_a_failed_wait_says_which_faults_fired(server: MailServer, client: httpx.Client, faults: RestFaults) -> None:
    faults.refuse(times=1)
    add_user(client)
    with pytest.raises(MailNotReceived) as caught:
        server.make_inbox().receive(timeout=0)
    assert "A planned fault fired: refuse 503 at REST REQUEST: POST /api/v1/users" in str(caught.value)


def test_other_protocols_notice_nothing(server: MailServer, faults: RestFaults) -> None:
    faults.drop()
    faults.refuse()
    registry = server._now.services.faults
    assert not registry.of(SMTP).planned
    assert not registry.of(WEBHOOK).planned
    assert (server.faults.planned, server.webhook_faults.planned, len(faults)) == ([], [], 2)
    assert repr(faults) == "<RestFaults drop at REST REQUEST, never fired; refuse 503 at REST REQUEST, never fired>"


WRONG: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda faults: faults.refuse(200), ValueError, "status must be a whole number from 400 to 599, not 200"),
    (lambda faults: faults.refuse("503"), ValueError, "status must be a whole number from 400 to 599, not '503'"),
    (lambda faults: faults.refuse(retry_after=-1), ValueError, "retry_after must be a whole number of at least 0"),
    (lambda faults: faults.refuse(stage="reqest"), ValueError, "did you mean 'request'"),
    (lambda faults: faults.delay(0), ValueError, "seconds must be a number of seconds, more than 0, not 0"),
    (lambda faults: faults.drop(times=0), ValueError, "times must be a whole number of at least 1"),
    (lambda faults: faults.drop(methd="GET"), TypeError, "did you mean 'method'"),
    (lambda faults: faults.malformed_json(pth="/"), TypeError, "did you mean 'path'"),
    (lambda faults: faults.reject(), AttributeError, "did you mean 'refuse'"),
    (lambda faults: faults.malformd_json(), AttributeError, "did you mean 'malformed_json'"),
]


@pytest.mark.parametrize(("plan", "error", "text"), WRONG, ids=[text for *_, text in WRONG])
def test_a_fault_that_makes_no_sense_is_refused(
    faults: RestFaults, plan: Callable[[Any], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        plan(faults)
    assert faults.planned == []


def test_many_clients_share_the_count(client: httpx.Client, faults: RestFaults) -> None:
    faults.refuse(times=5)
    with ThreadPoolExecutor(8) as pool:
        answered = [*pool.map(lambda _: client.get(EMAILS).status_code, range(20))]
    assert sorted(answered) == [200] * 15 + [503] * 5
