"""TinyDB's storage and table, changed document by document: the cost of an operation is independent of table size.

1. ``LiveStorage`` holds the documents. Each change is a ``Batch`` passed to ``commit``, which writes it to the journal,
   if there is one, and then applies it.
2. A stored document is replaced, never changed in place, so a reference to one is a snapshot.
3. Ids only increase: ``next_ids`` keeps the next one even if the newest document is deleted.
4. While a scope is open, the previous version of each changed document is kept in ``undo``. A rewind costs as much as
   was changed since the mark.
5. ``LiveTable`` runs TinyDB's own code for writing on a ``Staged`` view. If that raises, nothing has changed.
6. It reads by index first, then tests each candidate with the query. It returns deep copies.
7. TinyDB's description of a query (``_hash``) is private, so the planner takes it only as a hint: if it is not
   recognized, the table is scanned. Every candidate is tested with the query. A test pins the description.

Differences from TinyDB: there is no query cache; ids are never reused, not even after ``truncate``; documents that are
not JSON are refused; results found by an index, and those of ``walk``, are in order of id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from tinydb.queries import QueryLike
from tinydb.storages import MemoryStorage
from tinydb.table import Document, Table

from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.index import Index, IndexSet, cut, page, span
from sirrchat_testkit.storage.schema import SCALARS, plain, plain_field

Batch: TypeAlias = dict[str, dict[int, Doc | None]]
"""A commit: for each table its new and changed documents by id, None for deleted ones."""

Undo: TypeAlias = tuple[str, int, Doc | None]
"""A document before a commit: table, id, and the document, None if it did not exist."""


class LiveStorage(MemoryStorage):
    """Tables of documents in memory, and their indexes. The keys in ``tables`` are strings, as TinyDB stores ids."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tables: dict[str, dict[str, Doc]] = {}
        self.indexes: dict[str, IndexSet] = {}
        self.next_ids: dict[str, int] = {}
        self.undo: list[Undo] = []
        self.pinned: int | None = None
        self.recording = False
        self.always_record = False

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return all tables, or None if there are none. The caller may change the outer mapping."""
        return dict(self.tables) or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace everything with ``data``, for TinyDB's operations on whole databases."""
        batch: Batch = {}
        for name in self.tables.keys() | data.keys():
            if data.get(name) is not self.tables.get(name):
                deleted: dict[int, Doc | None] = dict.fromkeys(map(int, self.tables.get(name, ())))
                batch[name] = deleted | {int(seq): plain(doc) for seq, doc in data.get(name, {}).items()}
        self.commit(batch)
        for name in batch:
            self.indexes[name].rebuild(self.tables[name])
        for name in self.tables.keys() - data.keys():
            del self.tables[name]

    def register(self, name: str, indexes: IndexSet | None) -> None:
        """Use ``indexes`` for the table ``name`` instead of its current ones; None keeps those."""
        if indexes is not None or name not in self.indexes:
            fresh = indexes or IndexSet()
            if name in self.indexes:
                fresh.records = self.indexes[name].records
            self.indexes[name] = fresh
            fresh.rebuild(self.tables.get(name, {}))

    def next_id(self, name: str) -> int:
        """Return the id of the next new document in the table ``name``."""
        return self.next_ids.get(name, 1)

    def commit(self, batch: Batch) -> None:
        """Make all changes in ``batch``, or raise an error and make none."""
        self.apply(batch)

    def apply(self, batch: Batch) -> None:
        """Apply ``batch`` to the tables in memory and to the indexes."""
        for name, changes in batch.items():
            docs, indexes = self.tables.get(name), self.indexes.get(name)
            if docs is None or indexes is None:
                docs = self.tables.setdefault(name, {})
                self.register(name, None)
                indexes = self.indexes[name]
            next_id = self.next_ids.get(name, 1)
            dropped: list[tuple[int, Doc]] = []
            for seq, new in changes.items():
                if seq >= next_id:
                    next_id = seq + 1
                key = str(seq)
                old = docs.get(key)
                if self.recording:
                    self.undo.append((name, seq, old))
                if new is None:
                    if old is not None:
                        del docs[key]
                        dropped.append((seq, old))
                    continue
                docs[key] = new
                if old is None:
                    indexes.take(seq, new)
                else:
                    indexes.move(seq, old, new)
            if dropped:
                indexes.drop(dropped)
            self.next_ids[name] = next_id

    def pin(self, position: int | None) -> None:
        """Keep the entries of ``undo`` from ``position`` on, and record new ones; None ends this."""
        self.pinned = position
        self.recording = self.always_record or position is not None

    def forget(self, position: int) -> None:
        """Delete the entries of ``undo`` from ``position`` on, after they have been undone."""
        del self.undo[position:]

    def before(self, position: int) -> Batch:
        """Return the batch that undoes the changes recorded since ``undo`` had ``position`` entries."""
        return _latest_last(reversed(self.undo[position:]))


