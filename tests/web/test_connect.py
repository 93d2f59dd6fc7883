"""Connecting an application, and mail made by hand."""

from __future__ import annotations

import re
import shlex
import shutil
import smtplib
import subprocess
from html import unescape
from urllib.parse import quote

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.mail.samples import KINDS, LANGUAGES
from tests.web.conftest import TOKEN, Web


def snippet(shown: str, name: str) -> str:
    found = re.search(rf'<section class="card" id="{name}".*?<pre[^>]*>(.*?)</pre>', shown, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def test_the_page_says_where_the_server_is(web: Web) -> None:
    shown = web.get("/connect")
    assert f"127.0.0.1:{web.server.smtp_port}" in shown
    assert web.server.api_url in shown
    assert web.server.api_key not in shown
    expected = "\n".join(f"{name}={value}" for name, value in web.server.env("django").items())
    login = re.compile(r"(EMAIL_HOST_USER|EMAIL_HOST_PASSWORD|EMAIL_URL)=.*")
    assert login.sub("", snippet(shown, "django")) == login.sub("", expected)


@pytest.mark.parametrize(
    "name", ["django", "fastapi-mail", "flask", "laravel", "nodemailer", "rails", "spring", "symfony", "go"]
)
def test_every_snippet_names_host_and_port(web: Web, name: str) -> None:
    text = snippet(web.get("/connect"), name)
    assert "127.0.0.1" in text
    assert str(web.server.smtp_port) in text


@pytest.mark.parametrize("name", ["curl", "swaks"])
def test_the_commands_deliver_mail(web: Web, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    web.server.inbox_for("ann@example.com").clear()
    done = subprocess.run(
        ["bash", "-c", snippet(web.get("/connect"), name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    message = web.server.inbox_for("ann@example.com").receive()
    assert message.sender == message.mail_from == "you@example.org"


def test_a_login_is_made_and_shown_once(web: Web) -> None:
    shown = web.post("/connect/login", 200, name="shop").text
    user, password, key = (unescape(each) for each in re.findall(r'<span class="mono">([^<]+)</span>', shown)[-3:])
    assert user == "shop@example.com"
    with smtplib.SMTP(web.server.smtp_host, web.server.smtp_port) as smtp:
        smtp.login(user, password)
    assert f"EMAIL_HOST_PASSWORD={password}" in snippet(shown, "django")
    assert shlex.quote(key) == key
    assert password not in web.get("/connect")
    assert "already exists" in web.post("/connect/login", 409, name="shop").text


def test_tls_is_in_the_snippets() -> None:
    with MailServer(starttls=True, auth="required") as server:
        web = Web(server)
        shown = web.get("/connect")
        assert "with STARTTLS" in shown
        assert "only after a login" in shown
        assert "--ssl-reqd" in snippet(shown, "curl")
        assert "USER:PASSWORD" in snippet(shown, "curl")
        assert f"SSL_CERT_FILE={server.tls.ca_file}" in snippet(shown, "django")
        web.http.close()


def test_a_sample_is_delivered_to_a_new_address_and_opened(web: Web) -> None:
    shown = web.http.get(web.post("/connect/sample").headers["Location"]).text
    assert "Confirm your address" in shown
    assert 'class="chip code"' in shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["de", "he", "ja"])
def test_a_sample_has_the_chosen_kind_and_language(web: Web, kind: str, language: str) -> None:
    assert f'<option value="{language}" lang="{language}">{LANGUAGES[language]}</option>' in web.get("/connect")
    web.post("/connect/sample", kind=kind, language=language, to="ann@example.com")
    message = web.server.inbox_for("ann@example.com").receive()
    assert f'<html lang="{language}"' in message.html
    assert len(message.codes) == (kind == "sign-up")


def test_a_wrong_sample_is_refused(web: Web) -> None:
    assert "A sample is one of sign-up" in web.post("/connect/sample", 400, kind="spam").text
    assert "A sample is one of sign-up" in web.post("/connect/sample", 400, language="xx").text
    assert "does not exist here" in web.post("/connect/sample", 400, to="nobody@example.com").text


def test_nothing_that_is_to_be_pasted_can_run_a_command(server: MailServer) -> None:
    web = Web(server)
    server.make_inbox(address="`touch$IFS/x`@example.com")
    to = quote("`touch$IFS/x`@example.com")
    shown = unescape(web.get(f"/mail?to={to}"))
    assert "--mail-rcpt '`touch$IFS/x`@example.com' \\\n" in shown
    assert "--to '`touch$IFS/x`@example.com' --from" in shown
    web.http.close()


def test_an_empty_inbox_leads_to_the_first_mail() -> None:
    with MailServer() as server:
        web = Web(server)
        shown = web.get("/mail")
        assert "Three steps to the first mail" in shown
        assert f'SMTP listens on <b class="mono">127.0.0.1:{server.smtp_port}</b>' in shown
        assert "--mail-rcpt ann@example.com" in shown
        path = web.post("/addresses", name="carla", domain="example.com").headers["Location"]
        shown = web.http.get(path).text
        assert "Send a mail to carla@example.com" in shown
        assert "--mail-rcpt carla@example.com" in shown
        assert "--mail-rcpt carla@example.com" in web.get("/mail")
        web.post("/connect/sample", to="carla@example.com")
        assert len(server.inbox_for("carla@example.com").messages) == 1
        assert "Send a mail to" not in web.http.get(path).text
        assert "Three steps" not in web.get("/mail")
        web.http.close()


def compose(web: Web, status: int = 303, files: dict[str, bytes] | None = None, **fields: str) -> str:
    """Send the form; return the page that it leads to, or that it shows again."""
    token = TOKEN.search(web.get("/compose"))
    assert token is not None
    parts = [("files", (name, content, "application/pdf")) for name, content in (files or {}).items()]
    got = web.http.post("/ui/compose", data={"token": token[1], **fields}, files=parts or [("files", ("", b""))])
    assert got.status_code == status, got.text
    return web.http.get(got.headers["Location"]).text if status == 303 else got.text


def test_a_mail_is_made_by_hand(web: Web) -> None:
    big = b"x" * 3_000_000
    compose(
        web,
        to="ann@example.com, x@corp.example",
        sender="Böb <bob@shop.example>",
        subject="Grüße",
        text="Hello",
        html="<p>Hello</p>",
        files={"a b.pdf": b"%PDF-", "große.pdf": big},
    )
    message = web.server.inbox_for("ann@example.com").receive()
    assert (message.subject, message.text.strip(), message.html.strip()) == ("Grüße", "Hello", "<p>Hello</p>")
    assert (message.sender.name, message.mail_from) == ("Böb", "bob@shop.example")
    assert message.to == ("ann@example.com", "x@corp.example")
    assert [each.name for each in message.attachments] == ["a b.pdf", "große.pdf"]
    assert message.attachments[1].content == big
    assert web.server.inbox_for("x@corp.example").messages[0].subject == "Grüße"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"to": ""}, "A recipient is needed"),
        ({"to": "ann"}, "&#39;ann&#39; is not an address"),
        ({"to": "nobody@example.com"}, "nobody@example.com does not exist here"),
        ({"to": "ann@example.com", "subject": "a\r\nBcc: x@y.example"}, "must not contain"),
    ],
)
def test_a_wrong_field_shows_the_form_again(web: Web, fields: dict[str, str], problem: str) -> None:
    given = {"sender": "a@b.example", "text": "kept <text>", "subject": "s", **fields}
    shown = compose(web, 422, None, **given)
    assert problem in shown or "Header values may not contain linefeed" in shown
    assert "kept &lt;text&gt;" in shown
    assert web.server.inbox_for("ann@example.com").messages == []


def test_a_mail_that_is_too_large_is_refused(web: Web) -> None:
    web.server.configure(max_message_size=100_000)
    assert "the server accepts 100000" in compose(web, 422, to="ann@example.com", files={"a": b"x" * 90_000})
    compose(web, 413, to="ann@example.com", files={"a": b"x" * 300_000})
