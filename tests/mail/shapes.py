"""Shapes of hostile messages: functions that return a message of about a size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Shape: TypeAlias = Callable[[int], bytes]


def plain(size: int) -> bytes:
    """Return an ordinary message of ``size``."""
    head = b"From: a@b.example\r\nTo: ann@example.com\r\nSubject: Hello\r\n\r\n"
    line = b"lorem ipsum dolor sit amet, consectetur adipiscing elit sed do eiusm\r\n"
    return head + line * ((size - len(head)) // len(line))


def repeated(unit: str) -> Callable[[int], str]:
    return lambda size: unit * (size // len(unit))


def field(name: str, unit: str) -> Shape:
    return lambda size: f"{name}: {unit * (size // len(unit))}\r\n\r\nHello\r\n".encode()


def numbered(begin: str, unit: str) -> Shape:
    return lambda size: (begin + "".join(unit.format(i) for i in range(size // len(unit))) + "\r\n\r\nx").encode()


def multipart(unit: str) -> Shape:
    head = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return lambda size: (head + unit * (size // len(unit))).encode()


def nested(size: int) -> bytes:
    part = 'Content-Type: multipart/mixed; boundary="{0}"\r\n\r\n--{0}\r\n'
    return "".join(part.format(number) for number in range(size // 60)).encode() + b"x\r\n" * (size // 6)


def flood(head: bytes, unit: bytes) -> Shape:
    return lambda size: head + unit * (size // len(unit))


def long_fields(*names: str, unit: str) -> Shape:
    """Return the shape of a message with many address fields of 9 KB each, or one of each name if it is smaller."""

    def shape(size: int) -> bytes:
        length = min(9000, size // len(names) - len("Reply-To: \r\n"))
        fields = b"".join(f"{name}: {unit * (length // len(unit))}\r\n".encode() for name in names)
        return fields * (size // len(fields)) + b"\r\nHello\r\n"

    return shape


def several(*shapes: Shape) -> Shape:
    """Return the shape of a message with the fields of all ``shapes``, which have no body."""
    return lambda size: b"".join(shape(size // len(shapes)) for shape in shapes) + b"\r\nHello\r\n"


def only_field(name: str, unit: str) -> Shape:
    return lambda size: f"{name}: {unit * (size // len(unit))}\r\n".encode()


HEADERS: dict[str, Shape] = {
    "addresses": long_fields("To", unit="a@b,"),
    "names": long_fields("To", unit="a <a@b>, "),
    "quoted names": long_fields("To", unit='"a" <a@b>, '),
    "encoded names": long_fields("To", unit="=?utf-8?q?a?= <a@b>, "),
    "encoded addresses": long_fields("To", unit="=?utf-8?q?a=40b?=, "),
    "quotes": long_fields("To", unit='"a".'),
    "comments": long_fields("To", unit="()"),
    "words": long_fields("To", unit="a "),
    "commas": long_fields("To", unit=", "),
    "groups": long_fields("To", unit="g:a@b.example;"),
    "addresses in all fields": long_fields("From", "Reply-To", "To", "Cc", unit="a@b,"),
    "comments in all fields": long_fields("From", "Reply-To", "To", "Cc", unit="a(b), "),
    "different To fields": numbered("", "To: a{}@b.example\r\n"),
    "groups in To, words in the subject and the Message-ID": several(
        only_field("To", "g:a@b.example;"),
        only_field("Subject", "=?utf-8?q?=41?= "),
        only_field("Message-ID", "=?utf-8?b?QUFB?= "),
    ),
    "the same and many fields": several(
        only_field("To", "g:a@b.example;"),
        only_field("Subject", "=?koi8-r?q?=41?= =?utf-8?q?=41?= "),
        only_field("Message-ID", "=?utf-8?b?QUFB?= "),
        flood(b"", b"To: y\r\n"),
    ),
}

MESSAGES: dict[str, Shape] = {
    "many To fields": flood(b"", b"To: a@b.example\r\n"),
    "many fields": flood(b"", b"X: y\r\n"),
    "many Content fields": flood(b"", b"Content-X: y\r\n"),
    "many List-Unsubscribe fields": flood(b"", b"List-Unsubscribe: <https://a.example>\r\n"),
    "no end of the header": flood(b"", b"x"),
    "folds": field("Subject", "\r\n b"),
    "quoted strings in To": field("To", '"a"'),
    "quoted strings and dots in To": field("To", '"a".'),
    "quotes and backslashes in To": field("To", '"\\'),
    "commas in To": field("To", ","),
    "commas and blanks in To": field("To", ", "),
    "names in To": field("To", "a <a@b>, "),
    "quoted names in To": field("To", '"a" <a@b>, '),
    "angles in Cc": field("Cc", "<"),
    "groups in Reply-To": field("Reply-To", "g:a@b.example;"),
    "open comments in To": field("To", "("),
    "comments in To": field("To", "()"),
    "open words in the subject": field("Subject", "=?a?b?"),
    "words in the subject": field("Subject", "=?utf-8?q?=41?= "),
    "numbers in Date": field("Date", "1 "),
    "comments in Date": field("Date", "("),
    "angles in List-Unsubscribe": field("List-Unsubscribe", "<"),
    "semicolons in Content-Type": field("Content-Type", ";"),
    "parameters of Content-Type": field("Content-Type", ";a=b"),
    "semicolons in a quoted parameter": field('Content-Type: text/plain; a="', ";"),
    "continuations of a parameter": numbered("Content-Type: text/plain", "; name*{}=x"),
    "encoded continuations of a parameter": numbered("Content-Disposition: attachment", "; filename*{}*=x"),
    "parts": multipart("--b\r\n\r\nx\r\n"),
    "alternatives": multipart("--b\r\nContent-Type: text/html\r\n\r\nx\r\n"),
    "boundaries": multipart("--b\r\n"),
    "lines that begin like a boundary": multipart("--bb\r\n"),
    "nested parts": nested,
    "enclosed messages": flood(b"", b"Content-Type: message/rfc822\r\n\r\n"),
    "base64": flood(b"Content-Transfer-Encoding: base64\r\n\r\n", b"QUFB\r\n"),
    "padding": flood(b"Content-Transfer-Encoding: base64\r\n\r\n", b"="),
    "quoted-printable": flood(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b"="),
    "uuencoded lines": flood(b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n", b"!\r\n"),
    "carriage returns": flood(b"Subject: x\r\n\r\n", b"\r"),
}

UNITS_OF_TEXTS = [
    *(
        " ",
        "\n",
        "A",
        "1",
        "1 ",
        "123456 ",
        "123456\n",
        "code 123456 ",
        "code ",
        "AB-",
        "ABC DEF ",
        "lorem ipsum dolor ",
    ),
    *("a.", "a@", "a@b.", "1,111", "1.111", "+1 1", "(1", "1/1", "tel ", "bestell", "order no ", "http://a.example/b "),
    *("http://", "<http://", "http://a/(", "http://a/.", "12:30 ", "\u4e00123456", "jan 2026 ", "$1 "),
]

UNITS_OF_PAGES = [
    *("<div>", "<a href='https://a.example/b'>x</a>", "<a href='https://a.example/b'>", "<b><i><p>", "<b>", "<p>", "<"),
    *(
        "&",
        "&amp;",
        "<table><tr><td>",
        "<a href=https://a.example><img alt=q>",
        "<span>x",
        "<x-y>",
        "</p>",
        "<!--",
        "<li>",
    ),
    *("<script>", "<title>", "<select><option>", "<p>code 123456</p>", "<svg>", "<template>"),
]


def body(unit: str | bytes, *fields: str) -> Shape:
    """Return the shape of a message with these header fields, of which the body repeats ``unit``."""
    head = "".join(f"{each}\r\n" for each in fields or ("Subject: your code",)).encode() + b"\r\n"
    return flood(head, unit if isinstance(unit, bytes) else unit.encode())


def page(unit: str) -> Shape:
    """Return the shape of a message of HTML in which each ``unit`` has a number."""
    return numbered("Content-Type: text/html\r\n\r\n", unit)


def in_charset(charset: str, unit: bytes) -> Shape:
    return body(unit, f"Content-Type: text/plain; charset={charset}")


TEXTS: dict[str, Shape] = {
    **{
        f"text of {unit!r}": body(unit, "Content-Type: text/plain; charset=utf-8", "Subject: code")
        for unit in UNITS_OF_TEXTS
    },
    **{f"page of {unit!r}": body(unit, "Content-Type: text/html") for unit in UNITS_OF_PAGES},
    "formatting elements that are not closed": page("<b a={}><p>"),
    "attributes of one tag": numbered("Content-Type: text/html\r\n\r\n<p ", "a{} "),
    "attributes of body tags": page("<body a{}>"),
    "items of lists in each other": body("<li><dd><dt>", "Content-Type: text/html"),
    "nested fonts": page("<font size={}>"),
    "long sentences before anchors": body(
        "lorem ipsum. " * 70 + "<a href=https://a.example/b>x</a>", "Content-Type: text/html"
    ),
    "deep paths": body(f"<a href=https://a.example/{'a/' * 5000}>x</a>", "Content-Type: text/html"),
    "different links in HTML": page("<a href=https://a.example/{}>x</a>\n"),
    "different links in a text": numbered("Subject: x\r\n\r\n", "https://a.example/{}\r\n"),
    "cells with codes": body(f"<table>{('<tr>' + '<td>code<td>123456' * 3) * 100}</table>", "Content-Type: text/html"),
    "files that the HTML may show": numbered(
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n'
        "--b\r\nContent-Type: text/html\r\n\r\n",
        "cid:%{} ",
    ),
    "format=flowed": body(">\r\n", "Content-Type: text/plain; format=flowed"),
    "ISO-2022-JP": in_charset("iso-2022-jp", b"\x1b$B%F\x1b(Ba"),
    "Big5": in_charset("big5", b"\xf9\x40a"),
    "GB18030": in_charset("gb18030", b"\x80a"),
    "EUC-JP": in_charset("euc-jp", b"\x8e\xa1a"),
    "ISO-8859-8": in_charset("iso-8859-8", b"\xa1"),
    "UTF-16": in_charset("utf-16le", b"\x00\xd8"),
    "no UTF-8": in_charset("utf-8", b"\xc3"),
    "Base64 texts": body("QQ==", "Content-Transfer-Encoding: base64"),
    "doubled dots": lambda size: b"Subject: x\n\n" + b"\n..a" * (size // 4) + b"\n\r\n",
    "parts with long headers": body(
        "--b\r\n" + "X: y\r\n" * 1000 + "\r\n\r\n", 'Content-Type: multipart/mixed; boundary="b"'
    ),
}
