"""Right uses of inboxes, messages and what is in them: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import assert_type

import pytest
from dirty_equals import IsStr

from sirrchat_testkit import (
    Attachment,
    Envelope,
    Headers,
    Inbox,
    Link,
    LinkPurpose,
    MailAddress,
    MailConditions,
    MailNotReceived,
    MailServer,
    MakeInbox,
    MakeInboxes,
    NotExactlyOne,
    NotSettled,
    OverQuota,
    ReceivedMessage,
    Refused,
    Transcript,
    UnexpectedMail,
    Unsubscribe,
)


def waits(inbox: Inbox, mailserver: MailServer) -> None:
    assert_type(inbox.receive(), ReceivedMessage)
    assert_type(inbox.receive(subject="Welcome", timeout=0), ReceivedMessage)
    assert_type(inbox.receive(subject="Welcome", only=True), ReceivedMessage)
    inbox.receive(sender="*@shop.example", to=["a@x.example"], cc=inbox, header={"X-Tag": re.compile("a")})
    inbox.receive(text=re.compile("code"), html=lambda html: "<b>" in html, size=lambda size: size > 3)
    inbox.receive(subject=IsStr(regex="W.*"), has_attachment=True, filename="*.pdf", mail_from="a@b.example")
    inbox.receive(after=datetime.now(UTC), where=lambda message: len(message.links) == 2)
    assert_type(inbox.receive_all(3, timeout=1.5), list[ReceivedMessage])
    assert_type(mailserver.receive_all(recipient=inbox), list[ReceivedMessage])
    inbox.assert_nothing(within=0.1, subject="x")
    assert_type(mailserver.messages + inbox.messages, list[ReceivedMessage])


async def waits_in_a_task(inbox: Inbox, mailserver: MailServer) -> None:
    assert_type(await inbox.areceive(subject="x", timeout=1), ReceivedMessage)
    assert_type(await mailserver.areceive_all(2), list[ReceivedMessage])
    await inbox.aassert_nothing(within=1)


def passes_conditions_on(inbox: Inbox, **match: str) -> ReceivedMessage:
    conditions: MailConditions = {"subject": "x", "where": lambda message: message.html == ""}
    return inbox.receive(**conditions)


def delivers(inbox: Inbox) -> None:
    assert_type(inbox.deliver(b"Subject: x\r\n\r\n"), ReceivedMessage)
    inbox.deliver(EmailMessage())
    inbox.deliver(subject="x", text="y", html="<p>y</p>", sender="a@b.example")
    inbox.deliver(to=[inbox, "b@b.example"], cc="c@c.example", headers={"X-Tag": "a"}, date=datetime.now(UTC))
    inbox.deliver(text="x", attachments={"a.txt": "x"}, inline=[("a.png", b"x"), ("b", b"x", "image/png"), Path("c")])
    address: str = inbox
    assert inbox.receive().sender == inbox
    assert inbox == inbox.receive().sender
    assert inbox.receive().to == (inbox.address,)
    inbox.deliver(sender=inbox, to=address)
    assert_type(inbox.clear(), list[ReceivedMessage])
    assert_type(inbox.address + inbox.id + inbox.api_key + str(inbox), str)
    assert_type(inbox.expires_at, datetime | None)


def reads(message: ReceivedMessage) -> None:
    assert_type(message.subject + message.sender + message.recipient + message.text + message.html, str)
    assert_type(message.to + message.cc + message.reply_to, tuple[MailAddress, ...])
    assert_type(message.flags + message.codes, tuple[str, ...])
    assert_type(message.headers, Headers)
    assert_type(message.headers.get_all("Received"), list[str])
    assert_type(message.raw, bytes)
    assert_type(message.date, datetime | None)
    assert_type(message.received_at - datetime.now(UTC), timedelta)
    assert_type(message.uid + message.size, int)
    assert_type(message.envelope, Envelope)
    assert_type(message.envelope.recipients, tuple[str, ...])
    assert_type(message.transcript, Transcript)
    assert_type(message.as_email(), EmailMessage)
    assert_type(message.select("td.code"), list[str])


def picks(message: ReceivedMessage, purpose: LinkPurpose) -> None:
    assert_type(message.link("Confirm"), Link)
    assert_type(message.link(url=re.compile("/confirm"), text="Confirm").path, str)
    assert_type(message.link(purpose="unsubscribe").params, dict[str, str])
    message.link(purpose=purpose)
    assert_type(message.link(scheme="mailto").scheme, str)
    assert_type(message.sender.name + message.to[0].name + message.sender.upper(), str)
    assert_type(message.links, tuple[Link, ...])
    assert_type(message.links[0].text.upper() + message.links[0].upper(), str)
    assert_type(message.code(r"[A-Z]{6}", near="sign in"), str)
    assert_type(message.attachment("*.pdf", type="application/*"), Attachment)
    assert_type(message.attachment(inline=True).content, bytes)
    assert_type([each.size for each in message.attachments + message.inline], list[int])
    assert_type(message.unsubscribe, Unsubscribe)
    assert_type(message.unsubscribe.one_click, bool)


def fails(inbox: Inbox) -> None:
    with pytest.raises((MailNotReceived, UnexpectedMail, NotSettled, NotExactlyOne, AssertionError)):
        inbox.receive(timeout=0).link()
    with pytest.raises((Refused, OverQuota)):
        inbox.deliver(subject="x")


def test_takes_fixtures(make_inbox: MakeInbox, make_inboxes: MakeInboxes) -> None:
    assert_type(make_inbox(), Inbox)
    assert_type(make_inbox("ann", domain="example.org", expires_in=timedelta(hours=1)), Inbox)
    assert_type(make_inboxes(3), list[Inbox])
