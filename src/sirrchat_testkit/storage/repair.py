"""Make a damaged data folder usable again, with the records that can be read.

1. Every readable document of the snapshot is kept. Journals are kept up to the first invalid byte. Commits depend on
   earlier ones, so those after it are not applied.
2. Everything else is saved in the folder, including raw messages without a record. Nothing is deleted.
3. A snapshot has one document per line, so a damaged line does not affect others. The kind of a record follows from its
   fields, so records are assigned to the right table even if the line between two tables is lost. If the kind of a
   table is unknown, documents after a damaged line are not kept.
4. The first line can be rebuilt: journals older than the oldest existing one are part of the snapshot, and the next id
   is one above the highest one found. While the first journal exists, the journals alone have every record.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage import journal_file
from sirrchat_testkit.storage.folder import FOLDER_MODE, Folder, open_private
from sirrchat_testkit.storage.snapshot import Draft, Snapshot, checked, load, recover

SUFFIX = ".damaged"


@dataclass(frozen=True, slots=True)
class RepairedSnapshot:
    """The repair of a damaged snapshot, whose first damaged line begins at ``byte``.

    ``kept`` documents are in the new snapshot, ``lost`` lines could not be read; ``saved`` is the damaged file.
    """

    byte: int
    kept: int
    lost: int
    saved: Path


@dataclass(frozen=True, slots=True)
class Repair:
    """The result of a repair. If there was no damage, ``journal`` and ``snapshot`` are None, and nothing was changed.

    The damaged ``journal`` has its first invalid byte at ``byte``, after ``kept`` commits. The files ``saved`` have
    everything from there on, including ``lost`` valid commits. ``raws`` raw messages were moved.
    """

    journal: Path | None = None
    byte: int = 0
    kept: int = 0
    lost: int = 0
    saved: tuple[Path, ...] = ()
    snapshot: RepairedSnapshot | None = None
    raws: int = 0


def repair(folder: Path) -> Repair:
    """Keep the readable records in ``folder``, and save the rest in other files.

    Raises:
        StoreLocked: A store has the folder open.
        StoreDamaged: No document of the snapshot can be read, and the first journal is gone; only a backup can help.
    """
    opened = Folder(Path(folder))
    try:
        snapshot = _repair_snapshot(opened)
        done = replace(_repair_journals(opened), snapshot=snapshot)
        if done.journal is None and snapshot is None:
            return done
        return replace(done, raws=_move_raws(opened))
    finally:
        opened.close()


def _repair_snapshot(folder: Folder) -> RepairedSnapshot | None:
    try:
        load(folder.snapshot)
    except StoreDamaged:
        found = salvage(folder.snapshot)
        if not found.kept and 1 not in folder.generations():
            raise
        state = found.snapshot(min(folder.generations(), default=1))
        saved_as = _free_name(folder.snapshot)
        os.link(folder.snapshot, saved_as)
        tables = {name: [docs] for name, docs in state.tables.items()}
        Draft(state.generation, tables, state.next_ids).save(folder.snapshot)
        return RepairedSnapshot(found.byte, found.kept, found.lost, saved_as)
    return None


def _repair_journals(folder: Folder) -> Repair:
    first = load(folder.snapshot).generation
    journals = [folder.journal(each) for each in folder.generations() if each >= first]
    for position, path in enumerate(journals):
        expected = folder.journal(first + position)
        if path != expected:
            return _cut(expected, 0, journals[position:])
        data = path.read_bytes()
        end = journal_file.valid_length(data)
        newest = position == len(journals) - 1
        if end < len(data) and not (newest and journal_file.is_torn(data, end)):
            return _cut(path, end, journals[position:])
    return Repair()


def _move_raws(folder: Folder) -> int:
    """Move raw messages without a record, which the next start would delete; return their number."""
    tables = recover(folder).tables.values()
    named = {str(doc.get("blob")) for docs in tables for doc in docs.values()}
    moved = 0
    for path in folder.raw.glob("??/*.eml"):
        if path.stem not in named:
            target = folder.raw.with_name(folder.raw.name + SUFFIX)
            target.mkdir(FOLDER_MODE, exist_ok=True)
            path.replace(target / path.name)
            moved += 1
    return moved


def _cut(damaged: Path, byte: int, journals: list[Path]) -> Repair:
    """Move the content of ``journals`` to other files; of ``damaged``, only the part after ``byte``."""
    saved: list[Path] = []
    kept = lost = 0
    for path in journals:
        data = path.read_bytes()
        start = byte if path == damaged else 0
        kept += sum(1 for _ in journal_file.valid_lines(data[:start]))
        lost += journal_file.count_valid(data, start)
        saved_as = _free_name(path)
        with open(saved_as, "wb", opener=open_private) as file:
            file.write(data[start:])
        saved.append(saved_as)
        if start:
            with path.open("rb+") as file:
                file.truncate(start)
        else:
            path.unlink()
    return Repair(damaged, byte, kept, lost, tuple(saved))


def _free_name(path: Path) -> Path:
    number = 0
    while True:
        free = path.with_name(path.name + SUFFIX + (f".{number}" if number else ""))
        if not free.exists():
            return free
        number += 1


_KINDS: Final = {each.kind: each for each in RECORDS}
_ENDS: Final = {b"}", b"},", b"}}", b""}
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(slots=True)
class Salvage:
    """The readable part of a snapshot.

    ``byte`` is the start of the first damaged line, or the length of the file if only its end is missing. ``kept``
    documents are in ``tables``. ``lost`` lines could not be read; each was a document, or several joined by the damage.
    """

    byte: int = -1
    lost: int = 0
    tables: dict[str, Any] = field(default_factory=dict)
    _name: str = ""
    _name_is_certain: bool = True

    @property
    def kept(self) -> int:
        """The number of documents that could be read."""
        return sum(len(docs) for name, docs in self.tables.items() if not name.startswith("_"))

    def snapshot(self, generation: int) -> Snapshot:
        """Return the readable part. ``generation`` is used if the file's own could not be read."""
        return checked({"_journal": {"1": {"generation": generation}}} | self.tables)

    def take(self, line: bytes, start: int) -> None:
        """Read the next line, which begins at byte ``start``."""
        if line in _ENDS:
            return
        try:
            self._read(line)
        except _UNREADABLE:
            self.byte = start if self.byte < 0 else self.byte
            self.lost += 1
            self._name_is_certain = False

    def _read(self, line: bytes) -> None:
        if line.startswith(b"{"):
            header = json.loads(line.removesuffix(b",") + b"}")
            numbers = [header["_journal"]["1"]["generation"], *header["_journal"]["1"]["next_ids"].values()]
            if any(type(each) is not int for each in numbers):
                raise ValueError("the header has values that are not numbers")
            self.tables |= header
        elif line.endswith(b": {"):
            [self._name] = json.loads(b"{%s}}" % line)
            self._name_is_certain = True
            self.tables.setdefault(self._name, {})
        else:
            [(key, doc)] = json.loads(b"{%s}" % line.removesuffix(b",")).items()
            self.tables.setdefault(self._table_of(int(key), doc), {})[key] = doc

    def _table_of(self, seq: int, doc: Doc) -> str:
        for kind in (_KINDS.get(self._name), *RECORDS):
            if kind is not None and fits(kind, seq, doc):
                return kind.kind
        if not self._name_is_certain or self._name in {"", *_KINDS} or type(doc) is not dict:
            raise ValueError("the table of this document is unknown")
        return self._name


def fits(kind: type[Record], seq: int, doc: Doc) -> bool:
    """Return whether ``doc`` can be a record of ``kind``."""
    try:
        kind.from_doc(seq, doc)
    except _UNREADABLE:
        return False
    return True


def salvage(path: Path) -> Salvage:
    """Return the readable part of the snapshot at ``path``. A file of a single line, as TinyDB writes it, has none."""
    found = Salvage()
    data = path.read_bytes()
    start = 0
    for line in data.split(b"\n"):
        found.take(line, start)
        start += len(line) + 1
    if found.byte < 0:
        found.byte = len(data)
    return found
