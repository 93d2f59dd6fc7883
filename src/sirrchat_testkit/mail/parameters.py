"""Parameters of ``Content-Type`` and ``Content-Disposition`` (RFC 2045 section 5.1, RFC 2231).

1. Parsing is linear in the field; the ``email`` package is not, so it is not used.
2. An encoded value of RFC 2231 (``name*``, ``name*0*``) wins over a plain one, which may be its ASCII fallback. Pieces
   after a missing number are ignored.
3. Encoded-words (RFC 2047) are decoded too: many clients send them where the RFC forbids it.
4. Comments are skipped, but not those that look like the end of a file name.
5. Nothing raises: a malformed parameter is absent, or has the part of its value that can be read.
"""

from __future__ import annotations

import functools
import itertools
import re
from urllib.parse import unquote_to_bytes

from sirrchat_testkit.mail.encoded_words import decode_bytes, decode_header

# A piece between two semicolons; one in quotes does not end it. Nothing is tried twice, so the cost is linear.
_PIECE = re.compile(r';((?:[^;"]++|"(?:[^"\\]++|\\.)*+(?:"|\Z))*+)', re.DOTALL)
PARAMETERS = 256
"""Parameters of a field that are read; the longest file names have a few dozen pieces."""

_EXTENDED = re.compile(r"(.+?)\*(?:(\d{1,4})(\*)?)?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_COMMENT_BEHIND = re.compile(r"\s+\([^()]*\)\Z")
_FILE_NAMES = frozenset({"filename", "name"})
"""Parameters that may have unquoted blanks and brackets, as in ``report (1).pdf``."""


def parameter(field: str, name: str) -> str:
    """Return the parameter ``name`` (in lower case) of a header field's value, decoded; empty if it is absent."""
    if ";" not in field:
        return ""
    plain: str | None = None
    pieces: dict[int, tuple[str, bool]] = {}
    for key, value in _parameters(field):
        if not key.startswith(name):
            continue
        if key == name:
            plain = _unquoted(value, name) if plain is None else plain
        elif (extended := _EXTENDED.fullmatch(key)) and extended[1] == name:
            encoded = bool(extended[3]) or extended[2] is None
            pieces.setdefault(int(extended[2] or 0), (_unquoted(value, name), encoded))
    if 0 in pieces and (plain is None or pieces[0][1]):
        return decode_header(_joined(pieces))
    return decode_header(plain or "")


@functools.lru_cache(maxsize=8)  # several parameters of the same few fields are read
def _parameters(field: str) -> tuple[tuple[str, str], ...]:
    """Return the names, in lower case, and the values of the parameters of ``field``, as they were sent."""
    pieces = (found[1].partition("=") for found in itertools.islice(_PIECE.finditer(field), PARAMETERS))
    return tuple((key.strip().lower(), value) for key, equals, value in pieces if equals)


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    """Return the value in RFC 2231's form: the first piece begins with ``charset'language'`` if it is encoded."""
    charset = ""
    data: list[bytes] = []
    for number in range(len(pieces)):
        if number not in pieces:
            break
        text, encoded = pieces[number]
        if number == 0 and encoded and text.count("'") > 1:
            charset, _, text = text.split("'", 2)
        data.append(unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace"))
    return decode_bytes(b"".join(data), charset)


def first_word(field: str) -> str:
    """Return the first word of a field, such as a media type, in lower case and without comments and quotes."""
    words = _COMMENT.sub(" ", field).partition(";")[0].replace('"', " ").split()
    return words[0].lower() if words else ""


def _unquoted(value: str, name: str) -> str:
    """Return the value of a parameter without its quotes, and without the comment after it."""
    value = value.strip()
    if not value.startswith('"'):
        return value if name in _FILE_NAMES else _COMMENT_BEHIND.sub("", value)
    if not value.endswith('"'):
        value = _QUOTED.match(value)[0]  # type: ignore[index] # it begins with a quote
    return _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))
