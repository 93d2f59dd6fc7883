"""Indexes: what makes a read cost the same among a hundred documents and among a hundred thousand.

Rules of this module:

1. An index is derived: rebuilt when a store opens, never stored, and changed only by ``IndexSet.change``.
2. Ids in a bucket rise, so a page is a slice and a cursor a bisection.
3. Records leave fields at their default out of their documents; an index is told these defaults.
4. A value that cannot be hashed is in no bucket: no equality with a scalar could find it.
5. No document makes an index raise: by then the commit is on disk.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, Protocol, TypeVar

from sirrchat_testkit.core.record import Doc

_ABSENT: Any = object()
_NOTHING: dict[str, Any] = {}
_NO_FIELDS: frozenset[str] = frozenset()


class Index(Protocol):
    """What ``IndexSet`` asks of each index."""

    fields: tuple[str, ...]

    def add(self, seq: int, doc: Doc) -> None:
        """Take in the document."""

    def drop(self, seq: int, doc: Doc) -> None:
        """Let go of the document, given as it was taken in."""

    def clear(self) -> None:
        """Let go of everything."""


AnyIndex = TypeVar("AnyIndex")


class Equal:
    """From the value of a field, or from the values of two together, to the ids that have it.

    A bucket of one id is that id itself: most buckets are, and a list would cost more than the rest of the entry.
    """

    __slots__ = ("_buckets", "_default", "_field", "_other", "_other_default", "_single", "fields")

    def __init__(self, *fields: str, defaults: Mapping[str, Any] = _NOTHING) -> None:
        self.fields = fields
        self._field = fields[0]
        self._other = fields[-1]
        self._single = len(fields) == 1
        self._default = defaults.get(self._field, _ABSENT)
        self._other_default = defaults.get(self._other, _ABSENT)
        self._buckets: dict[Any, int | list[int]] = {}

    def __repr__(self) -> str:
        return f"Equal({', '.join(map(repr, self.fields))})"

    def add(self, seq: int, doc: Doc) -> None:
        """Take in the document."""
        key = doc.get(self._field, self._default) if self._single else self._pair(doc)
        if key is _ABSENT:
            return
        try:
            held = self._buckets.get(key)
        except TypeError:
            return
        if held is None:
            self._buckets[key] = seq
        elif not isinstance(held, list):
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

    def keys(self) -> Iterator[Any]:
        """Go through every value that some document has."""
        return iter(self._buckets)

    def __contains__(self, key: Any) -> bool:
        return key in self._buckets

    def _pair(self, doc: Doc) -> Any:
        one, other = doc.get(self._field, self._default), doc.get(self._other, self._other_default)
        return _ABSENT if one is _ABSENT or other is _ABSENT else (one, other)


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
        self.everything = (0, 0)

    def __repr__(self) -> str:
        return f"Total({self._field!r}, {self._amount!r})"

    def add(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Take in the document."""
        self._move(doc, 1)

    def drop(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Let go of the document, given as it was taken in."""
        self._move(doc, -1)

    def clear(self) -> None:
        """Let go of everything."""
        self._totals.clear()
        self.everything = (0, 0)

    def of(self, value: Any) -> tuple[int, int]:
        """Return how many documents have ``value``, and their sum."""
        return self._totals.get(value, (0, 0))

    def _move(self, doc: Doc, sign: int) -> None:
        key = doc.get(self._field)
        amount = doc.get(self._amount)
        change = sign * (amount if type(amount) is int else 0)
        try:
            count, total = self._totals.get(key, (0, 0))
        except TypeError:
            return
        in_all, size = self.everything
        self.everything = in_all + sign, size + change
        if count + sign:
            self._totals[key] = count + sign, total + change
        else:
            del self._totals[key]


class IndexSet:
    """The indexes of one table, and the rising list of all its ids; ``singles`` are those of one field."""

    __slots__ = ("_adders", "_all", "_equals", "_fields", "equal", "ids", "singles")

    def __init__(self, indexes: Sequence[Index] = ()) -> None:
        self.ids: list[int] = []
        self._all = tuple(indexes)
        self._adders = tuple(index.add for index in indexes)
        self._equals = {index.fields: index for index in indexes if isinstance(index, Equal)}
        self.singles = {names[0]: index for names, index in self._equals.items() if len(names) == 1}
        self.equal = frozenset(field for names in self._equals for field in names)
        self._fields = frozenset(field for index in indexes for field in index.fields)

    def change(self, seq: int, old: Doc | None, new: Doc | None) -> None:
        """Take in that document ``seq`` was ``old`` and is ``new`` now; None is "not there"."""
        if old is None:
            if new is not None:
                ids = self.ids
                if not ids or seq > ids[-1]:
                    ids.append(seq)
                else:
                    insort(ids, seq)
                for add in self._adders:
                    add(seq, new)
        elif new is None:
            del self.ids[bisect_left(self.ids, seq)]
            for index in self._all:
                index.drop(seq, old)
        else:
            self._move(seq, old, new)

    def rebuild(self, docs: Mapping[str, Doc]) -> None:
        """Start over from ``docs``."""
        self.ids[:] = sorted(map(int, docs))
        pairs = [(seq, docs[str(seq)]) for seq in self.ids]
        for index in self._all:
            index.clear()
            for seq, doc in pairs:
                index.add(seq, doc)

    def of(self, kind: type[AnyIndex], *fields: str) -> AnyIndex:
        """Return the index of ``kind`` over exactly these fields. Raises ``LookupError`` if there is none."""
        for index in self._all:
            if isinstance(index, kind) and index.fields == fields:
                return index
        raise LookupError(f"no {kind.__name__} over {', '.join(fields)}")

    def narrow(self, where: Mapping[str, Any]) -> tuple[Sequence[int], frozenset[str]] | None:
        """Return the smallest bucket that holds all documents equal to ``where``, and which fields it leaves to test.

        None where no index helps.
        """
        names = tuple(where)
        exact = self._equals.get(names)
        if exact is not None:  # nothing is smaller than what leaves nothing to test
            return exact.bucket(where[names[0]] if len(names) == 1 else tuple(where.values())), _NO_FIELDS
        best: tuple[Sequence[int], frozenset[str]] | None = None
        for fields, index in self._equals.items():
            if where.keys() >= set(fields):
                key = where[fields[0]] if len(fields) == 1 else tuple(where[field] for field in fields)
                bucket = index.bucket(key)
                rest = frozenset(where.keys() - set(fields))
                if best is None or (len(bucket), len(rest)) < (len(best[0]), len(best[1])):
                    best = bucket, rest
        return best

    def _move(self, seq: int, old: Doc, new: Doc) -> None:
        # A value that was not touched is the same object in both, so most updates end here.
        changed = [field for field in self._fields if old.get(field, _ABSENT) is not new.get(field, _ABSENT)]
        if changed:
            for index in self._all:
                if any(field in index.fields for field in changed):
                    index.drop(seq, old)
                    index.add(seq, new)
