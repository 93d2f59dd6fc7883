"""Repair: opens a damaged folder again; what cannot be read is lost.

1. Every whole document of the snapshot is kept. Journals are kept up to the first invalid byte: commits build on each
   other, so the ones after it are not applied.
2. What is not kept is saved next to the folder's files, never deleted; so are raw messages without a record.
3. A snapshot has one document per line, so a damaged line does not affect others. The kind of a record follows from its
   fields, so a record keeps its table when the line between two tables is lost. In a table of unknown kind, documents
   after a damaged line are not kept.
4. The first line can be rebuilt: journals older than the oldest existing one are part of the snapshot, and the next id
   is one above the highest that is left.
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
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.snapshot import Draft, Snapshot, checked, load, recover

SUFFIX = ".damaged"


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a damaged snapshot, whose first wrong line begins at ``byte``.

    ``kept`` documents are in the new one, ``lost`` lines were no whole document; ``saved`` is the damaged file.
    """

    byte: int
    kept: int
    lost: int
    saved: Path


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair found and did. Without damage ``journal`` and ``snapshot`` are None and nothing was touched.

    ``kept`` commits of the ``journal`` are before its first wrong byte, at ``byte``; ``saved`` are the files that hold
    what came from there on, ``lost`` how many right commits are among it. ``raws`` raw messages were set aside.
    """

    journal: Path | None = None
    byte: int = 0
    kept: int = 0
    lost: int = 0
    saved: tuple[Path, ...] = ()
    snapshot: Mended | None = None
    raws: int = 0


def repair(folder: Path) -> Repair:
    """Keep what can be read in ``folder``, and save the rest aside.

    Raises:
        StoreLocked: A store has the folder open.
        StoreDamaged: Nothing can be read of the snapshot; there is nothing to go back to but a copy of it.
    """
    held = Folder(Path(folder))
    try:
        mended = _mend_snapshot(held)
        done = replace(_cut_journals(held), snapshot=mended)
        if done.journal is None and mended is None:
            return done
        return replace(done, raws=_set_raws_aside(held))
    finally:
        held.close()


def _mend_snapshot(held: Folder) -> Mended | None:
    try:
        load(held.snapshot)
    except StoreDamaged:
        found = salvage(held.snapshot)
        if not found.kept:
            raise
        state = found.snapshot(min(held.generations(), default=1))
        aside = _free_name(held.snapshot)
        os.link(held.snapshot, aside)
        tables = {name: [docs] for name, docs in state.tables.items()}
        Draft(state.generation, tables, state.next_ids).save(held.snapshot)
        return Mended(found.byte, found.kept, found.lost, aside)
    return None


def _cut_journals(held: Folder) -> Repair:
    first = load(held.snapshot).generation
    journals = [held.journal(each) for each in held.generations() if each >= first]
    for place, path in enumerate(journals):
        if path != held.journal(first + place):
            return _save_aside(held.journal(first + place), 0, journals[place:])
        data = path.read_bytes()
        end = journal_file.valid_length(data)
        newest = place == len(journals) - 1
        if end < len(data) and not (newest and journal_file.is_torn(data, end)):
            return _save_aside(path, end, journals[place:])
    return Repair()


def _set_raws_aside(held: Folder) -> int:
    """Move the raw messages away that nothing names, which the next start would delete; return how many there were."""
    tables = recover(held).tables.values()
    named = {str(doc.get("blob")) for docs in tables for doc in docs.values()}
    moved = 0
    for path in held.raw.glob("??/*.eml"):
        if path.stem not in named:
            aside = held.raw.with_name(held.raw.name + SUFFIX)
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
            moved += 1
    return moved


def _save_aside(damaged: Path, byte: int, journals: list[Path]) -> Repair:
    saved: list[Path] = []
    kept = lost = 0
    for path in journals:
        data = path.read_bytes()
        start = byte if path == damaged else 0
        kept += sum(1 for _ in journal_file.valid_lines(data[:start]))
        lost += journal_file.count_valid(data, start)
        aside = _free_name(path)
        aside.write_bytes(data[start:])
        saved.append(aside)
        if start:
            with path.open("rb+") as file:
                file.truncate(start)
        else:
            path.unlink()
    return Repair(damaged, byte, kept, lost, tuple(saved))


def _free_name(path: Path) -> Path:
    number = 0
    while True:
        aside = path.with_name(path.name + SUFFIX + (f".{number}" if number else ""))
        if not aside.exists():
            return aside
        number += 1


_KINDS: Final = {each.kind: each for each in RECORDS}
_ENDS: Final = {b"}", b"},", b"}}", b""}
_WRONG: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(slots=True)
class Salvage:
    """What could be read of a snapshot.

    ``byte`` is where the first wrong line begins, the length of the file where only its end is missing; ``kept``
    documents are in ``tables``; ``lost`` lines were something else, each a document or several run into one.
    """

    byte: int = -1
    lost: int = 0
    tables: dict[str, Any] = field(default_factory=dict)
    _name: str = ""
    _sure: bool = True

    @property
    def kept(self) -> int:
        """How many documents could be read."""
        return sum(len(docs) for name, docs in self.tables.items() if not name.startswith("_"))

    def snapshot(self, generation: int) -> Snapshot:
        """Return what could be read; ``generation`` is that of the oldest journal, if the file did not say."""
        return checked({"_journal": {"1": {"generation": generation}}} | self.tables)

    def take(self, line: bytes, start: int) -> None:
        """Take in the next line, which begins at byte ``start``."""
        if line in _ENDS:
            return
        try:
            self._read(line)
        except _WRONG:
            self.byte = start if self.byte < 0 else self.byte
            self.lost += 1
            self._sure = False

    def _read(self, line: bytes) -> None:
        if line.startswith(b"{"):
            header = json.loads(line.removesuffix(b",") + b"}")
            numbers = [header["_journal"]["1"]["generation"], *header["_journal"]["1"]["next_ids"].values()]
            if any(type(each) is not int for each in numbers):
                raise ValueError("these are no numbers")
            self.tables |= header
        elif line.endswith(b": {"):
            [self._name] = json.loads(b"{%s}}" % line)
            self._sure = True
            self.tables.setdefault(self._name, {})
        else:
            [(key, doc)] = json.loads(b"{%s}" % line.removesuffix(b",")).items()
            self.tables.setdefault(self._table_of(int(key), doc), {})[key] = doc

    def _table_of(self, seq: int, doc: Doc) -> str:
        for kind in (_KINDS.get(self._name), *RECORDS):
            if kind is not None and fits(kind, seq, doc):
                return kind.kind
        if not self._sure or self._name in {"", *_KINDS} or type(doc) is not dict:
            raise ValueError("nobody knows which table this is of")
        return self._name


def fits(kind: type[Record], seq: int, doc: Doc) -> bool:
    """Return whether ``doc`` can be a record of ``kind``."""
    try:
        kind.from_doc(seq, doc)
    except _WRONG:
        return False
    return True


def salvage(path: Path) -> Salvage:
    """Read what can be read of the snapshot at ``path``: nothing where somebody else has written it, in one line."""
    found = Salvage()
    data = path.read_bytes()
    start = 0
    for line in data.split(b"\n"):
        found.take(line, start)
        start += len(line) + 1
    if found.byte < 0:
        found.byte = len(data)
    return found
