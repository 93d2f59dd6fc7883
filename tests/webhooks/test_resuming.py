"""What a durable server owes after a restart, and after ``kill -9``."""

from __future__ import annotations

import json
import signal
import smtplib
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer, WebhookCall, WebhookSink

COMMAND = [sys.executable, "-m", "sirrchat_testkit", "serve", "--smtp-port", "0", "--http-port", "0"]


class Serve:
    """``serve --data`` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "--json", "--data", str(folder), "--api-key", "known"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._facts: dict[str, Any] = json.loads(self._process.stdout.readline())

    def post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(
            self._facts["api_url"] + path,
            data=json.dumps(body).encode(),
            headers={"X-API-Key": "known", "Authorization": "Bearer known"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def send(self, *subjects: str) -> None:
        with smtplib.SMTP(self._facts["smtp_host"], self._facts["smtp_port"], timeout=30) as smtp:
            for subject in subjects:
                smtp.sendmail("a@shop.example", ["box@example.com"], f"Subject: {subject}\r\n\r\nx\r\n")

    def kill(self, number: int = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.communicate(timeout=60)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[], Serve]:
    return lambda: Serve(tmp_path)


def watch(sink: WebhookSink, enough: int = 1, status: int = 503) -> threading.Event:
    """Answer every call with ``status``; return what is set when there were enough."""
    seen = threading.Event()

    def answer(call: WebhookCall) -> int:
        if call.number >= enough:
            seen.set()
        return status

    sink.answer(answer, times=enough)
    return seen


def test_a_kill_in_mid_retry_loses_nothing(serve: Callable[[], Serve]) -> None:
    with WebhookSink() as sink:
        server = serve()
        server.post("/api/emails/generate", {"name": "box", "expiryTime": 0, "domain": "example.com"})
        server.post("/api/v1/webhooks", {"url": sink.url, "events": ["email.received"], "secret": sink.secret})
        called = watch(sink)
        server.send("survives")
        assert called.wait(30)
        server.kill()
        server = serve()
        call = sink.receive(timeout=30, subject="survives")
        server.kill(signal.SIGTERM)
    first = sink.calls[0]
    assert not first.accepted  # answered 503, unless the kill was faster
    assert call.accepted
    assert (first.id, first.body) == (call.id, call.body)
    assert call.verified


def test_a_kill_in_a_burst_loses_nothing_and_makes_nothing_twice(serve: Callable[[], Serve]) -> None:
    subjects = [f"mail {number}" for number in range(150)]
    with WebhookSink(timeout=45) as sink:
        server = serve()
        server.post("/api/emails/generate", {"name": "box", "expiryTime": 0, "domain": "example.com"})
        server.post("/api/v1/webhooks", {"url": sink.url, "events": ["email.received"]})
        server.send(*subjects)
        server.kill()
        server = serve()
        for subject in subjects:
            sink.receive(subject=subject)
        server.kill(signal.SIGTERM)
    assert len({each.id for each in sink.calls}) == len(subjects)


def test_a_restart_goes_on_with_what_is_pending(tmp_path: Path) -> None:
    with WebhookSink() as sink:
        sink.refuse()
        with MailServer(data=str(tmp_path)) as server:
            server.clock.freeze()
            server.add_webhook(sink.url)
            server.inbox_for("box@example.com").deliver(subject="x")
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
                server.inbox_for("box@example.com").deliver(subject=subject)
                server.settle()
        assert [each.subject for each in sink.calls] == ["one", "two"]
