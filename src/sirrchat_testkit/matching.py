"""Conditions on a record, and explanations of why it does not meet them. All conditions of the package use this module.

1. ``comparing`` has the rules by which a value is compared with the expected one.
2. Conditions are rows of a table: ``MAIL`` for messages. Subclasses of ``Match`` have tables for other records.
3. A table goes from cheap to expensive, and conditions are tried in its order. ``accepts`` stops at the first miss, so
   nothing is parsed if the subject decides.
4. Records are duck-typed: only the attributes that a condition names are read.
5. Exceptions of a user's function are not caught by ``accepts``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import SequenceMatcher
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from sirrchat_testkit.comparing import CONTAINED, EQUAL, LIKE, Rule, holds
from sirrchat_testkit.formatting import LONG, excerpt, function_name, is_function, named, utc
from sirrchat_testkit.hints import hint
from sirrchat_testkit.suggestions import near_name, parameters_of

__tracebackhide__ = True

R = TypeVar("R")

_COMPARED: Final = 200
"""Characters of a string that are compared to rank a miss."""


class Condition(NamedTuple):
    """One keyword of a ``Match``.

    Attributes:
        read: Returns the value of a record; for a ``keyed`` condition, of a record and a key.
        rule: How a plain ``str`` is compared.
        many: Whether the value is a sequence; one matching item is enough.
        keyed: Whether the wanted value is a mapping, each key of which is a condition of its own.
        ordered: Whether the value must be at or after the wanted one.
        whole: Whether the wanted value is a function that gets the whole record.
        contents: Whether it reads contents that may have to be loaded.
    """

    read: Callable[..., Any]
    rule: Rule = EQUAL
    many: bool = False
    keyed: bool = False
    ordered: bool = False
    whole: bool = False
    contents: bool = False

    def met(self, wanted: Any, value: Any) -> bool:
        """Return whether ``value``, as read from a record, matches ``wanted``."""
        if self.ordered and isinstance(wanted, datetime | int | float):
            return _moment(value) >= _moment(wanted)
        if not self.many:
            return holds(wanted, value, self.rule)
        if any(holds(wanted, each, self.rule) for each in value):
            return True
        if isinstance(wanted, str | re.Pattern) or (callable(wanted) and not isinstance(wanted, type)):
            return False
        return bool(wanted == tuple(value)) or bool(wanted == list(value)) or (wanted is None and not value)


def _moment(time: datetime | float) -> datetime:
    """Return ``time`` as an aware datetime: a number is in milliseconds since the epoch, a naive datetime is local."""
    return utc(time) if isinstance(time, int | float) else time.astimezone(UTC)


def _field(record: Any, name: str) -> list[str]:
    """Return the values of the header field ``name``, in any case, of ``record.headers``."""
    headers = record.headers
    if hasattr(headers, "get_all"):
        return list(headers.get_all(name) or ())
    return [value for each, value in headers.items() if each.lower() == name.lower()]


def _filenames(record: Any) -> tuple[str, ...]:
    return tuple(each.name for each in record.attachments)


WHERE: Final = Condition(lambda record: record, whole=True, contents=True)
"""The condition on a whole record: a function of it."""

MAIL: Final[Mapping[str, Condition]] = MappingProxyType(
    {
        "subject": Condition(attrgetter("subject")),
        "sender": Condition(attrgetter("sender"), LIKE),
        "to": Condition(attrgetter("to"), LIKE, many=True),
        "recipient": Condition(attrgetter("recipient"), LIKE),
        "mail_from": Condition(attrgetter("mail_from"), LIKE),
        "size": Condition(attrgetter("size")),
        "after": Condition(attrgetter("received_at"), ordered=True),
        "cc": Condition(attrgetter("cc"), LIKE, many=True, contents=True),
        "header": Condition(_field, many=True, keyed=True, contents=True),
        "text": Condition(attrgetter("text"), CONTAINED, contents=True),
        "html": Condition(attrgetter("html"), CONTAINED, contents=True),
        "has_attachment": Condition(lambda record: bool(record.attachments), contents=True),
        "filename": Condition(_filenames, LIKE, many=True, contents=True),
        "where": WHERE,
    }
)
"""The conditions on a message, from cheap to expensive."""

_GUESSES: Final[Mapping[str, str]] = MappingProxyType(
    {"body": "text", "since": "after", "received_after": "after", "attachments": "has_attachment"}
    | dict.fromkeys(("attachment", "attachment_name", "file", "file_name"), "filename")
    | dict.fromkeys(("from", "from_", "from_email", "from_address", "author", "mail_sender"), "sender")
    | dict.fromkeys(("mail_to", "to_address", "to_email"), "to")
    | dict.fromkeys(("bcc", "rcpt_to", "envelope_to"), "recipient")
    | dict.fromkeys(("filter", "match", "matching", "predicate", "condition", "when"), "where")
)
"""Names that other packages use, with ours."""

_TIMES: Final = ("timeout", "within", "seconds", "wait", "duration", "window")
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    dict.fromkeys(_TIMES, ("timeout", "within", "seconds", "wait"))
    | dict.fromkeys(("count", "number", "repeat"), ("count", "times"))
    | dict.fromkeys(("status", "status_code"), ("code",))
    | dict.fromkeys(("message", "reason", "reply"), ("text",))
)
"""Names that are guessed for parameters of verbs, with those that may be meant: the first that a verb has."""


class _Raised(NamedTuple):
    """The error that stands for a value that could not be read or compared."""

    error: Exception


class Check(NamedTuple):
    """One condition with the wanted value.

    Attributes:
        label: Its name in explanations.
        condition: The condition.
        wanted: The wanted value.
        key: The key of a ``keyed`` condition.
        negated: Whether the value must not match.
    """

    label: str
    condition: Condition
    wanted: Any
    key: str | None = None
    negated: bool = False

    def value(self, record: Any) -> Any:
        """Return the value of ``record``."""
        return self.condition.read(record) if self.key is None else self.condition.read(record, self.key)

    @property
    def runs_code(self) -> bool:
        """Whether the check runs the user's code."""
        return self.condition.whole or runs_code(self.wanted)

    @property
    def reads_contents(self) -> bool:
        """Whether the check reads the contents of a record."""
        return self.condition.contents

    def met(self, value: Any) -> bool:
        """Return whether ``value`` is as wanted."""
        return self.condition.met(self.wanted, value) is not self.negated

    def explain(self, record: Any, value: Any, *, advise: bool) -> str:
        """Return why ``value``, which is that of ``record``, is not as wanted."""
        if isinstance(value, _Raised):
            return f"{self.label}: {function_name(self.wanted)} raised {value.error!r}"
        if self.condition.whole:
            return f"{self.label}: {function_name(self.wanted)} returned a false value"
        if is_function(self.wanted):
            return f"{self.label}: {function_name(self.wanted)} returned a false value for {self._shown(value)}"
        verb = self.condition.rule.verb if isinstance(self.wanted, str) else ""
        verb = "at or after " if self.condition.ordered else verb
        verb = f"not {verb}" if self.negated else verb
        values = value if self.condition.many else (value,)
        advice = (
            hint(self.label, self.wanted, values, self.condition.rule, record) if advise and not self.negated else ""
        )
        wanted = self.wanted
        shown = excerpt(wanted, value, LONG) if isinstance(wanted, str) and isinstance(value, str) else named(wanted)
        return f"{self.label}: wanted {verb}{shown}, was {self._shown(value)}{advice}"

    def _shown(self, value: Any) -> str:
        if self.condition.many and not value:
            return "absent" if self.condition.keyed else "empty"
        values = value if self.condition.many else (value,)
        return ", ".join(excerpt(each, self.wanted) for each in values)