def _latest_last(entries: Iterable[Undo]) -> Batch:
    batch: Batch = {}
    for name, seq, old in entries:
        batch.setdefault(name, {})[seq] = old
    return batch


class _Mark(NamedTuple):
    position: int
    next_ids: dict[str, int]


class Scopes:
    """The open marks of one storage. A rewind resets the next ids only if ``reuse_ids``."""

    def __init__(self, storage: LiveStorage, *, reuse_ids: bool) -> None:
        self._storage = storage
        self._reuse_ids = reuse_ids
        self._marks: dict[int, _Mark] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._marks)

    def mark(self) -> int:
        """Open a scope and return its number."""
        self._last += 1
        self._marks[self._last] = _Mark(len(self._storage.undo), dict(self._storage.next_ids))
        self._pin()
        return self._last

    def changed_since(self, mark: int) -> Batch:
        """Return the batch that undoes the changes since ``mark``. Raises ``ValueError`` if it is not open."""
        if mark not in self._marks:
            raise ValueError(f"scope {mark} is not open")
        return self._storage.before(self._marks[mark].position)

    def undone(self, mark: int) -> list[Undo]:
        """Return the documents before each change since ``mark``, which is open."""
        return self._storage.undo[self._marks[mark].position :]

    def close(self, mark: int) -> None:
        """Close the scope, whose changes have just been undone, and those opened within it."""
        closed = self._marks[mark]
        self._marks = {number: each for number, each in self._marks.items() if number < mark}
        self._storage.forget(closed.position)
        if self._reuse_ids:
            self._storage.next_ids = closed.next_ids
        self._pin()

    def _pin(self) -> None:
        self._storage.pin(min((each.position for each in self._marks.values()), default=None))


def equalities(cond: QueryLike) -> dict[str, Any]:
    """Return the fields and values that every document matching ``cond`` must have."""
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


class Staged(MutableMapping[int, Any]):
    """The view of a table that an updater gets. It copies documents when they are read, and keeps those that change."""

    def __init__(self, docs: Mapping[str, Doc]) -> None:
        self._docs = docs
        self._touched: dict[int, Any] = {}
        self._gone: set[int] = set()

    def __getitem__(self, seq: int) -> Any:
        if seq in self._touched:
            return self._touched[seq]
        if seq in self._gone:
            raise KeyError(seq)
        copy = {name: plain_field(value, name) for name, value in self._docs[str(seq)].items()}
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
        """Delete every document."""
        self._touched.clear()
        self._gone = set(map(int, self._docs))

    def changes(self) -> dict[int, Doc | None]:
        """Return checked copies of the documents that differ from the stored ones, and None for deleted documents."""
        found: dict[int, Doc | None] = {seq: None for seq in self._gone if str(seq) in self._docs}
        for seq, doc in self._touched.items():
            new = plain(doc)
            if not _same(self._docs.get(str(seq)), new):
                found[seq] = new
        return found


