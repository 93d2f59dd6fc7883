"""Messages made at random, the same ones for the same seed: whole trees of parts, and address fields."""

from __future__ import annotations

import random
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Callable
from email.message import EmailMessage
from typing import Final, NamedTuple
from urllib.parse import quote

TEXTS: Final = {
    "us-ascii": "Your code is 482913.",
    "utf-8": "Grüße, 確認番号 🔑 — “quoted”",
    "iso-8859-1": "Grüße, señor",
    "iso-8859-2": "žluťoučký kůň",
    "iso-8859-15": "5 € œuvre",
    "koi8-r": "Привет, код",
    "windows-1251": "Привет, код",
    "iso-2022-jp": "確認番号です",
    "shift_jis": "確認番号です",
    "euc-jp": "確認番号です",
    "gb2312": "验证码",
    "gbk": "驗证码",
    "big5": "驗證碼",
    "euc-kr": "인증번호",
    "windows-1255": "שלום",
}
NAMES: Final = (
    "report.pdf",
    "a b.txt",
    "Grüße.pdf",
    "確認.csv",
    "it's; a name.txt",
    "50%.txt",
    "x" * 90 + ".bin",
    "a.b",
)
KINDS: Final = ("application/pdf", "image/png", "text/csv", "application/octet-stream", "audio/ogg", "application/ics")


DAMAGES: Final = {
    "comment behind the type": (b"text/plain;", b"text/plain (the text);"),
    "comment before the type": (b"Content-Type: text/html", b"Content-Type: (page) text/html"),
    "comment behind the encoding": (b"Encoding: base64", b"Encoding: base64 (in lines)"),
    "semicolon behind the encoding": (b"Encoding: quoted-printable", b"Encoding: quoted-printable;"),
    "encoding in quotes": (b"Encoding: base64", b'Encoding: "base64"'),
    "blanks around =": (b"; charset=", b" ; charset = "),
    "comment behind the charset": (b"charset=utf-8\r\n", b"charset=utf-8 (Unicode)\r\n"),
    "comment behind the boundary": (b'"\r\n\r\n--', b'" (parts)\r\n\r\n--'),
    "semicolon at the end": (b'"\r\n\r\n--', b'";\r\n\r\n--'),
    "empty parameter": (b"; charset", b";; charset"),
    "type in capitals": (b"text/html", b"TEXT/HTML"),
    "two types": (b"Content-Type: text/plain", b"Content-Type: text/plain\r\nContent-Type: text/html"),
    "no blank line": (b"\r\n\r\n--", b"\r\n--"),
    "blanks behind the boundary": (b"--\r\n", b"-- \t\r\n"),
    "blank before the colon": (b"Content-Type:", b"Content-Type :"),
    "no padding": (b"==\r\n", b"\r\n"),
    "no end of the quotes": (b'txt"', b"txt"),
    "file name without quotes": (b'="a b.txt"', b"=a b.txt"),
    "bad escapes": (b"=C3", b"=ZZ"),
    "escapes in small letters": (b"=C3=BC", b"=c3=bc"),
    "open encoded-word": (b"?=", b"?"),
    "charset with a language": (b"=?utf-8?", b"=?utf-8*en?"),
    "unknown charset": (b"=?utf-8?", b"=?x-unknown?"),
    "unknown disposition": (b"Disposition: attachment", b"Disposition: form-data"),
    "two To fields": (b"MIME-Version", b"To: zoe@x.example\r\nMIME-Version"),
    "empty field": (b"MIME-Version", b"Cc:\r\nMIME-Version"),
    "fold that is blank": (b"MIME-Version: 1.0", b"MIME-Version:\r\n \r\n 1.0"),
    "stray line": (b"MIME-Version", b"stray line\r\nMIME-Version"),
    "mbox line": (b"MIME-Version", b">From ann\r\nMIME-Version"),
    "bytes above 127": (b"Ann", b"J\xe9r\xf4me"),
    "no end of <": (b">,", b","),
    "no end of (": (b"(Ann Example)", b"(Ann Example"),
    "two commas": (b", ", b", , "),
    "semicolons": (b",", b";"),
    "dot at the end": (b"@shop.example>", b"@shop.example.>"),
    "name in quotes within": (b"Ann Example", b"Ann 'The' Example"),
    "text type without a subtype": (b"Content-Type: text/plain", b"Content-Type: text"),
    "image without a disposition": (b"Content-Disposition: inline; ", b"X-Disposition: inline; "),
    "digest": (b"multipart/mixed", b"multipart/digest"),
    "report": (b"multipart/mixed", b"multipart/report"),
    "unknown multipart": (b"multipart/mixed", b"multipart/x-other"),
}
"""What careless programs do to a message: bytes and those that replace them."""