class Match:
    """Keyword conditions on a record, all of which must be met; immutable.

    ``MailConditions`` describes the conditions on a message.

    Raises:
        TypeError: A condition is unknown (the error suggests the nearest one), or its value has the wrong type.
    """

    table: ClassVar[Mapping[str, Condition]] = MAIL

    __slots__ = ("_checks", "conditions")

    conditions: Mapping[str, Any]
    _checks: tuple[Check, ...]

    @classmethod
    def check(cls, verb: Callable[..., Any], conditions: Mapping[str, Any]) -> None:
        """Check the names of ``conditions``, the arguments of ``verb`` that are none of its parameters.

        Raises:
            TypeError: A name is unknown. The error suggests the nearest condition or parameter.
        """
        for name in conditions:
            if name not in cls.table:
                raise TypeError(_unknown(name, cls.table, parameters_of(verb)))

    def __init__(self, **conditions: Any) -> None:
        for name in conditions:
            if name not in self.table:
                raise TypeError(_unknown(name, self.table))
        conditions = {name: _addressed(each) for name, each in conditions.items()}
        object.__setattr__(self, "conditions", MappingProxyType(conditions))
        ordered = [(name, conditions[name]) for name in self.table if name in conditions]
        object.__setattr__(self, "_checks", tuple(check for each in ordered for check in self._checks_of(*each)))

    def _checks_of(self, name: str, wanted: Any) -> list[Check]:
        condition = self.table[name]
        if condition.whole and not callable(wanted):
            raise TypeError(f"{name} must be a function, such as {name}=lambda message: ..., not {wanted!r}")
        if condition.ordered and isinstance(wanted, str):
            raise TypeError(f"{name} must be a datetime, such as {name}=mailserver.clock.now(), not {wanted!r}")
        if not condition.keyed:
            return [Check(name, condition, wanted, None)]
        if not isinstance(wanted, Mapping):
            raise TypeError(f'{name} must be a mapping, such as {name}={{"X-Tag": "a"}}, not {wanted!r}')
        return [Check(f"{name} {key}", condition, each, key) for key, each in wanted.items()]

    def accepts(self, record: Any) -> bool:
        """Return whether ``record`` meets every condition; stop at the first that it misses."""
        return all(check.met(check.value(record)) for check in self._checks)

    @property
    def _plain(self) -> list[Check]:
        return [check for check in self._checks if not check.runs_code]

    @property
    def runs_code(self) -> bool:
        """Whether a condition runs the user's code: a function, or an object with its own ``==``."""
        return any(check.runs_code for check in self._checks)

    @property
    def reads_contents(self) -> bool:
        """Whether a condition reads the contents of a record, which may have to be loaded."""
        return any(check.reads_contents for check in self._checks)

    def matches(self, record: Any) -> bool:
        """Return whether ``record`` meets every condition; an error counts as a miss."""
        return not self._missed(record, self._checks)

    def misses(self, record: Any, *, advise: bool = True, code: bool = True) -> tuple[str, ...]:
        """Return an explanation for each condition that ``record`` misses.

        Args:
            record: The record.
            advise: Whether to add hints, such as the pattern that was probably meant.
            code: Whether to run the user's code too; an error that it raises counts as a miss.
        """
        checks = self._checks if code else self._plain
        return tuple(check.explain(record, value, advise=advise) for check, value in self._missed(record, checks))

    def distance(self, record: Any) -> tuple[int, float]:
        """Return a sort key for how far ``record`` is from matching, without running the user's code.

        The key is the number of misses, then the mean difference of the strings that missed, from 0 to 1.
        """
        missed = self._missed(record, self._plain)
        unlike = [_unlikeness(check.wanted, value) for check, value in missed]
        return len(missed), sum(unlike) / len(unlike) if unlike else 0.0

    def _missed(self, record: Any, checks: Iterable[Check]) -> list[tuple[Check, Any]]:
        missed: list[tuple[Check, Any]] = []
        for check in checks:
            try:
                value = check.value(record)
                met = check.met(value)
            except Exception as error:  # noqa: BLE001 - the user's, or a record that was deleted
                value, met = _Raised(error), False
            if not met:
                missed.append((check, value))
        return missed

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Match is immutable: {name}={value!r}")

    def __str__(self) -> str:
        return ", ".join(f"{name}={named(wanted)}" for name, wanted in self.conditions.items()) or "anything"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={named(each)}' for name, each in self.conditions.items())})"