class LiveTable(Table):
    """A TinyDB table on a ``LiveStorage``, with indexes that TinyDB's queries use."""

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
        """The stored documents themselves. For reading only."""
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
        """Return the documents that match ``cond``, in order of id, descending if ``newest``.

        ``after`` and ``before`` are exclusive bounds of the id. ``offset`` is the number of matches to skip, ``limit``
        the maximum number to return.
        """
        ids = self._candidates(cond)
        if ids is None:
            ids = self.indexes.ids
        bounds = span(ids, after, before)
        if cond is None:
            return self._documents(cut(ids, bounds, newest=newest, offset=offset, limit=limit))
        docs = self.docs
        return self._documents(
            page(ids, bounds, lambda seq: cond(docs[str(seq)]), newest=newest, offset=offset, limit=limit)
        )

    def part(self, where: Mapping[str, Any], after: int, limit: int) -> list[tuple[int, Doc]]:
        """Return at most ``limit`` stored documents that may equal ``where``, with ids above ``after``, in order.

        Without an index for ``where``, they may be any documents. For reading only: these are not copies.
        """
        narrowed = self.indexes.narrow(where)
        ids = self.indexes.ids if narrowed is None else narrowed[0]
        docs = self.docs
        return [(seq, docs[str(seq)]) for seq in cut(ids, span(ids, after), newest=False, offset=0, limit=limit)]

    def stored(self, ids: Iterable[int]) -> list[tuple[int, Doc]]:
        """Return the stored documents with these ``ids`` that exist. For reading only: these are not copies."""
        docs = self.docs
        return [(seq, docs[str(seq)]) for seq in ids if str(seq) in docs]

    def search(self, cond: QueryLike) -> list[Document]:
        """Return the documents that match ``cond``."""
        return [_document(seq, doc) for seq, doc in self._matches(cond)]

    def get(self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: list[int] | None = None) -> Any:
        """Return the document ``doc_id``, the documents ``doc_ids``, or the first one that matches ``cond``."""
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
        """Return how many documents match ``cond``."""
        return sum(1 for _ in self._matches(cond))

    def update(
        self,
        fields: Mapping[Any, Any] | Callable[[MutableMapping[Any, Any]], None],
        cond: QueryLike | None = None,
        doc_ids: Iterable[int] | None = None,
    ) -> list[int]:
        """Update the documents ``doc_ids``, those that match ``cond``, or all; return their ids."""
        return super().update(fields, None, self._resolve(cond, doc_ids))

    def remove(self, cond: QueryLike | None = None, doc_ids: Iterable[int] | None = None) -> list[int]:
        """Remove the documents ``doc_ids``, or those that match ``cond``; return their ids."""
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
            # A scan is fastest over the mapping's items.
            return ((int(key), doc) for key, doc in docs.items() if cond(doc))
        return ((seq, doc) for seq in ids if cond(doc := docs[str(seq)]))

    def _resolve(self, cond: QueryLike | None, doc_ids: Iterable[int] | None) -> Iterable[int] | None:
        if doc_ids is not None or cond is None:
            return doc_ids
        return [seq for seq, _ in self._matches(cond)]

    def _read_table(self) -> dict[str, Mapping[str, Any]]:
        return self.docs  # type: ignore[return-value]  # dict is invariant

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> None:
        staged = Staged(self.docs)
        updater(staged)  # type: ignore[arg-type]  # a Staged supports all that an updater does with a dict
        self.live.commit({self._name: staged.changes()})

    def _get_next_id(self) -> int:
        seq = self.live.next_id(self._name)
        self.live.next_ids[self._name] = seq + 1
        return seq


def _document(seq: int, doc: Doc) -> Document:
    document = Document(doc, seq)
    for field, value in doc.items():
        if type(value) not in SCALARS:
            document[field] = plain_field(value, field)
    return document


def _same(old: Doc | None, new: Doc) -> bool:
    # 1 == True == 1.0, but they are not the same JSON.
    return old == new and repr(old) == repr(new)
