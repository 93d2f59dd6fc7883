"""Selected messages: what is done with them, without and with a browser, and how a deletion is undone."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from tests.web.conftest import Send, Web


def subjects(web: Web) -> list[str]:
    return [each.subject for each in web.server.inbox_for("ann@example.com").messages]


@pytest.fixture
def ids(web: Web, arrive: Send) -> list[str]:
    """The ids of the messages First, Second, Third and Fourth."""
    for subject in ("First", "Second", "Third", "Fourth"):
        arrive(subject)
    return [web.message(number) for number in (3, 2, 1, 0)]


def test_selected_messages_are_deleted(web: Web, ids: list[str]) -> None:
    got = web.act("delete", ids[0], ids[2], ids[0], "12a7ec89-dd5d-42cc-9aef-65125c1d95e6", path="?to=ann@example.com")
    assert got.headers["Location"] == "/ui/mail?to=ann%40example.com"
    assert subjects(web) == ["Second", "Fourth"]
    web.act("delete")
    assert subjects(web) == ["Second", "Fourth"]


def test_selected_messages_are_marked(web: Web, ids: list[str]) -> None:
    web.act("read", *ids[:3])
    assert web.get("/mail").count("Unread.") == 1
    web.act("unread", ids[1])
    assert web.get("/mail").count("Unread.") == 2
    assert "action must be delete, read, unread or download" in web.act("archive", ids[0], status=400).text


def test_the_open_message_stays_open_unless_that_would_undo_the_change(web: Web, ids: list[str]) -> None:
    opened = f"/ui/mail/{ids[0]}?to=ann%40example.com"
    for action, location in (("read", opened), ("unread", "/ui/mail?to=ann%40example.com")):
        got = web.act(action, ids[0], opened=ids[0], path="?to=ann@example.com")
        assert got.headers["Location"] == location
    assert web.act("delete", ids[1], opened=ids[0]).headers["Location"] == f"/ui/mail/{ids[0]}"
    assert web.act("delete", ids[0], opened=ids[0]).headers["Location"] == "/ui/mail"
    assert web.act("read", opened="../../../evil?x").headers["Location"] == "/ui/mail/..%2F..%2F..%2Fevil%3Fx"


def test_one_message_is_downloaded_as_a_message_and_several_as_an_archive(web: Web, ids: list[str]) -> None:
    web.server.inbox_for("ann@example.com").deliver(subject="first", text="x" * 3_000_000)
    got = web.act("download", ids[0], status=200)
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''first.eml"
    assert message_from_bytes(got.content)["Subject"] == "First"
    got = web.act("download", web.message(), *ids[:2], status=200)
    assert got.headers["Content-Type"] == "application/zip"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''messages.zip"
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert archive.namelist() == ["first.eml", "first-2.eml", "second.eml"]
        raws = [archive.read(name) for name in archive.namelist()]
    messages = web.server.inbox_for("ann@example.com").messages
    assert raws == [messages[4].raw, messages[0].raw, messages[1].raw]
    web.act("delete", *ids)
    assert "were deleted" in web.act("download", *ids, status=404).text


@pytest.mark.parametrize("year", [1970, 2200, 9999])
def test_an_archive_can_be_made_of_mail_of_any_year(web: Web, year: int) -> None:
    web.server.clock.move_to(datetime(year, 12, 31, tzinfo=UTC))
    made = [web.server.inbox_for("ann@example.com").deliver(subject=f"Of {year}").id for _ in range(2)]
    got = web.act("download", *made, status=200)
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert len(archive.namelist()) == 2


def test_rows_are_selected_by_keys_and_clicks(page: Any, web: Web, ids: list[str]) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.goto("/ui/mail")
    bar = page.get_by_role("form", name="Selected messages")
    expect(bar).to_be_hidden()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(bar).to_contain_text("2 selected")
    expect(page.locator("#said")).to_have_text("2 selected")
    page.locator(f"#open-{ids[0]}").click(modifiers=["Shift"])
    expect(bar).to_contain_text("4 selected")
    assert page.url.endswith("/ui/mail")
    page.get_by_label("Select Third").uncheck()
    expect(bar).to_contain_text("3 selected")
    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".row .mark > *")).to_have_count(1)
    expect(bar).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.get_by_label("Select First").check()
    page.get_by_role("button", name="Select all in the list").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "messages.zip"
    expect(bar).to_contain_text("4 selected")


def test_a_selection_stays_while_mail_arrives_and_is_opened(page: Any, web: Web, ids: list[str], arrive: Send) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.goto("/ui/mail")
    expect(page.locator("#live.good")).to_be_visible()
    page.get_by_label("Select Second").check()
    arrive("Fifth")
    expect(page.locator("#rows .subject").first).to_have_text("Fifth")
    page.locator(f"#open-{ids[0]}").click()
    expect(page.locator("#subject")).to_have_text("First")
    page.locator("#tab-text").click()
    expect(page.locator("#panel .text")).to_be_visible()
    expect(page.locator(".pick :checked")).to_have_count(1)
    page.get_by_role("button", name="Mark as unread").click()
    expect(page.locator("#subject")).to_have_text("First")
    expect(page.get_by_label("Select Second")).to_be_checked()


def test_a_deletion_can_be_undone_for_ten_seconds(page: Any, web: Web, ids: list[str]) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.clock.install()
    page.goto("/ui/mail")
    for key in ("j", "j", "x", "j", "x", "#"):
        page.keyboard.press(key)
    shown = page.locator(".row:not(.gone) .subject")
    expect(shown).to_have_text(["Fourth", "First"])
    expect(page.locator("#undo")).to_contain_text("2 messages deleted")
    expect(page.locator("#said")).to_have_text("2 messages deleted. Press z to undo.")
    assert page.evaluate("document.activeElement.id") == f"open-{ids[0]}"
    page.clock.fast_forward(9_000)
    page.keyboard.press("z")
    expect(shown).to_have_text(["Fourth", "Third", "Second", "First"])
    page.clock.fast_forward(60_000)
    assert len(subjects(web)) == 4
    page.keyboard.press("#")
    expect(shown).to_have_text(["Fourth", "Second", "First"])
    page.clock.fast_forward(10_000)
    expect(page.locator("#rows .row")).to_have_count(3)
    expect(page.locator("#undo")).to_be_hidden()
    assert subjects(web) == ["First", "Second", "Fourth"]


def test_an_open_message_is_deleted_and_the_next_one_gets_the_focus(page: Any, web: Web, ids: list[str]) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.goto(f"/ui/mail/{ids[2]}")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#list-h")).to_be_visible()
    page.wait_for_url("**/ui/mail")
    expect(page.locator(f"#open-{ids[1]}")).to_be_focused()
    page.locator("#go-faults").click()
    page.get_by_role("button", name="Undo").click()
    page.locator("#go-mail").click()
    expect(page.locator(".row:not(.gone)")).to_have_count(4)
    page.locator(f"#open-{ids[2]}").focus()
    page.keyboard.press("#")
    expect(page.locator("#undo")).to_contain_text("Deleted: Third")
    page.goto("/ui/activity")  # leaving the page makes it final
    expect(page.locator("#log")).to_contain_text("1 message deleted")


def test_a_deletion_that_fails_brings_the_messages_back(page: Any, web: Web, ids: list[str]) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.clock.install()
    page.goto("/ui/mail")
    page.route("**/mail/selected", lambda route: route.fulfill(status=200, body="no"))
    page.keyboard.press("j")
    page.keyboard.press("#")
    expect(page.locator(".row:not(.gone)")).to_have_count(3)
    page.clock.fast_forward(10_000)
    expect(page.locator(".row:not(.gone)")).to_have_count(4)
    expect(page.locator("#said")).to_have_text("Not deleted: the server did not accept it")


def test_new_mail_above_what_is_in_sight_has_a_button_that_leads_to_it(page: Any, web: Web, arrive: Send) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    for number in range(40):
        web.server.inbox_for("ann@example.com").deliver(subject=f"number {number}")
    page.goto("/ui/mail")
    expect(page.locator("#live.good")).to_be_visible()
    expect(page.locator("#to-top")).to_be_hidden()
    row = page.locator(".row", has=page.get_by_text("number 15", exact=True))
    row.scroll_into_view_if_needed()
    before = row.bounding_box()["y"]
    arrive("One")
    arrive("Two")
    expect(page.locator("#to-top")).to_have_text("2 new, to the top")
    assert row.bounding_box()["y"] == pytest.approx(before, abs=1)
    page.locator("#to-top").click()
    expect(page.locator("#rows .subject").first).to_be_in_viewport()
    expect(page.locator("#to-top")).to_be_hidden()
    expect(page.locator("#rows a.open").first).to_be_focused()
