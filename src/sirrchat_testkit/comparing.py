"""How a value is compared with the expected one: one set of rules for all conditions.

1. A plain ``str`` is compared by the rule of its condition. An ``re.Pattern`` searches. A function returns whether the
   value matches.
2. Anything else is compared with ``==``, so dirty-equals works. A class is compared, not called.
3. Exceptions of a user's function are not caught here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from re import Pattern
from typing import Any, NamedTuple, TypeAlias

__tracebackhide__ = True

_WHITE_SPACE = " \t\n\r\x0b\x0c"  # of ASCII, as ``bytes.split`` knows it

Text: TypeAlias = str | Pattern[str] | Callable[[str], object] | Any
Number: TypeAlias = int | Callable[[int], object] | Any
Flag: TypeAlias = bool | Any
Time: TypeAlias = datetime | Callable[[datetime], object] | Any
"""The types that conditions on a string, a number, a flag and a time take; any object with its own ``==`` works."""


def fold(text: str) -> str:
    """Return ``text`` stripped, with each run of ASCII white space as one space."""
    text = text.strip(_WHITE_SPACE)
    if not text.isprintable() or "  " in text:
        # Bytes are split at ASCII white space only, and faster than by a regular expression.
        text = b" ".join(text.encode("utf-8", "surrogatepass").split()).decode("utf-8", "surrogatepass")
    return text


class Rule(NamedTuple):
    """How a plain ``str`` is compared.

    Attributes:
        verb: The words between "wanted" and the string in an explanation.
        holds: Called as ``holds(wanted, value)``; returns whether the value matches.
        must: What the string must do, for the advice to use a pattern.
    """

    verb: str
    holds: Callable[[str, str], bool]
    must: str


def _is_like(wanted: str, value: str) -> bool:
    return _glob(wanted).fullmatch(value.casefold()) is not None


@lru_cache(maxsize=256)
def _glob(wanted: str) -> re.Pattern[str]:
    # Between two stars the first occurrence of a piece is as good as any, so nothing is tried twice.
    first, *pieces = [re.escape(piece).replace(r"\?", ".") for piece in wanted.casefold().split("*")]
    last = f".*{pieces.pop()}" if pieces else ""
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in pieces) + last, re.DOTALL)


EQUAL = Rule("", lambda wanted, value: fold(wanted) == fold(value), "be equal")
CONTAINED = Rule("containing ", lambda wanted, value: wanted in value, "be contained")
LIKE = Rule("", _is_like, "be equal, except for * and ?")


def holds(wanted: Any, value: Any, rule: Rule = EQUAL) -> bool:
    """Return whether ``value`` satisfies ``wanted``."""
    if isinstance(wanted, str):
        return isinstance(value, str) and rule.holds(wanted, value)
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    if callable(wanted) and not isinstance(wanted, type):
        return bool(wanted(value))
    return bool(wanted == value)
