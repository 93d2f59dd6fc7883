"""How a value is compared with the wanted one: one set of rules for all conditions.

1. A plain ``str`` is compared by a rule, an ``re.Pattern`` searches, a function decides.
2. Anything else is ``==``, so dirty-equals works. A class is compared, not called.
3. What a user's function raises is not caught here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from re import Pattern
from typing import Any, NamedTuple, TypeAlias

__tracebackhide__ = True

Text: TypeAlias = str | Pattern[str] | Callable[[str], object] | Any
Number: TypeAlias = int | Callable[[int], object] | Any
Flag: TypeAlias = bool | Any
Time: TypeAlias = datetime | Callable[[datetime], object] | Any
"""The types of what is wanted of a text, a number, a flag and a time; anything that has its own ``==`` will do."""

_BLANKS = re.compile(r"[\t\n\v\f\r ]+")


def fold(text: str) -> str:
    """Return ``text`` with each run of ASCII blanks and line ends as one blank, and none at either end."""
    text = text.strip(" ")
    if not text.isprintable() or "  " in text:
        text = _BLANKS.sub(" ", text).strip(" ")
    return text


class Rule(NamedTuple):
    """How a plain ``str`` is compared: ``holds(wanted, value)``; ``verb`` stands behind ``wanted`` in explanations.

    ``must`` is the verb of an explanation that a pattern was meant.
    """

    verb: str
    holds: Callable[[str, str], bool]
    must: str


def _is_like(wanted: str, value: str) -> bool:
    return _glob(wanted).fullmatch(value.casefold()) is not None


@lru_cache(maxsize=256)
def _glob(wanted: str) -> re.Pattern[str]:
    pieces = re.split(r"([*?])", wanted.casefold())
    return re.compile("".join({"*": ".*", "?": "."}.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


EQUAL = Rule("", lambda wanted, value: fold(wanted) == fold(value), "be equal")
CONTAINED = Rule("containing ", lambda wanted, value: wanted in value, "be contained")
LIKE = Rule("", _is_like, "be equal but for * and ?")


def holds(wanted: Any, value: Any, rule: Rule = EQUAL) -> bool:
    """Return whether ``value`` satisfies ``wanted``."""
    if isinstance(wanted, str):
        return isinstance(value, str) and rule.holds(wanted, value)
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    if callable(wanted) and not isinstance(wanted, type):
        return bool(wanted(value))
    return bool(wanted == value)
