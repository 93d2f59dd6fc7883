"""The planner: what a TinyDB query says about itself, as equalities that an index can answer.

A query carries a description, ``_hash``: ``('==', (field,), value)``, or ``('and', frozenset of two descriptions)``.
It is private, so it is only ever a hint: what is not recognised is scanned, every candidate is still tested with the
query itself, and a test pins the shape.
"""

from __future__ import annotations

from typing import Any

from tinydb.queries import QueryLike

from sirrchat_testkit.storage.values import SCALARS


def equalities(cond: QueryLike) -> dict[str, Any]:
    """Return which fields must equal which value for ``cond`` to be true; perhaps none."""
    found: dict[str, Any] = {}
    _collect(getattr(cond, "_hash", None), found)
    return found


def _collect(description: Any, found: dict[str, Any]) -> None:
    match description:
        case ("==", (str(field),), value) if type(value) in SCALARS:
            found[field] = value
        case ("and", frozenset() as parts):
            for part in parts:
                _collect(part, found)
        case _:
            pass
