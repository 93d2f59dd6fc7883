"""Decoding of bytes and encoded-words, valid or not.

1. Nothing here raises, because malformed mail must be shown too.
2. Bytes that cannot be decoded become U+FFFD. No result has a lone surrogate, so every result can be encoded as JSON.
3. The declared charset is tried first, then UTF-8. Without a declared one, what is not UTF-8 is windows-1252.
4. The ``email`` package is not used: these functions run for each received message.
"""

from __future__ import annotations

import binascii
import re
from itertools import islice

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.charsets import FAST, codecs_of, decode, is_seven_bit

REPLACEMENT = "\ufffd"

DECODED = 8192
"""Characters of a field in which encoded-words are decoded; the rest of a longer one is shown as it was sent."""

WORDS = 128
"""Encoded-words of a field that are decoded; 8192 characters have 109 words of the maximum length."""

BASE64_TEXTS = 1000
"""Base64 texts that may follow each other, and are all read."""

_SURROGATES = re.compile("[\ud800-\udfff]")
# The text of a word ends at "?="; a bare "?" within is a common mistake, but the next word is not part of this one.
# The bound keeps hostile input linear.
_WORD = re.compile(
    r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])[ \t]*(?:\([^()?]*\))?\?"
    r"((?:[^?=]++|=(?!\?[^=]))*+(?:\?(?!=)(?:[^?=]++|=(?!\?[^=]))*+){0,8}+)\?="
)
_LONE_EQUALS_SIGN = re.compile(rb"=(?![0-9A-Fa-f]{2})")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes({*range(256)} - {*_ALPHABET})
_PADDING = re.compile(rb"=+")


def decode_bytes(data: bytes, charset: str = "") -> str:
    """Return ``data`` as text: by ``charset`` or as UTF-8, with U+FFFD for bytes that neither of them reads.

    Without a charset, bytes that are not UTF-8 are read as windows-1252.
    """
    text = _decoded(data, charset)
    if text is not None:
        return text
    *_, name = "utf-8", *codecs_of(charset or "windows-1252")
    try:
        return _SURROGATES.sub(REPLACEMENT, decode(data, name, "replace"))
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _decoded(data: bytes, charset: str) -> str | None:
    """Return ``data`` as text by ``charset`` or as UTF-8; None if neither of them reads every byte."""
    names = codecs_of(charset)
    for name in names:
        if (text := _by_codec(data, name)) is not None:
            return text
    return None if any(is_seven_bit(name, data) for name in names) else _by_codec(data, "utf-8")


def _by_codec(data: bytes, name: str) -> str | None:
    try:
        text = decode(data, name)
    except (LookupError, ValueError):
        return None
    return text if name in FAST else _SURROGATES.sub(REPLACEMENT, text)


def decode_header(value: str) -> str:
    """Return a header field's value with its encoded-words (RFC 2047) decoded and its white space folded."""
    if "=?" in value:
        value = _decode_words(value[:DECODED]) + value[DECODED:]
    return fold(value)


def _decode_words(value: str) -> str:
    """Decode each encoded-word. White space between two of them is dropped, and two may share one character."""
    done: list[str] = []
    words: list[bytes] = []
    charset, end = "", 0
    for word in islice(_WORD.finditer(value), WORDS):
        if word[2] in "bB" and "?" in word[3]:
            continue
        between = value[end : word.start()]
        joined = bool(charset) and not between.strip(" \t\r\n")
        if not joined or charset != word[1].lower():
            done.append(_together(words, charset))
            words, charset = [], word[1].lower()
        if not joined:
            done.append(between)
        words.append(_octets(word[2], word[3]))
        end = word.end()
    return "".join((*done, _together(words, charset), value[end:]))


def _together(words: list[bytes], charset: str) -> str:
    """Return the text of adjacent words, together or, if a part of a character is missing, one by one."""
    text = _decoded(b"".join(words), charset)
    return text if text is not None else "".join(decode_bytes(word, charset) for word in words)


def _octets(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "bB":
        return read_base64(data)[0]
    return binascii.a2b_qp(_LONE_EQUALS_SIGN.sub(b"=3D", data), header=True)


def read_base64(data: bytes) -> tuple[bytes, bool]:
    """Return ``data`` decoded as far as possible, and whether all of it was read.

    Other characters are skipped, and the last bits may be missing. Several encoded texts may follow each other; the
    padding shows where each ends.
    """
    data = data.translate(None, delete=_NOT_BASE64)
    text = data.rstrip(b"=")
    if b"=" not in text:
        return _one_base64(text), True
    pieces = _PADDING.split(data, BASE64_TEXTS)
    return b"".join(map(_one_base64, pieces[:BASE64_TEXTS])), not any(pieces[BASE64_TEXTS:])


def _one_base64(text: bytes) -> bytes:
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
