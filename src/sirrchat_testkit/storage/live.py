"""LiveStorage: TinyDB's memory storage, changed document by document instead of written as a whole.

Rules of this module:

1. Every change is one ``Batch``, through ``commit``: written first (where there is a journal), applied then.
2. A stored document is replaced, never changed in place: whoever holds one holds a fact of that moment.
3. Ids only rise; ``next_ids`` says which comes next, also when the newest document is gone.
4. While it records, the storage notes what each document was before, so that it can go back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from tinydb.storages import MemoryStorage

from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.index_set import IndexSet
from sirrchat_testkit.storage.values import plain

Batch: TypeAlias = dict[str, dict[int, Doc | None]]
"""A commit: for each table the documents that are new or changed, None for those that go."""

Undo: TypeAlias = tuple[str, int, Doc | None]
"""What one document was before a commit: table, id, document."""


class LiveStorage(MemoryStorage):
    """Tables of documents in memory, with their indexes. ``tables`` has string ids, as TinyDB stores them."""

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
        """Return all tables, None where there is none. Whoever asks may change the outer mapping."""
        return dict(self.tables) or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace everything with ``data``, for TinyDB's operations on whole databases."""
        batch: Batch = {}
        for name in self.tables.keys() | data.keys():
            if data.get(name) is not self.tables.get(name):
                gone: dict[int, Doc | None] = dict.fromkeys(map(int, self.tables.get(name, ())))
                batch[name] = gone | {int(seq): plain(doc) for seq, doc in data.get(name, {}).items()}
        self.commit(batch)
        for name in batch:
            self.indexes[name].rebuild(self.tables[name])
        for name in self.tables.keys() - data.keys():
            del self.tables[name]

    def register(self, name: str, indexes: IndexSet | None) -> None:
        """Keep ``indexes`` up to date with the table ``name`` from now on, in place of what was kept for it so far."""
        if indexes is not None or name not in self.indexes:
            fresh = indexes or IndexSet()
            if name in self.indexes:
                fresh.made = self.indexes[name].made
            self.indexes[name] = fresh
            fresh.rebuild(self.tables.get(name, {}))

    def next_id(self, name: str) -> int:
        """Return the id that the next new document of ``name`` gets."""
        return self.next_ids.get(name, 1)

    def commit(self, batch: Batch) -> None:
        """Make all changes of ``batch``, or none and raise."""
        self.apply(batch)

    def apply(self, batch: Batch) -> None:
        """Make the changes in memory and in the indexes."""
        for name, changes in batch.items():
            docs, indexes = self.tables.get(name), self.indexes.get(name)
            if docs is None or indexes is None:
                docs = self.tables.setdefault(name, {})
                self.register(name, None)
                indexes = self.indexes[name]
            next_id = self.next_ids.get(name, 1)
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
                        indexes.drop(seq, old)
                    continue
                docs[key] = new
                if old is None:
                    indexes.take(seq, new)
                else:
                    indexes.move(seq, old, new)
            self.next_ids[name] = next_id

    def pin(self, place: int | None) -> None:
        """Record from now on and keep what ``undo`` has from ``place`` on; None: nobody goes back any more."""
        self.pinned = place
        self.recording = self.always_record or place is not None

    def forget(self, place: int) -> None:
        """Drop what was noted since ``place``: everything is again as it was there."""
        del self.undo[place:]

    def before(self, place: int) -> Batch:
        """Return the batch that puts back everything as it was when ``undo`` had ``place`` entries."""
        return _latest_last(reversed(self.undo[place:]))


def _latest_last(entries: Iterable[Undo]) -> Batch:
    batch: Batch = {}
    for name, seq, old in entries:
        batch.setdefault(name, {})[seq] = old
    return batch
