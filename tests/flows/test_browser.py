"""A real browser: a page that tries to send mail (a cross-protocol attack), and the page of the REST APIs."""

import http.server
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


FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]


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
    browser = subprocess.Popen(
        [chromium, *FLAGS, f"--user-data-dir={tmp_path}", f"http://127.0.0.1:{server.server_port}/"],
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


def test_the_page_of_the_apis_needs_nothing_from_elsewhere(
    mailserver: MailServer, chromium: str, tmp_path: Path
) -> None:
    only_here = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path}", only_here, "--virtual-time-budget=20000", "--dump-dom"]
    page = subprocess.run(
        [*command, f"{mailserver.api_url}/docs"], capture_output=True, text=True, check=True, timeout=50
    ).stdout
    for shown in ('data-path="/api/v1/users"', 'data-path="/api/emails/generate"', "List the users, oldest first"):
        assert shown in page
    assert "Failed to load" not in page
