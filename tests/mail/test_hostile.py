"""No message makes the parser raise, and whatever it returns can be printed, compared and written as JSON."""

from __future__ import annotations

import encodings
import json
import pkgutil

from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.mail import charsets
from sirrchat_testkit.mail.address_headers import MailAddress
from sirrchat_testkit.mail.mime import Attachment, parse, read_header
from tests.mail import generating

PYTHONS = [each.name for each in pkgutil.iter_modules(encodings.__path__)]
LABELS = st.sampled_from([*charsets._CODECS, *PYTHONS, "", "x", "\x00", "utf-8\x00", "é", "." * 99, "..", "utf_8_sig"])
ODD = st.sampled_from(
    [b"\0", b'"', b"%00", b"=?", b"?=", b"\r", b"\n", b"\r\n", b"\n\n", b"*", b"'", b"<", b"(", b"\\", b"\xff", b"--"]
)
FIELDS = (
    b"Content-Type: multipart/mixed; boundary=b",
    b"Content-Type: text/html; charset=",
    b"Content-Type: text/plain; format=flowed; delsp=yes; charset*0*=utf-8''",
    b"Content-Disposition: inline; filename*0*=utf-8''%",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Transfer-Encoding: x-uuencode",
    b"Content-ID: <",
    b"Date: Tue, 10 Mar 2026 06:00:00 +9999",
    b"List-Unsubscribe: <https://a.example",
    b"From: =?utf-8?q?",
    b"To: Team: <@a:",
    b'Reply-To: "',
    b"Subject: =?iso-2022-jp?B?GyRC?=",
)


def shown(address: MailAddress) -> list[str]:
    return [str(address), address.name]


def described(one: Attachment) -> list[object]:
    return [one.name, one.type, one.cid, one.size, repr(one)]


def read_all(raw: bytes) -> None:
    """Read everything that a message has, and write it as JSON in UTF-8, which no lone surrogate survives."""
    header, parsed = read_header(raw), parse(raw)
    everything = [
        [header.subject, header.sender, *header.to, header.message_id],
        [shown(each) for field in (parsed.to, parsed.cc, parsed.reply_to) for each in field],
        [shown(each) for each in parsed.headers.named_addresses("From")],
        [[name, parsed.headers[name], *parsed.headers.get_all(name)] for name in parsed.headers],
        [parsed.text, parsed.html, str(parsed.date), *parsed.unsubscribe, *parsed.problems],
        [described(each) for each in (*parsed.attachments, *parsed.inline)],
    ]
    json.dumps(everything, ensure_ascii=False).encode()
    assert tuple(map(str, parsed.to)) == header.to
    assert repr(parsed)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message made at random in which bytes were changed, removed or put in."""
    raw = bytearray(generating.message(draw(st.integers(0, 10_000))).raw)
    for _ in range(draw(st.integers(1, 10))):
        start = draw(st.integers(0, len(raw)))
        raw[start : start + draw(st.integers(0, 9))] = draw(st.binary(max_size=4) | ODD)
    return bytes(raw)


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_damaged_message_is_read(raw: bytes) -> None:
    read_all(raw)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(FIELDS), st.lists(st.binary(max_size=6) | ODD, max_size=6)), max_size=6),
    st.lists(st.sampled_from([b"\r\n--b", b"--b--", b"\r\n\r\n", b"=", b"begin 644 x\n", b"M" * 61, b"QQ=="]) | ODD),
)
def test_hostile_fields_are_read(fields: list[tuple[bytes, list[bytes]]], body: list[bytes]) -> None:
    head = b"\r\n".join(name + b"".join(value) for name, value in fields)
    read_all(head + b"\r\n\r\n" + b"".join(body))


@settings(max_examples=300, deadline=None)
@given(LABELS, st.binary(max_size=40))
def test_a_text_in_any_charset_is_read(label: str, data: bytes) -> None:
    kinds = (b"plain", b"html")
    for kind in kinds:
        read_all(b'Content-Type: text/%s; charset="%s"\r\n\r\n' % (kind, label.encode()) + data)
    read_all(b'Content-Type: text/html\r\n\r\n<meta charset="%s">' % label.encode() + data)
    read_all(b"Subject: =?%s?Q?%s?=\r\n\r\n" % (label.encode(), data.hex("=").encode()))
