"""Charsets, compared with ``TextDecoder`` of node, which has the labels of the Encoding standard and its own tables."""

from __future__ import annotations

import json
import random
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirrchat_testkit.mail import charsets
from sirrchat_testkit.mail.encoded_words import decode_bytes
from tests.support import node_lines

SCRIPT = Path(__file__).with_name("text_decoder.js")
HIGH = range(0x81, 0xFF)
EITHER = bytes(range(0x30, 0xFF))

NOT_OF_THE_STANDARD = frozenset({
    *("utf-7", "csunicode11utf7", "unicode-1-1-utf-7"),  # TextDecoder refuses it for its dangers to web pages
    *("hz-gb-2312", "iso-2022-kr", "csiso2022kr"),  # same, and we read them as Python does
    *("utf-8-mac", "utf-8mb4", "latin9", "koi8r", "koi8u", "ibm874", "x-windows-874", "iso2022-jp", "iso2022_jp"),
    *("x-mac-ce", "x-mac-centraleurroman", "mac-centraleurope", "x-mac-greek", "x-mac-turkish"),
    *("cp936", "ms936", "windows-936", "cn-gb", "big-5", "big5-eten", "cp950", "windows-950", "x-windows-950"),
    *("eucjp-win", "eucjp-ms", "euc-jp-ms", "cp51932", "x-eucjp", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222"),
    *("cp932", "cswindows31j", "windows-932", "sjis-win", "ibm-943", "cp943", "x-ms-cp932"),
    *("cp949", "ms949", "euc_kr", "x-windows-949", "cp51949", "ks_c_5601"),
})  # fmt: skip

NOT_READ = ("iso-2022-cn", "iso-2022-cn-ext", "replacement", "x-user-defined")
"""Labels of the standard that are unknown to us: of these encodings, it reads text of the last one only."""

NODE_DIFFERS = {
    "koi8-u": {b"a\xaea", b"a\xbea"},  # the standard has letters of Belarusian
    "windows-1253": {b"a\xaaa"},  # the standard has no character
    "big5": {b"\xf9\xfe"},  # the standard has U+FFED
}
"""Where ICU, on which node is built, differs from the standard and we do not."""

EXTENDED = (b"\x8e\xe0", b"\x8e\xe1", b"\x8e\xe2", b"\x8f\xa2\xb7", b"\x8f\xf3")
"""Characters of EUC-JP that only ICU has, and a tilde that Python cannot tell from that of ASCII."""


def samples(encoding: str) -> Iterator[bytes]:
    """Yield every byte and every character of an encoding, and texts at random."""
    if encoding in {"utf-16le", "utf-16be"}:
        codec = encoding.replace("16", "16-")
        yield from (text.encode(codec) for text in ("Your code: 482913", "認証番号", "🔑"))
        return
    yield from (b"a%ca" % byte for byte in range(256))
    if encoding in {"gbk", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr"}:
        yield from (bytes((lead, trail)) for lead in HIGH for trail in EITHER)
        chance = random.Random(encoding)
        yield from (chance.randbytes(chance.randrange(2, 8)) for _ in range(200))
    if encoding == "euc-jp":
        yield from (bytes((0x8F, lead, trail)) for lead in range(0xA1, 0xFF) for trail in range(0xA1, 0xFF))
    if encoding == "iso-2022-jp":
        graphic = range(0x21, 0x7F)
        yield from (b"\x1b$B%c%c\x1b(B" % (row, cell) for row in graphic for cell in graphic)
        yield from (b"\x1b(%c%c\x1b(B" % (mode, byte) for mode in b"BIJ" for byte in graphic)


def is_comparable(encoding: str, data: bytes, text: str | None) -> bool:
    """Return whether node reads ``data``, by the standard: ICU fills gaps with controls and private characters."""
    if text is None or any(unicodedata.category(each) in {"Cc", "Co"} for each in text.strip("\t\r\n")):
        return False
    if encoding == "windows-1252" and any(0x80 <= byte < 0xA0 for byte in data):
        return False  # node 20 reads these bytes as ISO-8859-1
    if encoding == "euc-jp" and any(each in data for each in EXTENDED):
        return False
    return data not in NODE_DIFFERS.get(encoding, ())


@pytest.fixture(scope="module")
def labels() -> dict[str, str]:
    """The labels that we know and the encodings that node reads for them."""
    names = sorted(charsets._CODECS)
    answers = node_lines(SCRIPT, [json.dumps([name, []]) for name in names])
    return {name: answer[0] for name, answer in zip(names, answers, strict=True) if answer}


def test_the_labels_are_those_of_the_standard(labels: dict[str, str]) -> None:
    standard = set(charsets._CODECS) - NOT_OF_THE_STANDARD
    assert set(labels) <= standard
    assert len(labels) > 200  # no node has a table for iso-8859-16, and node 18 knows fewer names of UTF-8
    assert len(standard) == 228 - len(NOT_READ) - len(("hz-gb-2312", "iso-2022-kr", "csiso2022kr"))


def test_every_label_is_read_as_node_reads_it(labels: dict[str, str]) -> None:
    cases = {name: [*samples(name)] if name == encoding else [b"a%ca" % byte for byte in range(256)]
             for name, encoding in labels.items()}  # fmt: skip
    asked = [json.dumps([name, [b64encode(each).decode() for each in data]]) for name, data in cases.items()]
    compared = 0
    for (name, data), (encoding, texts) in zip(cases.items(), node_lines(SCRIPT, asked), strict=True):
        for each, text in zip(data, texts, strict=True):
            if is_comparable(encoding, each, text):
                compared += 1
                assert decode_bytes(each, name) == text, (name, each)
    assert compared > 100_000
