"""What a document may hold: JSON values, checked and copied on the way in and on the way out.

Rules of this module:

1. A memory store refuses exactly what a journal could not write, so a test cannot pass on data that a server would
   stumble over.
2. What was handed in or out shares nothing that can be changed with what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from sirrchat_testkit.core.models import Doc

SCALARS = frozenset({str, int, float, bool, NoneType})
"""The types that need neither a check nor a copy."""


def plain(doc: Mapping[Any, Any]) -> Doc:
    """Return a deep copy of ``doc`` made of JSON values only.

    Raises:
        TypeError: A value is not JSON, or a key is not a string; the text names the path to it.
    """
    copy: Doc = {}
    for name, value in doc.items():
        if type(name) is not str:
            name = _name(name, "")  # noqa: PLW2901
        copy[name] = value if type(value) in SCALARS else plain_value(value, name)
    return copy


def plain_value(value: Any, path: str) -> Any:
    """Return a deep copy of ``value``, which sits at ``path``. Raises ``TypeError`` as ``plain`` does."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list):
        return [plain_value(each, f"{path}[{place}]") for place, each in enumerate(value)]
    if isinstance(value, Mapping):
        return {_name(name, path): plain_value(each, f"{path}.{name}") for name, each in value.items()}
    # An enumeration's member is the value that its journal line would say.
    for exact in (str, int, float):
        if isinstance(value, exact):
            return exact.__str__(value) if exact is str else exact(value)
    raise TypeError(f"{path}: {type(value).__name__} is not JSON")


def _name(name: Any, path: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{path or 'document'}: key {name!r} is a {type(name).__name__}, not a string")
    return str.__str__(name)
