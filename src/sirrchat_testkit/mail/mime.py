"""Raw bytes made a message: header fields at once, the rest on demand.

Rules of this module:

1. Whatever the bytes are, nothing but ``as_email`` raises: a broken message is shown as far as it can be read.
2. ``read_header`` is for receipt; ``parse`` costs a hundred times as much and runs in the thread that asks.
3. ``email`` is imported by this module only, and not before ``parse`` or ``as_email`` needs it.
4. An enclosed message (message/rfc822) is an attachment, byte for byte. What is in it is not the message's own.
5. Lines of ``text`` and ``html`` end in a line feed, whatever was sent. ``text`` is never made from HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.encoded_words import decode_bytes, decode_header
from sirrchat_testkit.mail.headers import HeaderFields, Headers, read_header, split
from sirrchat_testkit.records import record
from sirrchat_testkit.suggestions import Hints

if TYPE_CHECKING:
    from email.message import EmailMessage

__tracebackhide__ = True

__all__ = ["Attachment", "HeaderFields", "Headers", "Parsed", "Unsubscribe", "as_email", "parse", "read_header"]

_CONTENT_FIELD = re.compile(rb"^content-[!-9;-~]*[ \t]*:.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)
_ANGLE = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Attachment(Hints):
    """A part that is no text of the message: a file, an image shown in the HTML, an enclosed message.

    ``name`` is the file name as sent ("" without one; ``message.eml`` for an enclosed message), ``type`` is in lower
    case, ``content`` is decoded, ``cid`` stands without angle brackets.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "filename": "name",
        "content_type": "type",
        "mimetype": "type",
        "data": "content",
        "body": "content",
        "content_id": "cid",
    }

    name: str
    type: str
    content: bytes = field(repr=False)
    cid: str = ""

    @property
    def size(self) -> int:
        """Return the bytes of ``content``."""
        return len(self.content)


class Unsubscribe(tuple[str, ...]):  # noqa: SLOT001 - a tuple with slots cannot carry one_click
    """The https, http and mailto URLs of List-Unsubscribe (RFC 2369), in order.

    Attributes:
        one_click: List-Unsubscribe-Post says that an https one of them takes a POST (RFC 8058).
    """

    one_click: bool = False


@record
class Parsed:
    """A whole message. ``to``, ``cc`` and ``reply_to`` are bare addresses; what is absent is "", () or None.

    ``date`` is aware; a zone of -0000 counts as UTC.
    """

    headers: Headers
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    date: datetime | None = None
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    inline: tuple[Attachment, ...] = ()
    unsubscribe: Unsubscribe = field(default_factory=Unsubscribe)


@dataclass(slots=True, eq=False, repr=False)
class _Body:
    """What the parts gave so far."""

    text: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    inline: list[Attachment] = field(default_factory=list)


def parse(raw: bytes) -> Parsed:
    """Return everything that ``raw`` says. Never raises."""
    block, rest = split(raw)
    headers = Headers(block)
    body = _body(block, rest)
    return Parsed(
        headers=headers,
        to=headers.addresses("To"),
        cc=headers.addresses("Cc"),
        reply_to=headers.addresses("Reply-To"),
        date=_date(headers.get("Date", "")),
        text=_joined(body.text),
        html=_joined(body.html),
        attachments=tuple(body.attachments),
        inline=tuple(body.inline),
        unsubscribe=_unsubscribe(headers),
    )


def as_email(raw: bytes) -> EmailMessage:
    """Return ``raw`` as the standard library's ``EmailMessage``; it raises what that raises for odd headers."""
    import email.message
    import email.policy

    return email.message_from_bytes(raw, _class=email.message.EmailMessage, policy=email.policy.default)


def _body(block: bytes, rest: bytes) -> _Body:
    """Take the parts of the message apart; one nested too deep for the parser is its undivided text."""
    content = b"".join(found[0] + b"\n" for found in _CONTENT_FIELD.finditer(block))
    body = _Body()
    try:
        _collect(_tree(content + b"\n" + rest), body)
    except RecursionError:
        body = _Body(text=[_lines(decode_bytes(rest))])
    return body


