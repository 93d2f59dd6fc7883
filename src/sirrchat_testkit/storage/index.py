"""Indexes, so that the cost of a read does not grow with the number of documents.

1. An index is never stored: it is rebuilt when a store opens. It is changed only through its ``IndexSet``, which holds
   the indexes of one table and the records made from its documents.
2. Ids in a bucket are sorted, so a page is a slice, and a cursor is found by bisection.
3. Documents omit fields that have their default value; an index knows the defaults.
4. An unhashable value is in no bucket, since no equality with a scalar can match it.
5. An index never raises because of a document: by then the commit is in the journal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Protocol, TypeVar

from sirrchat_testkit.records import Doc

ABSENT: Any = object()
"""The value of a field that is missing and has no default. No query equals it."""

_SEVERAL = 3  # documents from which on they are removed together
_SPARSE = 1000  # ids for each removed one from which on they are removed one by one

_NOTHING: dict[str, Any] = {}
_EMPTY = (0, 0)


class Index(Protocol):
    """The methods of an index that ``IndexSet`` uses."""

    fields: tuple[str, ...]

    def add(self, seq: int, doc: Doc) -> None:
        """Add the document."""

    def drop(self, seq: int, doc: Doc) -> None:
        """Remove the document, which must be the one that was added."""

    def clear(self) -> None:
        """Remove everything."""


class Equal:
    """Maps the value of a field, or the pair of values of two fields, to the ids that have it.

    A bucket of one id is stored as the id itself: most buckets have only one, and a list would take more memory than
    the rest of the entry.
    """

    __slots__ = ("_buckets", "_default", "_field", "_hold", "_other", "_other_default", "_paired", "fields")

    def __init__(self, *fields: str, defaults: Mapping[str, Any] = _NOTHING) -> None:
        self.fields = fields
        self._field, self._other = fields[0], fields[-1]
        self._paired = len(fields) > 1
        self._default, self._other_default = (defaults.get(field, ABSENT) for field in (self._field, self._other))
        self._buckets: dict[Any, int | list[int]] = {}
        self._hold = self._buckets.setdefault

    def __repr__(self) -> str:
        return f"Equal({', '.join(map(repr, self.fields))})"

    def add(self, seq: int, doc: Doc) -> None:
        """Add the document."""
        key = doc.get(self._field, self._default)
        if self._paired:
            key = key, doc.get(self._other, self._other_default)
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

    def add_all(self, pairs: Sequence[tuple[int, Doc]]) -> None:
        """Add documents, given by rising id, to an empty index. This takes half as long as adding each."""
        field, default, buckets, hold = self._field, self._default, self._buckets, self._hold
        keys: list[Any]
        if not self._paired:
            keys = [doc.get(field, default) for _, doc in pairs]
        else:
            other, other_default = self._other, self._other_default
            keys = [(doc.get(field, default), doc.get(other, other_default)) for _, doc in pairs]
        for (seq, _), key in zip(pairs, keys, strict=True):
            try:
                held = hold(key, seq)
            except TypeError:
                continue
            if held is seq:
                continue
            if isinstance(held, list):
                held.append(seq)
            else:
                buckets[key] = [held, seq]

    def drop(self, seq: int, doc: Doc) -> None:
        """Remove the document, which must be the one that was added."""
        key = self._key(doc)
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

    def drop_all(self, pairs: Sequence[tuple[int, Doc]]) -> None:
        """Remove documents, given by rising id as they were added."""
        if len(pairs) < _SEVERAL:
            for seq, doc in pairs:
                self.drop(seq, doc)
            return
        gone: dict[Any, list[int]] = {}
        for seq, doc in pairs:
            key = self._key(doc)
            try:
                held = self._buckets.get(key)
            except TypeError:
                continue
            if isinstance(held, list):
                gone.setdefault(key, []).append(seq)
            elif held is not None:
                del self._buckets[key]
        for key, seqs in gone.items():
            ids = self._buckets[key]
            assert isinstance(ids, list)
            remove(ids, seqs)
            if len(ids) == 1:
                self._buckets[key] = ids[0]
            elif not ids:
                del self._buckets[key]

    def clear(self) -> None:
        """Remove everything."""
        self._buckets.clear()

    def bucket(self, key: Any) -> Sequence[int]:
        """Return the sorted ids of ``key``: a value, or a pair of values if the index has two fields."""
        try:
            held = self._buckets.get(key)
        except TypeError:
            return ()
        if held is None:
            return ()
        return (held,) if isinstance(held, int) else held

    def first(self, key: Any) -> int | None:
        """Return the lowest id that has ``key``, or None."""
        try:
            held = self._buckets.get(key)
        except TypeError:
            return None
        return held[0] if isinstance(held, list) else held

    def _key(self, doc: Doc) -> Any:
        key = doc.get(self._field, self._default)
        return (key, doc.get(self._other, self._other_default)) if self._paired else key


class Ordered:
    """Ids in the order of an integer field. Documents in which it is 0, missing or not an integer are left out."""

    __slots__ = ("_pairs", "fields")

    def __init__(self, field: str) -> None:
        self.fields: tuple[str, ...] = (field,)
        self._pairs: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"Ordered({self.fields[0]!r})"

    def add(self, seq: int, doc: Doc) -> None:
        """Add the document."""
        value = doc.get(self.fields[0])
        if value and type(value) is int:
            insort(self._pairs, (value, seq))

    def drop(self, seq: int, doc: Doc) -> None:
        """Remove the document, which must be the one that was added."""
        value = doc.get(self.fields[0])
        if value and type(value) is int:
            del self._pairs[bisect_left(self._pairs, (value, seq))]

    def clear(self) -> None:
        """Remove everything."""
        self._pairs.clear()

    def upto(self, value: int, limit: int | None = None) -> list[int]:
        """Return the ids of documents whose field is at most ``value``, the lowest value first."""
        stop = bisect_right(self._pairs, (value, inf))
        return [seq for _, seq in self._pairs[: stop if limit is None else min(stop, limit)]]


class Total:
    """Maps the value of a field to the number of its documents and the sum of their ``amount``.

    The amount is a field: an integer, or a string, of which the length in UTF-8 counts. Other values count as 0.
    """

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
        """Add the document."""
        self._change(doc, 1)

    def drop(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Remove the document, which must be the one that was added."""
        self._change(doc, -1)

    def clear(self) -> None:
        """Remove everything."""
        self._totals.clear()
        self.everything = _EMPTY

    def of(self, value: Any) -> tuple[int, int]:
        """Return the number of documents that have ``value``, and the sum of their amounts."""
        return self._totals.get(value, _EMPTY)

    def _change(self, doc: Doc, by: int) -> None:
        key, amount = doc.get(self._field), doc.get(self._amount)
        if type(amount) is not int:
            amount = len(amount.encode("utf-8", "replace")) if type(amount) is str else 0
        try:
            count, total = self._totals.get(key, _EMPTY)
        except TypeError:
            return
        in_all, size = self.everything
        self.everything = in_all + by, size + by * amount
        if count + by:
            self._totals[key] = count + by, total + by * amount
        else:
            del self._totals[key]


