"""Webhooks by hand: adding, disabling and deleting them, and what becomes of their calls."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from tests.web.conftest import Send, Web


def hook(web: Web) -> str:
    """Return the id of the first webhook on the page."""
    found = re.search(r'id="hook-([0-9a-f-]+)"', web.get("/webhooks"))
    assert found is not None
    return found[1]


def test_a_webhook_is_added_called_disabled_and_deleted(web: Web, arrive: Send) -> None:
    assert "No webhooks yet" in web.get("/webhooks")
    with web.server.make_webhook_sink() as sink:
        web.post("/webhooks", url=sink.url, events=["email.received"], secret=sink.secret)
        shown = web.get("/webhooks")
        assert f"{sink.url}</h2>" in shown
        assert "email.received for all mail, signed. Not called yet." in " ".join(re.sub("<[^>]+>", "", shown).split())
        assert sink.secret not in shown
        arrive("Welcome")
        assert sink.receive().verified
        web.server.settle()
        shown = web.get("/webhooks")
        assert ">1 delivered</span>" in shown
        assert f'href="/ui/mail/{web.message()}/webhooks"' in shown
        web.post(f"/webhooks/{hook(web)}", action="disable")
        assert ">disabled</span>" in web.get("/webhooks")
        arrive("Not reported")
        web.post(f"/webhooks/{hook(web)}", action="enable")
        arrive("Reported")
        assert sink.receive().json["data"]["subject"] == "Reported"
        web.server.settle()
        number = hook(web)
        assert "action must be enable, disable or delete" in web.post(f"/webhooks/{number}", 400, action="x").text
        web.post(f"/webhooks/{number}", action="delete")
        assert "No webhooks yet" in web.get("/webhooks")
        web.post(f"/webhooks/{number}", 404, action="delete")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "ftp://127.0.0.1/x", "events": ["email.received"]}, "url "),
        ({"url": "http://127.0.0.1/x", "events": []}, "events "),
        ({"url": "http://127.0.0.1/x", "events": ["email.lost"]}, "events"),
        ({"url": "http://127.0.0.1/x", "events": ["email.sent"], "secret": "whsec_!"}, "secret "),
    ],
)
def test_a_wrong_field_shows_the_form_again(web: Web, fields: dict[str, Any], problem: str) -> None:
    shown = unescape(web.post("/webhooks", 400, None, **fields).text)
    assert f'<span class="bad">{problem}' in shown
    assert fields["url"] in shown
    assert "No webhooks yet" in shown


def test_the_page_says_whose_mail_a_webhook_reports(web: Web) -> None:
    account = web.server.add_account("shop@example.com")
    headers = {"Authorization": f"Bearer {account.api_key}"}
    body = {"url": "http://127.0.0.1:9/", "events": ["email.sent"]}
    assert web.http.post("/api/v1/webhooks", headers=headers, json=body).status_code == 201
    assert "email.sent for the mail of shop@example.com, not signed." in web.get("/webhooks")


def test_on_a_shared_server_webhooks_of_others_cannot_be_changed() -> None:
    with MailServer(shared=True) as server:
        web = Web(server)
        account = server.add_account("shop@example.com")
        headers = {"Authorization": f"Bearer {account.api_key}"}
        body = {"url": "http://127.0.0.1:9/", "events": ["email.sent"]}
        assert web.http.post("/api/v1/webhooks", headers=headers, json=body).status_code == 201
        for action in ("disable", "delete"):
            assert "its own user can change it" in web.post(f"/webhooks/{hook(web)}", 409, action=action).text
        web.post("/webhooks", url="http://127.0.0.1:9/mine", events=["email.received"])
        web.post(f"/webhooks/{hook(web)}", action="delete")
        assert "/mine" not in web.get("/webhooks")
        web.http.close()


def test_what_becomes_of_a_call_appears_by_itself(page: Any, web: Web, arrive: Send) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    web.server.clock.freeze()
    with web.server.make_webhook_sink() as sink:
        sink.refuse(503)
        page.goto("/ui/webhooks")
        expect(page.locator("#live.good")).to_be_visible()
        page.get_by_label("URL").fill(sink.url)
        page.get_by_label("email.sent").uncheck()
        page.keyboard.press("Enter")
        expect(page.locator("#hooks h2")).to_have_text(sink.url)
        arrive("Welcome")
        expect(page.locator("#hooks")).to_contain_text("1 pending")
        expect(page.locator("#hooks")).to_contain_text("503, try 1")
        web.server.clock.advance(seconds=1)
        expect(page.locator("#hooks")).to_contain_text("1 delivered")
        page.get_by_role("link", name="Open Welcome").click()
        expect(page.locator(".tries tbody tr")).to_have_count(2)
        page.go_back()
        expect(page.locator("#hooks h2")).to_have_text(sink.url)
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#hooks")).to_contain_text("No webhooks yet")
