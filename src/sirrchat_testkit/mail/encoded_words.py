"""Decoding of bytes and encoded-words, valid or not.

1. Nothing here raises: malformed mail must be shown too.
2. Bytes that cannot be decoded become U+FFFD. No result has a lone surrogate, so every result can be encoded as JSON.
3. The declared charset is tried first; if it fails, its common superset, then UTF-8.
4. The ``email`` package is not used: these functions run for each received message.
"""

from __future__ import annotations

import binascii
import codecs
import re

from sirrchat_testkit.comparing import fold

REPLACEMENT = "\ufffd"

_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "ascii": "utf-8"}
_ALIASES = {
    "ks_c_5601-1987": "cp949",
    "x-gbk": "gbk",
    "x-sjis": "cp932",
    "cp-850": "cp850",
    "unicode-1-1-utf-7": "utf-7",
}
_NO_CHARSETS = frozenset({"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined"})

_SURROGATES = re.compile("[\ud800-\udfff]")
# The text of a word ends at "?="; a bare "?" within is a common mistake. The bound keeps hostile input linear.
_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*){0,8})\?=")
_Q_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def decode_bytes(data: bytes, charset: str = "") -> str:
    """Return ``data`` decoded by ``charset``, its superset or UTF-8, with U+FFFD for bytes that none decodes."""
    codec = _codec(charset)
    for name in (codec, _SUPERSETS.get(codec, "")):
        if name:
            try:
                return _SURROGATES.sub(REPLACEMENT, data.decode(name))
            except (LookupError, ValueError):
                continue
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    try:
        return _SURROGATES.sub(REPLACEMENT, data.decode(codec or "utf-8", "replace"))
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def decode_header(value: str) -> str:
    """Return a header field's value with its encoded-words (RFC 2047) decoded and its white space folded."""
    return fold(_decode_words(value) if "=?" in value else value)


def _codec(charset: str) -> str:
    """Return the name of the codec, or "" if there is none that decodes bytes."""
    wanted = charset.strip().lower()
    try:
        name = codecs.lookup(_ALIASES.get(wanted, wanted)).name
    except (LookupError, ValueError):
        return ""
    return "" if name in _NO_CHARSETS else name


def _decode_words(value: str) -> str:
    """Decode each encoded-word. White space between two of them is dropped, and two may share one character."""
    done: list[str] = []
    octets, charset, end = bytearray(), "", 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        joined = bool(charset) and not between.strip(" \t\r\n")
        if not joined or charset != word[1].lower():
            done.append(decode_bytes(bytes(octets), charset))
            octets, charset = bytearray(), word[1].lower()
        if not joined:
            done.append(between)
        octets += _octets(word[2], word[3])
        end = word.end()
    return "".join((*done, decode_bytes(bytes(octets), charset), value[end:]))


def _octets(encoding: str, text: str) -> bytes:
    if encoding in "bB":
        clean = _NOT_BASE64.sub("", text)
        clean = clean[: len(clean) - (len(clean) % 4 == 1)]
        return binascii.a2b_base64(clean + "=" * (-len(clean) % 4))
    plain = text.replace("_", " ").encode("utf-8", "replace")
    return _Q_OCTET.sub(lambda octet: bytes((int(octet[1], 16),)), plain)
