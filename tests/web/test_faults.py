"""Faults and the clock by hand."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.web.faults import EFFECTS
from tests.support import connect
from tests.web.conftest import Send, Web


@pytest.fixture
def shared() -> Iterator[Web]:
    """A visitor of a server that others use too."""
    with MailServer(shared=True) as server:
        server.make_inbox(address="ann@example.com")
        web = Web(server)
        with web.http:
            yield web


def test_a_fault_is_planned_fires_is_counted_and_removed(web: Web) -> None:
    web.post(
        "/faults",
        effect="smtp.reject",
        stage="rcpt",
        code="451",
        text="4.3.0 Later",
        times="2",
        recipient="ann@example.com",
    )
    shown = unescape(web.get("/faults"))
    call = "mailserver.faults.reject(code=451, text='4.3.0 Later', stage='rcpt', times=2, recipient='ann@example.com')"
    assert call in shown
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        assert smtp.rcpt("ann@example.com") == (451, b"4.3.0 Later")
    shown = web.get("/faults")
    assert "fired 1" in shown or "1 of 2" in shown
    number = re.search(r'name="fault" value="(\d+)"', shown)
    assert number is not None
    web.post("/faults/remove", fault=number[1])
    assert "Nothing is planned" in web.get("/faults")
    web.post("/faults/remove", 404, fault=number[1])


NEEDED = {
    "delay": {"seconds": "3"},
    "limit_size": {"bytes": "100"},
    "throttle": {"per_minute": "5"},
    "reject": {"stage": "end"},
}


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda each: f"{each.protocol}.{each.verb}")
def test_every_effect_of_the_form_can_be_planned(web: Web, effect: object) -> None:
    protocol, verb = getattr(effect, "protocol", ""), getattr(effect, "verb", "")
    web.post("/faults", 303, None, effect=f"{protocol}.{verb}", **NEEDED.get(verb, {}))
    call = re.search(r'<code class="muted">(.*?)</code>', web.get("/faults"))
    assert call is not None
    web.post("/faults/remove", fault="all")
    eval(unescape(call[1]), {"mailserver": web.server})  # the Python that is shown plans the same
    web.post("/faults/remove", fault="all")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"effect": "smtp.none"}, "choose what the fault does"),
        ({"effect": "smtp.reject", "stage": "rcpt", "code": "x"}, "code must be a whole number, not 'x'"),
        ({"effect": "smtp.reject", "stage": ""}, "reject needs a stage: connect, ehlo, auth,"),
        ({"effect": "smtp.throttle"}, "throttle needs per_minute"),
        ({"effect": "smtp.delay", "seconds": "soon"}, "'soon' is not a duration such as 90s"),
        ({"effect": "smtp.reject", "stage": "rcpt", "code": "250"}, "code"),
    ],
)
def test_a_wrong_field_shows_the_form_again(web: Web, fields: dict[str, str], problem: str) -> None:
    shown = unescape(web.post("/faults", 400, None, **fields).text)
    assert problem in shown
    assert "Nothing is planned" in shown


def test_fields_that_the_effect_does_not_take_are_ignored(web: Web) -> None:
    web.post("/faults", effect="rest.drop", code="451", seconds="soon", recipient="ann@example.com", place="/api/*")
    assert "mailserver.rest_faults.drop(path='/api/*')" in unescape(web.get("/faults"))
    web.post("/faults", effect="rest.refuse", stage="rcpt", place="/api/*")
    assert "mailserver.rest_faults.refuse(path='/api/*')" in unescape(web.get("/faults"))
    web.post("/faults", effect="webhook.duplicate", stage="rcpt", place="*")
    assert "mailserver.webhook_faults.duplicate(url='*')" in unescape(web.get("/faults"))
    web.post("/faults/remove", fault="all")


def test_a_fault_that_was_planned_by_the_control_api_is_shown_as_python(web: Web) -> None:
    body = {"effect": {"name": "reject", "code": 451}, "stage": "data", "times": 2, "match": {"login": "ann*"}}
    url, headers = "/testkit/v1/faults", {"X-API-Key": web.server.api_key}
    assert web.http.post(url, json=body, headers=headers).status_code == 201
    call = "mailserver.faults.reject(code=451, stage='data', times=2, login='ann*')"
    assert call in unescape(web.get("/faults"))
    web.post("/faults/remove", fault="all")


def test_only_the_fields_of_the_chosen_effect_are_shown(page: Any, web: Web) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page.goto("/ui/faults")
    expect(page.get_by_label("Code")).to_be_visible()
    expect(page.get_by_label("Seconds")).to_be_hidden()
    page.get_by_label("What happens").select_option("rest.delay")
    expect(page.get_by_label("Code")).to_be_hidden()
    expect(page.get_by_label("Seconds")).to_be_visible()
    expect(page.get_by_label("Recipient")).to_be_hidden()
    expect(page.get_by_label("URL or path")).to_be_visible()


def test_counts_and_the_clock_are_live(page: Any, web: Web, arrive: Send) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    web.server.clock.freeze(datetime(2030, 1, 31, 12, 30, tzinfo=UTC))
    web.server.faults.reject(stage="rcpt", code=451, recipient="bob@example.com")
    page.goto("/ui/faults")
    expect(page.locator("#live.good")).to_be_visible()
    expect(page.locator("#planned")).to_contain_text("never fired")
    page.get_by_label("Code").fill("452")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        arrive(to=("bob@example.com",))
    expect(page.locator("#planned")).to_contain_text("fired 1 time")
    web.server.clock.advance(hours=1)
    expect(page.locator("#clock time")).to_have_text("2030-01-31 13:30:00")
    expect(page.locator("#clock-bar time")).to_have_text("2030-01-31 13:30")
    assert page.get_by_label("Code").input_value() == "452"


def test_a_running_clock_runs_on_the_page(page: Any, web: Web) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    web.server.clock.move_to(datetime(2030, 1, 31, 12, 30, tzinfo=UTC))
    page.clock.install()
    page.goto("/ui/faults")
    page.clock.run_for(2_000)
    before = page.locator("#clock time").inner_text()
    page.clock.run_for(60_000)
    expect(page.locator("#clock time")).to_have_text(re.compile("2030-01-31 12:31:0"))
    assert before.startswith("2030-01-31 12:30:0")


def test_the_clock_is_moved(web: Web, arrive: Send) -> None:
    server = web.server
    server.make_inbox(address="brief@example.com", expires_in=timedelta(hours=2))
    web.post("/clock", action="freeze")
    assert "stands still" in web.get("/faults")
    assert "brief@example.com expires" in web.get("/faults")
    before = server.clock.now()
    web.post("/clock", action="advance", value="1h30m")
    assert server.clock.now() - before == timedelta(hours=1, minutes=30)
    web.post("/clock", action="move_to", value="2030-01-31T12:00:05")
    assert server.clock.now().isoformat() == "2030-01-31T12:00:05+00:00"
    assert "brief@example.com expires" not in web.get("/faults")
    web.post("/clock", action="resume")
    assert re.search(r"2030-01-31 </span>12:0\d<", web.get("/mail"))
    for action, value in (("advance", "x"), ("move_to", "x"), ("other", "")):
        web.post("/clock", 400, action=action, value=value)


def test_a_pending_webhook_is_due_next(web: Web, arrive: Send) -> None:
    with web.server.make_webhook_sink() as sink:
        sink.refuse(503)
        web.server.clock.freeze()
        web.server.add_webhook(sink)
        arrive()
        web.server.settle()
        assert f"email.received to {sink.url}, try 2" in web.get("/faults")
        web.post("/clock", action="advance", value="1")
        assert sink.receive().attempt == 2


def test_on_a_shared_server_what_affects_others_is_refused_with_the_remedy(shared: Web) -> None:
    assert "Others use this server too" in shared.get("/faults")
    assert "start a server of your own" in shared.post("/clock", 409, action="freeze").text
    assert "stands still" not in shared.get("/faults")
    assert "remove yours one by one" in shared.post("/faults/remove", 409, fault="all").text
    refused = shared.post("/faults", 409, effect="smtp.reject", stage="rcpt").text
    assert "limit it by" in refused
    shared.post("/faults", effect="smtp.reject", stage="rcpt", recipient="ann@example.com")
    number = re.search(r'name="fault" value="(\d+)"', shared.get("/faults"))
    assert number is not None
    shared.post("/faults/remove", fault=number[1])
    assert "Others use this server too" in shared.post("/mail/delete", 409).text
    shared.post("/mail/delete?to=ann@example.com")
