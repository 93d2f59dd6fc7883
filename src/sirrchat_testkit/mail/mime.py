"""Parse raw messages: header fields at receipt, the rest on demand.

1. Only ``as_email`` raises, whatever the bytes are: a broken message is parsed as far as possible.
2. ``read_header`` is for receipt. ``parse`` costs a hundred times as much and runs in the thread of the caller.
3. ``email`` is imported when ``parse`` or ``as_email`` needs it.
4. An enclosed message (message/rfc822) is an attachment, byte for byte. Its parts are not parts of the outer message.
5. A client that sends bare line feeds adds a CRLF at the end and doubles the dots that begin a line, which the server
   cannot know. Both are undone here, before anything is decoded. The raw message stays as it was received.
6. Lines of ``text`` and ``html`` end in a line feed, whatever was sent. ``text`` is never made from HTML.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from sirrchat_testkit.mail.address_headers import ADDRESS_FIELDS, ADDRESSES, Allowance, MailAddress, mail_addresses
from sirrchat_testkit.mail.body import body_text, is_fast
from sirrchat_testkit.mail.encoded_words import BASE64_TEXTS, read_base64
from sirrchat_testkit.mail.headers import (
    FIELDS,
    LIMIT,
    PART_FIELDS,
    PART_LIMIT,
    HeaderFields,
    Headers,
    read_block,
    read_header,
    split,
)
from sirrchat_testkit.mail.markup import MOST
from sirrchat_testkit.mail.parameters import first_word, parameter
from sirrchat_testkit.records import record
from sirrchat_testkit.suggestions import Hints

if TYPE_CHECKING:
    from email.message import EmailMessage

__tracebackhide__ = True

__all__ = ["Attachment", "HeaderFields", "Headers", "Parsed", "Unsubscribe", "as_email", "parse", "read_header"]

PARTS = 1000
"""The maximum number of parts that are read."""

DEPTH = 100
"""The maximum depth of nested parts that are divided (Postfix: ``mime_nesting_limit``)."""

SCANS = 4
"""Dividing nested parts may read at most this many times the size of the message."""

FEW_SCANS = 3_000_000
"""Dividing may always read this many bytes, which takes a millisecond or two."""

SLOW_TEXT = 524_288
"""Bytes of text that are read in charsets that take long to decode, and in ``format=flowed``."""

UU_LINES = 500_000
"""Lines of a uuencoded part that are read."""

_CIDS = 5000  # references to files of the message that are read in its HTML
_LONG_HEADER = "the {} is longer than {} KiB or {} fields: the rest of it was not read"
_LONG_TEXT = (
    f"the text is longer than {SLOW_TEXT // 1024} KiB, and its charset or format=flowed takes long to read:"
    " the rest of it was not read"
)
_ALTERNATIVE = "multipart/alternative"
_TEXTS = frozenset({"text/plain", "text/html"})
_BARE_DOTS = re.compile(rb"(?<!\r)\n\.\.")
_DOUBLED = re.compile(r"\s*multipart/(?=multipart/)", re.IGNORECASE)
_GLUED = re.compile(r"\s*(text|multipart)/(plain|html|mixed|alternative|related)[\s,]*(?=[a-z]+\s*=)", re.IGNORECASE)
_CID = re.compile(r"\bcid:([^\s\"'<>()]{1,1000})", re.IGNORECASE)
_UUENCODINGS = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
_ANGLE = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Attachment(Hints):
    """An attached file, an image that the HTML shows, or an enclosed message.

    Example:
        invoice = message.attachment("invoice-*.pdf")
        assert invoice.type == "application/pdf"
        Path(tmp_path, "invoice.pdf").write_bytes(invoice.content)

    Attributes:
        name: The file name as sent, which may be a path; empty if there is none, ``message.eml`` for an enclosed
            message.
        type: The media type in lower case, such as ``image/png``.
        content: The decoded bytes.
        cid: The Content-ID without angle brackets; empty if there is none.
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
        """The size of ``content`` in bytes."""
        return len(self.content)


