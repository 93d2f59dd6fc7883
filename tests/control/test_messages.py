"""Messages in all their views, changes, deletion and injection."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.mail.addresses import flaw
from sirrchat_testkit.schemas import control as schemas

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer
    from tests.control.conftest import Control

RAW = b"From: Shop <shop@b.example>\r\nTo: ann@example.com\r\nSubject: Hello\r\nX-Tag: a\r\n\r\nhi\r\n"


def send(server: MailServer, *recipients: str, raw: bytes = RAW) -> None:
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.sendmail("envelope@b.example", recipients, raw)


def only(control: Control, **query: Any) -> str:
    [found] = control("GET", "/messages", **query)["data"]
    identifier: str = found["id"]
    return identifier


def test_a_whole_message_is_what_the_handle_is(server: MailServer, control: Control) -> None:
    server.inbox_for("ann@example.com").deliver(
        subject="Welcome",
        sender="Shop <shop@b.example>",
        cc=["c@b.example"],
        text="Your code is 482913. Confirm: https://shop.example/confirm?token=1",
        html='<p>Code: 482913. <a href="https://shop.example/confirm?token=1">Confirm</a> <img src="cid:logo"></p>',
        attachments=[("terms.pdf", b"%PDF", "application/pdf")],
        inline={"logo": b"\x89PNG\r\n\x1a\n"},
    )
    handle = server.inbox_for("ann@example.com").messages[0]
    shown = control("GET", f"/messages/{handle.id}")
    schemas.Message.model_validate(shown)
    assert shown["code"] == handle.code() == "482913"
    assert shown["link"] == str(handle.link()) == "https://shop.example/confirm?token=1"
    assert shown["links"][0] == {"url": str(handle.links[0]), "text": "Confirm", "purpose": ""}
    assert (shown["text"], shown["html"], shown["uid"]) == (handle.text, handle.html, handle.uid)
    assert (shown["from"], shown["to"], shown["cc"]) == ("shop@b.example", ["ann@example.com"], ["c@b.example"])
    assert ["Subject", "Welcome"] in shown["headers"]
    assert [each["name"] for each in shown["attachments"]] == ["terms.pdf"]
    assert [each["cid"] for each in shown["inline"]] == ["logo"]
    assert shown["envelope"]["recipients"] == ["ann@example.com"]
    assert shown["seen"] is False, "looking at a message leaves it unread"


@pytest.mark.parametrize(
    ("text", "code", "codes"),
    [
        ("Hello", None, []),
        ("Your code is 482913.", "482913", ["482913"]),
        ("Your code is 482913, or 482913.", "482913", ["482913"]),
        ("Your code is 482913. Your code is 739164.", None, ["482913", "739164"]),
    ],
)
def test_the_code_is_the_only_one(
    server: MailServer, control: Control, text: str, code: str | None, codes: list[str]
) -> None:
    message = server.inbox_for("ann@example.com").deliver(subject="Sign in", text=text)
    shown = control("GET", f"/messages/{message.id}")
    assert (shown["code"], shown["codes"]) == (code, codes)


def test_bytes_dialogue_envelope_and_files(server: MailServer, control: Control) -> None:
    send(server, "ann@example.com", "other@elsewhere.example")
    message = only(control, to="ann@example.com")
    raw = control.http.get(f"/messages/{message}/raw")
    assert (raw.content, raw.headers["Content-Type"]) == (RAW, "message/rfc822")
    assert "RCPT TO:<other@elsewhere.example>" in control("GET", f"/messages/{message}/transcript")["text"].replace(
        "rcpt", "RCPT"
    )
    envelope = control("GET", f"/messages/{message}/envelope")
    assert envelope["sender"] == "envelope@b.example"
    assert envelope["recipients"] == ["ann@example.com", "other@elsewhere.example"]
    assert control.refusal("GET", f"/messages/{message}/attachments/0", status=404)["message"] == (
        "the message has no file 0; it has no files"
    )


def test_a_file_is_never_shown_by_a_browser(server: MailServer, control: Control) -> None:
    message = server.inbox_for("ann@example.com").deliver(
        subject="x", text="x", attachments=[("é.html", b"<script>", "text/html")]
    )
    got = control.http.get(f"/messages/{message.id}/attachments/0")
    assert got.content == b"<script>"
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9.html"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    refusal = control.refusal("GET", f"/messages/{message.id}/attachments/1", status=404)
    assert refusal["message"] == "the message has no file 1; its last file is 0"


def test_mail_for_foreign_domains_can_be_read(server: MailServer, control: Control) -> None:
    send(server, "ops@elsewhere.example")
    message = only(control, to="ops@elsewhere.example")
    assert control("GET", f"/messages/{message}")["text"] == "hi\n"


def test_read_and_unread(server: MailServer, control: Control) -> None:
    message = server.inbox_for("ann@example.com").deliver(subject="x", text="x")
    assert control("PATCH", f"/messages/{message.id}", body={"seen": True})["flags"] == ["\\Seen"]
    assert control("GET", "/messages", q="is:unread")["data"] == []
    assert control("PATCH", f"/messages/{message.id}", body={"seen": False})["seen"] is False
    assert only(control, q="is:unread") == message.id
    assert (
        control.refusal("PATCH", f"/messages/{message.id}", status=400, body={"seen": 1})["details"]["field"] == "seen"
    )


def test_deleting_one_and_deleting_by_search(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    kept, one, *many = [inbox.deliver(subject=each, text="x") for each in ("keep", "one", *["many"] * 230)]
    control("DELETE", f"/messages/{one.id}", status=204)
    assert control.refusal("GET", f"/messages/{one.id}", status=404)["code"] == "not_found"
    assert set(control("DELETE", "/messages", q="subject:many")["deleted"]) == {each.id for each in many}
    assert [each.id for each in inbox.messages] == [kept.id]
    assert control.refusal("DELETE", "/messages", status=400)["details"]["field"] == "q"
    assert len(inbox.messages) == 1


def test_injection_needs_no_smtp(server: MailServer, control: Control) -> None:
    made = control("POST", "/messages?to=ann@example.com&to=ops@elsewhere.example", status=201, body=RAW)["data"]
    assert [each["recipient"] for each in made] == ["ann@example.com", "ops@elsewhere.example"]
    assert server.inbox_for("ann@example.com").receive(subject="Hello").headers["X-Tag"] == "a"
    assert server.sessions == []


@pytest.mark.parametrize(
    "address", ["a\r\nb@example.com", "a\0@example.com", "a\u202eb@example.com", "ann", "", " a@b.c"]
)
def test_an_injected_recipient_is_an_address(server: MailServer, control: Control, address: str) -> None:
    server.configure(unknown_recipients="keep")
    refusal = control.refusal("POST", "/messages", status=400, body=RAW, to=address)
    assert refusal["message"] == f"to must be an e-mail address, not {address!r}: {flaw(address)}"
    assert refusal["details"] == {"field": "to", "value": address}
    assert not server.messages


@pytest.mark.parametrize("address", ["a@b.example\r\nX: y", "a\0@b.example", "<>", "a b", "\u200ba@b.example"])
def test_an_injected_sender_is_an_address(server: MailServer, control: Control, address: str) -> None:
    refusal = control.refusal("POST", "/messages", status=400, body=RAW, to="ann@example.com", from_=address)
    words = f"from must be an e-mail address, or empty for the null sender, not {address!r}: {flaw(address)}"
    assert refusal["message"] == words
    assert refusal["details"] == {"field": "from", "value": address}
    assert not server.messages


@pytest.mark.parametrize("address", ["", "root", "a@b.example", "jürgen@b.example"])
def test_senders_that_smtp_accepts_are_injected(server: MailServer, control: Control, address: str) -> None:
    control("POST", "/messages", status=201, body=RAW, to="ann@example.com", from_=address)
    assert [each.mail_from for each in server.messages] == [address]


def test_a_wrong_injection_says_why(server: MailServer, control: Control) -> None:
    assert control.refusal("POST", "/messages", status=400, body=RAW)["details"]["field"] == "to"
    unknown = control.refusal("POST", "/messages?to=no@example.com", status=400, body=RAW)
    assert unknown["message"].startswith("no@example.com does not exist here; make it with POST /testkit/v1/addresses")
    assert (
        control.refusal("POST", "/messages?to=ann@example.com", status=400)["message"] == "the body must be a message"
    )
    server.configure(max_message_size=1000)
    too_large = control.refusal("POST", "/messages?to=ann@example.com", status=413, body=b"x" * 1001)
    assert too_large["message"] == "the body is larger than 1000 bytes"


def test_only_an_admin_key_opens_it(server: MailServer, control: Control) -> None:
    user = server.add_account("bob@example.com").api_key
    for headers, status in (
        ({"Authorization": f"Bearer {user}"}, 403),
        ({"Authorization": "", "X-API-Key": user}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "", "X-API-Key": server.api_key}, 200),
    ):
        assert control.http.get("/messages", headers=headers).status_code == status