@cache
def _parser() -> Any:
    """Return the parser: ``email``'s, which leaves enclosed messages alone and reads headers as UTF-8."""
    from email.message import Message
    from email.parser import BytesParser
    from email.policy import Compat32

    class Part(Message):
        """A part whose type hides from the parser that it encloses a message, so that it is kept as it came."""

        def get_content_type(self) -> str:
            return super().get_content_type().replace("message/", "enclosed/", 1)

        def get_boundary(self, failobj: Any = None) -> Any:
            return _parameter(self, "boundary", "content-type") or failobj

    class Tolerant(Compat32):
        """Raw bytes in a header field are UTF-8; the default policy makes objects of them."""

        def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - as the base class has it
            return fold(decode_bytes(value.encode("utf-8", "surrogateescape")))

    return BytesParser(Part, policy=Tolerant())


def _tree(raw: bytes) -> Any:
    return _parser().parsebytes(raw)


def _collect(part: Any, body: _Body) -> None:
    """Add what ``part`` holds to ``body``."""
    if not part.is_multipart():
        _collect_leaf(part, body)
    elif part.get_content_type() == "multipart/alternative":
        _collect_alternative(part.get_payload(), body)
    else:
        for child in part.get_payload():
            _collect(child, body)


def _collect_alternative(children: list[Any], body: _Body) -> None:
    """Add the first text and the first HTML among ``children``: each says the same as the others."""
    text: list[str] = []
    html: list[str] = []
    for child in children:
        one = _Body(attachments=body.attachments, inline=body.inline)
        _collect(child, one)
        text = text or one.text
        html = html or one.html
    body.text += text
    body.html += html


def _collect_leaf(part: Any, body: _Body) -> None:
    kind = part.get_content_type().replace("enclosed/", "message/", 1)
    disposition = part.get_content_disposition()
    filename = _parameter(part, "filename", "content-disposition")
    content = part.get_payload(decode=True) or b""
    if kind.startswith("multipart/"):  # its boundary is missing: show what came
        kind = "text/plain"
    if kind in {"text/plain", "text/html"} and disposition != "attachment" and not filename:
        text = _lines(decode_bytes(content, _parameter(part, "charset", "content-type")))
        (body.text if kind == "text/plain" else body.html).append(text)
        return
    name = filename or _parameter(part, "name", "content-type") or ("message.eml" if kind == "message/rfc822" else "")
    cid = decode_header(part.get("content-id", "")).strip("<> ")
    one = Attachment(name, kind, content, cid)
    (body.inline if _is_shown(one, disposition) else body.attachments).append(one)


def _is_shown(one: Attachment, disposition: str | None) -> bool:
    """Return whether a part is shown with the text: it says so, the HTML may name it, or it is a form of the text."""
    if one.type.startswith("message/") or disposition == "attachment":
        return False
    return disposition == "inline" or bool(one.cid) or (one.type.startswith("text/") and not one.name)


def _parameter(part: Any, name: str, header: str) -> str:
    """Return a parameter of a part's header field: RFC 2231, encoded-words where they must not be, or plain."""
    try:
        value = part.get_param(name, "", header)
    except (ValueError, TypeError):  # `email` fails on continuations that are numbered twice or absurdly
        return ""
    if isinstance(value, tuple):
        charset, _, text = value
        value = decode_bytes(text.encode("latin-1", "replace"), charset or "")
    return decode_header(value)


def _joined(texts: list[str]) -> str:
    """Return several parts as one text, each on a line of its own."""
    *before, last = [text for text in texts if text] or [""]
    return "".join(text if text.endswith("\n") else text + "\n" for text in before) + last


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _unsubscribe(headers: Headers) -> Unsubscribe:
    """Return what the list fields offer; a fold inside of a URL is taken out."""
    fields = ",".join(headers.get_all("List-Unsubscribe"))
    urls = ("".join(url.split()) for url in _ANGLE.findall(fields))
    found = Unsubscribe(url for url in urls if url.lower().startswith(("https:", "http:", "mailto:")))
    post = "".join(headers.get("List-Unsubscribe-Post", "").split()).lower()
    found.one_click = post == "list-unsubscribe=one-click" and any(url.lower().startswith("https:") for url in found)
    return found


def _date(value: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
