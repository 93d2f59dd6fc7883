"""Fixtures of the tests of the web inbox: a server, a client without a browser, and a page of real Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from sirrchat_testkit import MailServer
from tests.support import send

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--no-first-run"]

TOKEN = re.compile(r'name="token" value="([^"]+)"')


class Web:
    """A visitor without JavaScript."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.api_url, timeout=30, trust_env=False)

    def get(self, path: str, status: int = 200, **headers: str) -> str:
        """Return the page at ``path``, below ``/ui``."""
        got = self.http.get(f"/ui{path}", headers=headers)
        assert got.status_code == status, (got.status_code, got.text[:2000])
        return got.text

    def post(self, path: str, status: int = 303, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form with the token of a page, or with ``token``."""
        if token is None:
            found = TOKEN.search(self.http.get("/ui/mail").text)
            assert found is not None
            token = found[1]
        got = self.http.post(f"/ui{path}", data={"token": token, **fields})
        assert got.status_code == status, (got.status_code, got.text[:2000])
        return got

    def act(self, action: str, *messages: str, status: int = 303, path: str = "", **fields: str) -> httpx.Response:
        """Do something with selected messages; ``path`` is the query of the list."""
        return self.post(f"/mail/selected{path}", status, None, action=action, message=[*messages], **fields)

    def message(self, number: int = 0) -> str:
        """Return the id of a message of the list, 0 for the newest."""
        found: list[str] = re.findall(r'<li class="row" id="m-([^"]+)"', self.get("/mail"))
        return found[number]


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server of its own, with the addresses ann@example.com and bob@example.com."""
    with MailServer() as server:
        server.make_inbox(address="ann@example.com")
        server.make_inbox(address="bob@example.com")
        yield server


@pytest.fixture
def web(server: MailServer) -> Iterator[Web]:
    """A visitor of ``server`` without JavaScript."""
    web = Web(server)
    with web.http:
        yield web


def mail(subject: str = "Confirm your address", html: str | None = "", code: str = "418203", **files: bytes) -> bytes:
    """Return a message with a code, a link and, unless ``html`` is None, HTML."""
    message = EmailMessage()
    message["From"], message["To"] = "Riverbank Books <hello@riverbank.example>", "ann@example.com"
    message["Subject"] = subject
    message.set_content(f"Hello Ann,\nyour code is {code}.\nhttps://riverbank.example/confirm?t=9Q\n")
    if html is not None:
        default = (
            f'<p>Hello Ann, your code is <b>{code}</b></p><a href="https://riverbank.example/confirm?t=9Q">Confirm</a>'
            '<a href="https://riverbank.example/unsubscribe">Unsubscribe</a>'
        )
        message.add_alternative(html or default, subtype="html")
    for name, content in files.items():
        message.add_attachment(content, maintype="application", subtype="pdf", filename=f"{name}.pdf")
    return message.as_bytes()


Send = Callable[..., None]


@pytest.fixture
def arrive(server: MailServer) -> Send:
    """Send a message of ``mail`` to ann@example.com, and to others in ``to``."""

    def arrive(*arguments: Any, to: tuple[str, ...] = ("ann@example.com",), **fields: Any) -> None:
        send(server, *to, raw=mail(*arguments, **fields))

    return arrive


@pytest.fixture(scope="module")  # Playwright's loop must not run during the asyncio tests of other modules
def browser() -> Iterator[Any]:
    """A real Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="tox -e reports has Playwright")
    playwright.expect.set_options(timeout=15_000)  # for machines under load
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, server: MailServer) -> Iterator[Any]:
    """A page of Chromium; the test fails if a script of it fails or its policy blocks something."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server.api_url)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert wrong == []