class Made(NamedTuple):
    """A message, and what was used to make it."""

    raw: bytes
    features: frozenset[str]


class Maker:
    """Makes one message."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.features: set[str] = set()
        self.cids: list[str] = []

    def rarely(self, feature: str, one_in: int = 12) -> bool:
        """Return True once in a while, and note the feature."""
        if self.chance.randrange(one_in):
            return False
        self.features.add(feature)
        return True

    def message(self) -> Made:
        """Return a message with its header."""
        charset = self.chance.choice(list(TEXTS))
        head = [
            b"Subject: " + self.unstructured(charset),
            b"From: " + self.mailbox(),
            b"To: " + self.addresses(),
        ]
        if self.chance.random() < 0.5:
            head.append(b"Cc: " + self.addresses())
        self.chance.shuffle(head)
        head += [b"MIME-Version: 1.0", b"Date: Tue, 10 Mar 2026 06:00:00 +0100"]
        raw = b"\r\n".join(head) + b"\r\n" + self.part(3)
        for name, (old, new) in DAMAGES.items():
            if old in raw and self.rarely(name, 25):
                raw = raw.replace(old, new, self.chance.randrange(1, 3))
        if self.rarely("cut", 25):
            raw = raw[: self.chance.randrange(len(raw))]
        if self.rarely("bare line feeds", 8):
            raw = raw.replace(b"\r\n", b"\n")
        return Made(raw, frozenset(self.features))

    # Header fields

    def fold(self) -> bytes:
        return b"\r\n " if self.chance.random() < 0.2 else b" "

    def encoded_word(self, text: str, charset: str) -> bytes:
        """Return a text as one encoded-word or as several, split between characters."""
        cut = self.chance.randrange(1, len(text)) if len(text) > 3 and self.chance.random() < 0.4 else len(text)
        words = []
        for piece in filter(None, (text[:cut], text[cut:])):
            data = piece.encode(charset)
            if self.chance.random() < 0.5:
                words.append(b"=?%s?B?%s?=" % (charset.encode(), b64encode(data)))
            else:
                words.append(b"=?%s?q?%s?=" % (charset.encode(), q_encoded(data)))
        return (b"\r\n " if self.chance.random() < 0.5 else b" ").join(words)

    def unstructured(self, charset: str) -> bytes:
        """Return a subject."""
        text = TEXTS[charset]
        if charset == "us-ascii":
            return self.fold().join(text.encode().split(b" "))
        if charset == "utf-8" and self.rarely("raw UTF-8", 3):
            return text.encode()
        return self.fold().join(
            [
                b"Re:",
                self.encoded_word(text, charset),
                self.chance.choice([b"and more", self.encoded_word(text, charset)]),
            ]
        )

    def phrase(self) -> bytes:
        """Return a display name."""
        return self.chance.choice(
            [
                b"Ann",
                b"Ann Example",
                b'"Example, Ann"',
                b'"Ann \\"The\\" Example"',
                b"J. R. Ann",
                b'Ann "Q" Example',
                self.encoded_word("Jérôme Grün", "iso-8859-1"),
                self.encoded_word("確認番号", "utf-8"),
                self.encoded_word("Grün, Ann", "utf-8"),
            ]
        )

    def comment(self) -> bytes:
        return self.chance.choice([b"(work)", b"(a (nested) one)", b"(a, comma)", b"(x@y.example)"])

    def address(self) -> bytes:
        return self.chance.choice(
            [b"ann@shop.example", b"bob.b+tag@mail.shop.example", b"c_d@[192.0.2.1]", b"x@y.example"]
        )

    def mailbox(self) -> bytes:
        """Return one address, with or without a name."""
        address = self.address()
        form = self.chance.randrange(8)
        if form < 4:
            made = self.phrase() + self.fold() + b"<" + address + b">"
        elif form == 4:
            made = address
        elif form == 5:
            made = b"<" + address + b">"
        elif form == 6:
            self.features.add("comment as name")
            made = address + b" (Ann Example)"
        else:
            made = self.phrase() + b"<" + address + b">"
        if form < 4 and self.rarely("comment"):
            made += b" " + self.comment()
        return made

    def addresses(self) -> bytes:
        """Return a list of addresses, perhaps with a group."""
        entries = [self.mailbox() for _ in range(self.chance.randrange(1, 4))]
        if self.rarely("group", 5):
            members = b", ".join(self.mailbox() for _ in range(self.chance.randrange(3)))
            entries.insert(self.chance.randrange(len(entries) + 1), b"Team: " + members + b";")
        return (b"," + self.fold()).join(entries)

    # Parts

    def part(self, depth: int, *, alternative: bool = False) -> bytes:
        """Return a part, with its header."""
        if depth and not alternative and self.chance.random() < 0.6:
            return self.multipart(depth)
        if depth and alternative and self.chance.random() < 0.15:
            return self.multipart(depth, "related")
        choices: list[Callable[[], bytes]] = [self.text, self.text, self.html]
        if not alternative:
            choices += [self.file, self.file, self.calendar, self.enclosed, self.attached_text]
        return self.chance.choice(choices)()

    def multipart(self, depth: int, kind: str = "") -> bytes:
        kind = kind or self.chance.choice(["mixed", "mixed", "alternative", "related"])
        self.features.add(kind)
        boundary = self.chance.choice(
            [b"b%d", b"=_%d", b"----=_Part_%d", b"(b)'%d", b"a b %d"]
        ) % self.chance.getrandbits(40)
        quoted = b'"%s"' % boundary
        if kind == "alternative":
            parts = [self.text(), self.html()]
            if self.chance.random() < 0.3:
                parts.append(self.calendar(alternative=True))
        elif kind == "related":
            files = [self.image() for _ in range(self.chance.randrange(1, 3))]
            parts = [self.html(self.cids[-len(files) :]), *files]
        else:
            parts = [self.part(depth - 1) for _ in range(self.chance.randrange(1, 4))]
        lines = [b"Content-Type: multipart/%s;%sboundary=%s" % (kind.encode(), self.fold(), quoted), b""]
        if self.rarely("preamble", 4):
            lines.append(b"This is a multi-part message in MIME format.")
        for part in parts:
            lines += [b"--" + boundary, part]
        lines.append(b"--" + boundary + (b"" if self.rarely("no closing boundary") else b"--"))
        if self.rarely("epilogue", 6):
            lines.append(b"Epilogue")
        return b"\r\n".join(lines) + b"\r\n"

    def leaf(self, fields: list[bytes], content: bytes, encodings: str = "base64 quoted-printable 8bit") -> bytes:
        """Return a part that is not divided."""
        encoding = self.chance.choice(encodings.split())
        if encoding == "base64":
            content = b"\r\n".join(b64encode(content[at : at + 57]) for at in range(0, len(content), 57))
        elif encoding == "quoted-printable":
            content = b2a_qp(content, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        name = encoding.upper() if self.chance.random() < 0.2 else encoding
        fields.append(b"Content-Transfer-Encoding: " + name.encode())
        self.chance.shuffle(fields)
        return b"\r\n".join([*fields, b"", content])

    def body(self, charset: str) -> bytes:
        lines = [TEXTS[charset], "", "Second line.", "> quoted"]
        return "\r\n".join(lines[: self.chance.randrange(1, 5)]).encode(charset)

    def text(self) -> bytes:
        charset = self.chance.choice(list(TEXTS))
        self.features.add(charset)
        label = charset.upper() if self.chance.random() < 0.3 else charset
        field = f"Content-Type: text/plain; charset={self.chance.choice([label, quoted(label)])}"
        content = self.body(charset)
        if self.rarely("flowed", 8):
            delsp = self.chance.choice(["", "; delsp=yes"])
            content = b"A line that is \r\nlong.\r\n\r\n> one \r\n> two\r\n-- \r\nAnn"
            return self.leaf([f"Content-Type: text/plain; format=flowed{delsp}".encode()], content, "7bit base64")
        if charset == "us-ascii" and self.rarely("no Content-Type", 3):
            return self.leaf([], content, "7bit")
        return self.leaf([field.encode()], content)

    def html(self, cids: list[str] | None = None) -> bytes:
        charset = self.chance.choice(list(TEXTS))
        images = "".join(f'<img src="cid:{cid}">' for cid in cids or ())
        page = f"<html><body><p>{TEXTS[charset]}</p>{images}</body></html>".encode(charset)
        return self.leaf([f'Content-Type: text/html; charset="{charset}"'.encode()], page)

    def image(self) -> bytes:
        cid = f"image{len(self.cids)}@shop.example"
        self.cids.append(cid)
        fields = [b"Content-Type: image/png", b"Content-ID: <%s>" % cid.encode()]
        if self.chance.random() < 0.5:
            fields.append(b"Content-Disposition: inline; filename=image.png")
        return self.leaf(fields, b"\x89PNG\r\n" + self.chance.randbytes(20), "base64")

    def file(self) -> bytes:
        kind = self.chance.choice(KINDS)
        name = self.chance.choice(NAMES)
        fields = [f"Content-Type: {kind}".encode()]
        disposition = self.chance.choice(["attachment", "attachment", "inline"])
        fields.append(f"Content-Disposition: {disposition}".encode() + self.file_name("filename", name))
        if self.chance.random() < 0.3:
            fields[0] += self.file_name("name", name)
        content = self.chance.randbytes(self.chance.randrange(0, 100))
        return self.leaf(fields, content, "base64")

    def attached_text(self) -> bytes:
        kind = self.chance.choice([b"text/plain", b"text/html"])
        return self.leaf(
            [b"Content-Type: " + kind, b"Content-Disposition: attachment" + self.file_name("filename", "notes.txt")],
            b"These are\r\nnotes.",
        )

    def file_name(self, parameter: str, name: str) -> bytes:
        """Return a parameter with a file name, in one of the forms that clients use."""
        form = self.chance.randrange(4)
        if form == 0 and name.isascii():
            return f'; {parameter}="{name}"'.encode()
        if form == 1:
            self.features.add("encoded word as a parameter")
            return f'; {parameter}="'.encode() + self.encoded_word(name, "utf-8").replace(b"\r\n ", b" ") + b'"'
        if form == 2:
            coded = quote(name, safe="")
            pieces = [coded[at : at + 40] for at in range(0, len(coded), 40)]
            starred = (f"{parameter}*{number}*={piece}" for number, piece in enumerate(pieces))
            return b"".join(b";\r\n " + each.encode() for each in starred).replace(b"0*=", b"0*=utf-8''", 1)
        return f"; {parameter}*=utf-8''{quote(name, safe='')}".encode()

    def calendar(self, *, alternative: bool = False) -> bytes:
        self.features.add("calendar")
        fields = [b"Content-Type: text/calendar; method=REQUEST; charset=utf-8"]
        if not alternative and self.chance.random() < 0.7:
            fields.append(b"Content-Disposition: attachment; filename=invite.ics")
        return self.leaf(fields, b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "base64 7bit")

    def enclosed(self) -> bytes:
        self.features.add("enclosed")
        inner = EmailMessage()
        inner["Subject"] = "Enclosed"
        inner.set_content("Inner text")
        return b"Content-Type: message/rfc822\r\n\r\n" + inner.as_bytes().replace(b"\n", b"\r\n").rstrip()


def quoted(text: str) -> str:
    return f'"{text}"'


def q_encoded(data: bytes) -> bytes:
    return "".join(chr(each) if chr(each).isalnum() and each < 128 else f"={each:02X}" for each in data).encode()


def message(seed: int) -> Made:
    """Return the message of a seed."""
    return Maker(seed).message()