AnyIndex = TypeVar("AnyIndex")

_NO_FIELDS: frozenset[str] = frozenset()


class IndexSet:
    """The indexes of one table, and the sorted list of all its ids. ``equals`` are the ``Equal`` indexes by fields.

    ``records`` caches records by id. A record is dropped when its document is replaced.
    """

    __slots__ = ("_adders", "_all", "equal", "equals", "ids", "records")

    def __init__(self, indexes: Sequence[Index] = ()) -> None:
        self.ids: list[int] = []
        self.records: dict[int, Any] = {}
        self._all = tuple(indexes)
        self.equals = {index.fields: index for index in indexes if isinstance(index, Equal)}
        self.equal = frozenset(field for names in self.equals for field in names)
        self._adders = tuple(index.add for index in indexes)

    def take(self, seq: int, doc: Doc) -> None:
        """Add the new document ``seq``."""
        ids = self.ids
        if not ids or seq > ids[-1]:
            ids.append(seq)
        else:
            insort(ids, seq)
        for add in self._adders:
            add(seq, doc)

    def drop(self, pairs: Sequence[tuple[int, Doc]]) -> None:
        """Remove documents, each given by its id and as it was."""
        pairs = sorted(pairs, key=_id)
        for seq, _ in pairs:
            self.records.pop(seq, None)
        remove(self.ids, [seq for seq, _ in pairs])
        for index in self._all:
            if isinstance(index, Equal):
                index.drop_all(pairs)
            else:
                for seq, doc in pairs:
                    index.drop(seq, doc)

    def move(self, seq: int, old: Doc, new: Doc) -> None:
        """Replace document ``seq``, which was ``old``, by ``new``."""
        self.records.pop(seq, None)
        for index in self._all:
            for field in index.fields:
                if old.get(field, ABSENT) is not new.get(field, ABSENT):  # an unchanged value is the same object
                    index.drop(seq, old)
                    index.add(seq, new)
                    break

    def rebuild(self, docs: Mapping[str, Doc]) -> None:
        """Build everything again from ``docs``."""
        self.records.clear()
        pairs = sorted([(int(key), doc) for key, doc in docs.items()], key=_id)
        self.ids[:] = [seq for seq, _ in pairs]
        for index in self._all:
            index.clear()
            if isinstance(index, Equal):
                index.add_all(pairs)
                continue
            for seq, doc in pairs:
                index.add(seq, doc)

    def of(self, kind: type[AnyIndex], *fields: str) -> AnyIndex:
        """Return the index of ``kind`` over exactly these fields. Raises ``LookupError`` if there is none."""
        for index in self._all:
            if isinstance(index, kind) and index.fields == fields:
                return index
        raise LookupError(f"no {kind.__name__} over {', '.join(fields)}")

    def narrow(self, where: Mapping[str, Any]) -> tuple[Sequence[int], frozenset[str]] | None:
        """Return the smallest bucket with all documents equal to ``where``, and the fields that must still be tested.

        Returns None if there is no index for ``where``.
        """
        names = tuple(where)
        exact = self.equals.get(names)
        if exact is not None:  # no bucket is smaller than the exact one
            return exact.bucket(where[names[0]] if len(names) == 1 else tuple(where.values())), _NO_FIELDS
        best: tuple[Sequence[int], frozenset[str]] | None = None
        for fields, index in self.equals.items():
            if where.keys() >= set(fields):
                key = where[fields[0]] if len(fields) == 1 else tuple(where[field] for field in fields)
                bucket = index.bucket(key)
                rest = frozenset(where.keys() - set(fields))
                if best is None or (len(bucket), len(rest)) < (len(best[0]), len(best[1])):
                    best = bucket, rest
        return best


