"""Messages made from a few fields, for ``inbox.deliver``.

1. A message is complete: it has From, To, Subject, Date and Message-ID, unless ``headers`` replaces them.
2. Bytes and an ``EmailMessage`` are delivered as they are.
3. Inline files are related to the HTML, which shows them as ``cid:NAME``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from sirrchat_testkit.mail.mime import Attachment
from sirrchat_testkit.suggestions import near_name

if TYPE_CHECKING:
    from email.message import EmailMessage

__tracebackhide__ = True

SENDER = "sender@example.org"


class MessageFields(TypedDict, total=False):
    """The fields of ``inbox.deliver``, for type checkers.

    Attributes:
        subject: The subject.
        text: The plain text.
        html: The HTML.
        sender: The address of From, with or without a display name, and the envelope's sender.
            Default: ``sender@example.org``.
        to: The addresses of To. Default: the address of the inbox.
        cc: The addresses of Cc.
        reply_to: The addresses of Reply-To.
        headers: Further header fields; those that have the name of another field replace it.
        attachments: Files by name, such as ``{"invoice.pdf": b"%PDF-"}``; or a list of paths, of ``Attachment``, or of
            tuples of name, content and optionally a type.
        inline: Files that the HTML shows, in the same forms: ``{"logo.png": data}`` is ``<img src="cid:logo.png">``.
        date: The date. Default: the time of the server's clock.
    """

    subject: str
    text: str
    html: str
    sender: str
    to: str | Sequence[str]
    cc: str | Sequence[str]
    reply_to: str | Sequence[str]
    headers: Mapping[str, str | Sequence[str]]
    attachments: (
        Mapping[str, bytes | str]
        | Sequence[Attachment | os.PathLike[str] | tuple[str, bytes | str] | tuple[str, bytes | str, str]]
    )
    inline: (
        Mapping[str, bytes | str]
        | Sequence[Attachment | os.PathLike[str] | tuple[str, bytes | str] | tuple[str, bytes | str, str]]
    )
    date: datetime


_TEXTS: Final = ("subject", "text", "html", "sender")
_ADDRESSES: Final = ("to", "cc", "reply_to")
_GUESSES: Final[Mapping[str, str]] = (
    dict.fromkeys(("body", "content", "plain", "message", "text_body"), "text")
    | dict.fromkeys(("html_body", "html_message"), "html")
    | dict.fromkeys(("from_", "from_email", "from_addr", "from_address", "mail_from", "author"), "sender")
    | dict.fromkeys(("recipient", "recipients", "to_address", "to_addrs"), "to")
    | dict.fromkeys(("attachment", "files", "file"), "attachments")
    | dict.fromkeys(("images", "inline_images", "related"), "inline")
    | {"header": "headers", "sent_at": "date", "time": "date", "title": "subject", "replyto": "reply_to"}
)
"""Names that other packages use, with ours."""

_FIELD_NAME = re.compile("[!-9;-~]+")  # RFC 5322 section 3.6.8


def check_fields(fields: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` for an unknown field, suggesting the nearest, or for a value of a wrong type.

    Raise ``ValueError`` for a header field with a line break, and for ``inline`` without ``html``.
    """
    known = [*MessageFields.__annotations__]
    for name, value in fields.items():
        if name not in known:
            near = _GUESSES.get(name) or near_name(name, known)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
            raise TypeError(f"deliver() has no field {name!r}; {hint}")
        if name in _TEXTS and not isinstance(value, str):
            raise TypeError(f"{name} must be a string, not {value!r}")
        if name in _ADDRESSES and not all(isinstance(each, str) for each in _listed(value)):
            raise TypeError(f"{name} must be an address or a list of addresses, not {value!r}")
        if name in {"subject", "sender", *_ADDRESSES}:
            _check_line(name, value)
        if name == "headers":
            _check_headers(value)
        if name == "date" and not isinstance(value, datetime):
            raise TypeError(f"date must be a datetime, not {value!r}")
    if fields.get("inline") and not fields.get("html"):
        raise ValueError("inline files are shown by the HTML: html is missing")


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping such as {{'X-Tag': 'news'}}, not {headers!r}")
    for name, value in headers.items():
        if not all(isinstance(each, str) for each in (name, *_listed(value))):
            raise TypeError(f"headers must be strings or lists of strings by name, not {{{name!r}: {value!r}}}")
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not the name of a header field: it needs ASCII characters without blanks and colons"
            )
        _check_line(name, value)


def _check_line(name: str, value: str | Sequence[str]) -> None:
    if any(each and each.splitlines() != [each] for each in _listed(value)):
        raise ValueError(f"{name} must be one line, not {value!r}")


