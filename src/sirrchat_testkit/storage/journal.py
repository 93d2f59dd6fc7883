"""``JournalStorage``: a ``LiveStorage`` that is kept in a folder.

1. A commit is one line of the journal, written before memory changes. If it cannot be written, nothing changes.
2. Opening reads the snapshot, then the journals from the generation that the snapshot names.
3. A compaction begins a new journal, then writes a snapshot of at least everything before it. A crash at any moment
   leaves the old snapshot with all later journals, or the new one with the new journal.
4. No commit waits for the disk. A ``Sync`` or ``Compaction`` is made on the loop, its ``run`` is called in a thread,
   and ``end_sync`` or ``end_compaction`` follows on the loop.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sirrchat_testkit.errors import StoreBroken
from sirrchat_testkit.storage import journal_file
from sirrchat_testkit.storage.folder import COMPACT_AT, SNAPSHOT, Folder, journal_name
from sirrchat_testkit.storage.format import bring_up_to_date
from sirrchat_testkit.storage.journal_file import JournalFile
from sirrchat_testkit.storage.segment_file import SegmentFile
from sirrchat_testkit.storage.snapshot import Draft
from sirrchat_testkit.storage.tables import Batch, LiveStorage

SLICE = 1_000
"""Documents that ``Compaction.copy`` adds in one step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sync:
    """The extent of one fsync: segments, journals up to a length, and the undo list up to a position."""

    segments: list[SegmentFile]
    journals: list[tuple[JournalFile, int]]
    position: int
    folder: Folder | None

    def run(self) -> None:
        """Wait until it is on the disk, raw messages before the records that name them. Raises ``OSError``."""
        for segment in self.segments:
            segment.sync()
        for journal, _ in self.journals:
            journal.sync()
        if self.folder is not None:
            self.folder.sync()


@dataclass(frozen=True, slots=True)
class Compaction:
    """The making of a new snapshot, after a new journal has begun.

    The snapshot may contain commits of the new journal, in whole or in part; replaying them gives the same documents.
    So it is written only after that journal is on the disk up to its length at the end of ``copy``.
    """

    storage: JournalStorage
    draft: Draft

    def copy(self) -> Iterator[None]:
        """Add all documents to the draft, a slice in each step, so that the loop is not held for long."""
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
        """Write the snapshot and delete the journals before it. Call it in a thread. Raises ``OSError``."""
        folder = self.storage.folder
        self.draft.save(folder, gently=gently)
        for generation in folder.generations():
            if generation < self.draft.generation:
                folder.unlink(journal_name(generation))
        self.draft.clear()


class JournalStorage(LiveStorage):
    """Tables in memory and in a folder. With ``undo_unsynced``, ``fail`` undoes commits that no fsync has covered.

    ``departed`` are the blobs whose records were deleted since the last snapshot.

    Raises:
        StoreLocked: The folder is already open.
        StoreDamaged: A file cannot be read; the error names the file and the byte.
        StoreError: A newer version has written the folder, or a former layout cannot be converted.
    """

    def __init__(self, folder: Path, *, compact_at: int = COMPACT_AT, undo_unsynced: bool = False) -> None:
        super().__init__()
        self.folder = Folder(folder)
        self.broken: StoreBroken | None = None
        self.always_record = undo_unsynced
        self._compact_at = compact_at
        self._full: list[JournalFile] = []
        self._synced_position = 0
        self._new_names = True
        self.recording = undo_unsynced
        try:
            state = bring_up_to_date(self.folder)
            self.journal = JournalFile(self.folder, state.generation)
        except BaseException:
            self.folder.close()
            raise
        self.tables, self.next_ids = state.tables, state.next_ids
        self.departed = state.departed
        self._snapshot_size = self._size_of_snapshot()

    def commit(self, batch: Batch) -> None:
        """Write ``batch`` as one line, then make its changes.

        Raises:
            StoreFull: The disk is full; nothing has changed.
            StoreError: The journal cannot be written; nothing has changed.
            StoreBroken: The disk has failed; the store is read-only.
        """
        if self.broken is not None:
            raise StoreBroken(str(self.broken)) from self.broken
        changed = {name: changes for name, changes in batch.items() if changes}
        if changed:
            try:
                self.journal.append(journal_file.encode(changed))
            except StoreBroken as error:
                self.broken = error
                raise
        self.apply(batch)

    @property
    def dirty(self) -> bool:
        """Whether there are commits that no fsync has covered."""
        return self.journal.length > self.journal.synced or bool(self._full)

    @property
    def compaction_is_due(self) -> bool:
        """Whether the journal is long enough to be compacted."""
        return self.journal.length >= max(self._compact_at, self._snapshot_size)

    def begin_sync(self, segments: list[SegmentFile]) -> Sync:
        """Return the extent of an fsync that begins now; ``segments`` are those that must be synced."""
        journals = [each for each in (*self._full, self.journal) if each.length > each.synced or each in self._full]
        new_segment = any(each.is_new for each in segments)
        folder = self.folder if self._new_names or new_segment else None
        self._new_names = False
        return Sync(segments, [(each, each.length) for each in journals], len(self.undo), folder)

    def end_sync(self, sync: Sync) -> None:
        """Note that all of ``sync`` is on the disk."""
        for segment in sync.segments:
            segment.is_new = False
        for journal, length in sync.journals:
            journal.synced = length
            if journal in self._full:
                self._full.remove(journal)
                journal.close()
        self._synced_position = sync.position
        if self.pinned is None:
            del self.undo[: sync.position]
            self._synced_position = 0

    def repeat_sync(self, sync: Sync) -> None:
        """Note that ``sync`` failed and must be part of the next one."""
        self._new_names = self._new_names or sync.folder is not None

    def fail(self, error: OSError) -> StoreBroken:
        """Become read-only after a failed fsync; with ``undo_unsynced``, undo the commits that no fsync has covered."""
        path = self.folder.path
        self.broken = StoreBroken(f"the disk failed; {path} is read-only until the server is restarted: {error}")
        if self.always_record:
            self.apply(self.before(self._synced_position))
            self.undo.clear()
            for journal in [*self._full, self.journal]:
                try:
                    journal.truncate(journal.synced)
                except OSError as worse:
                    log.error("cannot truncate %s to %d bytes: %s", journal.path, journal.synced, worse)  # noqa: TRY400
        return self.broken

    def begin_compaction(self) -> Compaction:
        """Begin a new journal, so that a snapshot can replace the older ones. Raises ``OSError``."""
        journal = JournalFile(self.folder, self.journal.generation + 1)
        self._full.append(self.journal)
        self.journal = journal
        self._new_names = True
        return Compaction(self, Draft(journal.generation))

    def end_compaction(self) -> None:
        """Note that the snapshot was replaced."""
        self._snapshot_size = self._size_of_snapshot()

    def forget(self, position: int) -> None:
        """Delete the entries of ``undo`` from ``position`` on, unless ``fail`` may need them."""
        if not self.always_record:
            super().forget(position)

    def close(self) -> None:
        """Write a snapshot, which plain TinyDB can open, and close the folder. Blocks."""
        try:
            if self.broken is None and not self.folder.forked and (self.journal.length or self._full):
                compaction = self.begin_compaction()
                for _ in compaction.copy():
                    pass
                sync = self.begin_sync([])
                sync.run()
                self.end_sync(sync)
                compaction.run()
        except OSError as error:
            log.warning("%s: closed without a new snapshot, but its journals are complete: %s", self.folder.path, error)
        finally:
            self.folder.close()

    def _size_of_snapshot(self) -> int:
        return self.folder.size(SNAPSHOT)
