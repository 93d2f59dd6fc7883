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
from itertools import islice
from typing import ClassVar, NamedTuple, Self

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.suggestions import Hints

_USUAL = re.compile(
    r'([^"(),:;<>\\\[\]@]*)<([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)>|([^\s"(),:;<>\\\[\]@]+@[^\s"(),:;<>\\\[\]@]+)'
)
_TOKENS = 10_240  # tokens of a field that are interpreted (Postfix: header_address_token_limit)
_ADDRESSES = _TOKENS // 4  # of the usual form, which has four tokens: local part, @, domain, comma
_SHORT = 320  # characters of a field that is worth remembering
_ODD = re.compile(r'["(:;\\\[]')
_TOKEN = re.compile(  # the kinds of tokens, each named; the first character of a token tells its kind
    r"""(?P<blank>\s++)
    | (?P<comment>\()  # where it ends is found by its marks
    | (?P<angle><++)
    | (?P<end>>++)
    | (?P<comma>[,;]++)
    | (?P<colon>:)
    | (?P<word>"[^"\\]*+(?:\\.[^"\\]*+)*+" | \[[^\]]*+\]? | \\.? | " | [^\s"(,:;<>\\\[]++)
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDLESSLY_QUOTED = re.compile(r'\A"([^\s"(),.:;<>\\\[\]@]+(?:\.[^\s"(),.:;<>\\\[\]@]+)*)"@')
_BLANK = "\n"  # which no folded value has
_AROUND_AT = re.compile(r"(?<=@)\n|\n(?=[@.])")


def bare_addresses(value: str) -> tuple[str, ...]:
    """Return the addresses in ``value``, an address field as sent (encoded-words and folds included), in order."""
    return _remembered(value) if len(value) <= _SHORT else _addresses(value)


def named_addresses(value: str) -> tuple[tuple[str, str], ...]:
    """Return the addresses in ``value``, each with its display name, decoded; empty if it has none."""
    usual = _usual(value)
    if usual is None:
        return tuple((address, name) for address, name in _read_words(value, _named))
    return tuple((address, decode_header(" ".join(name.split()))) for address, name in usual)


def _addresses(value: str) -> tuple[str, ...]:
    alone = _USUAL.fullmatch(value.strip(" \t\r\n"))
    if alone is not None and "=?" not in value:
        return (alone[2] or alone[3],)
    usual = _usual(value)
    return tuple([address for address, _ in (_read_words(value, _unnamed) if usual is None else usual)])


def _usual(value: str) -> list[tuple[str, str]] | None:
    """Return the addresses and names, as sent, if every entry has a usual form; otherwise None."""
    if _ODD.search(value):
        return None
    found = []
    for part in value.split(",", _ADDRESSES)[:_ADDRESSES]:
        entry = _USUAL.fullmatch(part.strip(" \t\r\n"))
        if entry is None:
            return None
        found.append((entry[2] or entry[3], entry[1] or ""))
    return None if "=?" in _together(found) else found


_remembered = functools.lru_cache(maxsize=1024)(_addresses)


class _Entry(NamedTuple):
    """One entry of an address list: its words outside of angle brackets, the tokens in them, and its comments.

    Between two words is a ``_BLANK``. A word has several tokens if it has quotes, literals or comments.
    """

    words: list[str]
    angle: list[str] | None
    comments: list[str]


def _read_words(value: str, read: Callable[[_Entry], tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what ``read`` makes of each entry: an address and a name."""
    found = [*map(read, _entries(fold(value)))]
    addresses = _together(found)
    if "=?" in value and ("=?" in addresses or "@" not in addresses) and "@" in (decoded := decode_header(value)):
        others = [*map(read, _entries(decoded))]  # the address was encoded as well
        if "@" in _together(others):
            return _without_words(others)
    return _without_words(found) if "@" in addresses else [each for each in found if each[0]]


def _together(found: list[tuple[str, str]]) -> str:
    return "".join([address for address, _ in found])


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
    """Read ``value``, which is folded, token by token."""
    words: list[str] = []
    angle: list[str] | None = None
    comments: list[str] = []
    place = words  # where the next word belongs
    for kind, text in _tokens(value):
        if kind == "word":
            place.append(text)
        elif kind == "blank":
            if words:
                words.append(_BLANK)
        elif kind == "comment":
            comments.append(text)
        elif kind == "angle":
            place = angle = []
        elif kind == "end":
            place = words
        elif place is angle and (kind == "colon" or _is_route(place)):
            place.append(text)
        else:
            if kind == "comma" and (words or angle is not None):
                yield _Entry(words, angle, comments)
            words = place = []  # behind a comma or the name of a group
            angle, comments = None, []
    yield _Entry(words, angle, comments)


def _tokens(value: str) -> Iterator[tuple[str | None, str]]:
    """Yield the tokens of ``value``, each with its kind; a comment, with those in it, is one, and its marks count."""
    at = 0
    left = _TOKENS
    while left > 0 and (found := _TOKEN.match(value, at)):
        left -= 1
        end = found.end()
        if found.lastgroup == "comment":
            end, left = _end_of_comment(value, end, left)
        yield found.lastgroup, value[at:end]
        at = end


def _end_of_comment(value: str, at: int, left: int) -> tuple[int, int]:
    """Return where the comment ends whose text begins at ``at``, and how many tokens are left to read behind it."""
    depth = 1
    for mark in islice(_COMMENT_MARK.finditer(value, at), left):
        left -= 1
        depth += (mark[0] == "(") - (mark[0] == ")")
        if not depth:
            return mark.end(), left
    return len(value), 0


def _is_route(angle: list[str]) -> bool:
    """Return whether a path begins with domains to pass, which are separated by commas (RFC 5322 section 4.4)."""
    return bool(angle) and angle[0].startswith("@")


def _unnamed(entry: _Entry) -> tuple[str, str]:
    return _address(entry), ""


def _named(entry: _Entry) -> tuple[str, str]:
    address = _address(entry)
    name = ""
    if entry.angle is not None or not address:
        name = "".join(map(_unquoted, entry.words)).strip(_BLANK)
    if address and not name:
        name = " ".join(map(_uncommented, entry.comments))
    return address, decode_header(name)


def _unquoted(piece: str) -> str:
    """Return the text of a quoted string; a quote that is not closed is left out."""
    return _ESCAPED.sub(r"\1", piece[1:-1]) if piece.startswith('"') else piece


def _uncommented(piece: str) -> str:
    return _ESCAPED.sub(r"\1", piece[1:].removesuffix(")"))


def _address(entry: _Entry) -> str:
    """Return the address of an entry of the list, or ""."""
    angle = entry.angle
    if angle is not None:
        route = len(angle) - angle[::-1].index(":") if _is_route(angle) and ":" in angle else 0
        text = "".join(angle[route:])
    else:
        given = _given(entry.words)
        complete = [word for word in given if "@" in word.strip("@")]
        lone = len(given) == 1 and '"' not in given[0]
        text = complete[-1] if complete else given[0] if lone else ""
    return _NEEDLESSLY_QUOTED.sub(r"\1@", text, count=1) if text.startswith('"') else text


def _given(words: list[str]) -> list[str]:
    """Return the words of an entry, without the blanks that RFC 822 allowed around the ``@`` of an address."""
    given = [*filter(None, "".join(words).split(_BLANK))]
    return _AROUND_AT.sub("", _BLANK.join(given)).split(_BLANK) if len(given) > 1 else given


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
