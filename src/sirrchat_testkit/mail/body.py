"""The text of one part: from its decoded bytes to what a reader sees.

1. The charset is that of the Content-Type; of HTML without one, that of a byte order mark or of its ``<meta>``.
2. Lines end in a line feed. Lines of ``format=flowed`` are joined (RFC 3676).
"""

from __future__ import annotations

import re
from typing import Final

from sirrchat_testkit.mail import charsets
from sirrchat_testkit.mail.encoded_words import decode_bytes
from sirrchat_testkit.mail.parameters import parameter

_META = re.compile(rb"<meta\s[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_SNIFFED: Final = 4096
"""Bytes in which a ``<meta>`` is looked for; the HTML standard says 1024."""

_MARKS: Final = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16le", b"\xfe\xff": "utf-16be"}
_SIGNATURE: Final = "-- "


def is_fast(field: str) -> bool:
    """Return whether the text of a part whose Content-Type is ``field`` is read fast, whatever its bytes are."""
    return charsets.is_fast(parameter(field, "charset")) and not _is_flowed(field)


def body_text(content: bytes, field: str, *, html: bool) -> str:
    """Return the text of a part whose Content-Type is ``field``. Never raises."""
    charset = parameter(field, "charset")
    for mark, name in _MARKS.items():
        if content.startswith(mark) and (name == "utf-8" or not charset):
            content, charset = content[len(mark) :], name
            break
    if html and not charset and (meta := _META.search(content[:_SNIFFED])):
        charset = meta[1].decode("ascii")
        charset = "utf-8" if charset.lower().startswith("utf-16") else charset  # it could not be read otherwise
    text = decode_bytes(content, charset).removeprefix("\ufeff").replace("\r\n", "\n")
    if not html and _is_flowed(field):
        return unflowed(text, delete_space=parameter(field, "delsp").lower() == "yes")
    return text


def _is_flowed(field: str) -> bool:
    return parameter(field, "format").lower() == "flowed"


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """Return a text of ``format=flowed`` with its soft line breaks removed (RFC 3676 section 4).

    A line that ends in a space goes on in the next one, if both are quoted as deep. ``-- `` is a signature separator.
    """
    paragraphs: list[str] = []
    parts: list[str] = []
    depth = 0
    for line in text.split("\n"):
        content = line.lstrip(">")
        quoted = len(line) - len(content)
        content = content.removeprefix(" ")  # space-stuffing
        if parts and (quoted != depth or content == _SIGNATURE):
            paragraphs.append(_quoted(parts, depth))
            parts = []
        depth = quoted
        if content.endswith(" ") and content != _SIGNATURE:
            parts.append(content[:-1] if delete_space else content)
        else:
            paragraphs.append(_quoted([*parts, content], depth))
            parts = []
    if parts:
        paragraphs.append(_quoted(parts, depth))
    return "\n".join(paragraphs)


def _quoted(parts: list[str], depth: int) -> str:
    text = "".join(parts)
    return f"{'>' * depth} {text}" if depth else text
