"""What is known at each stage of an SMTP session, and the conditions that a fault may put on it.

1. A stage knows what the stages before it knew: nobody knows a recipient at MAIL, or a subject before the end of data.
2. ``KNOWN`` is that rule as data; asking for what is not known yet is a ``ValueError`` that names the stage to use.
3. The message is parsed only for a condition that needs it, and at most once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final

from sirrchat_testkit.core import mime
from sirrchat_testkit.core.matching import LIKE, MAIL, Condition, Match

STAGES: Final = ("connect", "ehlo", "auth", "mail", "rcpt", "data", "end")
"""Where a fault may strike, in the order of a session; ``end`` is the final dot."""


@dataclass(frozen=True)
class Moment:
    """A session at one of its stages; what is not known yet is empty."""

    stage: str
    peer: str
    ehlo: str = ""
    login: str = ""
    tls: str = ""
    mail_from: str = ""
    recipients: tuple[str, ...] = ()
    size: int = 0
    raw: bytes = b""

    @cached_property
    def header(self) -> mime.HeaderFields:
        """The fields that are read of every message."""
        return mime.read_header(self.raw)

    @cached_property
    def parsed(self) -> mime.Parsed:
        """The whole message."""
        return mime.parse(self.raw)

    @property
    def headers(self) -> mime.Headers:
        """Every field."""
        return self.parsed.headers


_SESSION = {name: Condition(attrgetter(name), LIKE) for name in ("peer", "ehlo", "login", "tls", "mail_from")}
_HEADER = {"subject": "header.subject", "sender": "header.sender", "to": "header.to"}
_PARSED = ("cc", "text", "html")


def _of_message(name: str) -> Condition:
    """Return the condition ``name`` of messages, read from a moment."""
    known = MAIL[name]
    if name in _HEADER:
        return Condition(attrgetter(_HEADER[name]), known.rule, many=known.many)
    if name in _PARSED:
        return Condition(attrgetter(f"parsed.{name}"), known.rule, many=known.many)
    if known.keyed or name == "size":
        return known
    return Condition(lambda moment: known.read(moment.parsed), known.rule, many=known.many)


_MESSAGE = ("size", "subject", "sender", "to", "cc", "header", "text", "html", "has_attachment", "filename")
CONDITIONS: Final[Mapping[str, Condition]] = MappingProxyType(
    _SESSION
    | {"recipient": Condition(attrgetter("recipients"), LIKE, many=True)}
    | {n: _of_message(n) for n in _MESSAGE}
)
"""Every condition of a fault, from cheap to dear."""


def _known() -> dict[str, frozenset[str]]:
    connect = {"peer", "tls"}
    ehlo = connect | {"ehlo"}
    mail = ehlo | {"login", "mail_from"}
    rcpt = mail | {"recipient"}
    named = zip(STAGES, (connect, ehlo, ehlo | {"login"}, mail, rcpt, rcpt, set(CONDITIONS)), strict=True)
    return {stage: frozenset(names) for stage, names in named}


KNOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(_known())
"""The conditions that each stage can decide."""


class FaultMatch(Match):
    """Conditions on a session: ``peer``, ``ehlo``, ``login``, ``tls``, ``mail_from``, ``recipient``.

    At the end of data those of a message count too. With several recipients ``recipient`` is met by any of them.
    """

    table: ClassVar[Mapping[str, Condition]] = CONDITIONS

    __slots__ = ()

    def check(self, stage: str) -> None:
        """Raise ``ValueError`` if ``stage`` cannot know what is asked for."""
        for name in self.conditions:
            if name not in KNOWN[stage]:
                first = next(each for each in STAGES if name in KNOWN[each])
                raise ValueError(f"{name!r} is not known at stage {stage!r} yet; it is from stage {first!r} on")

    @property
    def asks_user_code(self) -> bool:
        """Whether a condition runs code of the user's: a function, or an object with its own ``==``."""
        return any(_is_code(wanted) for wanted in self.conditions.values())


def _is_code(wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return any(map(_is_code, wanted.values()))
    return type(wanted).__module__ not in {"builtins", "re", "datetime"} or callable(wanted)
