"""Delivery reports and automatic replies: what other readers of mail make of them."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.mail.mime import parse
from sirrchat_testkit.mail.reports import automatic_reply, delivery_report, is_automatic

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
ORIGINAL = b"From: ann@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <2@x>\r\n\r\nBody\r\n"


def report(
    original: bytes = ORIGINAL, recipient: str = "late-bounce@example.com", to: str = "ann@example.com"
) -> bytes:
    return delivery_report(original, recipient, to, NOW, "un1que")


def reply(original: bytes = ORIGINAL, to: str = "ann@example.com") -> bytes:
    return automatic_reply(original, "ooto@example.com", to, NOW, "un1que")


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_a_report_has_the_three_parts_of_rfc_3464() -> None:
    message = read(report())
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    text, status, header = message.iter_parts()
    assert [each.get_content_type() for each in (text, status, header)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert "could not be delivered to late-bounce@example.com" in text.get_content()
    parts: Any = status.get_payload()
    of_message, of_recipient = parts
    assert of_message["Reporting-MTA"] == "dns; example.com"
    assert dict(of_recipient) == {
        "Final-Recipient": "rfc822; late-bounce@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 The mailbox does not exist (simulated)",
    }
    assert email.message_from_string(str(header.get_payload()))["Message-ID"] == "<2@x>"


def test_an_address_that_is_not_ascii_has_the_form_of_rfc_6533() -> None:
    raw = report(recipient="j\u00f6rg+x@example.com", to="j\u00f6rg@example.com")
    assert rb"Final-Recipient: utf-8; j\x{F6}rg\x{2B}x@example.com" in raw
    assert parse(raw).to == ("j\u00f6rg@example.com",)


def test_a_reply_has_the_thread_and_the_subject_of_the_original() -> None:
    message = read(reply(ORIGINAL.replace(b"Message-ID", b"References: <0@x>\r\n <1@x>\r\nMessage-ID")))
    assert message["Subject"] == "Auto: Gr\u00fc\u00dfe"
    assert message["In-Reply-To"] == "<2@x>"
    assert message["References"] == "<0@x> <1@x> <2@x>"
    assert (message["Auto-Submitted"], message["To"]) == ("auto-replied", "ann@example.com")


def test_a_reply_to_a_message_without_a_header_has_no_thread() -> None:
    message = read(reply(b"\r\nBody"))
    assert message["Subject"].strip() == "Auto:"
    assert "In-Reply-To" not in message


@pytest.mark.parametrize(
    ("sender", "automatic"),
    [
        ("ann@example.com", False),
        ("MAILER-DAEMON@example.com", True),
        ("owner-news@example.com", True),
        ("news-request@example.com", True),
        ("requests@example.com", False),
    ],
)
def test_mail_of_programs_is_known_by_its_sender(sender: str, *, automatic: bool) -> None:
    assert is_automatic(ORIGINAL, sender) is automatic


@pytest.mark.parametrize(
    ("field", "automatic"),
    [
        (b"Auto-Submitted: no", False),
        (b"Auto-Submitted: No; x=y", False),
        (b"Auto-Submitted: auto-notified", True),
        (b"Precedence: first-class", False),
        (b"Precedence: List", True),
        (b"List-Id: <a.example>", True),
        (b"Listing: no", False),
    ],
)
def test_mail_of_programs_is_known_by_its_header(field: bytes, *, automatic: bool) -> None:
    assert is_automatic(field + b"\r\n" + ORIGINAL, "ann@example.com") is automatic


def test_a_long_subject_is_cut() -> None:
    for subject in (b"long " * 1000, "\u00fc".encode() * 1000):
        [line] = [each for each in reply(b"Subject: " + subject + b"\r\n\r\n").split(b"\r\n") if b"Auto: " in each]
        assert 900 < len(line) <= 998


@settings(deadline=None)  # a busy machine is slow
@given(st.binary(max_size=300))
def test_hostile_mail_is_answered_with_well_formed_mail(tail: bytes) -> None:
    for original in (tail, b"Subject: " + tail, b"Subject: a\r\nMessage-ID: <" + tail + b">\r\n\r\n"):
        is_automatic(original, "ann@example.com")
        head = reply(original).partition(b"\r\n\r\n")[0]
        assert all(len(line) <= 998 for line in head.split(b"\r\n"))
        assert read(reply(original))["Auto-Submitted"] == "auto-replied"
        assert len([*email.message_from_bytes(report(original)).walk()]) >= 4