class Unsubscribe(tuple[str, ...]):  # noqa: SLOT001 - a tuple with slots cannot carry one_click
    """The https, http and mailto URLs of List-Unsubscribe (RFC 2369): a tuple of strings, in order.

    Example:
        assert message.unsubscribe.one_click
        url = next(each for each in message.unsubscribe if each.startswith("https:"))

    Attributes:
        one_click: Whether List-Unsubscribe-Post allows unsubscribing by a POST to an https URL (RFC 8058).
    """

    one_click: bool = False


@record
class Parsed:
    """A parsed message. ``to``, ``cc`` and ``reply_to`` are bare addresses; absent parts are "", () or None.

    ``sender_name`` is the display name of the first address of From.
    ``date`` is aware; a zone of -0000 counts as UTC.
    """

    headers: Headers
    sender_name: str = ""
    to: tuple[MailAddress, ...] = ()
    cc: tuple[MailAddress, ...] = ()
    reply_to: tuple[MailAddress, ...] = ()
    date: datetime | None = None
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    inline: tuple[Attachment, ...] = ()
    unsubscribe: Unsubscribe = field(default_factory=Unsubscribe)
    problems: tuple[str, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class _Body:
    """The texts and files collected so far."""

    text: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    files: list[tuple[Attachment, str]] = field(default_factory=list)
    """Each with its disposition."""


def parse(raw: bytes) -> Parsed:
    """Parse ``raw``. Never raises."""
    block, rest = split(_as_composed(raw))
    headers = Headers(block)
    reader = _Reader(len(raw))
    if len(read_block(block)) < len(block):
        reader.note(_LONG_HEADER.format("header", LIMIT // 1024, FIELDS))
    body = reader.body
    reader.read(headers, rest, body)
    html = _joined(body.html)
    cids = islice(_CID.finditer(html[:MOST]), _CIDS) if body.files else ()
    named = {unquote(cid[1]) for cid in cids}
    shown = [_is_shown(one, disposition, named) for one, disposition in body.files]
    allowance = Allowance()
    senders = mail_addresses(headers.as_sent("From")[:1], allowance)  # in the order in which read_header reads them
    to, cc, reply_to = (mail_addresses(headers.as_sent(name), allowance) for name in ("To", "Cc", "Reply-To"))
    if allowance.exceeded:
        reader.note(
            f"there are more than {ADDRESS_FIELDS} address fields, or {ADDRESSES} addresses or other tokens in them:"
            " the rest was not read"
        )
    return Parsed(
        headers=headers,
        sender_name=senders[0].name if senders else "",
        to=to,
        cc=cc,
        reply_to=reply_to,
        date=_date(headers.get("Date", "")),
        text=_joined(body.text),
        html=html,
        attachments=tuple(one for (one, _), inline in zip(body.files, shown, strict=True) if not inline),
        inline=tuple(one for (one, _), inline in zip(body.files, shown, strict=True) if inline),
        unsubscribe=_unsubscribe(headers),
        problems=tuple(reader.problems),
    )


def as_email(raw: bytes) -> EmailMessage:
    """Return ``raw`` as an ``EmailMessage``, whose attributes may raise for malformed headers."""
    import email.message
    import email.policy

    return email.message_from_bytes(raw, _class=email.message.EmailMessage, policy=email.policy.default)


def _as_composed(raw: bytes) -> bytes:
    """Return ``raw`` as its client composed it, if that sent bare line feeds; no dots were doubled if one is single."""
    if not raw.endswith(b"\r\n"):
        return raw  # it did not come by DATA
    if raw.endswith(b"\n\r\n") and raw.find(b"\r\n") == len(raw) - 2:
        raw = raw[:-2]
    if b"\n.." in raw and _bare(raw, b"\n.") == _bare(raw, b"\n.."):
        raw = _BARE_DOTS.sub(b"\n.", raw) if b"\r\n.." in raw else raw.replace(b"\n..", b"\n.")
    return raw


def _bare(raw: bytes, begin: bytes) -> int:
    """Return how many lines begin with ``begin`` after a bare line feed."""
    return raw.count(begin) - raw.count(b"\r" + begin)


class _Reader:
    """Reads the parts of one message into ``body``, within limits that only hostile messages exceed."""

    def __init__(self, size: int) -> None:
        self.body = _Body()
        self.problems: dict[str, None] = {}
        self._parts = PARTS
        self._scans = max(SCANS * size, FEW_SCANS)
        self._slow_text = SLOW_TEXT

    def read(self, headers: Headers, content: bytes, body: _Body, *, depth: int = 0, within: str = "") -> None:
        """Add the texts and files of a part to ``body``; ``within`` is the type of the part that contains it."""
        field = _mended(headers.undecoded("Content-Type"))
        kind = _type(field, "message/rfc822" if within == "multipart/digest" else "text/plain")
        children = self._children(kind, parameter(field, "boundary"), content, depth)
        if children is None:
            self._add_leaf(headers, kind, content, body, alternative=within == _ALTERNATIVE)
        elif kind == _ALTERNATIVE:
            self._read_alternative(children, body, depth)
        else:
            for child in children:
                self._read_part(child, body, depth, kind)

    def _read_part(self, part: bytes, body: _Body, depth: int, within: str) -> None:
        block, content = split(part)
        self.read(self._headers(block), content, body, depth=depth + 1, within=within)

    def _read_alternative(self, children: list[bytes], body: _Body, depth: int) -> None:
        """Add the first text and the first HTML among ``children``, which are alternatives."""
        text: list[str] = []
        html: list[str] = []
        for child in children:
            one = _Body(files=body.files)
            self._read_part(child, one, depth, _ALTERNATIVE)
            text = text or one.text
            html = html or one.html
        body.text += text
        body.html += html

    def _headers(self, block: bytes) -> Headers:
        if len(read_block(block, part=True)) < len(block):
            self.note(_LONG_HEADER.format("header of a part", PART_LIMIT // 1024, PART_FIELDS))
        return Headers(block, part=True)

    def _children(self, kind: str, boundary: str, content: bytes, depth: int) -> list[bytes] | None:
        """Return the parts of a multipart; None if it is shown as it is."""
        if not kind.startswith("multipart/") or not boundary:
            return None
        if depth >= DEPTH:
            self.note(f"parts are nested more than {DEPTH} deep: the inner ones were not divided")
            return None
        self._scans -= len(content)
        if self._scans < 0:
            self.note("the nested parts are too large: the inner ones were not divided")
            return None
        parts = divide(content, boundary.encode("utf-8", "replace"), self._parts)
        self._parts -= len(parts)
        if self._parts <= 0:
            self.note(f"the message has more than {PARTS} parts: the others were not read")
        return parts or None

    def _add_leaf(self, headers: Headers, kind: str, content: bytes, body: _Body, *, alternative: bool) -> None:
        """Add a part that is not divided; ``alternative`` is True for one of several forms of a text."""
        disposed = headers.undecoded("Content-Disposition")
        disposition = first_word(disposed)
        typed = _mended(headers.undecoded("Content-Type"))
        filename = parameter(disposed, "filename")
        content = self._decoded(content, headers.undecoded("Content-Transfer-Encoding"))
        if kind.startswith("multipart/"):  # its boundary is missing: show it as text
            kind = "text/plain"
        if kind in _TEXTS and disposition != "attachment" and (alternative or not filename):
            texts = body.text if kind == "text/plain" else body.html
            texts.append(self._text(content, typed, html=kind == "text/html"))
            return
        name = filename or parameter(typed, "name") or ("message.eml" if kind == "message/rfc822" else "")
        cid = headers.get("Content-ID", "").strip("<> ")
        body.files.append((Attachment(name, kind, content, cid), disposition))

    def _decoded(self, content: bytes, encoding: str) -> bytes:
        """Return ``content`` without its transfer encoding (RFC 2045 section 6), as far as it can be decoded."""
        encoding = first_word(encoding)
        if encoding == "base64":
            decoded, whole = read_base64(content)
            if not whole:
                self.note(f"a part has more than {BASE64_TEXTS} Base64 texts: the others were not read")
            return decoded
        if encoding == "quoted-printable":
            return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", content))
        return self._uudecoded(content, encoding) if encoding in _UUENCODINGS else content

    def _uudecoded(self, content: bytes, encoding: str) -> bytes:
        from email.message import Message

        lines = content.split(b"\n", UU_LINES)
        if len(lines) > UU_LINES:
            self.note(f"a uuencoded part has more than {UU_LINES} lines: the others were not read")
        leaf = Message()
        leaf["Content-Transfer-Encoding"] = encoding
        leaf.set_payload(b"\n".join(lines[:UU_LINES]).decode("ascii", "surrogateescape"))
        decoded = leaf.get_payload(decode=True)
        assert isinstance(decoded, bytes)
        return decoded

    def _text(self, content: bytes, field: str, *, html: bool) -> str:
        """Return the text of a part whose Content-Type is ``field``, as far as it is read."""
        if not is_fast(field):
            if len(content) > self._slow_text:
                self.note(_LONG_TEXT)
                content = content[: self._slow_text]
            self._slow_text -= len(content)
        return body_text(content, field, html=html)

    def note(self, problem: str) -> None:
        """Note why something was not read, once."""
        self.problems[problem] = None


def divide(content: bytes, boundary: bytes, most: int) -> list[bytes]:
    """Return at most ``most`` parts of a multipart body (RFC 2046 section 5.1.1); [] without a boundary line.

    The line end before a boundary belongs to the boundary. So does the last line end of a body without the closing
    boundary.
    """
    parts: list[bytes] = []
    line = b"\n--" + boundary
    delimiter = re.compile(rb"%b(--)?[ \t]*+(?=(\r?\n|\r?\Z))" % re.escape(line))
    content = b"\n" + content  # the first line may be a boundary too

    def search(begin: int) -> re.Match[bytes] | None:
        candidate = content.find(line, begin)  # ten times as fast as the regular expression
        return delimiter.search(content, candidate) if candidate >= 0 else None

    start = -1
    found = search(0)
    while found is not None and len(parts) < most:
        if start >= 0:
            parts.append(content[start : max(found.start(), start)].removesuffix(b"\r"))
        if found[1]:
            return parts
        start = found.end(2)
        found = search(start - 1)  # the line end of this boundary may begin the next one
    if start >= 0 and len(parts) < most:
        end = len(content) - content.endswith(b"\n")
        end -= content.endswith(b"\r", start, end)
        parts.append(content[start:end])
    return parts


def _mended(field: str) -> str:
    """Return a Content-Type whose type is followed by a semicolon, as some clients forget, and is not doubled."""
    if doubled := _DOUBLED.match(field):
        field = field[doubled.end() :]
    found = _GLUED.match(field)
    return f"{found[1]}/{found[2]};{field[found.end() :]}" if found else field


def _type(field: str, default: str) -> str:
    """Return the media type in lower case; a malformed one counts as text (RFC 2045 section 5.2)."""
    kind = first_word(field)
    if not kind:
        return default
    return kind if kind.count("/") == 1 else "text/plain"


def _is_shown(one: Attachment, disposition: str, named: AbstractSet[str]) -> bool:
    """Return whether a file is shown within the text: the HTML has its Content-ID, or it is a text without a name."""
    if one.type.startswith("message/") or disposition == "attachment":
        return False
    if one.type.startswith("text/") and not one.name:
        return True
    return unquote(one.cid) in named


def _joined(texts: list[str]) -> str:
    """Return several parts as one text, each beginning on a line of its own."""
    *before, last = [text for text in texts if text] or [""]
    return "".join(text if text.endswith("\n") else text + "\n" for text in before) + last


def _unsubscribe(headers: Headers) -> Unsubscribe:
    """Return the URLs of the list fields, without folds inside of a URL."""
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
