"""axe-core finds nothing on any page: WCAG 2.2 AA and its best practices, light and dark, wide and at 320 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from tests.support import NODE_FOLDER, connect, missing
from tests.web.conftest import Send, Web

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = ["html", "text", "headers", "source", "attachments", "links", "envelope", "smtp", "webhooks"]


@pytest.fixture
def axe() -> str:
    """The source of axe-core."""
    file = Path(NODE_FOLDER, "node_modules", "axe-core", "axe.min.js")
    if not NODE_FOLDER or not file.is_file():
        missing("axe-core")
    return file.read_text("utf-8")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 320])
def test_every_page_is_accessible(browser: Any, web: Web, arrive: Send, axe: str, scheme: str, width: int) -> None:
    with web.server.make_webhook_sink() as sink:
        sink.refuse(503)
        web.server.add_webhook(sink)
        arrive("Welcome", to=("ann@example.com", "x@corp.example", "nobody@example.com"), terms=b"%PDF-")
        arrive("Read", html='<p>x</p><img src="https://cdn.example/a.png">')
        web.server.settle()
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        smtp.rcpt("anna@example.com")
    web.server.faults.delay(seconds=1, stage="data", times=1)
    newest, first = web.message(), web.message(-1)
    paths = ["/mail", "/mail?to=bob@example.com", "/mail?q=nothing", f"/mail/{newest}", "/mail/none"]
    paths += [f"/mail/{first}/{view}" for view in VIEWS]
    paths += ["/activity", "/connections/1", "/faults", "/webhooks", "/connect", "/compose"]
    context = browser.new_context(
        base_url=web.server.api_url, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    found = []
    for path in paths:
        page.goto(f"/ui{path}")
        page.evaluate(axe)
        result = page.evaluate(
            "tags => axe.run({exclude: ['iframe']}, {runOnly: tags, resultTypes: ['violations']})", TAGS
        )
        for each in result["violations"]:
            found += [f"{path}: {each['id']}: {node['html'][:160]} {node['failureSummary']}" for node in each["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{path}: scrolls sideways")
    for state, path, script in (
        ("new-address", "/mail", "document.getElementById('new-address').showPopover()"),
        ("help", "/mail", "document.getElementById('help').showPopover()"),
        ("as-test", f"/mail/{first}", "document.getElementById('as-test').showPopover()"),
        ("selected", "/mail", "document.querySelector('.pick input').click()"),
        ("deleted", "/mail", "remove([document.querySelector('.pick input').value])"),
    ):
        page.goto(f"/ui{path}")
        page.evaluate(axe)
        page.evaluate(script)
        result = page.evaluate("tags => axe.run({exclude: ['iframe']}, {runOnly: tags})", TAGS)
        found += [f"{state}: {each['id']}: {each['nodes'][0]['html'][:160]}" for each in result["violations"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{state}: scrolls sideways")
    context.close()
    web.server.faults.clear()
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 320])
def test_the_first_pages_are_accessible(browser: Any, axe: str, scheme: str, width: int) -> None:
    found = []
    for asks, path in ((False, "/mail"), (True, "/mail"), (False, "/activity"), (False, "/webhooks")):
        with MailServer(web_auth=asks) as server:
            context = browser.new_context(
                base_url=server.api_url,
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                bypass_csp=True,
            )
            page = context.new_page()
            page.goto(f"/ui{path}")
            page.evaluate(axe)
            result = page.evaluate("tags => axe.run({exclude: ['iframe']}, {runOnly: tags})", TAGS)
            found += [f"{path}: {each['id']}: {each['nodes'][0]['html'][:160]}" for each in result["violations"]]
            assert page.evaluate("document.documentElement.scrollWidth") == width
            context.close()
    assert found == []
