"""Hostile mails run nothing, change nothing of the page, and open no connection, in real Chromium.

Each of the two walls is also tried alone: what nh3 leaves, without a policy, and the raw HTML behind the policy.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.mail.mime import parse
from tests.support import connect
from tests.web.conftest import mail
from tests.web.hostile import HEADERS, HTML

body = pytest.importorskip("sirrchat_testkit.web.body")


class Trap:
    """A socket that counts the connections to it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.called = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    connection.settimeout(2)
                    with contextlib.suppress(OSError):
                        self.requests.append(connection.recv(200))
                        self.called.set()

    def set(self, text: str) -> str:
        """Return ``text`` with the URLs of the trap."""
        return text.replace("TRAPHOST", self.host).replace("TRAP", f"http://{self.host}")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture
def watched(browser: Any, server: MailServer) -> Iterator[tuple[Any, list[str]]]:
    """A page that collects dialogs, new windows and downloads."""
    context = browser.new_context(base_url=server.api_url)
    page = context.new_page()
    wrong: list[str] = []

    def dismiss(dialog: Any) -> None:
        wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("popup", lambda popup: wrong.append(f"popup {popup.url}"))
    page.on("download", lambda download: wrong.append(f"download {download.url}"))
    yield page, wrong
    context.close()


_PARTS = 4  # so that several processes share the work


def check(page: Any, url: str, title: str, case: str) -> None:
    """Assert that the page is as it was, and that no script has run in it."""
    page.wait_for_timeout(30)  # for what begins by itself, such as a refresh
    assert page.url == url, case
    assert page.evaluate("window.hit ?? null") is None, case
    assert page.title() == title, case


def test_there_are_many_hostile_bodies() -> None:
    assert len(HTML) >= 60


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", range(_PARTS))
def test_a_hostile_body_does_nothing(server: MailServer, trap: Trap, watched: tuple[Any, list[str]], part: int) -> None:
    page, wrong = watched
    bodies = HTML[part::_PARTS]
    inbox = server.inbox_for("ann@example.com")
    for html in bodies:
        inbox.deliver(mail("Hostile", html=trap.set(html)))
    messages = inbox.messages
    for message, html in zip(messages, bodies, strict=True):
        url = f"{server.api_url}/ui/mail/{message.id}"
        page.goto(url)
        frame = page.frames[1]
        frame.wait_for_load_state()
        check(page, url, "Hostile · sirrchat testkit", html)
        assert page.locator("#subject").inner_text() == "Hostile"
        assert page.locator("#tab-html").is_visible()
        assert (
            frame.evaluate("document.querySelectorAll('script, iframe, object, embed, form, base, link').length") == 0
        )
        page.goto(f"{url}/body?scheme=dark")  # the body by itself
        check(page, f"{url}/body?scheme=dark", "", html)
    assert wrong == []
    assert trap.requests == []
    assert len(inbox.messages) == len(bodies)