def to_bytes(message: EmailMessage) -> tuple[str, bytes]:
    """Return the bare address of the sender and the bytes of ``message``.

    Raises ``TypeError`` if it is not an ``EmailMessage``.
    """
    from email.message import EmailMessage, Message
    from email.policy import SMTP

    if not isinstance(message, EmailMessage):
        hint = ""
        if isinstance(message, Message):
            hint = "; pass its as_bytes()"
        elif isinstance(message, str):
            hint = "; to deliver a text, write text=..."
        raise TypeError(f"a message must be bytes or an EmailMessage, not {type(message).__name__}{hint}")
    sender = message["From"]
    addresses = sender.addresses if sender is not None else ()
    author = addresses[0].addr_spec if addresses else ""
    return author if author != "<>" else "", message.as_bytes(policy=SMTP.clone(utf8=False))


def compose(recipient: str, fields: MessageFields, *, now: datetime, unique: str) -> EmailMessage:
    """Return a message for ``recipient`` made of checked ``fields``.

    Args:
        recipient: The address of To, unless the fields have one.
        fields: The fields.
        now: The date, unless the fields have one.
        unique: The local part of the Message-ID.
    """
    from email.message import EmailMessage
    from email.utils import format_datetime

    message = EmailMessage()
    date = fields.get("date", now)
    message["From"] = fields.get("sender", SENDER)
    message["To"] = ", ".join(_listed(fields.get("to", recipient)))
    for name, values in (("Cc", fields.get("cc")), ("Reply-To", fields.get("reply_to"))):
        if values:
            message[name] = ", ".join(_listed(values))
    _set_subject(message, fields.get("subject", ""))
    message["Date"] = format_datetime(date if date.tzinfo else date.astimezone())
    domain = to_bytes(message)[0].rpartition("@")[2] or "example.org"
    message["Message-ID"] = f"<{unique}@{domain if domain.isascii() else 'example.org'}>"
    _set_body(message, fields)
    for name, given in fields.get("headers", {}).items():
        del message[name]
        for value in _listed(given):
            message[name] = value
    return message


def _set_subject(message: EmailMessage, subject: str) -> None:
    """Set a subject. Python before 3.13 loses a space where it folds one that is long and not ASCII."""
    message["Subject"] = subject
    if not subject.isascii():
        from email.header import Header

        del message["Subject"]
        message.set_raw("Subject", Header(subject, "utf-8", 76, "Subject").encode())


def _set_body(message: EmailMessage, fields: MessageFields) -> None:
    text, html = fields.get("text"), fields.get("html")
    if html is None:
        message.set_content(text or "")
    elif text is None:
        message.set_content(html, subtype="html")
    else:
        message.set_content(text)
        message.add_alternative(html, subtype="html")
    shown = message.get_body(("html",))
    for each in _files("inline", fields):
        assert shown is not None  # check_fields has refused it
        _add(shown.add_related, each, disposition="inline", cid=f"<{each.cid or each.name}>")
    for each in _files("attachments", fields):
        _add(message.add_attachment, each)


def _add(add: Any, file: Attachment, **headers: str) -> None:
    """Add ``file`` to a message with its method ``add``."""
    main, _, sub = file.type.partition("/")
    named = {"filename": file.name} if file.name else {}
    if file.type == "message/rfc822":
        import email
        from email.policy import default

        add(email.message_from_bytes(file.content, policy=default), **named, **headers)
    else:
        add(file.content, main, sub or "octet-stream", **named, **headers)


def _files(field: Literal["attachments", "inline"], fields: MessageFields) -> Iterator[Attachment]:
    """Return the files of ``field``, in any of their forms."""
    given: Any = fields.get(field, ())
    for each in given.items() if isinstance(given, Mapping) else _listed(given):
        if isinstance(each, Attachment):
            yield each
        elif isinstance(each, os.PathLike):
            path = Path(each)
            yield _file(path.name, path.read_bytes())
        elif isinstance(each, tuple) and len(each) in {2, 3} and isinstance(each[1], bytes | str):
            yield _file(*each)
        else:
            forms = "contents (bytes or a string) by name, or a list of Paths, Attachments or tuples (name, content)"
            raise TypeError(f"{field} must be {forms}, not {each!r}")


def _file(name: str, content: bytes | str, kind: str = "") -> Attachment:
    import mimetypes

    guessed = mimetypes.guess_type(name)[0] or (
        "text/plain" if isinstance(content, str) else "application/octet-stream"
    )
    data = content.encode() if isinstance(content, str) else content
    return Attachment(name=name, type=kind or guessed, content=data)


def _listed(given: Any) -> list[Any]:
    """Return ``given`` as a list; a string, or a value that is no collection, is its only item."""
    return [given] if isinstance(given, str | bytes) or not isinstance(given, Sequence) else [*given]
