"""Read the records of a kind whose indexed fields equal given values.

Records can be cached, because a record and its document are replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage.index import cut, page, span
from sirrchat_testkit.storage.schema import nested, plain_field
from sirrchat_testkit.storage.tables import LiveTable

R = TypeVar("R", bound=Record)

CACHED = 4096
"""The most records of a kind that are cached."""


class Reader(Generic[R]):
    """Reads the table of one kind of record."""

    def __init__(self, kind: type[R], table: LiveTable) -> None:
        self._kind = kind
        self._table = table
        self._exact = table.indexes.equals
        self._nested = nested(kind)
        self._records: dict[int, R] = table.indexes.records
        self._defaults = kind._defaults  # noqa: SLF001  # the counterpart of ``Record.to_doc``

    def at(self, seq: int) -> R | None:
        """Return the record at ``seq``, or None."""
        doc = self._table.docs.get(str(seq))
        return None if doc is None else self._record(seq, doc)

    def first(self, where: Mapping[str, Any]) -> R | None:
        """Return the oldest record that equals ``where``, or None."""
        if (index := self._exact.get(tuple(where))) is not None:  # the usual case: each message needs several
            key = tuple(where.values())
            seq = index.first(key if len(key) > 1 else key[0])
            if seq is None:
                return None
            return self._records.get(seq) or self._record(seq, self._table.docs[str(seq)])
        ids, rest = self._narrow(where)
        if not rest:
            return self.at(ids[0]) if ids else None
        found = page(ids, (0, len(ids)), self._test(where, rest), newest=False, offset=0, limit=1)
        return self.at(found[0]) if found else None

    def count(self, where: Mapping[str, Any]) -> int:
        """Return how many records equal ``where``."""
        ids, rest = self._narrow(where)
        return sum(map(self._test(where, rest), ids)) if rest else len(ids)

    def find(
        self,
        where: Mapping[str, Any],
        match: Callable[[R], bool] | None,
        *,
        bounds: tuple[int, int | None],
        newest: bool,
        offset: int,
        limit: int | None,
    ) -> list[R]:
        """Return the records that equal ``where`` and pass ``match``, like ``Store.find``.

        ``bounds`` are ``after`` and ``before``.
        """
        ids, rest = self._narrow(where)
        within = span(ids, *bounds)
        if not rest and match is None:
            return self.records(cut(ids, within, newest=newest, offset=offset, limit=limit))
        test = self._test(where, rest)
        if match is None:
            return self.records(page(ids, within, test, newest=newest, offset=offset, limit=limit))
        made: list[R] = []

        def matches(seq: int) -> bool:
            if not test(seq):
                return False
            record = self._record(seq, self._table.docs[str(seq)])
            if not match(record):
                return False
            made.append(record)
            return True

        page(ids, within, matches, newest=newest, offset=offset, limit=limit)
        return made[offset:]

    def page(
        self, where: Mapping[str, Any], before: int | None, *, newest: bool, offset: int, limit: int | None
    ) -> tuple[list[R], int]:
        """Return a page of the records that equal ``where``, and how many there are, like ``Store.page``."""
        ids, rest = self._narrow(where)
        if rest:
            ids = list(filter(self._test(where, rest), ids))
        return self.records(cut(ids, span(ids, 0, before), newest=newest, offset=offset, limit=limit)), len(ids)

    def records(self, ids: Sequence[int]) -> list[R]:
        """Return the records of ``ids``, in that order."""
        docs, known = self._table.docs, self._records
        return [known.get(seq) or self._record(seq, docs[str(seq)]) for seq in ids]

    def _narrow(self, where: Mapping[str, Any]) -> tuple[Sequence[int], frozenset[str]]:
        indexes = self._table.indexes
        narrowed: tuple[Sequence[int], frozenset[str]] | None
        if not where:
            return indexes.ids, frozenset()
        if "seq" in where:
            seq = where["seq"]
            narrowed = ((seq,) if str(seq) in self._table.docs else ()), frozenset(where.keys() - {"seq"})
        else:
            narrowed = indexes.narrow(where)
        if narrowed is None or not indexes.equal >= narrowed[1]:
            raise ValueError(f"{self._kind.kind} has no index on {', '.join(where)}")
        return narrowed

    def _test(self, where: Mapping[str, Any], rest: frozenset[str]) -> Callable[[int], bool]:
        docs = self._table.docs
        wanted = [(field, self._defaults[field], where[field]) for field in rest]
        return lambda seq: all(docs[str(seq)].get(field, default) == value for field, default, value in wanted)

    def _record(self, seq: int, doc: Doc) -> R:
        if self._nested:
            doc = doc | {field: plain_field(doc[field], field) for field in self._nested if field in doc}
            return self._kind.from_doc(seq, doc)
        record = self._records.get(seq)
        if record is None:
            record = self._kind.from_doc(seq, doc)
            if len(self._records) >= CACHED:
                self._records.clear()
            self._records[seq] = record
        return record
