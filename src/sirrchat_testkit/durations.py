"""Durations, as the clocks take them: a ``timedelta``, or its units by name."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

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
        raise ValueError(f"advance moves forward; {found} goes back: use move_to")
    return found
