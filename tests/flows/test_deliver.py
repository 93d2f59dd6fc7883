"""``inbox.deliver`` makes complete messages of fields, and names the nearest field for a wrong one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import Attachment, Inbox, MailServer
from sirrchat_testkit.mail import mime
from sirrchat_testkit.mail.headers import Headers

PNG = b"\x89PNG\r\n\x1a\n"
FORMS = "contents (bytes or a string) by name, or a list of Paths, Attachments or tuples (name, content)"


def test_a_message_of_all_fields(mailserver: MailServer, inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("Terms", "utf-8")
    message = inbox.deliver(
        subject="Grüße",
        text="Your code is 482913.",
        html='<p>Hello</p><img src="cid:logo.png">',
        sender="The Shop <shop@shop.example>",
        to=[inbox, "bob@b.example"],
        cc="Carl <carl@c.example>",
        reply_to=["help@shop.example"],
        headers={"X-Tag": "welcome", "Received": ["from a by b", "from c by d"]},
        attachments=[tmp_path / "terms.txt", ("a.pdf", b"%PDF-"), ("b", "{}", "application/json")],
        inline={"logo.png": PNG},
        date=datetime(2030, 1, 31, 12, tzinfo=UTC),
    )
    assert inbox.receive(timeout=0).id == message.id
    assert (message.subject, message.code(), message.sender.name) == ("Grüße", "482913", "The Shop")
    assert message.to == (inbox.address, "bob@b.example")
    assert message.cc == ("carl@c.example",)
    assert message.reply_to == ("help@shop.example",)
    assert message.envelope.sender == "shop@shop.example"
    assert message.envelope.recipients == (inbox,)
    assert message.headers["X-Tag"] == "welcome"
    assert message.headers.get_all("Received") == ["from a by b", "from c by d"]
    assert [(each.name, each.type, each.content) for each in message.attachments] == [
        ("terms.txt", "text/plain", b"Terms"),
        ("a.pdf", "application/pdf", b"%PDF-"),
        ("b", "application/json", b"{}"),
    ]
    assert [(each.name, each.cid, each.content) for each in message.inline] == [("logo.png", "logo.png", PNG)]
    assert message.date == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert message.problems == ()


def test_the_names_of_many_recipients_are_read_once(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    recipients = [f"Ann {number} <ann{number}@shop.example>" for number in range(900)]
    message = inbox.deliver(f"From: The Shop <shop@shop.example>\r\nTo: {', '.join(recipients)}\r\n\r\nHi".encode())
    calls: list[bytes] = []
    parse = mime.parse

    def counted(raw: bytes) -> mime.Parsed:
        calls.append(raw)
        return parse(raw)

    monkeypatch.setattr(mime, "parse", counted)
    monkeypatch.setattr(Headers, "named_addresses", None)  # it would read the field again for each name
    assert [f"{each.name} <{each}>" for each in message.to] == recipients
    assert message.sender.name == "The Shop"
    assert len(calls) == 1


def test_a_message_of_one_field_is_complete(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.clock.freeze(datetime(2030, 1, 31, 12, tzinfo=UTC))
    first, second = inbox.deliver(subject="Hello"), inbox.deliver(sender="x@shop.example", text="Hi")
    assert (first.sender, first.to) == ("sender@example.org", (inbox.address,))
    assert first.date == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert first.headers["Message-ID"] == f"<{first.message_id.strip('<>')}>"
    assert first.message_id.strip("<>").endswith("@example.org")
    assert second.message_id.strip("<>").endswith("@shop.example")
    assert second.subject == ""
    assert first.text.strip() == ""


@pytest.mark.parametrize("word", ["\u0430\u0434\u0440\u0435\u0441", "\u092a\u0924\u0947", "\u00e4"])
def test_a_long_subject_keeps_its_spaces(word: str, inbox: Inbox) -> None:
    for count in range(1, 40):
        subject = " ".join(["x" * (count % 7), *[word] * count, "end"])
        message = inbox.deliver(subject=subject)
        assert message.subject == subject.strip()
        assert max(map(len, message.raw.split(b"\r\n"))) <= 78


def test_html_alone_has_no_text(inbox: Inbox) -> None:
    message = inbox.deliver(html="<p>Hello</p>")
    assert (message.text, message.html.strip()) == ("", "<p>Hello</p>")


def test_a_header_replaces_a_field(inbox: Inbox) -> None:
    message = inbox.deliver(subject="x", headers={"message-id": "<mine@x.example>", "Date": "never", "Subject": "y"})
    assert message.message_id.strip("<>") == "mine@x.example"
    assert (message.subject, message.date) == ("y", None)
    assert len(message.headers.get_all("Subject") or ()) == 1


def test_a_naive_date_is_local(inbox: Inbox) -> None:
    local = datetime(2030, 1, 31, 12)  # noqa: DTZ001 - it is tested
    assert inbox.deliver(subject="x", date=local).date == local.astimezone()


def test_files_of_other_messages_can_be_sent_on(inbox: Inbox, make_inbox: Any) -> None:
    bounce = EmailMessage()
    bounce["Subject"] = "Returned"
    bounce.set_content("x")
    first = inbox.deliver(text="x", attachments={"invoice.pdf": b"%PDF-", "bounce.eml": bytes(bounce)})
    logo = Attachment("", "image/png", PNG, "7")
    again = make_inbox().deliver(html='<img src="cid:7">', attachments=first.attachments, inline=[logo])
    assert [(each.name, each.type) for each in again.attachments] == [
        ("invoice.pdf", "application/pdf"),
        ("bounce.eml", "message/rfc822"),
    ]
    assert b"Subject: Returned" in again.attachments[1].content


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"subjct": "x"}, "deliver() has no field 'subjct'; did you mean 'subject'?"),
        ({"body": "x"}, "deliver() has no field 'body'; did you mean 'text'?"),
        ({"from_": "x"}, "deliver() has no field 'from_'; did you mean 'sender'?"),
        ({"attachment": {}}, "deliver() has no field 'attachment'; did you mean 'attachments'?"),
        (
            {"colour": "x"},
            (
                "deliver() has no field 'colour'; there are subject, text, html, sender, to, cc, reply_to, headers, "
                "attachments, inline, date"
            ),
        ),
        ({"subject": 5}, "subject must be a string, not 5"),
        ({"to": 5}, "to must be an address or a list of addresses, not 5"),
        ({"cc": [5]}, "cc must be an address or a list of addresses, not [5]"),
        ({"headers": "X: y"}, "headers must be a mapping such as {'X-Tag': 'news'}, not 'X: y'"),
        ({"date": "today"}, "date must be a datetime, not 'today'"),
        ({"headers": {"X-Tag": 5}}, "headers must be strings or lists of strings by name, not {'X-Tag': 5}"),
        ({"attachments": [b"x"]}, f"attachments must be {FORMS}, not b'x'"),
        ({"attachments": b"x"}, f"attachments must be {FORMS}, not b'x'"),
        ({"attachments": "terms.txt"}, f"attachments must be {FORMS}, not 'terms.txt'"),
        ({"attachments": {"a.csv": 5}}, f"attachments must be {FORMS}, not ('a.csv', 5)"),
        ({"html": "x", "inline": 5}, f"inline must be {FORMS}, not 5"),
        ({"message": 5}, "a message must be bytes or an EmailMessage, not int"),
        (
            {"message": "Subject: x"},
            "a message must be bytes or an EmailMessage, not str; to deliver a text, write text=...",
        ),
        (
            {"message": MIMEText("x")},
            "a message must be bytes or an EmailMessage, not MIMEText; pass its as_bytes()",
        ),
        ({}, "deliver needs a message (bytes or an EmailMessage) or fields such as subject= and text="),
    ],
)
def test_a_wrong_field_is_refused_in_words(inbox: Inbox, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        inbox.deliver(**fields)
    assert str(caught.value) == text
    assert inbox.messages == []


def test_inline_files_need_html_that_shows_them(inbox: Inbox) -> None:
    with pytest.raises(ValueError, match="inline files are shown by the HTML: html is missing"):
        inbox.deliver(text="x", inline={"a.png": PNG})


@pytest.mark.parametrize("line", ["x\r\nBcc: eve@e.example", "x\n", "x\ry", "\u00e4\r\nX: y"])
def test_a_line_break_in_a_header_field_is_refused_by_its_name(inbox: Inbox, line: str) -> None:
    with pytest.raises(ValueError, match=f"^subject must be one line, not {re.escape(repr(line))}$"):
        inbox.deliver(subject=line)
    with pytest.raises(ValueError, match=r"^to must be one line"):
        inbox.deliver(to=[inbox, line])
    for name in ("X\r\nBcc", "X Tag", "X-Tag:", "", "Grüße"):
        with pytest.raises(ValueError, match=f"^{re.escape(repr(name))} is not the name of a header field"):
            inbox.deliver(headers={name: "a"})
    with pytest.raises(ValueError, match=r"^X-Tag must be one line"):
        inbox.deliver(headers={"X-Tag": line})


def test_message_ids_differ_and_are_reproducible() -> None:
    found = []
    for _ in range(2):
        with MailServer() as server, server.scope("test"):
            inbox = server.make_inbox()
            found.append([inbox.deliver(subject="x").message_id for _ in range(3)])
    assert found[0] == found[1]
    assert len(set(found[0])) == 3
    assert re.fullmatch(r"<?\w{20}@example\.org>?", found[0][0])


def test_an_invitation_is_found_by_its_type_as_an_alternative_and_as_a_file(inbox: Inbox) -> None:
    invitation = EmailMessage()
    invitation["Subject"] = "Invitation"
    invitation.set_content("Meeting at ten")
    invitation.add_alternative("BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n", subtype="calendar")
    invitation.add_attachment(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "application", "ics", filename="invite.ics")
    inbox.deliver(invitation)
    message = inbox.receive()
    assert [each.name for each in message.attachments] == ["invite.ics"]
    assert b"METHOD:REQUEST" in message.attachment(type="text/calendar").content
    assert message.attachment(type="text/calendar", inline=True) == message.attachment(type="text/calendar")
    assert message.attachment().name == "invite.ics"
