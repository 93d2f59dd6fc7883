"""Names of charsets, as mail programs understand them, and the codecs that read them.

1. The labels are those of the Encoding standard, which browsers and mail programs follow, and a few that only
   mail uses.
2. A charset is read as its common superset: iso-8859-1 as windows-1252, gb2312 as gb18030, shift_jis as windows-31j.
   This holds for every spelling of its name that Python knows.
3. ISO-2022-JP and EUC-JP include the characters of NEC and half-width katakana, which Python's codecs lack.
4. Where Python's codec and the standard give different characters, the standard counts. 191 characters of Big5,
   most of them added by Hong Kong in 2008, cannot be read: no codec of Python has them.

The standard: https://encoding.spec.whatwg.org/#names-and-labels
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable
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
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r koi8r",
    "koi8-u": "koi8-ru koi8-u koi8u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "mac-latin2": "x-mac-ce x-mac-centraleurroman mac-centraleurope",
    "mac-greek": "x-mac-greek",
    "mac-turkish": "x-mac-turkish",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 ibm874 x-windows-874",
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
    "gb18030": (
        "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 cp936 ms936 windows-936"
        " cn-gb"
    ),
    "hz": "hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 big-5 big5-eten cp950 windows-950 x-windows-950",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp eucjp-win eucjp-ms euc-jp-ms cp51932 x-eucjp",
    "iso2022_jp": "csiso2022jp iso-2022-jp iso-2022-jp-ms cp50220 cp50221 cp50222 iso2022-jp iso2022_jp",
    "iso2022_kr": "csiso2022kr iso-2022-kr",
    "cp932": (
        "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932 cswindows31j windows-932 sjis-win"
        " ibm-943 cp943 x-ms-cp932"
    ),
    "cp949": (
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949"
        " cp949 ms949 euc_kr x-windows-949 cp51949 ks_c_5601"
    ),
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
}
FAST: Final = frozenset({"utf-8", "cp1252"})
"""Codecs that decode any bytes at the speed of C, and never yield a lone surrogate."""

_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_NO_CHARSETS: Final = frozenset({"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined"})
_ASCII: Final = frozenset({"ascii", "us-ascii", "ansi_x3.4-1968"})

# What the standard reads otherwise than Python.
_OTHERWISE: Final = {
    "euc_jp": str.maketrans("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2"),
    "gb18030": str.maketrans(
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
    ),
    "koi8-u": str.maketrans("\u255d\u256c", "\u045e\u040e"),
}
_MAYBE_OTHERWISE: Final = {codec: re.compile(f"[{''.join(map(chr, table))}]") for codec, table in _OTHERWISE.items()}
_WITH_HOLES: Final = frozenset({"cp874", *(f"cp{number}" for number in range(1250, 1259))})
_HOLES: Final = {("cp1255", 0xCA): "\u05ba"}

_BIG5_CHARACTERS = re.compile(
    rb"((?:[\x00-\x7f]|[\xa1-\xc5\xc9-\xf8][\x40-\x7e\xa1-\xfe])*+)([\x80-\xff](?:[\x40-\x7e\xa1-\xfe])?)?"
)
_GB_CHARACTER = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]|[\x81-\xfe][\x40-\x7e\x80-\xfe]|\x80")
_EURO: Final = b"\xa2\xe3"
_EUC_CHARACTER = re.compile(rb"(\x8f[\xa1-\xfe]{2})|\x8e([\xa1-\xdf])|((?:[\xa1-\xfe]{2})+)")
_ESCAPE = re.compile(rb"(\x1b(?:\([BJI]|\$[@B]|\$\(D))")
_TWO_BYTES: Final = frozenset({b"\x1b$@", b"\x1b$B"})
_KATAKANA: Final = b"\x1b(I"
_JIS_ROMAN: Final = b"\x1b(J"
_SUPPLEMENT: Final = b"\x1b$(D"
_PAIR = re.compile(rb"[!-~]{2}")
_ROMAN: Final = str.maketrans("\\~", "\xa5\u203e")
_GRAPHIC: Final = frozenset(range(0x21, 0x7F))
_UP: Final = bytes(each | 0x80 if each in _GRAPHIC else each for each in range(256))
_DOWN: Final = bytes(each & 0x7F for each in range(256))
_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_AFTER_CONTROLS: Final = 0xA0
_LEADS, _TRAILS = 31, 63
"""Numbers of lead and trail bytes below the gaps in Shift_JIS."""


def codecs_of(charset: str) -> tuple[str, ...]:
    """Return the codecs to try for a charset, the likeliest first; none if no codec is known by this name."""
    wanted = charset.strip(" \t\"';,").lower()
    name = _CODECS.get(wanted) or _python_codec(wanted)
    if name == "cp1252" and wanted in _ASCII:
        return "utf-8", name  # what is declared as ASCII and is not is UTF-8, if it can be
    return (name,) if name else ()


def is_fast(charset: str) -> bool:
    """Return whether any bytes are decoded fast by a charset, or as UTF-8 if it is unknown."""
    return FAST.issuperset(codecs_of(charset))


def is_seven_bit(codec: str, data: bytes) -> bool:
    """Return whether ``data`` has the escape sequences of ``codec``, so that it is not UTF-8."""
    return b"\x1b" in data if codec.startswith("iso2022") else codec == "hz" and b"~{" in data


def decode(data: bytes, codec: str, errors: str = "strict") -> str:
    """Return ``data`` as text. Raises ``ValueError`` or ``LookupError`` unless ``errors`` is ``replace``."""
    if codec in _DECODERS:
        return _DECODERS[codec](data, errors)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        text = _decode_odd(data, codec, errors)
    if codec in _OTHERWISE and _MAYBE_OTHERWISE[codec].search(text):
        text = text.translate(_OTHERWISE[codec])
    return text


def _python_codec(name: str) -> str:
    """Return the codec for a name that Python knows, or "" if there is none that makes text of bytes."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return "" if found in _NO_CHARSETS else _CODECS.get(found, found)


