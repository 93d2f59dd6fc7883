"""Names of charsets, as mail programs understand them, and the codecs that read them.

1. The labels are those of the Encoding standard, which browsers and mail programs follow, and a few that only
   mail uses.
2. A charset is read as its common superset: iso-8859-1 as windows-1252, gb2312 as gb18030, shift_jis as windows-31j.
3. The charsets of ISO-2022-JP include the characters of NEC and half-width katakana, which Python's codec lacks.

The standard: https://encoding.spec.whatwg.org/#names-and-labels
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

_LABELS: Final = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf-8-mac utf-8mb4",
    "utf-7": "unicode-1-1-utf-7 utf-7 csunicode11utf7",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859-6": (
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i"
        " iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987"
    ),
    "iso8859-7": (
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7"
        " iso_8859-7:1987 sun_eu_greek"
    ),
    "iso8859-8": (
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8"
        " iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical"
    ),
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 latin9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": (
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1"
        " iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252"
    ),
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": (
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254"
        " x-cp1254"
    ),
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 cp936 ms936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022_jp": "csiso2022jp iso-2022-jp iso-2022-jp-ms cp50220 cp50221 cp50222",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932",
    "cp949": (
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949"
        " cp949 ms949"
    ),
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
}
_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_SUPERSETS: Final = {"euc_jp": "euc_jis_2004", "big5hkscs": "cp950"}
_NO_CHARSETS: Final = frozenset({"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined"})
_ASCII: Final = frozenset({"ascii", "us-ascii", "ansi_x3.4-1968"})

_ESCAPE = re.compile(rb"(\x1b(?:\([BJI]|\$[@B]|\$\(D))")
_TWO_BYTES: Final = frozenset({b"\x1b$@", b"\x1b$B"})
_KATAKANA: Final = b"\x1b(I"
_GRAPHIC: Final = frozenset(range(0x21, 0x7F))
_UP: Final = bytes(each | 0x80 if each in _GRAPHIC else each for each in range(256))
_LEADS, _TRAILS = 31, 63
"""Numbers of lead and trail bytes below the gaps in Shift_JIS."""


def codecs_of(charset: str) -> Iterator[str]:
    """Yield the codecs to try for a charset, the likeliest first; none if no codec is known by this name."""
    wanted = charset.strip().strip("\"'").lower()
    if wanted in _ASCII:
        yield "utf-8"  # what is declared as ASCII and is not is UTF-8, if it can be
    name = _CODECS.get(wanted) or _python_codec(wanted)
    if name:
        yield name
        if name in _SUPERSETS:
            yield _SUPERSETS[name]


def is_seven_bit(codec: str) -> bool:
    """Return whether text in ``codec`` is made of escape sequences and ASCII, so that it is not UTF-8 either."""
    return codec.startswith("iso2022") or codec in {"hz", "utf-7"}


def decode(data: bytes, codec: str, errors: str = "strict") -> str:
    """Return ``data`` as text. Raises ``ValueError`` or ``LookupError``."""
    return _iso_2022_jp(data, errors) if codec == "iso2022_jp" else data.decode(codec, errors)


def _python_codec(name: str) -> str:
    """Return the name of Python's codec, or "" if there is none that makes text of bytes."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return "" if found in _NO_CHARSETS else found


def _iso_2022_jp(data: bytes, errors: str) -> str:
    """Return text in ISO-2022-JP (RFC 1468), read by way of windows-31j."""
    mode = b"\x1b(B"
    texts = []
    for piece in _ESCAPE.split(data):
        if _ESCAPE.fullmatch(piece):
            mode = piece
        elif mode in _TWO_BYTES:
            texts.append(_shifted(piece).decode("cp932", errors))
        elif mode == _KATAKANA:
            texts.append(piece.translate(_UP).decode("cp932", errors))
        else:
            texts.append(piece.decode("ascii", errors))
    return "".join(texts)


def _shifted(pairs: bytes) -> bytes:
    """Return pairs of bytes of JIS X 0208 in their Shift_JIS form; blanks and line ends between them stay."""
    out = bytearray()
    at = 0
    while at < len(pairs):
        pair = pairs[at : at + 2]
        if len(pair) < 2 or not {*pair} <= _GRAPHIC:  # noqa: PLR2004 - a pair
            out.append(pair[0])
            at += 1
            continue
        row, cell = pair[0] - 0x21, pair[1] - 0x21  # from 0 to 93; two rows share a lead byte
        lead, trail = row // 2, cell + 94 * (row % 2)
        out.append(lead + (0x81 if lead < _LEADS else 0xC1))
        out.append(trail + (0x40 if trail < _TRAILS else 0x41))  # 0x7F is skipped
        at += 2
    return bytes(out)
