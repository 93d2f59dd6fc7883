r"""Search for messages: plain conditions, and the grammar of ``q``.

1. The terms of ``q`` are separated by white space, and all must be met::

       to:ann  from:shop  subject:welcome  text:hello       the field contains the word, ignoring case
       has:attachment  is:unread  is:read
       before:2026-01-31  after:2026-01-31T12:00            received before, or at or after; a date begins in UTC
       word  "some words"                                   anywhere in addresses, the subject or the text
       -word  -from:shop                                    the opposite

2. A value in double quotes can have spaces; runs of white space are equal to one space.
3. A term with an unknown name before its colon, such as ``Re:``, is a plain word. One that is nearly a known name, such
   as ``form:ann``, is refused with a suggestion.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from sirrchat_testkit.comparing import CONTAINED, LIKE, Rule
from sirrchat_testkit.domain.models import SEEN
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.formatting import excerpt, in_utc, named
from sirrchat_testkit.matching import MAIL, Check, Condition, Match


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split())


WORDS: Final = Rule("containing ", lambda wanted, value: _spaced(wanted) in _spaced(value), "be contained")
"""Contained, in upper or lower case, with each run of white space as one space."""


def _readable(message: Any) -> str:
    from sirrchat_testkit.mail.html import readable_text

    return readable_text(message.text, message.html)


_ANYWHERE: Final = Condition(
    lambda message: (
        (message.subject, message.sender, message.mail_from, message.recipient, *message.to, _readable(message))
    ),
    WORDS,
    many=True,
    contents=True,
)
_UNREAD: Final = Condition(lambda message: SEEN not in message.flags)
_RECEIVED: Final = Condition(attrgetter("received_at"), ordered=True)

_FIELDS: Final[Mapping[str, Condition]] = MappingProxyType(
    {
        "to": Condition(lambda message: (message.recipient, *message.to), WORDS, many=True),
        "from": Condition(lambda message: (message.sender, message.mail_from), WORDS, many=True),
        "subject": Condition(attrgetter("subject"), WORDS),
        "text": Condition(_readable, WORDS, contents=True),
    }
)
"""The fields of the grammar that are compared with words."""

_NAMES: Final = (*_FIELDS, "has", "is", "before", "after")

_TERM = re.compile(r'\s*(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"|([^\s"]*))')

_PLAIN: Final[Mapping[str, Condition]] = MappingProxyType(
    {
        "to": Condition(attrgetter("recipient"), LIKE),
        "from": Condition(attrgetter("sender"), LIKE),
        "subject": MAIL["subject"],
        "since": _RECEIVED,
        "text": Condition(attrgetter("text"), CONTAINED, contents=True),
    }
)
"""The plain conditions, from cheap to expensive. ``to`` is the envelope's recipient, ``from`` the address of From."""


class Search(Match):
    """The conditions of a search on a message; immutable.

    Args:
        q: Terms of the grammar.
        plain: Plain conditions: ``to``, ``from``, ``subject``, ``since`` and ``text``; None means any.

    Raises:
        InvalidValue: ``q`` or ``since`` is malformed.
    """

    __slots__ = ()

    def __init__(self, q: str = "", **plain: str | None) -> None:
        given = {name: value for name in _PLAIN if (value := plain.get(name)) is not None}
        checks = [Check(name, _PLAIN[name], _wanted(name, value)) for name, value in given.items()]
        checks += _terms(q)
        self._set(sorted(checks, key=lambda check: check.reads_contents))

    def _set(self, checks: Sequence[Check]) -> None:
        conditions = {f"{'-' * each.negated}{each.label}": each.wanted for each in checks}
        object.__setattr__(self, "conditions", MappingProxyType(conditions))
        object.__setattr__(self, "_checks", tuple(checks))

    @property
    def recipient(self) -> str | None:
        """The recipient that every match has; None if there may be several."""
        wanted = next((each.wanted for each in self._checks if each.condition is _PLAIN["to"]), None)
        return None if wanted is None or re.search(r"[*?]", wanted) else wanted

    def without_recipient(self) -> Search:
        """Return the conditions without that on the one recipient, for texts that name it already."""
        rest = object.__new__(Search)
        known = self.recipient is not None
        rest._set([each for each in self._checks if not known or each.condition is not _PLAIN["to"]])
        return rest

    def __str__(self) -> str:
        return (
            ", ".join(f"{'-' * each.negated}{each.label}={named(each.wanted)}" for each in self._checks) or "anything"
        )

    def __repr__(self) -> str:
        return f"Search({self})"


def _wanted(name: str, value: str) -> Any:
    return _moment(name, value) if name == "since" else value


def _moment(name: str, text: str, q: str | None = None) -> datetime:
    """Return the time ``text`` of ``name``, a parameter, or a term in ``q``; in UTC unless it has an offset."""
    try:
        return in_utc(text)
    except ValueError:
        words = f"{name} must be a time such as 2025-01-15T10:30:00Z, or a date, not {excerpt(text)}"
        raise InvalidValue(words, field=name if q is None else "q", value=text if q is None else q) from None


def _terms(q: str) -> list[Check]:
    checks: list[Check] = []
    at = 0
    while at < len(q.rstrip()):
        match = _TERM.match(q, at)
        if match is None or match.end() == at or q[match.end() : match.end() + 1].strip():
            raise InvalidValue('q has a double quote that is not closed; write "some words"', field="q", value=q)
        at = match.end()
        minus, name, quoted, bare = match.groups()
        checks.append(_term(q, bool(minus), name or "", bare if quoted is None else quoted, match[0].strip()))
    return checks


def _term(q: str, negated: bool, name: str, value: str, whole: str) -> Check:  # noqa: FBT001 - one caller
    field = name.lower()
    if field not in _NAMES:
        near = difflib.get_close_matches(field, _NAMES, 1, 0.7) if name and value else []
        if near:
            text = f'q has no field {name!r}; did you mean {near[0]}:{value}? Write "{whole}" to search for the text'
            raise InvalidValue(text, field="q", value=q)
        words = f"{name}:{value}" if name else value
        if not words:
            raise InvalidValue(f"q has a term without words: {whole!r}", field="q", value=q)
        return Check("anywhere", _ANYWHERE, words, negated=negated)
    if not value:
        raise InvalidValue(f"q needs a value after {name}:", field="q", value=q)
    if field in _FIELDS:
        return Check(field, _FIELDS[field], value, negated=negated)
    return _MAKERS[field](q, negated, value)


def _has(q: str, negated: bool, value: str) -> Check:  # noqa: FBT001 - as the table needs it
    if value.lower() not in {"attachment", "attachments"}:
        raise InvalidValue(f"has: can be followed only by attachment, not by {value!r}", field="q", value=q)
    return Check("has:attachment", MAIL["has_attachment"], True, negated=negated)


def _is(q: str, negated: bool, value: str) -> Check:  # noqa: FBT001 - as the table needs it
    if value.lower() not in {"unread", "read"}:
        raise InvalidValue(f"is: can be followed only by unread or read, not by {value!r}", field="q", value=q)
    return Check("is:unread", _UNREAD, value.lower() == "unread", negated=negated)


_MAKERS: Final[Mapping[str, Callable[[str, bool, str], Check]]] = MappingProxyType(
    {
        "has": _has,
        "is": _is,
        "after": lambda q, negated, value: Check("after", _RECEIVED, _moment("after", value, q), negated=negated),
        "before": lambda q, negated, value: Check("after", _RECEIVED, _moment("before", value, q), negated=not negated),
    }
)