def _decode_odd(data: bytes, codec: str, errors: str) -> str:
    """Return a text in which Python's codec finds an error, as the standard reads it."""
    if codec == "gb18030" and b"\x80" in data:
        data = _GB_CHARACTER.sub(lambda found: _EURO if found[0] == b"\x80" else found[0], data)
    elif codec == "euc_jp":
        return _euc_jp(data, errors)
    elif errors == "replace" and codec in _WITH_HOLES:
        return codecs.charmap_decode(data, errors, _without_holes(codec))[0]
    return data.decode(codec, errors)


@functools.cache
def _without_holes(codec: str) -> str:
    """Return the table of a Windows code page in which undefined bytes are control characters, as in the standard."""
    table = bytes(range(256)).decode(codec, "replace")
    return "".join(
        _HOLES.get((codec, byte), chr(byte) if each == "\ufffd" and byte < _AFTER_CONTROLS else each)
        for byte, each in enumerate(table)
    )


def _utf_16(codec: str, data: bytes, errors: str) -> str:
    """Return text in UTF-16; a byte order mark counts more than the label."""
    for mark, meant in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(meant, errors)
    return data.decode(codec, errors)


def _big5(data: bytes, errors: str) -> str:
    """Return text in Big5, of which the additions of Hong Kong are a superset with other punctuation."""
    of_hong_kong = functools.cache(lambda character: character.decode("big5hkscs", errors))
    texts: list[str] = []
    for found in _BIG5_CHARACTERS.finditer(data):  # unlike findall, it lets other threads run
        texts.append(found[1].decode("cp950", errors))
        if found[2]:
            texts.append(of_hong_kong(found[2]))
    return "".join(texts)


def _euc_jp(data: bytes, errors: str) -> str:
    """Return text in EUC-JP, read by way of windows-31j."""
    texts = []
    end = 0
    for found in _EUC_CHARACTER.finditer(data):
        texts.append(data[end : found.start()].decode("ascii", errors))
        if found[1]:
            texts.append(found[1].decode("euc_jp", errors))
        else:
            texts.append((found[2] or _shifted(found[3].translate(_DOWN))).decode("cp932", errors))
        end = found.end()
    return "".join((*texts, data[end:].decode("ascii", errors)))


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
        elif mode == _SUPPLEMENT:
            texts.append(_PAIR.sub(lambda found: b"\x8f" + found[0], piece).translate(_UP).decode("euc_jp", errors))
        else:
            text = piece.decode("ascii", errors)
            texts.append(text.translate(_ROMAN) if mode == _JIS_ROMAN else text)
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


_DECODERS: Final[dict[str, Callable[[bytes, str], str]]] = {
    "big5hkscs": _big5,
    "iso2022_jp": _iso_2022_jp,
    "utf-16-be": functools.partial(_utf_16, "utf-16-be"),
    "utf-16-le": functools.partial(_utf_16, "utf-16-le"),
}
"""What is not read by Python's codec of the same name."""