def together(fields: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Return ``fields`` as headers: as few as there are values of one name."""
    headers: list[dict[str, str]] = []
    for name, value in fields:
        free = next((each for each in headers if name not in each), None)
        if free is None:
            headers.append(free := {})
        free[name] = value
    return headers


@pytest.mark.timeout(240)
def test_hostile_header_fields_do_nothing(server: MailServer, trap: Trap, watched: tuple[Any, list[str]]) -> None:
    page, wrong = watched
    page.goto("/ui/mail")
    page.wait_for_selector("#live.good")
    inbox = server.inbox_for("ann@example.com")
    headers = together(HEADERS)
    for fields in headers:
        lines = mail("Hostile", html=None).decode().split("\n")
        kept = [line for line in lines if line.partition(":")[0] not in fields]
        inbox.deliver("\n".join([*(f"{name}: {trap.set(value)}" for name, value in fields.items()), *kept]).encode())
    attached = EmailMessage()
    attached["From"], attached["Subject"] = "a@x.example", "Attached"
    attached.set_content('Open javascript:top.hit=1 or https://x.example/"onclick="top.hit=1" now')
    attached.add_attachment(b"x", maintype="text", subtype="html", filename='"><script>top.hit=1</script>.html')
    inbox.deliver(attached)
    page.locator("#rows .row").nth(len(headers)).wait_for()
    check(page, f"{server.api_url}/ui/mail", "All mail · sirrchat testkit", "the live list")
    page.goto("/ui/mail")
    assert page.evaluate("window.hit ?? null") is None
    for message in inbox.messages:
        for view in ("html", "text", "headers", "source", "attachments", "links", "envelope", "webhooks"):
            page.goto(f"/ui/mail/{message.id}/{view}")
            assert page.evaluate("window.hit ?? null") is None, (message.subject, view)
            assert page.locator("#panel").is_visible()
            assert page.locator("main script, main img").count() == 0
    server.add_webhook("http://127.0.0.1:9/")
    for message in inbox.messages:
        inbox.deliver(message.raw)
    with connect(server) as smtp:
        smtp.ehlo('"><script>top.hit=1</script>')
        smtp.mail('"<script>top.hit=1</script>"@x.example')
        smtp.rcpt('"<img/src/onerror=top.hit=1>"@example.com')
    server.settle()
    for path in ("mail", "activity", "webhooks", "faults", "connections/1"):
        page.goto(f"/ui/{path}")
        assert page.evaluate("window.hit ?? null") is None, path
        assert page.locator("main script, main img").count() == 0
    assert wrong == []
    assert trap.requests == []


@pytest.fixture
def site() -> Iterator[tuple[str, dict[str, tuple[str, str]]]]:
    """A web server: its URL, and the text and policy of each path."""
    pages: dict[str, tuple[str, str]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, policy = pages.get(self.path, ("", "default-src 'none'"))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if policy:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", pages
    server.shutdown()
    thread.join()
    server.server_close()


FRAMES = '<!doctype html><title>outer</title><iframe {} src="/body{}"></iframe>'


@pytest.mark.timeout(240)
def test_what_is_left_of_hostile_html_does_nothing_without_a_policy(
    trap: Trap, site: tuple[str, dict[str, tuple[str, str]]], watched: tuple[Any, list[str]]
) -> None:
    page, wrong = watched
    base, pages = site
    for number, html in enumerate(HTML):
        pages[f"/{number}"] = FRAMES.format("", number), ""
        pages[f"/body{number}"] = body.body(trap.set(html), ()).page, ""
        page.goto(f"{base}/{number}")
        check(page, f"{base}/{number}", "outer", html)
    assert wrong == []
    assert trap.requests == []


@pytest.mark.timeout(240)
def test_hostile_html_does_nothing_behind_the_policy_alone(
    trap: Trap, site: tuple[str, dict[str, tuple[str, str]]], watched: tuple[Any, list[str]]
) -> None:
    page, wrong = watched
    base, pages = site
    policy = body.body("", ()).policy
    for number, html in enumerate(HTML):
        pages[f"/{number}"] = FRAMES.format('sandbox="allow-popups allow-popups-to-escape-sandbox"', number), ""
        pages[f"/body{number}"] = trap.set(html), policy
        page.goto(f"{base}/{number}")
        check(page, f"{base}/{number}", "outer", html)
    assert wrong == []
    assert trap.requests == []


def test_the_trap_notices_a_request_and_the_page_a_script(
    trap: Trap, site: tuple[str, dict[str, tuple[str, str]]], watched: tuple[Any, list[str]]
) -> None:
    page, _ = watched
    base, pages = site
    pages["/"] = trap.set(HTML[0]), ""
    page.goto(f"{base}/")
    assert page.evaluate("window.hit") == 1
    assert trap.called.wait(30)


def test_loaded_images_come_only_from_the_hosts_that_were_asked_for(trap: Trap) -> None:
    made = body.body(trap.set("<img src=TRAP/i.png><img src='https://cdn.example:8443/a.png?x=1'>"), (), images=True)
    assert f"img-src data: http://{trap.host} https://cdn.example:8443; " in made.policy
    assert made.blocked == ()
    odd = body.body(
        "<img src=\"http://a;script-src *;/x.png\"><img src='http://[::1]/x'><img src='http://é.test/'>",
        (),
        images=True,
    )
    assert "img-src data:; " in odd.policy
    assert odd.policy.count(";") == made.policy.count(";")


def test_images_of_the_message_itself_are_shown(watched: tuple[Any, list[str]], server: MailServer) -> None:
    dot = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d4944415478da63f8ffff3f0005fe02fea135819e0000000049454e44ae426082"
    )
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(html='<img src="cid:dot.png" width=20>', text="x", inline={"dot.png": dot}, subject="Inline")
    assert parse(inbox.messages[0].raw).inline[0].content == dot
    page, _ = watched
    page.goto(f"/ui/mail/{inbox.messages[0].id}")
    page.frames[1].wait_for_selector("img")
    assert page.frames[1].evaluate("document.images[0].naturalWidth") == 1


def test_the_dark_preview_holds_the_conditions_of_the_message() -> None:
    html = (
        "<style>@media (prefers-color-scheme:dark){p{color:red}}"
        "@media (prefers-color-scheme: light){p{color:blue}}</style><p>x"
    )
    light, dark = body.body(html, ()).page, body.body(html, (), scheme="dark").page
    assert "@media (max-width: 0px){p{color:red}}@media (min-width: 0px){p{color:blue}}" in light
    assert "@media (min-width: 0px){p{color:red}}@media (max-width: 0px){p{color:blue}}" in dark
