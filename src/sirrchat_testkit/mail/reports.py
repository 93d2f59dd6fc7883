"""Mail that programs send in answer to mail: delivery reports (RFC 3464) and automatic replies (RFC 3834).

1. Both have CRLF as on the wire. Addresses that are not ASCII are in UTF-8 (RFC 6532), or in the form of RFC 6533
   section 3 in the fields of a report.
2. The header of the original message, cut at ``LIMIT``, becomes the third part of a report; its subject and Message-ID
   are copied into a reply.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from sirrchat_testkit.mail.addresses import split as split_address
from sirrchat_testkit.mail.headers import LIMIT, Headers, split

_BULK: Final = frozenset({"bulk", "list", "junk"})
_PROGRAMS: Final = re.compile(r"mailer-daemon|owner-.*|.*-request", re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")
_IDS: Final = 20  # References that a reply has at most
_LINE: Final = 900  # bytes of a header value; a line has at most 998
_NOT_XTEXT: Final = re.compile(r"[^!-*,-<>-\[\]-~]")


def delivery_report(original: bytes, recipient: str, sender: str, at: datetime, unique: str) -> bytes:
    """Return the report to ``sender`` that its message ``original`` could not be delivered to ``recipient``.

    Args:
        original: The message.
        recipient: The address of the mailbox.
        sender: The sender of the envelope.
        at: The date of the report.
        unique: A text that occurs nowhere else, for the Message-ID and the boundary.
    """
    domain = split_address(recipient)[1]
    boundary = f"=_{unique}"
    header = b"\r\n".join(split(original[:LIMIT])[0].splitlines())
    why = "550 5.1.1 The mailbox does not exist (simulated)"
    report = f"""\
From: Mail Delivery System <mailer-daemon@{domain}>
To: {sender}
Subject: Undelivered Mail Returned to Sender
Date: {format_datetime(at)}
Message-ID: <{unique}@{domain}>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Your message could not be delivered to {recipient}:

    {why}

--{boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; {domain}
Arrival-Date: {format_datetime(at)}

Final-Recipient: {_typed(recipient)}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; {why}

--{boundary}
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

"""
    return _wire(report) + header + _wire(f"\n\n--{boundary}--\n")


def automatic_reply(original: bytes, recipient: str, sender: str, at: datetime, unique: str) -> bytes:
    """Return the reply to ``sender`` that the owner of ``recipient`` is out of office; arguments as above."""
    headers = Headers(split(original)[0])
    domain = split_address(recipient)[1]
    [replied, *_] = [*_ids(headers, "Message-ID"), ""]
    references = " ".join([*_ids(headers, "References"), replied][-_IDS:])
    thread = f"In-Reply-To: {replied}\nReferences: {references}\n" if replied else ""
    subject = _clean(headers.undecoded("Subject"))
    return _wire(f"""\
From: {recipient}
To: {sender}
Subject: Auto: {subject}
Date: {format_datetime(at)}
Message-ID: <{unique}@{domain}>
{thread}Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

I am out of the office (simulated).
""")


def is_automatic(message: bytes, sender: str) -> bool:
    """Return whether a program or a list has sent ``message``, so that nothing may reply to it automatically."""
    headers = Headers(split(message)[0])
    submitted = headers.get("Auto-Submitted", "no").partition(";")[0].strip().lower()
    return (
        submitted != "no"
        or headers.get("Precedence", "").strip().lower() in _BULK
        or any(name.lower().startswith("list-") for name in headers)
        or _PROGRAMS.fullmatch(split_address(sender)[0]) is not None
    )


def _ids(headers: Headers, name: str) -> list[str]:
    return _MESSAGE_ID.findall(headers.undecoded(name))


def _clean(value: str) -> str:
    """Return a header value on one line that a header line may have (RFC 5322 section 2.1.1)."""
    words = "".join(each if each.isprintable() else " " for each in value).split()
    return " ".join(words).encode("utf-8", "replace")[:_LINE].decode("utf-8", "ignore")


def _typed(address: str) -> str:
    """Return ``address`` with its type, as in Final-Recipient."""
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + _NOT_XTEXT.sub(lambda found: rf"\x{{{ord(found[0]):X}}}", address)


def _wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "replace")
