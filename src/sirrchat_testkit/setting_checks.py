"""What checks settings: a wrong name or value is a ``ValueError`` that names the setting and says what it takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

__tracebackhide__ = True

_KINDS: dict[str, type[Checked]] = {}


class Checked:
    """A record of settings, which refuses names that it does not have, and tells where they belong.

    ``elsewhere`` says of a field of this record, to somebody who gave it to another, where it belongs.
    """

    __slots__ = ()
    elsewhere: ClassVar[str]

    def __init_subclass__(cls) -> None:
        _KINDS[cls.__name__] = cls

    def __new__(cls, **given: Any) -> Self:
        """Return a new record. Raises ``ValueError`` where there is no such field."""
        check_names(given, cls)
        return object.__new__(cls)

    def replaced(self, **changes: Any) -> Self:
        """Return this record with ``changes``. Raises ``ValueError`` for a wrong name or value."""
        return type(self)(**{name: getattr(self, name) for name in names(type(self))} | changes)


def names(record: type[Checked]) -> set[str]:
    """Return the names of the fields of ``record``."""
    return {each.name for each in fields(record)}  # type: ignore[arg-type]  # every one is a dataclass


def check_names(changes: Mapping[str, Any], *records: type[Checked]) -> None:
    """Refuse a name that is no field of ``records``."""
    known = set[str]().union(*map(names, records))
    for name, value in changes.items():
        if name in known:
            continue
        for kind in _KINDS.values():
            if name in names(kind):
                raise ValueError(kind.elsewhere.format(name=name, value=value))
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
        raise ValueError(f"there is no setting {name!r}; {hint}")


def check_choice(record: Any, name: str, *choices: str) -> None:
    """Refuse a field that is none of ``choices``."""
    value = getattr(record, name)
    if value not in choices:
        raise ValueError(f"{name} takes {' or '.join(map(repr, choices))}, not {value!r}")


def check_number(record: Any, name: str, least: int, most: int | None = None) -> None:
    """Refuse a field that is no whole number from ``least`` to ``most``."""
    value = getattr(record, name)
    if type(value) is int and least <= value and (most is None or value <= most):
        return
    takes = f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} or more"
    raise ValueError(f"{name} takes {takes}, not {value!r}")


def check_seconds(record: Any, name: str, *, zero: bool) -> None:
    """Refuse a field that is no number of seconds; ``zero`` says that it may be 0."""
    value = getattr(record, name)
    if type(value) not in {int, float} or not (value > 0 or (zero and value == 0)):
        raise ValueError(f"{name} takes seconds, more than 0{', or 0 for never' if zero else ''}, not {value!r}")


def check_switch(record: Any, name: str) -> None:
    """Refuse a field that is neither True nor False."""
    if not isinstance(getattr(record, name), bool):
        raise ValueError(f"{name} takes True or False, not {getattr(record, name)!r}")


def check_text(record: Any, name: str) -> None:
    """Refuse a field that is no text, or an empty one."""
    value = getattr(record, name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} takes a text that is not empty, not {value!r}")
