"""LiveTable: TinyDB's table, at a cost of what an operation touches instead of what is stored.

Rules of this module:

1. Writing is TinyDB's own code, run on a ``Staged`` view; if it raises, nothing happened.
2. Reading narrows by index first, then tests each candidate with the query itself.
3. Documents that leave are copies, nested values included.

Where it differs from TinyDB: there is no query cache; ids are never used twice, not even after ``truncate``; documents
that are no JSON are refused; results that an index found, and those of ``walk``, come by rising id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from tinydb.queries import QueryLike
from tinydb.table import Document, Table

from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.index import Index
from sirrchat_testkit.storage.index_set import IndexSet
from sirrchat_testkit.storage.live import LiveStorage
from sirrchat_testkit.storage.paging import cut, page, span
from sirrchat_testkit.storage.planner import equalities
from sirrchat_testkit.storage.values import SCALARS, plain, plain_value


class Staged(MutableMapping[int, Any]):
    """A table as an updater sees it: reading a document puts a copy aside, and only what differs is kept."""

    def __init__(self, docs: Mapping[str, Doc]) -> None:
        self._docs = docs
        self._touched: dict[int, Any] = {}
        self._gone: set[int] = set()

    def __getitem__(self, seq: int) -> Any:
        if seq in self._touched:
            return self._touched[seq]
        if seq in self._gone:
            raise KeyError(seq)
        copy = plain(self._docs[str(seq)])
        self._touched[seq] = copy
        return copy

    def __setitem__(self, seq: int, doc: Any) -> None:
        self._touched[seq] = doc
        self._gone.discard(seq)

    def __delitem__(self, seq: int) -> None:
        if seq not in self:
            raise KeyError(seq)
        self._touched.pop(seq, None)
        self._gone.add(seq)

    def __contains__(self, seq: object) -> bool:
        return seq in self._touched or (seq not in self._gone and str(seq) in self._docs)

    def __iter__(self) -> Iterator[int]:
        stored = [seq for seq in map(int, self._docs) if seq not in self._gone]
        yield from stored
        yield from [seq for seq in self._touched if str(seq) not in self._docs]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Let every document go."""
        self._touched.clear()
        self._gone = set(map(int, self._docs))

    def changes(self) -> dict[int, Doc | None]:
        """Return the documents that differ from the stored ones, checked and copied; None for those that go."""
        found: dict[int, Doc | None] = {seq: None for seq in self._gone if str(seq) in self._docs}
        for seq, doc in self._touched.items():
            new = plain(doc)
            if not _same(self._docs.get(str(seq)), new):
                found[seq] = new
        return found


class LiveTable(Table):
    """A TinyDB table on a ``LiveStorage``, with indexes that TinyDB's own queries make use of."""

    def __init__(
        self,
        storage: LiveStorage,
        name: str,
        cache_size: int = 0,
        persist_empty: bool = False,  # noqa: FBT001, FBT002  # TinyDB's signature
        indexes: Sequence[Index] | None = None,
    ) -> None:
        self.live = storage
        storage.register(name, None if indexes is None else IndexSet(indexes))
        super().__init__(storage, name, cache_size, persist_empty)

    @property
    def docs(self) -> dict[str, Doc]:
        """The stored documents themselves: for reading."""
        return self.live.tables.get(self._name, {})

    @property
    def indexes(self) -> IndexSet:
        """The indexes of this table."""
        return self.live.indexes[self._name]

    def walk(
        self,
        cond: QueryLike | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[Document]:
        """Return the documents that ``cond`` is true of, by rising id (falling if ``newest``).

        ``after`` and ``before`` are bounds of the id, both exclusive; ``offset`` skips matches, ``limit`` caps them.
        """
        ids = self._candidates(cond)
        if ids is None:
            ids = self.indexes.ids
        places = span(ids, after, before)
        if cond is None:
            return self._documents(cut(places, ids, newest=newest, offset=offset, limit=limit))
        docs = self.docs
        return self._documents(
            page(ids, places, lambda seq: cond(docs[str(seq)]), newest=newest, offset=offset, limit=limit)
        )

    def search(self, cond: QueryLike) -> list[Document]:
        """Return the documents that ``cond`` is true of."""
        return [_document(seq, doc) for seq, doc in self._matches(cond)]

    def get(self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: list[int] | None = None) -> Any:
        """Return the document of an id, those of several ids, or the first that ``cond`` is true of."""
        if doc_id is not None:
            doc = self.docs.get(str(doc_id))
            return None if doc is None else _document(doc_id, doc)
        if doc_ids is not None:
            return self._documents(sorted({int(seq) for seq in doc_ids if str(seq) in self.docs}))
        if cond is not None:
            first = next(self._matches(cond), None)
            return None if first is None else _document(*first)
        raise RuntimeError("You have to pass either cond or doc_id or doc_ids")

    def count(self, cond: QueryLike) -> int:
        """Return how many documents ``cond`` is true of."""
        return sum(1 for _ in self._matches(cond))

    def update(
        self,
        fields: Mapping[Any, Any] | Callable[[MutableMapping[Any, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Update the documents of ``doc_ids``, those that ``cond`` is true of, or all."""
        return super().update(fields, None, self._resolve(cond, doc_ids))

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """Remove the documents of ``doc_ids``, or those that ``cond`` is true of."""
        return super().remove(None, self._resolve(cond, doc_ids))

    def __iter__(self) -> Iterator[Document]:
        for key, doc in self.docs.items():
            yield _document(int(key), doc)

    def _documents(self, ids: Iterable[int]) -> list[Document]:
        docs = self.docs
        return [_document(seq, docs[str(seq)]) for seq in ids]

    def _candidates(self, cond: QueryLike | None) -> Sequence[int] | None:
        narrowed = None if cond is None else self.indexes.narrow(equalities(cond))
        return None if narrowed is None else narrowed[0]

    def _matches(self, cond: QueryLike) -> Iterator[tuple[int, Doc]]:
        docs = self.docs
        ids = self._candidates(cond)
        if ids is None:
            # Going through the mapping itself is what a scan costs least.
            return ((int(key), doc) for key, doc in docs.items() if cond(doc))
        return ((seq, doc) for seq in ids if cond(doc := docs[str(seq)]))

    def _resolve(self, cond: QueryLike | None, doc_ids: Iterable[int] | None) -> Iterable[int] | None:
        if doc_ids is not None or cond is None:
            return doc_ids
        return [seq for seq, _ in self._matches(cond)]

    def _read_table(self) -> dict[str, Mapping[str, Any]]:
        return self.docs  # type: ignore[return-value]  # dict is invariant in what it holds

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> None:
        staged = Staged(self.docs)
        updater(staged)  # type: ignore[arg-type]  # all that an updater does with a dict, a Staged can do
        self.live.commit({self._name: staged.changes()})

    def _get_next_id(self) -> int:
        seq = self.live.next_id(self._name)
        self.live.next_ids[self._name] = seq + 1
        return seq


def _document(seq: int, doc: Doc) -> Document:
    document = Document(doc, seq)
    for field, value in doc.items():
        if type(value) not in SCALARS:
            document[field] = plain_value(value, field)
    return document


def _same(old: Doc | None, new: Doc) -> bool:
    # 1 == True == 1.0, but they are not the same JSON.
    return old == new and repr(old) == repr(new)
