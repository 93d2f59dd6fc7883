"""Indexes: what makes a read cost the same among a hundred documents and among a hundred thousand.

Rules of this module:

1. An index is derived: rebuilt when a store opens, never stored, and changed only by its ``IndexSet``. So is what a
   reader made of documents and keeps there.
2. Ids in a bucket rise, so a page is a slice and a cursor a bisection.
3. Records leave fields at their default out of their documents; an index is told these defaults.
4. A value that cannot be hashed is in no bucket: no equality with a scalar could find it.
5. No document makes an index raise: by then the commit is on disk.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Protocol

from sirrchat_testkit.records import Doc

ABSENT: Any = object()
"""The value of a field that is missing and has no default: nobody can ask for it."""

_NOTHING: dict[str, Any] = {}
_EMPTY = (0, 0)


class Index(Protocol):
    """What ``IndexSet`` asks of each index."""

    fields: tuple[str, ...]

    def add(self, seq: int, doc: Doc) -> None:
        """Take in the document."""

    def drop(self, seq: int, doc: Doc) -> None:
        """Let go of the document, given as it was taken in."""

    def clear(self) -> None:
        """Let go of everything."""


class Equal:
    """From the value of a field, or from the values of two together, to the ids that have it.

    A bucket of one id is that id itself: most buckets are, and a list would cost more than the rest of the entry.
    """

    __slots__ = ("_buckets", "_default", "_field", "_hold", "_other", "_other_default", "_single", "fields")

    def __init__(self, *fields: str, defaults: Mapping[str, Any] = _NOTHING) -> None:
        self.fields = fields
        self._field, self._other = fields[0], fields[-1]
        self._single = len(fields) == 1
        self._default, self._other_default = (defaults.get(field, ABSENT) for field in (self._field, self._other))
        self._buckets: dict[Any, int | list[int]] = {}
        self._hold = self._buckets.setdefault

    def __repr__(self) -> str:
        return f"Equal({', '.join(map(repr, self.fields))})"

    def add(self, seq: int, doc: Doc) -> None:
        """Take in the document."""
        key = doc.get(self._field, self._default) if self._single else self._pair(doc)
        try:
            held = self._hold(key, seq)
        except TypeError:
            return
        if held is seq:
            return
        if not isinstance(held, list):
            self._buckets[key] = [held, seq] if held < seq else [seq, held]
        elif seq > held[-1]:
            held.append(seq)
        else:
            insort(held, seq)

    def drop(self, seq: int, doc: Doc) -> None:
        """Let go of the document, given as it was taken in."""
        key = doc.get(self._field, self._default) if self._single else self._pair(doc)
        try:
            held = self._buckets.get(key)
        except TypeError:
            return
        if isinstance(held, list):
            del held[bisect_left(held, seq)]
            if len(held) == 1:
                self._buckets[key] = held[0]
        elif held is not None:
            del self._buckets[key]

    def clear(self) -> None:
        """Let go of everything."""
        self._buckets.clear()

    def bucket(self, key: Any) -> Sequence[int]:
        """Return the rising ids of ``key``: a value, or a pair of values where the index has two fields."""
        try:
            held = self._buckets.get(key)
        except TypeError:
            return ()
        if held is None:
            return ()
        return (held,) if isinstance(held, int) else held

    def first(self, key: Any) -> int | None:
        """Return the lowest id that has ``key``, None where there is none."""
        try:
            held = self._buckets.get(key)
        except TypeError:
            return None
        return held[0] if isinstance(held, list) else held

    def _pair(self, doc: Doc) -> tuple[Any, Any]:
        return doc.get(self._field, self._default), doc.get(self._other, self._other_default)


class Ordered:
    """Ids in the order of a field's integer; documents where it is 0, missing or something else stay out."""

    __slots__ = ("_pairs", "fields")

    def __init__(self, field: str) -> None:
        self.fields: tuple[str, ...] = (field,)
        self._pairs: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"Ordered({self.fields[0]!r})"

    def add(self, seq: int, doc: Doc) -> None:
        """Take in the document."""
        value = doc.get(self.fields[0])
        if value and type(value) is int:
            insort(self._pairs, (value, seq))

    def drop(self, seq: int, doc: Doc) -> None:
        """Let go of the document, given as it was taken in."""
        value = doc.get(self.fields[0])
        if value and type(value) is int:
            del self._pairs[bisect_left(self._pairs, (value, seq))]

    def clear(self) -> None:
        """Let go of everything."""
        self._pairs.clear()

    def upto(self, value: int, limit: int | None = None) -> list[int]:
        """Return the ids whose number is at most ``value``, the smallest number first."""
        stop = bisect_right(self._pairs, (value, inf))
        return [seq for _, seq in self._pairs[: stop if limit is None else min(stop, limit)]]


class Total:
    """From the value of a field to the number of its documents and the sum of their ``amount``."""

    __slots__ = ("_amount", "_field", "_totals", "everything", "fields")

    def __init__(self, field: str, amount: str) -> None:
        self.fields: tuple[str, ...] = (field, amount)
        self._field = field
        self._amount = amount
        self._totals: dict[Any, tuple[int, int]] = {}
        self.everything = _EMPTY

    def __repr__(self) -> str:
        return f"Total({self._field!r}, {self._amount!r})"

    def add(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Take in the document."""
        amount = doc.get(self._amount)
        self._move(doc.get(self._field), 1, amount if type(amount) is int else 0)

    def drop(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Let go of the document, given as it was taken in."""
        amount = doc.get(self._amount)
        self._move(doc.get(self._field), -1, -amount if type(amount) is int else 0)

    def clear(self) -> None:
        """Let go of everything."""
        self._totals.clear()
        self.everything = _EMPTY

    def of(self, value: Any) -> tuple[int, int]:
        """Return how many documents have ``value``, and their sum."""
        return self._totals.get(value, _EMPTY)

    def _move(self, key: Any, more: int, amount: int) -> None:
        try:
            count, total = self._totals.get(key, _EMPTY)
        except TypeError:
            return
        in_all, size = self.everything
        self.everything = in_all + more, size + amount
        if count + more:
            self._totals[key] = count + more, total + amount
        else:
            del self._totals[key]
