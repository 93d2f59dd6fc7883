"""JournalStorage: a LiveStorage that survives its process.

Rules of this module:

1. A commit is one line of the journal, written before memory changes. No line, no change.
2. Opening reads the snapshot, then every journal from the generation on that the snapshot names.
3. Compaction begins a new journal, then writes a snapshot of at least everything before it. A crash at any moment
   leaves the old snapshot with all journals since, or the new one with the new journal.
4. Nothing here waits for the disk on its own: ``Sync.run`` and ``Compaction.run`` are made on the loop, run in a
   thread, and reported back on the loop.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sirrchat_testkit.errors import StoreBroken
from sirrchat_testkit.storage import journal_file
from sirrchat_testkit.storage.folder import COMPACT_AT, Folder
from sirrchat_testkit.storage.journal_file import JournalFile
from sirrchat_testkit.storage.snapshot import Draft, paused_collector, recover
from sirrchat_testkit.storage.tables import Batch, LiveStorage

SLICE = 1_000
"""Documents that are noted for a snapshot at a time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sync:
    """What one fsync covers: journals up to a length, and the undo list up to a place."""

    journals: list[tuple[JournalFile, int]]
    place: int
    folder: Folder | None

    def run(self) -> None:
        """Wait for the disk. Raises ``OSError``."""
        for journal, _ in self.journals:
            journal.sync()
        if self.folder is not None:
            self.folder.sync()


@dataclass(frozen=True, slots=True)
class Compaction:
    """A snapshot in the making, and the journal that comes after it.

    It may hold some commits of that journal already, whole or in part: replaying them says the same again. So it is
    written only when all of the journal that was there at the end of ``copy`` is on the disk.
    """

    storage: JournalStorage
    draft: Draft

    def copy(self) -> Iterator[None]:
        """Note all documents, a slice at each step, since all at once would hold the loop."""
        for name, docs in list(self.storage.tables.items()):
            self.storage.register(name, None)
            ids, slices = self.storage.indexes[name].ids, self.draft.tables.setdefault(name, [])
            start = 0
            while part := ids[start : start + SLICE]:
                slices.append({key: docs[key] for key in map(str, part)})
                yield
                start = bisect_right(ids, part[-1])
        self.draft.next_ids.update(self.storage.next_ids)

    def run(self, *, gently: bool = False) -> None:
        """Write the snapshot and delete what it replaces. For a thread. Raises ``OSError``."""
        folder = self.storage.folder
        self.draft.save(folder.snapshot, gently=gently)
        folder.sync()
        for generation in folder.generations():
            if generation < self.draft.generation:
                folder.journal(generation).unlink()
        self.draft.clear()


class JournalStorage(LiveStorage):
    """Tables in memory, and in a folder. ``undo_unsynced`` lets ``fail`` take back what no fsync has covered.

    Raises:
        StoreLocked: The folder is open already.
        StoreDamaged: A file cannot be read; the error says which, and from which byte on.
    """

    def __init__(self, folder: Path, *, compact_at: int = COMPACT_AT, undo_unsynced: bool = False) -> None:
        super().__init__()
        self.folder = Folder(folder)
        self.broken: StoreBroken | None = None
        self.always_record = undo_unsynced
        self._compact_at = compact_at
        self._full: list[JournalFile] = []
        self._synced_place = 0
        self._new_names = True
        self.recording = undo_unsynced
        try:
            with paused_collector():
                state = recover(self.folder)
            self.journal = JournalFile(self.folder, state.generation)
        except BaseException:
            self.folder.close()
            raise
        self.tables, self.next_ids = state.tables, state.next_ids
        self._snapshot_size = self._size_of_snapshot()

    def commit(self, batch: Batch) -> None:
        """Write ``batch`` as one line, then make its changes.

        Raises:
            StoreFull: The disk is full; nothing has changed.
            StoreError: It cannot be written; nothing has changed.
            StoreBroken: The disk has failed; the store is read-only.
        """
        if self.broken is not None:
            raise StoreBroken(str(self.broken)) from self.broken
        said = {name: changes for name, changes in batch.items() if changes}
        if said:
            try:
                self.journal.append(journal_file.encode(said))
            except StoreBroken as error:
                self.broken = error
                raise
        self.apply(batch)

    @property
    def dirty(self) -> bool:
        """Whether something is written that no fsync has covered."""
        return self.journal.length > self.journal.synced or bool(self._full)

    @property
    def compaction_is_due(self) -> bool:
        """Whether the journal is longer than the snapshot, and worth replacing."""
        return self.journal.length >= max(self._compact_at, self._snapshot_size)

    def begin_sync(self) -> Sync:
        """Note what an fsync from now on covers."""
        journals = [*self._full, self.journal]
        folder = self.folder if self._new_names else None
        self._new_names = False
        return Sync([(each, each.length) for each in journals], len(self.undo), folder)

    def end_sync(self, sync: Sync) -> None:
        """Take note that all of ``sync`` is on the disk."""
        for journal, length in sync.journals:
            journal.synced = length
            if journal in self._full:
                self._full.remove(journal)
                journal.close()
        self._synced_place = sync.place
        if self.pinned is None:
            del self.undo[: sync.place]
            self._synced_place = 0

    def fail(self, error: OSError) -> StoreBroken:
        """Be read-only from now on, and take back what no fsync has covered, if that was asked for."""
        self.broken = StoreBroken(f"{self.folder.path} is read-only until it is opened anew: the disk failed: {error}")
        if self.always_record:
            self.apply(self.before(self._synced_place))
            self.undo.clear()
            for journal in [*self._full, self.journal]:
                try:
                    journal.cut(journal.synced)
                except OSError as worse:
                    log.error("%s cannot be cut back to byte %d: %s", journal.path, journal.synced, worse)  # noqa: TRY400
        return self.broken

    def begin_compaction(self) -> Compaction:
        """Begin a new journal, so that a snapshot can replace what was before it. Raises ``OSError``."""
        journal = JournalFile(self.folder, self.journal.generation + 1)
        self._full.append(self.journal)
        self.journal = journal
        self._new_names = True
        return Compaction(self, Draft(journal.generation))

    def end_compaction(self) -> None:
        """Take note that the snapshot was replaced."""
        self._snapshot_size = self._size_of_snapshot()

    def forget(self, place: int) -> None:
        """Drop what was noted since ``place``: everything is again as it was there, on the disk as well."""
        if not self.always_record:
            super().forget(place)

    def close(self) -> None:
        """Write a snapshot that plain TinyDB opens, and let go of the folder. Blocks."""
        try:
            if self.broken is None and not self.folder.forked and (self.journal.length or self._full):
                compaction = self.begin_compaction()
                for _ in compaction.copy():
                    pass
                sync = self.begin_sync()
                sync.run()
                self.end_sync(sync)
                compaction.run()
        except OSError as error:
            log.warning("%s is closed without a new snapshot; its journals are complete: %s", self.folder.path, error)
        finally:
            self.folder.close()

    def _size_of_snapshot(self) -> int:
        try:
            return self.folder.snapshot.stat().st_size
        except FileNotFoundError:
            return 0
