"""Bare addresses in the address fields of a header (RFC 5322, section 3.4).

1. Comments, group names and routes are skipped; display names are read only by ``named_addresses``.
2. The usual forms, ``a@b`` and ``Name <a@b>``, take one regular expression; other forms are read token by token. Recent
   short values are cached, because the same few occur again and again.
3. Nothing here raises: an entry without an address is left out. A single word without ``@`` (``root``) is an
   address if no entry has an ``@``; otherwise words before a comma are a part of the next name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, NamedTuple, Self

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.suggestions import Hints

_PLAIN = re.compile(
    r'[^"(),:;<>\\\[\]@]*<([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)>|([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)'
)
_TOKENS = 10_240  # tokens of a field that are interpreted (Postfix: header_address_token_limit)
_ADDRESSES = _TOKENS // 4  # of the usual form, which has four tokens: local part, @, domain, comma
_SHORT = 320  # characters of a field that is worth remembering
_ODD = re.compile(r'["(:;\\\[]')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*(?:\]|$)|[(),:;<>\s"]|\\.?|[^\s"(),:;<>\\\[]+', re.DOTALL)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDLESSLY_QUOTED = re.compile(r'\A"([^\s"(),.:;<>\\\[\]@]+(?:\.[^\s"(),.:;<>\\\[\]@]+)*)"@')


def bare_addresses(value: str) -> tuple[str, ...]:
    """Return the addresses in ``value``, an address field as sent (encoded-words and folds included), in order."""
    return _remembered(value) if len(value) <= _SHORT else _addresses(value)


def named_addresses(value: str) -> tuple[tuple[str, str], ...]:
    """Return the addresses in ``value``, each with its display name, decoded; empty if it has none."""
    return tuple((address, name) for address, name in _read_words(value, _named))


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
    return tuple(address for address, _ in _read_words(value, _unnamed))


_remembered = functools.lru_cache(maxsize=1024)(_addresses)


class _Entry(NamedTuple):
    """One entry of an address list: its words outside of angle brackets, the tokens in them, and its comments."""

    words: list[list[str]]
    angle: list[str] | None
    comments: list[str]


def _read_words(value: str, read: Callable[[_Entry], tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what ``read`` makes of each entry: an address and a name."""
    found = [read(each) for each in _entries(fold(value))]
    addresses = "".join(address for address, _ in found)
    if "=?" in value and ("=?" in addresses or "@" not in addresses):
        decoded = [read(each) for each in _entries(decode_header(value))]  # the address was encoded as well
        found = decoded if any("@" in address for address, _ in decoded) else found
    if any("@" in address for address, _ in found):
        return _without_words(found)
    return [each for each in found if each[0]]


def _without_words(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop entries without an ``@``: such words are the part of an unquoted name before a comma."""
    kept: list[tuple[str, str]] = []
    before: list[str] = []
    for address, name in found:
        if "@" in address:
            kept.append((address, ", ".join((*before, name)) if name else name))
            before = []
        elif address or name:
            before.append(name or address)
    return kept


def _entries(value: str) -> Iterator[_Entry]:
    """Read ``value`` token by token."""
    entry = _Entry([[]], None, [])
    inside = False
    for piece in _pieces(value):
        if piece.startswith("("):
            entry.comments.append(_ESCAPED.sub(r"\1", piece[1:].removesuffix(")")))
        elif piece.isspace():
            entry.words.append([])
        elif piece == "<":
            entry, inside = entry._replace(angle=[]), True
        elif piece == ">":
            inside = False
        elif inside and entry.angle is not None and (piece not in ",;" or _is_route(entry.angle)):
            entry.angle.append(piece)
        elif piece in ",;":
            inside = False
            yield entry
            entry = _Entry([[]], None, [])
        elif piece == ":":
            entry = _Entry([[]], None, [])
        else:
            entry.words[-1].append(piece)
    yield entry


def _pieces(value: str) -> Iterator[str]:
    """Yield the tokens of ``value``; a comment, with those in it, is one."""
    at = 0
    for _ in range(_TOKENS):
        found = _PIECE.match(value, at)
        if found is None:
            return
        end = found.end()
        if found[0] == "(":
            depth = 1
            while depth and (mark := _COMMENT_MARK.search(value, end)):
                depth += (mark[0] == "(") - (mark[0] == ")")
                end = mark.end()
            end = len(value) if depth else end
        yield value[at:end]
        at = end


def _is_route(angle: list[str]) -> bool:
    """Return whether a path begins with domains to pass, which are separated by commas (RFC 5322 section 4.4)."""
    return bool(angle) and angle[0].startswith("@")


def _unnamed(entry: _Entry) -> tuple[str, str]:
    return _address(entry.words, entry.angle), ""


def _named(entry: _Entry) -> tuple[str, str]:
    address = _address(entry.words, entry.angle)
    words = ""
    if entry.angle is not None or not address:
        words = " ".join("".join(map(_unquoted, word)) for word in entry.words if word)
    return address, decode_header(words or (" ".join(entry.comments) if address else ""))


def _unquoted(piece: str) -> str:
    """Return the text of a quoted string; a quote that is not closed is left out."""
    return _ESCAPED.sub(r"\1", piece[1:-1]) if piece.startswith('"') else piece


def _address(words: list[list[str]], angle: list[str] | None) -> str:
    """Return the address of an entry of the list, or ""."""
    if angle is not None:
        route = len(angle) - angle[::-1].index(":") if _is_route(angle) and ":" in angle else 0
        text = "".join(angle[route:])
    else:
        given = _given(words)
        complete = [word for word in given if "@" in word.strip("@")]
        lone = len(given) == 1 and '"' not in given[0]
        text = complete[-1] if complete else given[0] if lone else ""
    return _NEEDLESSLY_QUOTED.sub(r"\1@", text, count=1)


def _given(words: list[list[str]]) -> list[str]:
    """Return the words of an entry, without the blanks that RFC 822 allowed around the ``@`` of an address."""
    given: list[str] = []
    for word in filter(None, map("".join, words)):
        if given and (given[-1].endswith("@") or word.startswith(("@", "."))):
            given[-1] += word
        else:
            given.append(word)
    return given


class MailAddress(str, Hints):
    """An address of a header field: a ``str`` that is the bare address, and has the display name.

    Example:
        assert message.sender == "shop@shop.example"
        assert message.sender.name == "The Shop"
    """

    __slots__ = ("_name",)

    _guesses: ClassVar[Mapping[str, str]] = {
        "address": "str(address)",
        "email": "str(address)",
        "addr_spec": "str(address)",
        "display_name": "name",
        "domain": 'address.partition("@")[2]',
    }

    def __new__(cls, address: str, name: str | Callable[[], str] = "") -> Self:
        """Return the address; ``name`` may be a function that is called when the name is first read."""
        made = super().__new__(cls, address)
        made._name = name
        return made

    _name: str | Callable[[], str]

    @property
    def name(self) -> str:
        """The display name, decoded; empty if there is none."""
        if not isinstance(self._name, str):
            self._name = self._name()
        return self._name

    def __reduce__(self) -> tuple[type[MailAddress], tuple[str, str]]:
        """Return what a copy is made from."""
        return type(self), (str(self), self.name)
