"""The inbox in real Chromium: live mail, search as you type, the keyboard, copying, and phones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from tests.support import connect, send
from tests.web.conftest import Send, Web

expect = pytest.importorskip("playwright.sync_api").expect


def focused(page: Any) -> str:
    """Return the id of the element that has the focus."""
    found: str = page.evaluate("document.activeElement.id")
    return found


def open_list(page: Any, path: str = "/ui/mail") -> None:
    page.goto(path)
    expect(page.locator("#live.good")).to_have_text("Live")


def test_mail_appears_by_itself_and_is_announced(page: Any, arrive: Send) -> None:
    open_list(page)
    expect(page.get_by_text("No mail yet")).to_be_visible()
    arrive("Welcome")
    row = page.locator("#rows .row").first
    expect(row.locator(".subject")).to_have_text("Welcome")
    expect(row.locator(".chip.code")).to_contain_text("418203")
    expect(page.get_by_text("No mail yet")).to_be_hidden()
    expect(page.locator("#unread")).to_have_text("1 unread")
    expect(page.locator("#said")).to_have_text("New message from Riverbank Books: Welcome")
    expect(page.locator("#boxes a", has_text="ann@example.com")).to_contain_text("1 unread")


def test_arrivals_are_announced_at_most_every_three_seconds(page: Any, web: Web, arrive: Send) -> None:
    page.clock.install()
    open_list(page)
    arrive("First")
    said = page.locator("#said")
    expect(said).to_have_text("New message from Riverbank Books: First")
    arrive("Second")
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        smtp.rcpt("anna@example.com")
    arrive("Third")
    expect(page.locator("#rows .row")).to_have_count(4)
    assert said.inner_text() == "New message from Riverbank Books: First"
    page.clock.fast_forward(3_000)
    expect(said).to_have_text("2 new messages, 1 refused")
    page.clock.fast_forward(3_000)
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        smtp.rcpt("bobby@example.com")
    expect(said).to_have_text("Refused: bobby@example.com. Nearest is bob@example.com")
    page.locator(".row a.open", has_text="Second").click()
    expect(page.locator("#subject")).to_have_text("Second")
    page.clock.fast_forward(3_000)
    assert said.inner_text().startswith("Refused")


def test_mail_that_arrives_moves_neither_the_focus_nor_the_page(page: Any, web: Web, arrive: Send) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    web.server.inbox_for("ann@example.com").deliver(subject="Long", text="line\n" * 200)
    open_list(page)
    page.locator(".row a.open").click()
    page.locator("#panel .text").click()
    page.evaluate("scrollTo(0, 900); document.activeElement.blur()")
    arrive("Later")
    expect(page.locator("#unread")).to_have_text("1 unread")
    assert page.evaluate("scrollY") == 900
    assert page.evaluate("document.activeElement === document.body")


def test_refusals_deletions_and_reading_elsewhere_appear_by_themselves(page: Any, web: Web, arrive: Send) -> None:
    arrive("First")
    arrive("Second")
    open_list(page)
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        smtp.rcpt("anna@example.com")
    expect(page.locator(".row.refused")).to_contain_text("Nearest is ann@example.com")
    expect(page.locator(".row .mark > *")).to_have_count(2)
    web.get(f"/mail/{web.message()}")
    expect(page.locator(".row .mark > *")).to_have_count(1)
    web.act("delete", web.message())
    expect(page.locator("#rows .row:not(.refused)")).to_have_count(1)
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#list-h")).to_have_text("anna@example.com")


def test_a_list_gets_only_the_mail_that_it_shows(page: Any, arrive: Send) -> None:
    open_list(page, "/ui/mail?to=bob@example.com")
    arrive("For Ann")
    arrive("For Bob", to=("bob@example.com",))
    expect(page.locator("#rows .subject")).to_have_text(["For Bob"])
    open_list(page, "/ui/mail?q=code:+418203")
    page.goto("/ui/mail?q=999111")
    expect(page.locator("#live.good")).to_be_visible()
    arrive("Not it")
    arrive("It", code="999111")
    expect(page.locator("#rows .subject")).to_have_text(["It"])


def test_an_older_page_of_the_list_has_live_counts(page: Any, web: Web, arrive: Send) -> None:
    for number in range(60):
        web.server.inbox_for("ann@example.com").deliver(subject=f"number {number}")
    open_list(page)
    page.locator("#older").click()
    expect(page.locator("#rows .subject").first).to_have_text("number 9")
    expect(page.locator("#live")).to_have_text("Live")
    arrive("New")
    expect(page.locator("#unread")).to_have_text("61 unread")
    expect(page.locator("#rows .row")).to_have_count(10)


def test_many_messages_at_once_leave_a_complete_list_of_bounded_length(page: Any, server: MailServer) -> None:
    open_list(page)
    with connect(server) as smtp:
        for number in range(160):
            smtp.sendmail("a@shop.example", "ann@example.com", f"Subject: number {number}\r\n\r\nx\r\n")
    expect(page.locator("#rows .subject").first).to_have_text("number 159")
    expect(page.locator("#unread")).to_have_text("160 unread")
    shown = page.locator("#rows .subject").all_inner_texts()
    assert 50 <= len(shown) <= 100
    assert shown == [f"number {number}" for number in range(159, 159 - len(shown), -1)]


def test_the_code_of_a_row_that_was_not_read_appears_when_the_row_is_in_sight(
    page: Any, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        server.inbox_for("ann@example.com").deliver(subject=f"Code {number}", text=f"Your code is {418200 + number}.")
    monkeypatch.setattr("sirrchat_testkit.web.rows.BUDGET", 0)
    page.goto("/ui/mail")
    expect(page.locator(".row", has_text="Code 29").locator(".chip.code")).to_have_text(re.compile("418229"))
    last = page.locator(".row", has=page.get_by_text("Code 0", exact=True))
    expect(last.locator(".chip.code")).to_have_count(0)
    last.scroll_into_view_if_needed()
    expect(last.locator(".chip.code")).to_have_text(re.compile("418200"))


def test_a_page_that_was_away_gets_what_it_missed(page: Any, arrive: Send) -> None:
    open_list(page)
    page.context.set_offline(True)
    page.evaluate("document.querySelector('[id^=stream]')._htmx.sse.reader.cancel()")
    expect(page.locator("#live")).to_have_text("Not live")
    arrive("Missed")
    page.context.set_offline(False)
    expect(page.locator("#rows .subject")).to_have_text(["Missed"])
    expect(page.locator("#live")).to_have_text("Live")


def test_a_page_goes_on_after_a_restart_of_the_server(browser: Any) -> None:
    with MailServer() as server:
        server.make_inbox(address="ann@example.com")
        url = server.api_url
        context = browser.new_context(base_url=url)
        page = context.new_page()
        open_list(page)
        send(server, "ann@example.com", subject="Before")
        expect(page.locator("#rows .subject")).to_have_text(["Before"])
    expect(page.locator("#live")).to_have_text("Not live")
    with MailServer(http_port=int(url.rpartition(":")[2])):
        expect(page.locator("#live")).to_have_text("Live")
        expect(page.locator("#rows .subject")).to_have_count(0)
        page.keyboard.press("n")
        page.keyboard.type("bob")
        page.keyboard.press("Enter")
        expect(page.locator("#list-h")).to_have_text("bob@example.com")
        context.close()


def test_a_search_as_one_types_is_in_the_url(page: Any, arrive: Send) -> None:
    arrive("Welcome")
    arrive("Receipt")
    open_list(page)
    page.keyboard.press("/")
    page.keyboard.type("subject:rec")
    expect(page.locator("#rows .subject")).to_have_text(["Receipt"])
    page.keyboard.type("eipt")
    page.wait_for_url("**/ui/mail?q=subject%3Areceipt")
    assert focused(page) == "q"
    assert page.input_value("#q") == "subject:receipt"
    page.get_by_role("link", name="Clear the search").click()
    expect(page.locator("#rows .subject")).to_have_text(["Receipt", "Welcome"])
    assert page.input_value("#q") == ""
    page.go_back()
    expect(page.locator("#rows .subject")).to_have_text(["Receipt"])


def test_everything_works_by_keyboard(page: Any, web: Web, arrive: Send) -> None:
    for subject in ("First", "Second", "Third"):
        arrive(subject)
    ids = [web.message(number) for number in range(3)]
    open_list(page)
    page.keyboard.press("j")
    assert focused(page) == f"open-{ids[0]}"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#subject")).to_have_text("Second")
    page.wait_for_url(f"**/ui/mail/{ids[1]}")
    assert page.title() == "Second · sirrchat testkit"
    assert focused(page) == f"open-{ids[1]}"
    for view in ("text", "headers"):
        page.keyboard.press("]")
        page.wait_for_url(f"**/{view}")
    page.keyboard.press("[")
    page.wait_for_url("**/text")
    page.keyboard.press("Escape")
    assert focused(page) == f"open-{ids[1]}"
    page.keyboard.press("#")
    expect(page.locator("#rows .row:not(.gone) .subject")).to_have_text(["Third", "First"])
    page.wait_for_url("**/ui/mail")
    expect(page.locator(f"#open-{ids[2]}")).to_be_focused()
    page.keyboard.press("n")
    assert focused(page) == "na-name"
    page.keyboard.type("carla")
    page.keyboard.press("Enter")
    expect(page.locator("#list-h", has_text="carla@example.com")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.get_by_label("Single keys do this").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("/")
    assert focused(page) != "q"


def test_a_code_is_copied_with_a_click_or_a_key(page: Any, arrive: Send) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    arrive("One", code="111222")
    arrive("Two", code="333444")
    open_list(page)
    page.locator(".chip.code", has_text="111222").click()
    expect(page.locator("#said")).to_have_text("Copied 111222")
    assert page.evaluate("navigator.clipboard.readText()") == "111222"
    assert page.url.endswith("/ui/mail")
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#said")).to_have_text("Copied 333444")
    assert page.evaluate("navigator.clipboard.readText()") == "333444"


def test_the_stream_goes_on_while_messages_are_opened(page: Any, arrive: Send) -> None:
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/ui/live" in request.url else None)
    arrive("First")
    open_list(page)
    page.locator(".row a.open").click()
    expect(page.locator("#subject")).to_have_text("First")
    page.locator("#tab-text").click()
    expect(page.locator("#panel .text")).to_contain_text("your code is")
    arrive("Second")
    expect(page.locator("#rows .subject")).to_have_text(["Second", "First"])
    expect(page.locator(".row .open[aria-current]")).to_contain_text("First")
    assert len(streams) == 1


def test_images_are_loaded_for_one_view_only(page: Any, web: Web) -> None:
    web.server.inbox_for("ann@example.com").deliver(html='<img src="http://127.0.0.1:9/a.png">x', text="x")
    page.goto(f"/ui/mail/{web.message()}")
    expect(page.get_by_role("button", name="1 not loaded")).to_be_visible()
    page.locator("#s-dark").click()
    expect(page.locator("iframe")).to_have_attribute("src", re.compile(r"scheme=dark$"))
    page.locator("#s-inverted").click()
    expect(page.frame_locator("iframe").locator("html")).to_have_css("filter", "invert(1) hue-rotate(180deg)")
    expect(page.get_by_role("button", name="1 not loaded")).to_be_visible()
    page.locator("#w-phone").click()
    expect(page.locator(".stage.phone iframe")).to_have_css("width", "375px")


def test_on_a_phone_one_pane_is_shown_and_the_focus_is_not_lost(page: Any, arrive: Send) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    arrive("A subject that is too long for the width of a phone, and of some tablets too")
    open_list(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.locator(".row a.open").click()
    expect(page.locator("#subject")).to_be_visible()
    expect(page.locator("#rows")).to_be_hidden()
    assert focused(page) == "subject"
    for tab in ("text", "headers", "source", "links", "envelope", "smtp"):
        page.locator(f"#tab-{tab}").click()
        page.wait_for_url(f"**/{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") == 320, tab
    page.locator(".back").click()
    expect(page.locator("#rows")).to_be_visible()
    page.get_by_role("button", name="Choose an inbox").click()
    expect(page.locator("#inboxes")).to_be_visible()


def test_reading_works_without_javascript(browser: Any, server: MailServer, arrive: Send) -> None:
    arrive("Welcome")
    context = browser.new_context(java_script_enabled=False, base_url=server.api_url)
    page = context.new_page()
    page.goto("/ui/mail")
    page.locator(".row a.open").click()
    expect(page.frame_locator("iframe").get_by_text("your code is")).to_be_visible()
    page.locator("#tab-links").click()
    expect(page.locator("#codes-h")).to_be_visible()
    page.locator("#q").fill("subject:none")
    page.locator("#q").press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.locator("#search button").click()
    page.get_by_role("link", name="Clear the search").click()
    page.locator(".row a.open").click()
    page.get_by_role("button", name="Delete", exact=True).last.click()
    expect(page.locator(".row")).to_have_count(0)
    context.close()


def test_messages_are_selected_without_javascript(browser: Any, server: MailServer, arrive: Send) -> None:
    arrive("First")
    arrive("Second")
    context = browser.new_context(java_script_enabled=False, base_url=server.api_url)
    page = context.new_page()
    page.goto("/ui/mail")
    page.get_by_label("Select First").check()
    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".row .mark > *")).to_have_count(1)
    page.get_by_label("Select Second").check()
    page.get_by_role("form", name="Selected messages").get_by_role("button", name="Delete").click()
    expect(page.locator("#rows .subject")).to_have_text(["First"])
    context.close()


def test_nothing_moves_if_that_is_not_wanted(browser: Any, server: MailServer, arrive: Send) -> None:
    names = []
    for wanted in ("no-preference", "reduce"):
        context = browser.new_context(base_url=server.api_url, reduced_motion=wanted)
        page = context.new_page()
        open_list(page)
        arrive(wanted)
        row = page.locator(".row.arrived", has_text=wanted)
        names.append(row.evaluate("each => getComputedStyle(each).animationName"))
        context.close()
    assert names == ["arrive", "none"]


def test_no_page_asks_another_host_for_anything(page: Any, web: Web, arrive: Send) -> None:
    arrive(html='<img src="https://cdn.example/a.png"><link rel=stylesheet href="https://cdn.example/a.css">x')
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    message = web.message()
    for path in ("/mail", f"/mail/{message}", "/activity", "/faults", "/webhooks", "/connect", "/compose"):
        page.goto(f"/ui{path}")
        expect(page.locator("#live.good")).to_be_visible()
    assert {each.removeprefix(web.server.api_url)[:4] for each in asked} == {"/ui/"}


def test_the_theme_is_kept(page: Any) -> None:
    page.goto("/ui/mail")
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(18, 21, 24)")
    page.goto("/ui/mail")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_signing_in_leads_to_the_page_that_was_asked_for(browser: Any) -> None:
    with MailServer(web_auth=True) as server:
        server.make_inbox(address="ann@example.com")
        context = browser.new_context(base_url=server.api_url)
        page = context.new_page()
        page.goto("/ui/mail?to=ann@example.com")
        page.get_by_label("API key", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This API key is wrong, revoked or expired.")
        page.get_by_label("API key", exact=True).fill(server.api_key)
        page.keyboard.press("Enter")
        expect(page.locator("#list-h")).to_have_text("ann@example.com")
        expect(page.locator("#live")).to_have_text("Live")
        send(server, "ann@example.com", subject="Live too", raw=b"")
        expect(page.locator("#rows .subject")).to_have_text(["Live too"])
        page.locator(".row a.open").click()
        expect(page.locator("#subject")).to_have_text("Live too")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key", exact=True)).to_be_visible()
        link = server.web_url
        page.goto(link)
        expect(page.locator("#live")).to_have_text("Live")
        assert page.url.endswith("/ui/mail")
        page.get_by_role("button", name="Sign out").click()
        page.goto(link)
        expect(page.get_by_role("alert")).to_have_text("This link was used before. Sign in with an API key.")
        context.close()
