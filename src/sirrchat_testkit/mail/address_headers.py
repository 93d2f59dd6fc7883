"""Bare addresses in the address fields of a header (RFC 5322, section 3.4).

1. Display names, comments, group names and routes are skipped.
2. The usual forms, ``a@b`` and ``Name <a@b>``, take one regular expression; other forms are read token by token. Recent
   short values are cached, because the same few occur again and again.
3. Nothing here raises: an entry without an address is left out. A single word without ``@`` (``root``) is an
   address if no entry has an ``@``.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.encoded_words import decode_header

_PLAIN = re.compile(
    r'[^"(),:;<>\\\[\]@]*<([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)>|([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)'
)
_TOKENS = 10_240  # tokens of a field that are interpreted (Postfix: header_address_token_limit)
_ADDRESSES = _TOKENS // 4  # of the usual form, which has four tokens: local part, @, domain, comma
_SHORT = 320  # characters of a field that is worth remembering
_ODD = re.compile(r'["(:;\\\[]')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*(?:\]|$)|[(),:;<>\s"]|\\.?|[^\s"(),:;<>\\\[]+', re.DOTALL)
_NEEDLESSLY_QUOTED = re.compile(r'"([^\s"(),.:;<>\\\[\]@]+(?:\.[^\s"(),.:;<>\\\[\]@]+)*)"@')


def bare_addresses(value: str) -> tuple[str, ...]:
    """Return the addresses in ``value``, an address field as sent (encoded-words and folds included), in order."""
    return _remembered(value) if len(value) <= _SHORT else _addresses(value)


def _addresses(value: str) -> tuple[str, ...]:
    value = value.strip(" \t\r\n")
    if not value:
        return ()
    alone = _PLAIN.fullmatch(value)
    if alone is not None and "=?" not in value:
        return (alone[1] or alone[2],)
    if not _ODD.search(value):
        found = []
        for part in value.split(",", _ADDRESSES)[:_ADDRESSES]:
            plain = _PLAIN.fullmatch(part.strip(" \t\r\n"))
            if plain is None:
                break
            found.append(plain[1] or plain[2])
        else:
            if "=?" not in "".join(found):
                return tuple(found)
    addresses = _read(fold(value))
    if "=?" in value and ("=?" in "".join(addresses) or "@" not in "".join(addresses)):
        addresses = _read(decode_header(value))  # the address was encoded as well
    if any("@" in each for each in addresses):
        return tuple(each for each in addresses if "@" in each)  # an unquoted name with a comma left a word
    return addresses


_remembered = functools.lru_cache(maxsize=1024)(_addresses)


def _read(value: str) -> tuple[str, ...]:  # noqa: C901 - one branch for each kind of piece
    """Read ``value`` token by token; ``words`` collects a possible address, ``angle`` the one in ``<...>``."""
    found: list[str] = []
    words: list[list[str]] = [[]]
    angle: list[str] | None = None
    inside = False
    depth = 0
    for piece in itertools.islice(map(operator.itemgetter(0), _PIECE.finditer(value)), _TOKENS):
        if piece == "(":
            depth += 1
        elif depth:
            depth -= piece == ")"
        elif piece == "<":
            angle, inside = [], True
        elif piece == ">":
            inside = False
        elif inside and angle is not None:
            angle.append(piece)
        elif piece in ",;":
            if words[0] or angle is not None or len(words) > 1:
                found.append(_address(words, angle))
                words, angle = [[]], None
        elif piece == ":":
            words = [[]]
        elif piece.isspace():
            words.append([])
        else:
            words[-1].append(piece)
    found.append(_address(words, angle))
    return tuple(each for each in found if each)


def _address(words: list[list[str]], angle: list[str] | None) -> str:
    """Return the address of an entry of the list, or ""."""
    if angle is not None:
        text = "".join(piece for piece in angle if not piece.isspace())
        text = text.rpartition(":")[2] if text.startswith("@") else text
    else:
        given = ["".join(word) for word in words if word]
        complete = [word for word in given if "@" in word.strip("@")]
        lone = len(given) == 1 and '"' not in given[0]
        text = complete[-1] if complete else "".join(given) if lone or "@" in given else ""
    return _NEEDLESSLY_QUOTED.sub(r"\1@", text, count=1)