def _id(pair: tuple[int, Doc]) -> int:
    return pair[0]


def remove(ids: list[int], gone: Sequence[int]) -> None:
    """Remove the rising ids ``gone`` from ``ids``, which contains all of them.

    Removing one id moves all later ones. So ids that are close to each other are removed together.
    """
    start, stop = bisect_left(ids, gone[0]), bisect_right(ids, gone[-1])
    if stop - start == len(gone):
        del ids[start:stop]
    elif len(gone) < _SEVERAL or stop - start > _SPARSE * len(gone):
        for seq in reversed(gone):
            del ids[bisect_left(ids, seq)]
    else:
        dropped = frozenset(gone)
        ids[start:stop] = [seq for seq in ids[start:stop] if seq not in dropped]


def span(ids: Sequence[int], after: int = 0, before: int | None = None) -> tuple[int, int]:
    """Return the start and stop positions of the ``ids`` above ``after`` (0 for all) and below ``before``."""
    start = bisect_right(ids, after) if after else 0
    stop = len(ids) if before is None else bisect_left(ids, before)
    return start, max(start, stop)


def cut(ids: Sequence[int], bounds: tuple[int, int], *, newest: bool, offset: int, limit: int | None) -> Sequence[int]:
    """Return at most ``limit`` of the ``ids`` within ``bounds``, after skipping ``offset`` of them."""
    start, stop = bounds
    if newest:
        stop = max(start, stop - offset)
        if limit is not None:
            start = max(start, stop - limit)
        return ids[start:stop][::-1]
    start = min(stop, start + offset)
    return ids[start : stop if limit is None else min(stop, start + limit)]


def page(
    ids: Sequence[int],
    bounds: tuple[int, int],
    test: Callable[[int], bool],
    *,
    newest: bool,
    offset: int,
    limit: int | None,
) -> list[int]:
    """Do the same as ``cut``, but only with the ``ids`` that pass ``test``."""
    found: list[int] = []
    if limit is not None and limit <= 0:
        return found
    positions = range(*bounds)
    for position in reversed(positions) if newest else positions:
        if test(ids[position]):
            if offset > 0:
                offset -= 1
                continue
            found.append(ids[position])
            if len(found) == limit:
                break
    return found
