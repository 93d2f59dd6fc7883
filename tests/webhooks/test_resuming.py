"""Deliveries of a durable server after a restart, and after ``kill -9``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer, WebhookCall, WebhookSink
from tests.support import Serve, StartServe, call_api, connect, generate, send


@pytest.fixture
def start(serve: StartServe, tmp_path: Path) -> Callable[[], Serve]:
    """Start ``serve`` on the test's folder."""
    return lambda: serve("--data", str(tmp_path), "--api-key", "known")


def watch(sink: WebhookSink, enough: int = 1, status: int = 503) -> threading.Event:
    """Answer every call with ``status``. Return an event that is set after enough calls."""
    seen = threading.Event()

    def answer(_call: WebhookCall) -> int:
        if len(sink.calls) >= enough:
            seen.set()
        return status

    sink.answer(answer, times=enough)
    return seen


def test_a_kill_in_mid_retry_loses_nothing(start: Callable[[], Serve]) -> None:
    with WebhookSink() as sink:
        server = start()
        generate(server, "box")
        webhook = {"url": sink.url, "events": ["email.received"], "secret": sink.secret}
        call_api(server, "POST", "/api/v1/webhooks", webhook)
        called = watch(sink)
        send(server, "box@example.com", subject="survives")
        assert called.wait(30)
        server.end(signal.SIGKILL)
        server = start()
        call = sink.receive(timeout=30, subject="survives")
        server.end()
    first = sink.calls[0]
    assert not first.accepted  # answered 503, unless the kill was faster
    assert call.accepted
    assert (first.id, first.body) == (call.id, call.body)
    assert call.verified


def test_a_kill_in_a_burst_loses_nothing_and_makes_nothing_twice(start: Callable[[], Serve]) -> None:
    subjects = [f"mail {number}" for number in range(150)]
    with WebhookSink(timeout=45) as sink:
        server = start()
        generate(server, "box")
        call_api(server, "POST", "/api/v1/webhooks", {"url": sink.url, "events": ["email.received"]})
        with connect(server) as smtp:
            for subject in subjects:
                smtp.sendmail("a@shop.example", ["box@example.com"], f"Subject: {subject}\r\n\r\nx\r\n")
        server.end(signal.SIGKILL)
        server = start()
        for subject in subjects:
            sink.receive(subject=subject)
        server.end()
    assert len({each.id for each in sink.calls}) == len(subjects)


def test_a_restart_continues_pending_deliveries(tmp_path: Path) -> None:
    with WebhookSink() as sink:
        sink.refuse()
        with MailServer(data=str(tmp_path)) as server:
            server.clock.freeze()
            server.add_webhook(sink.url)
            server.make_inbox().deliver(subject="x")
            server.settle()
            assert [each.status for each in server.deliveries] == ["pending"]
        with MailServer(data=str(tmp_path)) as server:
            server.clock.advance(seconds=1)
            [delivery] = server.deliveries
            assert delivery.status == "delivered"
            assert [each.status for each in delivery.attempts] == [503, 200]


def test_what_was_delivered_is_not_sent_again_after_a_restart(tmp_path: Path) -> None:
    with WebhookSink() as sink:
        for subject in ("one", "two"):
            with MailServer(data=str(tmp_path)) as server:
                if subject == "one":
                    server.add_webhook(sink.url)
                server.make_inbox().deliver(subject=subject)
                server.settle()
        assert [each.subject for each in sink.calls] == ["one", "two"]
