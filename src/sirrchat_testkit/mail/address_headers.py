"""Bare addresses in the address fields of a header (RFC 5322, section 3.4).

1. Comments, group names and routes are skipped; display names are read only by ``named_addresses``.
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
_ATOM = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|\[[^\]]*+(?:\]|$)|(?:\\.)++|\\|[^\s"(),:;<>\\\[]++'
_ATOMS = re.compile(rf'{_ATOM}|"', re.DOTALL)  # a word is made of quoted strings, domain literals and other characters
_PIECE = re.compile(rf'[(:<>]|\)|[,;]++|\s++|(?:{_ATOM})++|"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDLESSLY_QUOTED = re.compile(r'"([^\s"(),.:;<>\\\[\]@]+(?:\.[^\s"(),.:;<>\\\[\]@]+)*)"@')


def bare_addresses(value: str) -> tuple[str, ...]:
    """Return the addresses in ``value``, an address field as sent (encoded-words and folds included), in order."""
    return _remembered(value) if len(value) <= _SHORT else _addresses(value)


def named_addresses(value: str) -> tuple[tuple[str, str], ...]:
    """Return the addresses in ``value``, each with its display name, decoded; empty if it has none."""
    if "<" not in value and "=?" not in value and not _ODD.search(value):
        return tuple((address, "") for address in bare_addresses(value))
    return tuple(_read_words(value, _named))


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
        found = [read(each) for each in _entries(decode_header(value))]  # the address was encoded as well
    if any("@" in address for address, _ in found):
        return _without_words(found)
    return [each for each in found if each[0]]


def _without_words(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop entries without an ``@``: such a word is the part of an unquoted name before its comma."""
    kept: list[tuple[str, str]] = []
    surname = ""
    for address, name in found:
        if "@" in address:
            kept.append((address, f"{surname}, {name}" if surname and name else name))
            surname = ""
        else:
            surname = address or surname
    return kept


def _entries(value: str) -> Iterator[_Entry]:  # noqa: C901, PLR0912 - one branch for each kind of token
    """Read ``value`` token by token. A token is a word, white space, or punctuation."""
    words: list[list[str]] = [[]]
    angle: list[str] | None = None
    comments: list[str] = []
    inside = False
    depth = 0
    for piece in itertools.islice(map(operator.itemgetter(0), _PIECE.finditer(value)), _TOKENS):
        if piece == "(":
            if depth:
                comments.append(piece)
            depth += 1
        elif depth:
            depth -= piece == ")"
            if depth:
                comments.append(piece)
        elif piece == "<":
            angle, inside = [], True
        elif piece == ">":
            inside = False
        elif inside and angle is not None:
            angle.append(piece)
        elif piece[0] in ",;":
            if words[0] or angle is not None:
                yield _Entry(words, angle, comments)
            words, angle, comments = [[]], None, []
        elif piece == ":":
            words, angle, comments = [[]], None, []
        elif piece.isspace():
            if words[-1]:
                words.append([])
        else:
            words[-1].append(piece)
    yield _Entry(words, angle, comments)


def _unnamed(entry: _Entry) -> tuple[str, str]:
    return _address(entry.words, entry.angle), ""


def _named(entry: _Entry) -> tuple[str, str]:
    words = (" ".join("".join(map(_unquoted, word)) for word in entry.words if word)) if entry.angle is not None else ""
    name = words or "".join(entry.comments)
    return _address(entry.words, entry.angle), decode_header(name) if name else ""


def _unquoted(word: str) -> str:
    """Return ``word`` without quotes and escapes."""
    return "".join(map(_plain, _ATOMS.findall(word))) if '"' in word else word


def _plain(piece: str) -> str:
    return _ESCAPED.sub(r"\1", piece[1:-1]) if piece.startswith('"') and len(piece) > 1 else piece


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
    return _NEEDLESSLY_QUOTED.sub(r"\1@", text, count=1) if '"' in text else text


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
