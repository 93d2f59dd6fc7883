"""The sign-up in a real browser: Playwright fills in the form, and opens the link of the mail in the same window."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from sirrchat_testkit import Inbox


@pytest.fixture
def url(shop: Flask) -> Iterator[str]:
    """The URL of the shop, which runs in a thread."""
    server = make_server("127.0.0.1", 0, shop, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page in Chromium: the one that is installed, or else that of Playwright."""
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_customer_signs_up(page: Page, url: str, inbox: Inbox) -> None:
    page.goto(f"{url}/sign-up")
    page.get_by_label("E-mail").fill(inbox)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Please look into your mail.")).to_be_visible()

    page.goto(inbox.receive().link("Confirm my address"))

    expect(page.get_by_text(f"Welcome, {inbox}!")).to_be_visible()


def test_the_customer_follows_the_link_in_the_mail_itself(page: Page, url: str, inbox: Inbox) -> None:
    page.request.post(f"{url}/sign-up", form={"email": inbox})

    inbox.receive().open(page)
    page.get_by_role("link", name="Confirm my address").click()

    expect(page.get_by_text(f"Welcome, {inbox}!")).to_be_visible()
