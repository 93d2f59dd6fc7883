"""Format values for failure texts: short, on one line, cut around the relevant part. Also times in JSON."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

WIDTH: Final = 80
"""Characters of a string that a failure shows."""

LONG: Final = 200
"""Characters of a wanted value that a failure shows."""


def printable(text: str) -> str:
    """Return ``text`` with its control, bidirectional and zero-width characters escaped, except line feeds.

    Clients can send such characters, and terminals obey them. Other characters are unchanged.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def in_line(text: str) -> str:
    """Return ``text`` as ``printable`` does, with its line feeds escaped too."""
    return printable(text).replace("\n", "\\n")


def file_name(text: str, keep: str = "") -> str:
    """Return ``text`` as part of a file name, with a dash for everything but letters and digits, and those in ``keep``.

    The letters and digits are those of any script.
    """
    shown = [
        each if each in keep or unicodedata.category(each)[0] in "LMN" else "-"
        for each in unicodedata.normalize("NFC", text)
    ]
    return re.sub("-+", "-", "".join(shown)).strip("-")


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 call``, ``2 calls``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def named(wanted: Any) -> str:
    """Return the wanted value as text: ``'a string'``, ``/a pattern/``, ``a_function()``, or the place of a lambda.

    A long one is cut.
    """
    if isinstance(wanted, re.Pattern) and isinstance(wanted.pattern, str):
        return f"/{_cut(wanted.pattern)}/"
    if isinstance(wanted, str):
        return excerpt(wanted, width=LONG)
    return function_name(wanted) if is_function(wanted) else _cut(excerpt(wanted))


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def is_function(wanted: Any) -> bool:
    """Return whether ``wanted`` is to be called with a value, not compared with it."""
    return callable(wanted) and not isinstance(wanted, type)


def function_name(function: Any) -> str:
    """Return the name of a user's function: ``accepts()``, or the file and line of a lambda."""
    name = getattr(function, "__qualname__", "") or repr(function)
    if "<lambda>" in name:
        code = function.__code__
        return f"the lambda at {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    return f"{name}()"


def expired(address: str, at: int, now: int) -> str:
    """Return that ``address`` expired at the time ``at``; both times are in milliseconds on the server's clock."""
    return f"{address} expired at {moment(at)} (the server's clock says {moment(now)})"


def moment(milliseconds: int) -> str:
    """Return a time in milliseconds since the epoch as text, such as ``2030-01-31 12:00:00 UTC``."""
    return f"{utc(milliseconds):%Y-%m-%d %H:%M:%S} UTC"


def due(seconds: int) -> str:
    """Return when something happens on the server's clock."""
    return f"in {_span(seconds)} on the server's clock"


def _span(seconds: int) -> str:
    minutes, hours, days = seconds // 60 % 60, seconds // 3600 % 24, seconds // 86400
    units = {"days" if days > 1 else "day": days, "h": hours, "min": minutes, "s": seconds % 60}
    return " ".join(f"{number} {unit}" for unit, number in units.items() if number)


def excerpt(value: Any, wanted: Any = None, width: int = WIDTH) -> str:
    """Return the ``repr`` of ``value``; a long string is cut around its first difference from ``wanted``."""
    if not isinstance(value, str):
        return str(value) if isinstance(value, datetime) else repr(value)
    if len(value) <= width:
        return repr(value)
    start = max(0, min(_agreed(value, wanted) - width // 2, len(value) - width)) if isinstance(wanted, str) else 0
    before = "..." if start else ""
    after = "..." if start + width < len(value) else ""
    return repr(f"{before}{value[start : start + width]}{after}")


def _agreed(value: str, wanted: str) -> int:
    """Return where the longest prefix of ``wanted`` in ``value`` ends; 0 if the prefix is too short."""
    low, high = 0, len(wanted)
    while low < high:  # if a prefix occurs, the shorter ones do as well
        middle = (low + high + 1) // 2
        if wanted[:middle] in value:
            low = middle
        else:
            high = middle - 1
    return value.find(wanted[:low]) + low if low > 2 else 0  # noqa: PLR2004 - two characters agree by chance


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def iso_seconds(at: int) -> str:
    """Return ``at`` (milliseconds since the epoch) as ISO 8601 in UTC to the second, as ``iso_milliseconds`` does."""
    return f"{iso_milliseconds(at)[:-5]}Z"


def milliseconds(at: datetime) -> int:
    """Return ``at``, which has an offset, in milliseconds since the epoch."""
    return round(at.timestamp() * 1000)


def in_utc(text: str) -> datetime:
    """Return an ISO 8601 time as one in UTC, which it is in unless it has an offset.

    Raises ``ValueError`` if it is none, or out of the range of years that ``datetime`` has.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"{text} is out of range") from None


def utc(at: float) -> datetime:
    """Return ``at`` (milliseconds since the epoch) as a time in UTC.

    A time outside the years 1 to 9999 becomes the nearest time within them, since a year has four digits.
    """
    return _EPOCH + timedelta(milliseconds=min(max(at, _FIRST), _LAST))


@lru_cache(maxsize=4096)  # lists show the same moments again and again
def iso_milliseconds(at: int) -> str:
    """Return what ``utc`` does as ISO 8601, such as ``2025-04-21T08:30:45.084Z``."""
    return utc(at).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
