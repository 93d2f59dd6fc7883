"""The receiving side: what a sink records, how it answers, how its waits end."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest
import trio
from aiohttp import web

from sirrchat_testkit import (
    Inbox,
    MailServer,
    MakeWebhookSink,
    NotSettled,
    UnexpectedWebhook,
    WebhookCall,
    WebhookNotReceived,
    WebhookSink,
)
from sirrchat_testkit.handles import wait as waits
from sirrchat_testkit.signing import sign
from tests.support import until


def raw(sink: WebhookSink, request: bytes) -> bytes:
    """Return the status line with which the bytes ``request`` are answered."""
    host, port = sink.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(request)
        return client.makefile("rb").readline()


def test_a_call_for_a_host_that_cannot_exist_is_recorded_as_it_was_sent() -> None:
    with WebhookSink() as sink:
        got = raw(sink, b"POST /paid?id=7 HTTP/1.1\r\nHost: 127.0.0.1:99999\r\nContent-Length: 2\r\n\r\n{}")
        assert got.startswith(b"HTTP/1.1 200 ")
        assert [each.url for each in sink.calls] == ["http://127.0.0.1:99999/paid?id=7"]


@pytest.mark.parametrize(
    "request_text",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
        b"no HTTP\r\n\r\n",
    ],
)
def test_a_malformed_call_is_answered_400_without_a_traceback(
    request_text: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("sirrchat_testkit"), "propagate", False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # so that Python itself would print what nothing handles
    with WebhookSink() as sink:
        assert b" 400 " in raw(sink, request_text)
        assert not sink.calls
    assert capfd.readouterr().err == ""


def post(sink: WebhookSink, body: Any = None, path: str = "", **headers: str) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body or {"type": "order.paid", "id": 7}).encode()
    request = urllib.request.Request(
        sink.url + path, data=data, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def signed(sink: WebhookSink, body: bytes, at: int) -> dict[str, str]:
    return {
        "webhook_id": "m1",
        "webhook_timestamp": str(at),
        "webhook_signature": sign(sink.secret, "m1", at, body),
    }


def test_a_sink_stands_alone() -> None:
    with WebhookSink() as sink:
        assert post(sink, path="orders?x=1", X_Tag="a") == 200
        call = sink.receive(event="order.paid", path="/orders?x=1", header={"x-TAG": "a"})
    assert call.method == "POST"
    assert call.json == {"type": "order.paid", "id": 7}
    assert call.headers["X-TAG"] == call.headers["x-tag"] == "a"
    assert call.answered == 200
    assert not call.verified


def test_a_sink_stands_alone_under_asyncio() -> None:
    async def story() -> None:
        async with WebhookSink() as sink:
            waiting = asyncio.create_task(sink.areceive(json=lambda body: body["id"] == 7))
            await asyncio.to_thread(post, sink)
            assert (await waiting).json["type"] == "order.paid"
            await sink.aassert_nothing()
            assert await sink.areceive_all() == []

    asyncio.run(story())


def test_a_sink_stands_alone_under_trio() -> None:
    async def story() -> None:
        async with WebhookSink() as sink, trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: post(sink))
            assert (await sink.areceive()).event == "order.paid"

    trio.run(story)


def test_signatures_are_verified() -> None:
    now = int(time.time())
    with WebhookSink() as sink:
        post(sink, b"{}", **signed(sink, b"{}", now))
        post(sink, b"[]", **signed(sink, b"{}", now))
        post(sink, b"{}", **signed(sink, b"{}", now - 1000))
        good, bad, old = sink.receive_all(3)
    assert (good.verified, bad.verified, old.verified) == (True, False, False)
    assert "webhook-signature is wrong" in bad.reason
    assert "s old; the tolerance is 300 s" in old.reason
    assert [each.attempt for each in (good, bad, old)] == [1, 2, 3]


def test_a_timestamp_is_judged_by_the_kit_s_clock(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.clock.advance(days=400)
    mailserver.add_webhook(webhook_sink.url, secret="known to the server alone")
    inbox.deliver(subject="x")
    assert webhook_sink.receive().verified


def test_receive_gives_what_was_answered_2xx() -> None:
    with WebhookSink() as sink:
        sink.refuse(500, times=2)
        assert [post(sink, {"n": number}) for number in range(3)] == [500, 500, 200]
        assert sink.receive().json == {"n": 2}
        assert [each.answered for each in sink.calls] == [500, 500, 200]
        sink.assert_nothing()


def test_what_is_planned_is_used_up_in_order() -> None:
    with WebhookSink() as sink:
        sink.refuse(429)
        sink.refuse(410)
        sink.answer(lambda _: 202, times=1)
        assert [post(sink) for _ in range(4)] == [429, 410, 202, 200]


def test_a_dropped_call_is_recorded() -> None:
    with WebhookSink() as sink:
        sink.drop()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, OSError)):
            post(sink)
        assert [each.answered for each in sink.calls] == [None]
        assert post(sink) == 200


def test_a_delayed_call_is_answered_later() -> None:
    with WebhookSink() as sink:
        sink.delay(0.05)  # real time is the subject
        began = time.monotonic()
        assert post(sink) == 200
        assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        (None, 200, b'{"received":true}'),
        (204, 204, b""),
        ("thanks", 200, b"thanks"),
        (b"thanks", 200, b"thanks"),
        ({"ok": True}, 200, b'{"ok": true}'),
        ((201, {"id": 1}), 201, b'{"id": 1}'),
        ((418, None), 418, b'{"received":true}'),
    ],
)
def test_an_answer_is_what_a_function_returns(value: Any, status: int, body: bytes) -> None:
    with WebhookSink() as sink:
        sink.answer(lambda _: value)
        connection = http.client.HTTPConnection(sink.url.removeprefix("http://").rstrip("/"), timeout=20)
        connection.request("POST", "/", b"{}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, body)
        connection.close()


def test_a_function_is_given_the_call_and_runs_beside_the_server(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    seen = []

    def answer(call: WebhookCall) -> int:
        seen.append((call.subject, threading.current_thread().name))
        return 200 if len(mailserver.messages) else 500  # asks the server, whose thread it must not block

    webhook_sink.answer(answer)
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="x")
    webhook_sink.receive()
    assert seen[0][0] == "x"
    assert seen[0][1] != "sirrchat-testkit"


def test_what_a_function_raises_comes_home() -> None:
    def answer(_: WebhookCall) -> int:
        raise ZeroDivisionError("mine")

    sink = WebhookSink().start()
    sink.answer(answer)
    assert post(sink) == 500
    with pytest.raises(ZeroDivisionError, match="mine"), sink:
        pass


def test_what_a_function_raises_comes_home_in_a_server() -> None:
    with MailServer() as server:
        with server.make_webhook_sink() as sink:
            sink.answer(lambda _: {1, 2})
            assert post(sink) == 500
            sink.answer(lambda _: "x" * 3.5)  # type: ignore[operator]
        with pytest.raises(TypeError, match="serializable"):
            server.check()


def test_a_call_is_taken_once() -> None:
    with WebhookSink() as sink:
        post(sink, {"n": 1})
        post(sink, {"n": 2})
        assert [sink.receive().json["n"], sink.receive().json["n"]] == [1, 2]
        with pytest.raises(
            WebhookNotReceived, match=r"Matching calls that an earlier receive\(\) took:\n  POST /, answered 200"
        ):
            sink.receive(timeout=0)


def test_receive_all_wants_exactly_so_many(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="one")
    inbox.deliver(subject="two")
    with pytest.raises(UnexpectedWebhook, match=r"2 calls arrived, expected 1 to \S+:\n.* 'one'.*\n.* 'two'"):
        webhook_sink.receive_all(1)
    with pytest.raises(UnexpectedWebhook, match=r"1 call arrived, expected none to \S+ with subject='one':\n"):
        webhook_sink.receive_all(0, subject="one")
    assert len(webhook_sink.receive_all(2)) == 2


def test_assert_nothing_waits_for_what_is_due(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    for number in range(20):
        inbox.deliver(subject=str(number))
    webhook_sink.assert_nothing(subject="20")
    assert len(webhook_sink.calls) == 20
    with pytest.raises(
        UnexpectedWebhook, match=r"^1 call arrived, expected none to \S+ with subject='7': email.received '7'"
    ):
        webhook_sink.assert_nothing(subject="7")


def test_assert_nothing_fails_at_once_on_arrival() -> None:
    with WebhookSink() as sink:

        def post_during_the_watch() -> None:
            until(sink._source.thread, sink._source.feeds.all)
            post(sink)

        thread = threading.Thread(target=post_during_the_watch)
        thread.start()
        with pytest.raises(
            UnexpectedWebhook, match=r"^1 call arrived after 0.\d\d s, expected none to \S+ within 20.0 s: order.paid"
        ):
            sink.assert_nothing(within=20)
        thread.join()


def test_a_server_that_is_still_sending_has_not_settled(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "CALM", 0.0)
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.delay(60)
    inbox.deliver(subject="x")
    until(mailserver._thread, lambda: webhook_sink.calls)
    with pytest.raises(NotSettled, match=r"127.0.0.1:\d+/: 1 webhook delivery is due or in progress"):
        webhook_sink.assert_nothing()


def test_a_failed_wait_says_what_came_instead(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.clock.freeze()
    mailserver.add_webhook(webhook_sink.url)
    webhook_sink.refuse(503)
    inbox.deliver(subject="Welcome, Ann")
    inbox.deliver(subject="Welcome, Bob")
    mailserver.settle()
    with pytest.raises(WebhookNotReceived) as failure:
        webhook_sink.receive(subject="Welcome, Ann", timeout=0)
    text = str(failure.value)
    assert text.startswith("subject: wanted 'Welcome, Ann', was 'Welcome, Bob'. Waited 0.0 s for a call to http://127")
    assert "    subject: wanted 'Welcome, Ann', was 'Welcome, Bob'" in text
    assert "Calls not answered with 2xx:\n  email.received 'Welcome, Ann', answered 503" in text
    assert "email.received, attempt 1: answered 503 after" in text
    assert "email.received is pending; its next attempt is due in " in text
    assert "s on the server's clock: mailserver.clock.advance(seconds=" in text


def test_a_failed_wait_says_who_may_call(mailserver: MailServer, webhook_sink: WebhookSink) -> None:
    with pytest.raises(WebhookNotReceived) as failure:
        webhook_sink.receive(timeout=0)
    first, question, application, server = str(failure.value).splitlines()
    assert first == f"No call arrived. Waited 0.0 s for a call to {webhook_sink.url}."
    assert question == "Where should calls come from?"
    assert application.startswith("  from the application: configure it with webhook_sink.url")
    assert server == (
        "  from the mail server: add a webhook with mailserver.add_webhook(webhook_sink); none has this URL"
    )


def test_a_failed_wait_does_not_ask_who_calls_if_the_application_did(webhook_sink: WebhookSink) -> None:
    assert post(webhook_sink) == 200
    with pytest.raises(WebhookNotReceived) as failure:
        webhook_sink.receive(event="order.sent", timeout=0)
    assert str(failure.value).startswith("event: wanted 'order.sent', was ")
    assert "add_webhook" not in str(failure.value)


def test_a_failed_wait_for_json_shows_a_body_that_is_not_json(webhook_sink: WebhookSink) -> None:
    for body in (b"user=ann", b"null"):
        post(webhook_sink, body)
    with pytest.raises(WebhookNotReceived) as failure:
        webhook_sink.receive(json={"user": "ann"}, timeout=0)
    misses = [line.strip() for line in str(failure.value).splitlines() if line.startswith("      ")]
    assert misses == [
        "json: wanted {'user': 'ann'}, was None",
        "json: wanted {'user': 'ann'}, was None (the body is not JSON: 'user=ann')",
    ]


def test_a_call_of_the_application_that_was_refused_is_the_finding(webhook_sink: WebhookSink) -> None:
    webhook_sink.refuse(503)
    assert post(webhook_sink) == 503
    with pytest.raises(WebhookNotReceived, match=r"^1 call arrived, but was not answered with 2xx\. Waited"):
        webhook_sink.receive(timeout=0)


def test_a_failed_wait_of_a_sink_alone_asks_for_its_application() -> None:
    with WebhookSink() as alone:
        check = f"No call arrived at {alone.url}: check that the application sends its webhooks there."
        with pytest.raises(WebhookNotReceived) as failed:
            alone.receive(timeout=0)
        assert str(failed.value) == f"{check} Waited 0.0 s for a call to {alone.url}."
        with pytest.raises(WebhookNotReceived) as failed:
            alone.receive_all(2, timeout=0)
        assert str(failed.value) == f"None of 2 calls arrived. Waited 0.0 s for 2 calls to {alone.url}.\n{check}"


def test_an_unknown_condition_is_named(webhook_sink: WebhookSink) -> None:
    with pytest.raises(TypeError, match="did you mean 'subject'"):
        webhook_sink.receive(subjekt="x")  # type: ignore[call-arg]


def test_a_misguessed_name_is_answered_with_the_right_one(webhook_sink: WebhookSink) -> None:
    with pytest.raises(AttributeError, match="did you mean 'calls'"):
        _ = webhook_sink.requests  # type: ignore[attr-defined]
    post(webhook_sink)
    with pytest.raises(AttributeError, match="did you mean 'json'"):
        _ = webhook_sink.receive().payload  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [{"status": 42}, {"times": 0}])
def test_what_cannot_be_planned_is_refused(webhook_sink: WebhookSink, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be a"):
        webhook_sink.refuse(**wrong)


def test_several_sinks_stand_side_by_side(make_webhook_sink: MakeWebhookSink) -> None:
    one, two = make_webhook_sink(), make_webhook_sink()
    assert one.url != two.url
    post(two)
    assert (len(one.calls), len(two.calls)) == (0, 1)


def test_after_a_call_its_delivery_is_noted(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    for number in range(20):
        inbox.deliver(subject=str(number))
        call = webhook_sink.receive()
        assert {each.id: each.status for each in mailserver.deliveries}[call.id] == "delivered"


def test_a_sender_that_has_its_answer_finds_its_call_complete(
    webhook_sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int | None] = []
    write = web.Response.write_eof

    async def note(response: web.Response, data: bytes = b"") -> None:
        await write(response, data)
        seen.extend(each.answered for each in webhook_sink.calls)

    monkeypatch.setattr(web.Response, "write_eof", note)
    post(webhook_sink)
    assert webhook_sink.receive().answered == 200
    assert seen[0] == 200


def test_a_sender_that_has_its_answer_finds_its_call_among_all() -> None:
    with WebhookSink() as sink:
        for _ in range(50):
            post(sink)
            assert [each.answered for each in sink.receive_all()] == [200]


def test_the_test_s_own_secret_is_the_one_that_verifies(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink
) -> None:
    mailserver.add_webhook(webhook_sink.url, secret="s")
    inbox.deliver(subject="not set")
    assert webhook_sink.receive().verified
    webhook_sink.secret = "zzz"
    inbox.deliver(subject="another")
    assert not webhook_sink.receive().verified
    webhook_sink.secret = "s"
    inbox.deliver(subject="the same")
    assert webhook_sink.receive().verified
