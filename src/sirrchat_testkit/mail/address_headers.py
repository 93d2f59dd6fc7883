"""Bare addresses in the address fields of a header (RFC 5322, section 3.4).

1. Comments, group names and routes are skipped; display names are read only by ``named_addresses``.
2. A list of usual entries, ``a@b``, ``Name <a@b>`` and ``"Name" <a@b>``, takes one regular expression; other lists are
   read token by token. Recent short values are cached, because the same few occur again and again.
3. All address fields of a message share one ``Allowance``. What exceeds it is left out.
4. Nothing here raises: an entry without an address is left out. A single word without ``@`` (``root``) is an
   address if no entry has an ``@``; otherwise words before a comma are a part of the next name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import ClassVar, NamedTuple, Self

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.suggestions import Hints

ADDRESSES = 1000
"""Usual entries, or tokens of other lists, that are read in all address fields of a message together."""

ADDRESS_FIELDS = 50
"""Address fields of a message that are read."""

TOKEN = 3
"""A token of a rare list counts as this many addresses, because it takes as long to read."""

_RARE = 16_384  # characters of a field in a rare form that are read

_SHORT = 320  # characters of a field that is worth remembering


# The bounds of the next two keep a field that is not usual from being searched to its end.
_NAME = r'(?:[^"(),:;<>\\\[\]@]*+|"[^"\\]*+(?:\\.[^"\\]*+){0,64}+"[ \t\r\n]*+)'
_ADDRESS = r'[^\s"(),:;<>\\\[\]@]++@[^\s"(),:;<>\\\[\]@]++'
_NOT_ENCODED = r"(?![^\s,>]{0,320}=\?)"
_USUAL_LIST = re.compile(
    rf"(?:[ \t\r\n]*+(?:{_NAME}<{_NOT_ENCODED}{_ADDRESS}>|{_NOT_ENCODED}{_ADDRESS})[ \t\r\n]*+(?:,|\Z))"
    rf"{{0,{ADDRESSES}}}+",
    re.DOTALL,
)
_USUAL = re.compile(rf"[>,\s]*+(?:({_NAME})<)?+({_ADDRESS})", re.DOTALL)
_TOKEN = re.compile(  # the kinds of tokens, each named; the first character of a token determines its kind
    r"""(?P<blank>\s++)
    | (?P<comment>\([^()\\]*+\))
    | (?P<nested>\()  # any other comment: where it ends is found by its marks
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


class Allowance:
    """How much may still be read in the address fields of a message.

    Attributes:
        left: The number of usual entries, or of tokens.
        fields: The number of fields.
        exceeded: Whether something was left out.
    """

    __slots__ = ("exceeded", "fields", "left")

    def __init__(self) -> None:
        self.left = ADDRESSES
        self.fields = ADDRESS_FIELDS
        self.exceeded = False

    def takes(self, value: str) -> bool:
        """Return whether one more field may be read, whose value is ``value``."""
        if self.left <= 0 or self.fields <= 0:
            self.exceeded |= bool(value.strip())
            return False
        self.fields -= 1
        return True


def bare_addresses(value: str, allowance: Allowance | None = None) -> tuple[str, ...]:
    """Return the addresses in ``value``, an address field as sent (encoded-words and folds included), in order.

    ``allowance`` is reduced by what was read; without one, the field is read as the only one of its message.
    """
    allowance = allowance or Allowance()
    if not allowance.takes(value):
        return ()
    if len(value) > _SHORT or 2 * TOKEN * len(value) > allowance.left:  # a field can have its tokens read twice
        return _addresses(value, allowance)
    addresses, tokens = _remembered(value)
    allowance.left -= tokens
    return addresses


def mail_addresses(values: Iterable[str], allowance: Allowance) -> tuple[MailAddress, ...]:
    """Return the addresses in several fields, with their display names, which are decoded when they are read."""
    found = chain.from_iterable([named_addresses(each, allowance) for each in values])
    return tuple([MailAddress(address, name and functools.partial(decode_header, name)) for address, name in found])


def named_addresses(value: str, allowance: Allowance | None = None) -> tuple[tuple[str, str], ...]:
    """Return the addresses in ``value``, each with its display name, not decoded yet; empty if it has none.

    ``allowance`` is as in ``bare_addresses``.
    """
    allowance = allowance or Allowance()
    if not allowance.takes(value):
        return ()
    usual = _usual(value, allowance)
    if usual is None:
        return tuple(_read_words(value, allowance, _named))
    return tuple([(entry[2], _usual_name(entry[1] or "")) for entry in usual])


@functools.lru_cache(maxsize=1024)
def _remembered(value: str) -> tuple[tuple[str, ...], int]:
    """Return the addresses in ``value``, and how much of an allowance they take."""
    allowance = Allowance()
    return _addresses(value, allowance), ADDRESSES - allowance.left


def _addresses(value: str, allowance: Allowance) -> tuple[str, ...]:
    usual = _usual(value, allowance)
    if usual is None:
        return tuple([address for address, _ in _read_words(value, allowance, _unnamed)])
    return tuple([entry[2] for entry in usual])


def _usual(value: str, allowance: Allowance) -> list[re.Match[str]] | None:
    """Return the name and the address of each entry, or None if one that may be read does not have a usual form."""
    entries = _USUAL_LIST.match(value)
    end = entries.end() if entries else 0
    found = list(islice(_USUAL.finditer(value, 0, end), allowance.left + 1))
    rest = len(found) > allowance.left or bool(value[end:].strip(", \t\r\n"))
    del found[allowance.left :]
    if rest and len(found) < allowance.left:
        return None
    allowance.left -= len(found)
    allowance.exceeded |= rest
    return found


class _Entry(NamedTuple):
    """One entry of an address list: its words outside of angle brackets, the tokens in them, and its comments.

    Between two words is a ``_BLANK``. A word has several tokens if it has quotes, literals or comments.
    """

    words: list[str]
    angle: list[str] | None
    comments: list[str]


def _usual_name(name: str) -> str:
    return _unquoted(name.strip()) if '"' in name else " ".join(name.split())


def _read_words(value: str, allowance: Allowance, read: Callable[[_Entry], tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what ``read`` makes of each entry: an address and a name."""
    if len(value) > _RARE:
        value = value[:_RARE].rpartition(",")[0]  # without the entry that is cut off
        allowance.exceeded = True
    found = [*map(read, _entries(fold(value), allowance))]
    addresses = _together(found)
    encoded = allowance.left > 0 and "=?" in value and ("=?" in addresses or "@" not in addresses)
    if encoded and "@" in (decoded := decode_header(value)):
        others = [*map(read, _entries(decoded, allowance))]  # the address was encoded as well
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


def _entries(value: str, allowance: Allowance) -> Iterator[_Entry]:
    """Read ``value``, which is folded, token by token."""
    words: list[str] = []
    angle: list[str] | None = None
    comments: list[str] = []
    place = words  # where the next word belongs
    for kind, text in _tokens(value, allowance):
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
            words = place = []  # after a comma or the name of a group
            angle, comments = None, []
    yield _Entry(words, angle, comments)


def _tokens(value: str, allowance: Allowance) -> Iterator[tuple[str | None, str]]:
    """Yield the tokens of ``value``, each with its kind; a comment, with those in it, is one.

    The marks in a comment that has others or escaped characters in it count as tokens too.
    """
    at = 0
    while at < len(value):
        for token in _TOKEN.finditer(value, at):
            if allowance.left <= 0:
                allowance.exceeded = True
                return
            allowance.left -= TOKEN
            at = token.end()
            if token.lastgroup == "nested":
                start, at = at - 1, _end_of_comment(value, at, allowance)
                yield "comment", value[start:at]
                break  # the next token begins after the comment
            yield token.lastgroup, token[0]


def _end_of_comment(value: str, at: int, allowance: Allowance) -> int:
    """Return where the comment ends whose text begins at ``at``."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(value, at):
        if allowance.left <= 0:
            allowance.exceeded = True
            break
        allowance.left -= TOKEN
        depth += (mark[0] == "(") - (mark[0] == ")")
        if not depth:
            return mark.end()
    return len(value)


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
    return address, name


def _unquoted(piece: str) -> str:
    """Return the text of a quoted string; a quote that is not closed is left out."""
    if piece.startswith('"'):
        piece = piece[1:-1]
        return _ESCAPED.sub(r"\1", piece) if "\\" in piece else piece
    return piece


def _uncommented(piece: str) -> str:
    return _ESCAPED.sub(r"\1", piece[1:].removesuffix(")"))


def _address(entry: _Entry) -> str:
    """Return the address of an entry of the list, or ""."""
    angle = entry.angle
    if angle is not None:
        route = len(angle) - angle[::-1].index(":") if _is_route(angle) and ":" in angle else 0
        text = "".join(angle[route:])
    elif len(entry.words) == 1 and '"' not in entry.words[0]:
        return entry.words[0]
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