def runs_code(wanted: Any) -> bool:
    """Return whether comparing with ``wanted`` runs the user's code: a function, or an object with its own ``==``."""
    if isinstance(wanted, Mapping):
        return any(map(runs_code, wanted.values()))
    if isinstance(wanted, list | tuple | set | frozenset):
        return any(map(runs_code, wanted))
    return type(wanted).__module__ not in {"builtins", "re", "datetime"} or callable(wanted)


def nearest(match: Match, records: Iterable[R], limit: int) -> list[R]:
    """Return the ``limit`` records nearest to ``match``, the nearest first; ties go to the latest."""
    latest = [*records][::-1]
    return sorted(latest, key=match.distance)[:limit]


def summary(record: Any) -> str:
    """Return a one-line summary of a message: ``'June news' from news@shop.example to ann@example.com``."""
    receiver = getattr(record, "recipient", "") or ", ".join(record.to)
    return f"{excerpt(record.subject)} from {record.sender or '(no sender)'} to {receiver or '(no recipient)'}"


def _unlikeness(wanted: Any, value: Any) -> float:
    values = value if isinstance(value, list | tuple) else (value,)
    if not isinstance(wanted, str):
        return 1.0
    texts = [each[:_COMPARED] for each in values if isinstance(each, str)]
    return min((1 - SequenceMatcher(None, wanted[:_COMPARED], each).ratio() for each in texts), default=1.0)


def _unknown(name: str, table: Mapping[str, Condition], parameters: Sequence[str] = ()) -> str:
    word = name.lower()
    for guess in (_GUESSES.get(word), *_PARAMETERS.get(word, ()), near_name(word, [*table, *parameters])):
        if guess in table and guess not in parameters:
            return f"unknown condition {name!r}; did you mean {guess!r}?"
        if guess in parameters:
            return f"unknown argument {name!r}; did you mean {guess!r}?"
    return f"unknown condition {name!r}; the conditions are {', '.join(table)}"


def _addressed(wanted: Any) -> Any:
    """Return the address of an object that has one, such as an inbox; anything else unchanged."""
    address = getattr(wanted, "address", None)
    return address if isinstance(address, str) else wanted
