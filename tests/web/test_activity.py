"""The activity page, without and with a browser."""

from __future__ import annotations

import re
import smtplib
from typing import Any

import pytest

from tests.support import connect
from tests.web.conftest import Send, Web


def refuse(web: Web, recipient: str = "anna@example.com") -> None:
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("shop@shop.example")
        smtp.rcpt(recipient)


def entries(shown: str) -> list[str]:
    """Return the lines of the page as text."""
    lines = re.findall(r'<li id="e-\d+".*?</li>', shown, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", re.sub('</?bdi>|<span class="ms">', "", line)).split()) for line in lines]


def test_what_happens_is_shown_newest_first(web: Web, arrive: Send) -> None:
    arrive("Welcome", to=("ann@example.com", "x@corp.example"))
    refuse(web)
    with connect(web.server) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login("ann@example.com", "wrong")
    account = web.server.add_account("shop@example.com")
    with connect(web.server) as smtp:
        smtp.login(account.address, account.password)
    web.server.faults.reject(stage="mail", code=451)
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
    web.server.clock.freeze()
    web.server.settle()
    shown = "\n".join(entries(web.get("/activity")))
    for expected in (
        "Clock stands still",
        "Fault reject 451 at mail",
        "Login ann@example.com by",
        "Login shop@example.com by",
        "anna@example.com does not exist here; nearest is ann@example.com",
        "550 5.1.1, from shop@shop.example",
        "Welcome, to x@corp.example",
        "outgoing: kept here and sent nowhere",
        "Welcome, to ann@example.com",
        "(client.example): 1 message",
    ):
        assert expected in shown, shown
    assert shown.index("Clock") < shown.index("Fault") < shown.index("Login") < shown.index("Welcome")


def test_a_refusal_leads_to_its_conversation(web: Web) -> None:
    refuse(web, "other@example.com")
    refuse(web)
    web.server.settle()
    shown = web.get("/activity?kind=refused")
    link = re.search(r'href="/ui(/connections/\d+)"[^>]*>Conversation<span class="sr">: anna@', shown)
    assert link is not None
    talk = web.get(link[1])
    assert "&lt;anna@example.com&gt;" in talk
    assert "550 5.1.1" in talk
    assert "other@example.com" not in talk


def test_a_refusal_at_the_end_of_data_and_by_a_fault_leads_to_its_conversation(web: Web, arrive: Send) -> None:
    web.server.faults.reject(stage="rcpt", code=451, times=1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        arrive()
    account = web.server.add_account("small@example.com", quota=1)
    with pytest.raises(smtplib.SMTPDataError):
        arrive(to=(account.address,))
    web.server.settle()
    assert web.get("/activity?kind=refused").count(">Conversation<") == 2


def test_the_kinds_are_filters(web: Web, arrive: Send) -> None:
    arrive("Welcome")
    refuse(web)
    assert [each.split()[1] for each in entries(web.get("/activity?kind=mail"))] == ["Mail"]
    assert [each.split()[1] for each in entries(web.get("/activity?kind=refused"))] == ["Refused"]
    assert entries(web.get("/activity?kind=faults")) == []
    web.get("/activity?kind=other", status=404)
    web.get("/connections/999", status=404)


def test_older_events_have_pages(web: Web) -> None:
    inbox = web.server.inbox_for("ann@example.com")
    for number in range(130):
        inbox.deliver(subject=f"number {number}.")
    shown = web.get("/activity?kind=mail")
    assert len(entries(shown)) == 100
    older = re.search(r'id="older" href="/ui([^"]+)"', shown)
    assert older is not None
    rest = entries(web.get(older[1].replace("&amp;", "&")))
    assert len(rest) == 30
    assert "number 0." in rest[-1]


def test_webhook_attempts_are_shown_and_lead_to_their_message(web: Web, arrive: Send) -> None:
    with web.server.make_webhook_sink() as sink:
        web.server.add_webhook(sink)
        arrive()
        sink.receive()
        web.server.settle()
        shown = web.get("/activity?kind=webhooks")
        [line] = entries(shown)
        assert f"email.received to {sink.url}: 200, try 1" in line
        assert f'href="/ui/mail/{web.message()}/webhooks"' in shown


def test_it_happens_on_the_page(page: Any, web: Web, arrive: Send) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.goto("/ui/activity?kind=refused")
    expect(page.locator("#live.good")).to_have_text("Live")
    arrive("Not shown")
    refuse(web)
    expect(page.locator("#log > li")).to_have_count(1)
    expect(page.locator("#log")).to_contain_text("nearest is ann@example.com")
    expect(page.locator("#unread")).to_have_text("1 unread")
    page.get_by_role("link", name="Conversation").click()
    expect(page.locator(".talk .no")).to_contain_text("550 5.1.1")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Activity")
    page.get_by_role("button", name="Make it").first.click()
    expect(page.locator("#list-h")).to_have_text("anna@example.com")
