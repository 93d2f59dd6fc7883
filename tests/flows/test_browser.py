"""A page in a real browser that tries to send mail through the SMTP port (a cross-protocol attack)."""

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirrchat_testkit import Inbox, MailServer

PAGE = """<!doctype html><title>trying</title><script>
const mail = "EHLO page\\r\\nMAIL FROM:<evil@page.example>\\r\\nRCPT TO:<RECIPIENT>\\r\\nDATA\\r\\n"
    + "Subject: from a page\\r\\n\\r\\nHello\\r\\n.\\r\\nQUIT\\r\\n";
const url = "http://127.0.0.1:PORT/";
const tries = [
    fetch(url, {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: mail}),
    fetch(url + encodeURIComponent(mail), {mode: "no-cors"}),
    new Promise(done => { const request = new XMLHttpRequest(); request.open("POST", url);
        request.onloadend = done; request.send(mail); }),
];
navigator.sendBeacon(url, mail);
Promise.allSettled(tries).then(() => fetch("/done"));
</script>"""


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs Chromium")
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture
def page() -> Iterator[tuple[http.server.ThreadingHTTPServer, threading.Event, dict[str, str]]]:
    done, content = threading.Event(), {"/": ""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/done":
                done.set()
            body = content.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, done, content
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_cannot_send_mail(
    mailserver: MailServer,
    inbox: Inbox,
    chromium: str,
    page: tuple[http.server.ThreadingHTTPServer, threading.Event, dict[str, str]],
    tmp_path: Path,
) -> None:
    server, done, content = page
    content["/"] = PAGE.replace("PORT", str(mailserver.smtp_port)).replace("RECIPIENT", inbox.address)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path}"]
    browser = subprocess.Popen(
        [chromium, *flags, f"http://127.0.0.1:{server.server_port}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert done.wait(50), "the page did not finish"
    finally:
        browser.terminate()
        browser.wait()
    mailserver.settle()
    assert inbox.messages == []
    assert mailserver.sessions, "the page reached the SMTP port"
    assert mailserver.envelopes == []
