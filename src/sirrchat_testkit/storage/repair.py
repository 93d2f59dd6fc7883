"""Make a damaged data folder usable again, with everything that can be read.

1. Every readable document of the snapshot is kept, unless its line does not match its checksum. Journals are kept up to
   the first invalid byte. Commits depend on earlier ones, so those after it are not applied. Of the segments, each
   message is kept that matches its SHA-256.
2. Everything else is saved in the folder: the damaged files as ``*.damaged``, raw messages that are damaged or that no
   record names in ``orphaned/``. Nothing is deleted.
3. A snapshot has one document per line, so a damaged line does not affect others. The kind of a record follows from its
   fields, so records are assigned to the right table even if the line between two tables is lost. If the kind of a
   table is unknown, documents after a damaged line are not kept.
4. A snapshot that other software has written as a whole is an edit: it has no line that matches. Its records are kept
   if their fields have the right types.
5. The first line can be rebuilt: journals older than the oldest existing one are part of the snapshot. While the first
   journal exists, the journals alone have every record.
6. No id and no UID is used twice: the next ones are above all that a lost line or commit can have used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.storage import format as data_format
from sirrchat_testkit.storage import journal_file
from sirrchat_testkit.storage.folder import FORMAT, ORPHANED, SNAPSHOT, SUMS, Folder, journal_name, segment_name
from sirrchat_testkit.storage.recovery import check_complete, former_raws, recover, wrong_line
from sirrchat_testkit.storage.salvage import salvage
from sirrchat_testkit.storage.segment_file import HEADER, Entry, Scan, SegmentFile, is_whole
from sirrchat_testkit.storage.segments import Index, Segments
from sirrchat_testkit.storage.snapshot import Draft, load

SUFFIX: Final = ".damaged"

MANY: Final = 1_000_000
"""Ids that are left out if the next ones are unknown."""

_LEAST: Final = 8
"""Bytes that a document takes in a journal, at least."""

_CRC: Final = 8
_HEX: Final = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class RepairedSnapshot:
    """The repair of a snapshot that was damaged, or was edited with other software.

    The first difference is at ``byte``. ``kept`` documents are in the new snapshot, ``lost`` lines or documents are
    not; ``saved`` is the file as it was.
    """

    byte: int
    kept: int
    lost: int
    saved: Path
    edited: bool = False


@dataclass(frozen=True, slots=True)
class RepairedSegment:
    """The repair of a segment, whose first damaged byte is ``byte``.

    ``kept`` messages were copied to a new segment, ``lost`` ones are damaged; ``saved`` is the file as it was.
    """

    path: Path
    byte: int
    kept: int
    lost: int
    saved: Path


@dataclass(frozen=True, slots=True)
class Repair:
    """The result of a repair. If there was no damage, every field is as in ``Repair()``, and nothing was changed.

    The damaged ``journal`` has its first invalid byte at ``byte``, after ``kept`` commits. The files ``saved`` have
    everything from there on, including ``lost`` valid commits. ``set_aside`` are other files that were replaced.
    ``orphans`` raw messages were moved to ``orphaned/``; the raw bytes of ``missing`` messages are in no segment.
    """

    journal: Path | None = None
    byte: int = 0
    kept: int = 0
    lost: int = 0
    saved: tuple[Path, ...] = ()
    snapshot: RepairedSnapshot | None = None
    segments: tuple[RepairedSegment, ...] = ()
    set_aside: tuple[Path, ...] = ()
    orphans: int = 0
    missing: int = 0


@dataclass(slots=True)
class _Work:
    """What was done so far: the fields of the ``Repair``.

    ``spare`` is how many ids lost documents may have used.
    """

    folder: Folder
    found: dict[str, Any] = field(default_factory=dict)
    spare: int = 0


def repair(folder: Path) -> Repair:
    """Keep what can be read in ``folder``, and save the rest in other files.

    Raises:
        StoreLocked: A store has the folder open.
        StoreDamaged: No document of the snapshot can be read, and the first journal is gone; only a backup can help.
        StoreError: A newer version has written the folder.
    """
    opened = Folder(Path(folder))
    try:
        work = _Work(opened)
        _repair_format(work)
        _repair_snapshot(work)
        _repair_journals(work)
        _repair_segments(work)
        _check_former_raws(work)
        _keep_raws(work)
        if work.found:
            _finish(work)
        return Repair(**work.found, missing=_missing(opened))
    finally:
        opened.close()


def _set_aside(work: _Work, name: str) -> Path:
    """Rename a file to one that ends with ``.damaged``, and return its path."""
    saved = work.folder.free_name(name + SUFFIX)
    work.folder.rename(name, saved)
    return work.folder.path / saved


def _repair_format(work: _Work) -> None:
    try:
        data_format.read_version(work.folder)
    except StoreDamaged:
        work.found["set_aside"] = (_set_aside(work, FORMAT),)


def _repair_snapshot(work: _Work) -> None:
    folder = work.folder
    names, generations = folder.names(), folder.generations()
    if SNAPSHOT not in names:
        if SUMS in names:
            work.found["set_aside"] = (*work.found.get("set_aside", ()), _set_aside(work, SUMS))
        if 1 not in generations:
            work.spare += MANY
        return
    try:
        load(folder, verify=data_format.has_sums(folder))
    except StoreDamaged as error:
        data = folder.read(SNAPSHOT)
        found = salvage(data, _sums(folder))
        if not found.kept and not found.edited and 1 not in generations:
            raise _lost(folder, error.byte) from error
        if not found.has_ids and 1 not in generations:
            work.spare += MANY
        saved = folder.free_name(SNAPSHOT + SUFFIX)
        os.link(SNAPSHOT, saved, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
        state = found.snapshot(min(generations, default=1))
        Draft(state.generation, {name: [docs] for name, docs in state.tables.items()}, state.next_ids).save(folder)
        byte = found.byte if found.lost or not found.edited else error.byte
        work.found["snapshot"] = RepairedSnapshot(byte, found.kept, found.lost, folder.path / saved, found.edited)


def _lost(folder: Folder, byte: int) -> StoreDamaged:
    path = folder.path / SNAPSHOT
    text = f"no record in {path} can be read, and nothing was changed: restore the file from a backup; or rename it "
    text += f"and repair again, which saves the raw messages in {ORPHANED}, without addresses and accounts"
    return StoreDamaged(text, file=str(path), byte=byte)


def _sums(folder: Folder) -> set[int]:
    """Return the checksums of the lines of the snapshot, none if they cannot be read."""
    lines = folder.read(SUMS).split(b"\n")[1:] if SUMS in folder.names() else []
    return {int(line, 16) for line in lines if len(line) == _CRC and not line.strip(_HEX)}


def _repair_journals(work: _Work) -> None:
    folder = work.folder
    first = load(folder, verify=False).generation
    generations = [each for each in folder.generations() if each >= first]
    for position, generation in enumerate(generations):
        if generation != first + position:
            _cut(work, first + position, 0, generations[position:])
            return
        data = folder.read(journal_name(generation))
        end = journal_file.valid_length(data)
        newest = position == len(generations) - 1
        right = wrong_line(data[:end])
        if right < end or (end < len(data) and not (newest and journal_file.is_torn(data, end))):
            _cut(work, generation, right, generations[position:])
            return


def _cut(work: _Work, damaged: int, byte: int, generations: list[int]) -> None:
    """Move the content of journals to other files; of the ``damaged`` one, only the part after ``byte``."""
    folder = work.folder
    saved: list[Path] = []
    kept = lost = 0
    for generation in generations:
        name = journal_name(generation)
        data = folder.read(name)
        start = byte if generation == damaged else 0
        kept += sum(1 for _ in journal_file.valid_lines(data[:start]))
        lost += journal_file.count_valid(data, start)
        work.spare += (len(data) - start) // _LEAST
        saved_as = folder.free_name(name + SUFFIX)
        folder.write(saved_as, data[start:])
        saved.append(folder.path / saved_as)
        if start:
            with folder.open_stream(name, "rb+") as file:
                os.ftruncate(file.fileno(), start)
        else:
            folder.unlink(name)
    path = folder.path / journal_name(damaged)
    work.found |= {"journal": path, "byte": byte, "kept": kept, "lost": lost, "saved": tuple(saved)}


def _repair_segments(work: _Work) -> None:
    repaired = [found for number in work.folder.segments() if (found := _repair_segment(work, number)) is not None]
    if repaired:
        work.found["segments"] = tuple(repaired)


def _repair_segment(work: _Work, number: int) -> RepairedSegment | None:
    """Copy the messages of a damaged segment that match their SHA-256 to a new one; return None if all are right."""
    folder, name = work.folder, segment_name(number)
    with folder.open_stream(name, "rb") as file:
        descriptor = file.fileno()
        damage = _Damage()
        wrong = [entry for entry in _entries(descriptor, damage) if not _is_right(descriptor, entry)]
        if damage.byte is None and not wrong:
            return None
        copy = SegmentFile(folder, max(folder.segments()) + 1)
        kept = 0
        for entry in _entries(descriptor, _Damage()):
            raw = os.pread(descriptor, entry.length, entry.offset + HEADER)
            if is_whole(raw, entry.digest):
                copy.append(entry.digest, raw)
                kept += 1
            else:
                folder.make_folder(ORPHANED)
                folder.write(f"{ORPHANED}/{entry.digest}{SUFFIX}.eml", raw)
        copy.sync()
        copy.close()
        folder.sync()
    byte = min(each for each in (damage.byte, *(entry.offset for entry in wrong)) if each is not None)
    return RepairedSegment(folder.path / name, byte, kept, len(wrong) + damage.count, _set_aside(work, name))


@dataclass(slots=True)
class _Damage:
    """The places in a segment where a header is invalid: the first one, and how many there are."""

    byte: int | None = None
    count: int = 0


def _entries(descriptor: int, damage: _Damage) -> Iterator[Entry]:
    """Yield the live records of a segment, and note in ``damage`` what is between them."""
    scan = Scan(descriptor)
    while True:
        yield from (entry for entry in scan if entry.live)
        if scan.damage is None:
            return
        damage.byte = scan.damage if damage.byte is None else damage.byte
        damage.count += 1
        if not scan.resume():
            return


def _is_right(descriptor: int, entry: Entry) -> bool:
    raw = os.pread(descriptor, entry.length, entry.offset + HEADER)
    return crc32(raw) == entry.crc and is_whole(raw, entry.digest)


def _check_former_raws(work: _Work) -> None:
    """Note the damaged files of a former layout, which the conversion moves to ``orphaned/``."""
    wrong = [path for path in former_raws(work.folder) if not is_whole(path.read_bytes(), path.stem)]
    if wrong:
        saved = tuple(work.folder.path / ORPHANED / f"{path.stem}{SUFFIX}.eml" for path in wrong)
        work.found["set_aside"] = (*work.found.get("set_aside", ()), *saved)


def _keep_raws(work: _Work) -> None:
    """Write an empty snapshot if there are raw messages but no records at all."""
    try:
        check_complete(work.folder)
    except StoreDamaged:
        Draft(1).save(work.folder)
        work.found.setdefault("orphans", 0)


def _finish(work: _Work) -> None:
    """Open the folder as a store does, write all records anew, and save the raw messages that no record names."""
    state = data_format.bring_up_to_date(work.folder)
    data_format.write_records(work.folder, state, work.spare)
    named = {doc["blob"] for docs in state.tables.values() for doc in docs.values() if doc.get("blob")}
    with ThreadPoolExecutor(1) as threads:
        segments = Segments(work.folder, threads)
        work.found["orphans"] = segments.save_orphans(segments.unnamed(named.__contains__))
        segments.close()


def _missing(folder: Folder) -> int:
    """Return the number of messages whose raw bytes are not in the folder."""
    tables = recover(folder, verify=data_format.has_sums(folder), tidy=False).tables
    stored = {*Index(folder).places, *(path.stem for path in former_raws(folder))}
    return sum(doc["blob"] not in stored for doc in tables.get(Message.kind, {}).values())
