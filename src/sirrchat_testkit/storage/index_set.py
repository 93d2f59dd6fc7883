"""IndexSet: the indexes of one table, changed together."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.index import ABSENT, Equal, Index

AnyIndex = TypeVar("AnyIndex")

_NO_FIELDS: frozenset[str] = frozenset()


class IndexSet:
    """The indexes of one table, and the rising list of all its ids; ``singles`` are those of one field.

    ``made`` is what somebody made of documents and keeps here, by id; it goes when its document is replaced.
    """

    __slots__ = ("_adders", "_all", "_equals", "_fields", "equal", "ids", "made", "singles")

    def __init__(self, indexes: Sequence[Index] = ()) -> None:
        self.ids: list[int] = []
        self.made: dict[int, Any] = {}
        self._all = tuple(indexes)
        self._equals = {index.fields: index for index in indexes if isinstance(index, Equal)}
        self.singles = {names[0]: index for names, index in self._equals.items() if len(names) == 1}
        self.equal = frozenset(field for names in self._equals for field in names)
        self._fields = frozenset(field for index in indexes for field in index.fields)
        self._adders = tuple(index.add for index in indexes)

    def take(self, seq: int, doc: Doc) -> None:
        """Take in the new document ``seq``."""
        ids = self.ids
        if not ids or seq > ids[-1]:
            ids.append(seq)
        else:
            insort(ids, seq)
        for add in self._adders:
            add(seq, doc)

    def drop(self, seq: int, doc: Doc) -> None:
        """Let go of document ``seq``, which was ``doc``."""
        self.made.pop(seq, None)
        del self.ids[bisect_left(self.ids, seq)]
        for index in self._all:
            index.drop(seq, doc)

    def move(self, seq: int, old: Doc, new: Doc) -> None:
        """Take in that document ``seq`` was ``old`` and is ``new`` now."""
        self.made.pop(seq, None)
        # A value that was not touched is the same object in both, so most updates end here.
        changed = [field for field in self._fields if old.get(field, ABSENT) is not new.get(field, ABSENT)]
        if changed:
            for index in self._all:
                if any(field in index.fields for field in changed):
                    index.drop(seq, old)
                    index.add(seq, new)

    def rebuild(self, docs: Mapping[str, Doc]) -> None:
        """Start over from ``docs``."""
        self.made.clear()
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
