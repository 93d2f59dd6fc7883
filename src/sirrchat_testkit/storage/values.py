"""What a document may hold: JSON values, checked and copied on the way in and on the way out.

Rules of this module:

1. A memory store refuses exactly what a journal could not write, so a test cannot pass on data that a server would
   stumble over.
2. What was handed in or out shares nothing that can be changed with what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeAlias

from sirrchat_testkit.records import Doc

SCALARS = frozenset({str, int, float, bool, NoneType})
"""The types that need neither a check nor a copy."""


_Path: TypeAlias = "str | tuple[_Path, str | int]"


def plain(doc: Mapping[Any, Any]) -> Doc:
    """Return a deep copy of ``doc`` made of JSON values only.

    Raises:
        TypeError: A value is not JSON, or a key is not a string; the text names the path to it.
    """
    copy: Doc = {}
    for name, value in doc.items():
        if type(name) is not str:
            name = _name(name, "document")  # noqa: PLW2901
        copy[name] = value if type(value) in SCALARS else plain_value(value, name)
    return copy


def plain_value(value: Any, path: _Path) -> Any:
    """Return a deep copy of ``value``, which sits at ``path``. Raises ``TypeError`` as ``plain`` does."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list):
        for each in value:
            if type(each) not in SCALARS:
                return [plain_value(each, (path, place)) for place, each in enumerate(value)]
        return value.copy()
    if isinstance(value, Mapping):
        return {_name(name, path): plain_value(each, (path, name)) for name, each in value.items()}
    # A member of an enumeration is the value that its journal line would say.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise TypeError(f"{_text(path)}: {type(value).__name__} is not JSON")


def _name(name: Any, path: _Path) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{_text(path)}: key {name!r} is a {type(name).__name__}, not a string")
    return name if type(name) is str else str.__str__(name)


def _text(path: _Path) -> str:
    if isinstance(path, str):
        return path
    outer, inner = path
    return f"{_text(outer)}[{inner}]" if isinstance(inner, int) else f"{_text(outer)}.{inner}"
