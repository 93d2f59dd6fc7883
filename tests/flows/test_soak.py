"""A long run: with retention and webhooks, memory does not grow with the number of messages."""

import gc
import http.server
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer

MESSAGES, FIRST = 100_000, 20_000
KEPT = 1000


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    gc.collect()
    fields = Path("/proc/self/statm").read_text("ascii").split()
    return int(fields[1]) * 4096


@pytest.fixture
def receiver() -> Iterator[str]:
    """Serve a URL that answers 200 and keeps nothing, and return it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for_webhooks(server: MailServer) -> None:
    """Return when no delivery is pending."""
    server._thread.call(server._now.services.sessions.settled(600))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "data folder"])
def test_memory_is_flat_over_many_messages(tmp_path: Path, receiver: str, *, durable: bool) -> None:
    data = tmp_path if durable else None
    with MailServer(max_messages=KEPT, data=data) as server, smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
        inbox = server.make_inbox()
        webhook = server.add_webhook(receiver, ["email.received"])
        body = "x" * 2000
        early = 0
        for number in range(MESSAGES):
            smtp.sendmail("a@shop.example", [inbox.address], f"Subject: {number}\r\n\r\n{body}\r\n")
            if number % KEPT == 0:
                wait_for_webhooks(server)
            if number == FIRST:
                early = resident()
        wait_for_webhooks(server)
        assert len(server.messages) <= KEPT
        assert len(webhook.deliveries) <= KEPT
        assert server.stats.smtp.received == MESSAGES
        assert resident() < early * 1.1 + 10_000_000
