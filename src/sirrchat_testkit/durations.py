"""Durations: as people write them, such as ``90s``, and as the clocks take them, a ``timedelta`` or its units by name.

1. A number without a unit is in seconds. Numbers with units add up: ``1h30m``.
2. A duration is shown in the largest unit in which it is a whole number, so what is shown can be entered again.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, TypedDict

from sirrchat_testkit.suggestions import near_name

__tracebackhide__ = True


class TimeUnits(TypedDict, total=False):
    """Units of time: the keyword arguments of ``timedelta``, which adds them up."""

    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float
    milliseconds: float
    microseconds: float


_UNITS = [*TimeUnits.__annotations__]

_WRITTEN: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""The units in which durations are shown, in milliseconds."""

_READ: Final = _WRITTEN | {"w": 7 * _WRITTEN["d"], "min": _WRITTEN["m"]}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)", re.ASCII)
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern} ?)+", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


def read_duration(text: str) -> float:
    """Return the seconds of a duration such as ``500ms``, ``90s``, ``1h30m`` or ``30d``, or of a number of seconds.

    Raises:
        ValueError: ``text`` is not a duration.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text) if _WHOLE.fullmatch(text) else []
    if not parts or any(unit not in _READ for _, unit in parts):
        raise ValueError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return sum(float(number) * _READ[unit] for number, unit in parts) / 1000


def show_duration(seconds: float) -> str:
    """Return a duration as people write it: ``90s``, ``5m``; ``0`` without a unit."""
    milliseconds = round(seconds * 1000, 6)
    if not milliseconds:
        return "0"
    for unit, size in _WRITTEN.items():
        if milliseconds % size == 0:
            return f"{milliseconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def span(by: timedelta | None, units: TimeUnits) -> timedelta:
    """Return the sum of ``by`` and ``units``.

    Raises:
        ValueError: It is negative or infinite.
        TypeError: A unit is unknown, or ``by`` is not a ``timedelta``.
    """
    if by is not None and not isinstance(by, timedelta):
        raise TypeError(f"the time to advance must be a timedelta, or units such as seconds=3600, not {by!r}")
    try:
        found = (by or timedelta()) + timedelta(**units)
    except (TypeError, ValueError, OverflowError) as error:
        given = ", ".join(f"{unit}={number!r}" for unit, number in units.items())
        near = next(filter(None, (near_name(each, _UNITS) for each in units if each not in _UNITS)), None)
        hint = f"; did you mean {near!r}?" if near else ""
        text = f"the time to advance must be in units such as seconds=3600, hours=1 or days=2, not {given}{hint}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from None
    if found < timedelta():
        raise ValueError(f"advance moves forward only, not by {found.total_seconds():g} s; use move_to to go back")
    return found
