"""The pages as they are without JavaScript: what they show, their URLs, and their headers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jinja2
import pytest

from sirrchat_testkit import MailServer
from tests.support import connect, send
from tests.web.conftest import Send, Web, mail


def test_the_root_leads_to_the_inbox(web: Web) -> None:
    got = web.http.get("/")
    assert (got.status_code, got.headers["Location"]) == (302, "/ui/mail")
    assert web.server.web_url == f"{web.server.api_url}/"


def test_the_list_shows_sender_subject_code_and_attachments(web: Web, arrive: Send) -> None:
    arrive("Welcome", terms=b"%PDF-")
    shown = web.get("/mail")
    assert ">Riverbank Books</bdi>" in shown
    assert ">Welcome</bdi>" in shown
    assert 'data-copy="418203"' in shown
    assert "1 attached" in shown
    assert "Unread." in shown


def test_a_message_without_a_code_shows_its_link(web: Web) -> None:
    send(web.server, "ann@example.com", text="Reset: https://shop.example/reset?t=1")
    assert 'data-copy="https://shop.example/reset?t=1"' in web.get("/mail")


def test_the_list_compiles_no_template(web: Web, arrive: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive()
    web.get("/static/style.css")  # loads the pages
    compiled: list[str | None] = []
    compile_it = jinja2.Environment.compile

    def note(self: Any, source: Any, name: str | None = None, *arguments: Any, **options: Any) -> Any:
        compiled.append(name)
        return compile_it(self, source, name, *arguments, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", note)
    web.get("/mail")
    assert compiled == []
    web.get("/compose")
    assert compiled == ["compose.html.j2"]


def test_the_addresses_show_unread_mail_and_what_is_left(web: Web, arrive: Send) -> None:
    web.server.clock.freeze(datetime(2030, 1, 31, 12, 30, tzinfo=UTC))  # full hours remove expired addresses
    web.server.make_inbox(address="brief@example.com", expires_in=timedelta(minutes=41))
    arrive()
    shown = web.get("/mail")
    assert "41 min left" in shown
    assert re.search(r'ann<span class="at">@example.com</span></span><span class="count new">1<', shown)
    web.server.clock.advance(minutes=50)
    assert "expired" in web.get("/mail")
    shown = web.get("/mail?to=brief@example.com")
    assert "This address expired" in shown
    assert "Send a mail to" not in shown
    assert "by itself" not in shown


@pytest.mark.parametrize("before", ["x", "-1", "9" * 5000])
def test_a_place_in_the_list_that_is_no_number_is_ignored(web: Web, arrive: Send, before: str) -> None:
    arrive("Welcome")
    assert ">Welcome</bdi>" in web.get(f"/mail?before={before}")
    assert "Welcome" in web.get(f"/activity?before={before}")


def test_a_list_shows_one_address(web: Web, arrive: Send) -> None:
    arrive("For Ann")
    arrive("For Bob", to=("bob@example.com",))
    assert "For Bob" not in web.get("/mail?to=ANN@example.com")
    assert "For Ann" in web.get("/mail?to=ANN@example.com")


def test_outgoing_mail_has_a_list(web: Web, arrive: Send) -> None:
    arrive("To elsewhere", to=("x@corp.example",))
    assert "Outgoing, kept here" in web.get("/mail")
    assert "To elsewhere" in web.get("/mail?box=outgoing")


def test_a_search_has_a_url_and_its_errors_a_text(web: Web, arrive: Send) -> None:
    arrive("Welcome")
    arrive("Receipt")
    shown = web.get("/mail?q=subject:welcome")
    assert "Receipt" not in shown
    assert ">Welcome</bdi>" in shown
    assert "Nothing matches" in web.get("/mail?q=nothing-like-it")
    assert 'id="nearest"' not in web.get("/mail?q=nothing-like-it")
    for wrong, near in (("subject:recept", "subject:receipt"), ("wellcome", "welcome"), ("from:helo", "from:hello")):
        found = re.search(r'id="nearest" href="/ui([^"]+)">([^<]+)<', web.get(f"/mail?q={wrong}"))
        assert found is not None, wrong
        assert found[2] == near
        assert '<li class="row' in web.get(found[1])
    assert "double quote that is not closed" in web.get("/mail?q=%22open", status=400)


def test_mail_that_was_sent_from_here_is_not_counted_as_received(web: Web) -> None:
    account = web.server.add_account("shop@example.com")
    with connect(web.server) as smtp:
        smtp.login(account.address, account.password)
        smtp.sendmail(account.address, ["ann@example.com", account.address], "Subject: Hello\r\n\r\nx\r\n")
    for path, number in (("/mail", 2), ("/mail?to=shop@example.com", 1), ("/mail?to=ann@example.com", 1)):
        shown = web.get(path)
        assert shown.count('<li class="row') == number
        assert f'<span class="count">{number}<' in shown


def test_a_refused_recipient_is_among_the_mail_and_can_be_made(web: Web) -> None:
    with connect(web.server) as smtp:
        smtp.ehlo()
        smtp.mail("shop@shop.example")
        assert smtp.rcpt("anna@example.com")[0] == 550
    shown = web.get("/mail")
    assert "Nearest is ann@example.com" in shown
    assert "550 5.1.1 no such address, from" in shown
    assert 'href="/ui/connections/1"' in shown
    got = web.post("/addresses", address="anna@example.com")
    assert got.headers["Location"] == "/ui/mail?to=anna%40example.com"
    assert "Make it" not in web.get("/mail")


def test_the_list_has_at_most_50_rows_and_goes_on(web: Web) -> None:
    inbox = web.server.inbox_for("ann@example.com")
    for number in range(120):
        inbox.deliver(subject=f"number {number}.")
    seen: list[str] = []
    rows: list[str] = []
    shown = ""
    path: str | None = "/mail"
    pages = 0
    while path:
        shown = web.get(path)
        rows = re.findall(r"number (\d+)\.</bdi>", shown)
        assert len(rows) <= 50
        seen += rows
        pages += 1
        older = re.search(r'id="older" href="/ui([^"]+)"', shown)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == [str(number) for number in range(119, -1, -1)]
    opened = re.search(r'id="open-[^"]+" href="/ui([^"]+)"', shown)
    assert opened is not None
    assert re.findall(r"number (\d+)\.</bdi>", web.get(opened[1].replace("&amp;", "&"))) == rows
    assert pages == 3


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("", "<iframe"),
        ("html", 'sandbox="allow-popups allow-popups-to-escape-sandbox"'),
        ("text", "your code is 418203."),
        ("headers", "<dt>Subject</dt>"),
        ("source", "Content-Type: multipart/mixed"),
        ("attachments", "terms.pdf"),
        ("links", "Left out: its purpose is &#39;unsubscribe&#39;"),
        ("envelope", '<tr><td class="wrap mono">x@corp.example</td><td><span class="tag warn">Bcc</span> in no field'),
        ("smtp", "FROM:&lt;shop@shop.example&gt;"),
        ("webhooks", "No webhook was called"),
    ],
)
def test_a_message_has_views_with_urls(web: Web, arrive: Send, view: str, expected: str) -> None:
    arrive(to=("ann@example.com", "x@corp.example", "nobody@example.com"), terms=b"%PDF-")
    shown = web.get(f"/mail/{web.message(-1)}{f'/{view}' if view else ''}")
    assert expected in shown
    assert "1 recipient refused" in shown
    assert "<h1 " in shown


def test_the_reply_of_a_refused_recipient_is_in_the_envelope(web: Web, arrive: Send) -> None:
    arrive(to=("ann@example.com", "nobody@example.com"))
    assert "550 5.1.1" in web.get(f"/mail/{web.message()}/envelope")


def test_opening_a_message_marks_it_as_read(web: Web, arrive: Send) -> None:
    arrive()
    web.get(f"/mail/{web.message()}")
    assert web.server.inbox_for("ann@example.com").messages[0].flags == ("\\Seen",)
    web.act("unread", web.message())
    assert web.server.inbox_for("ann@example.com").messages[0].flags == ()


def test_a_message_is_downloaded_as_it_came(web: Web) -> None:
    raw = mail("As it came").replace(b"\n", b"\r\n")
    send(web.server, "ann@example.com", raw=raw)
    got = web.http.get(f"/ui/mail/{web.message()}/raw")
    assert got.content == raw
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''as-it-came.eml"


def test_a_file_is_downloaded_and_never_shown(web: Web, arrive: Send) -> None:
    arrive(page=b"<script>alert(1)</script>")
    got = web.http.get(f"/ui/mail/{web.message()}/files/0")
    assert got.content == b"<script>alert(1)</script>"
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.pdf"
    web.get(f"/mail/{web.message()}/files/1", status=404)
    web.get(f"/mail/{web.message()}/files/-1", status=404)


def test_all_messages_of_a_list_or_a_search_are_deleted(web: Web, arrive: Send) -> None:
    for number in range(3):
        arrive(f"Number {number}")
    web.post("/mail/delete?q=subject:0")
    assert [each.subject for each in web.server.inbox_for("ann@example.com").messages] == ["Number 1", "Number 2"]
    web.post("/mail/delete?to=ann@example.com")
    assert web.server.inbox_for("ann@example.com").messages == []


def test_a_deleted_message_has_a_page_that_says_so(web: Web) -> None:
    assert "This message was deleted" in web.get("/mail/12a7ec89-dd5d-42cc-9aef-65125c1d95e6", status=404)


def test_an_unknown_page_is_404(web: Web) -> None:
    assert "There is no such page." in web.get("/nothing", status=404)
    web.post("/activity", 405)
    web.get("/static/site.py", status=404)
    web.get("/static/../site.py", status=404)


def test_an_unknown_path_outside_of_the_pages_is_a_page_for_browsers_alone(web: Web) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    got = web.http.get("/inbox<b>", headers=browser)
    assert (got.status_code, got.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "no such route: /inbox&lt;b&gt;." in got.text
    assert 'href="/ui/mail"' in got.text
    assert web.http.get("/inbox").json() == {"error": "no such route: /inbox"}
    assert web.http.get("/api/inbox", headers=browser).json() == {"error": "no such route: /api/inbox"}


def test_an_address_is_made(web: Web) -> None:
    web.server.clock.freeze()
    got = web.post("/addresses", name="carla", domain="example.com", expires="1h")
    assert got.headers["Location"] == "/ui/mail?to=carla%40example.com"
    assert "60 min left" in web.get("/mail?to=carla@example.com")
    made = web.post("/addresses", name="", domain="example.com", expires="never").headers["Location"]
    assert made.startswith("/ui/mail?to=")
    assert "already exists" in web.post("/addresses", 409, name="carla", domain="example.com", expires="1h").text
    assert "is not an address" in web.post("/addresses", 400, name="a b", domain="example.com", expires="1h").text
    assert "mailbox at a served domain" in web.post("/addresses", 400, name="a", domain="x.test", expires="1h").text
    assert "can expire after" in web.post("/addresses", 400, name="a", domain="example.com", expires="2h").text


def test_webhook_deliveries_are_shown_and_repeated(web: Web, arrive: Send) -> None:
    with web.server.make_webhook_sink() as sink:
        web.server.add_webhook(sink)
        arrive()
        sink.receive()
        web.server.settle()
        shown = web.get(f"/mail/{web.message()}/webhooks")
        assert f"email.received → {sink.url}" in shown
        assert "delivered" in shown
        delivery = re.search(r'name="delivery" value="([^"]+)"', shown)
        assert delivery is not None
        web.post(f"/mail/{web.message()}/redeliver", delivery=delivery[1])
        assert sink.receive().attempt == 2
        web.post(f"/mail/{web.message()}/redeliver", 404, delivery="other")


def test_a_failing_webhook_is_marked(web: Web, arrive: Send) -> None:
    with web.server.make_webhook_sink() as sink:
        sink.answer(lambda _call: 503)
        web.server.clock.freeze()
        web.server.add_webhook(sink)
        arrive()
        web.server.settle()
        assert ", 1 failing" in web.get(f"/mail/{web.message()}")


def test_the_policy_of_a_page_allows_only_its_own_files(web: Web, arrive: Send) -> None:
    arrive()
    for path in ("/mail", f"/mail/{web.message()}", "/mail/none"):
        got = web.http.get(f"/ui{path}")
        policy = got.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert got.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?! src=\"/ui/)|<style| style=| on[a-z]+=", got.text)


def test_the_policy_of_a_body_is_a_sandbox(web: Web, arrive: Send) -> None:
    arrive(html='<img src="https://cdn.example/a.png">')
    path = f"/ui/mail/{web.message()}/body"
    policy = web.http.get(path).headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
    assert "img-src data:; " in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "img-src data: https://cdn.example; " in web.http.get(f"{path}?images=1").headers["Content-Security-Policy"]


def test_a_message_of_30_megabytes_is_shown(web: Web) -> None:
    web.server.inbox_for("ann@example.com").deliver(subject="Large", text="x" * 30_000_000)
    assert "Large" in web.get("/mail")
    for view in ("text", "source", "links"):
        assert len(web.get(f"/mail/{web.message()}/{view}")) < 2_000_000


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\xff\xfe\0", b"Subject: =?x?q?\r\n\r\n", b"Content-Type: text/html\r\n\r\n"]
)
def test_a_broken_message_is_shown(web: Web, raw: bytes) -> None:
    web.server.inbox_for("ann@example.com").deliver(raw)
    shown = web.get(f"/mail/{web.message()}")
    for view in re.findall(r'id="tab-([a-z]+)"', shown):
        web.get(f"/mail/{web.message()}/{view}")


def test_without_the_extra_the_root_says_how_to_install_it(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sirrchat_testkit.extras.find_spec", lambda _name: None)
    got = httpx.get(f"{server.api_url}/", trust_env=False)
    assert got.status_code == 200
    assert 'pip install "sirrchat-testkit[web]"' in got.text
    assert httpx.get(f"{server.api_url}/ui/mail", trust_env=False).status_code == 501
