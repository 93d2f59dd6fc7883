"""The version of a data folder, in ``format.json``, and the conversion of a folder without one.

::

    1   no format.json; raw messages are files in raw/, and neither folders nor UIDs are stored
    2   segments, mail.sums, folders and UIDs

A folder of version 1 is converted when it is opened. The process can be killed at any moment of it: the new files are
added to the folder, ``format.json`` is written when all of them are on the disk, and only then are the old ones
deleted. Until then, an earlier version can open the folder, and the next start converts what is missing.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from sirrchat_testkit.errors import StoreDamaged, StoreError
from sirrchat_testkit.storage import numbering
from sirrchat_testkit.storage.folder import (
    FORMAT,
    FORMER_RAWS,
    ORPHANED,
    SUMS,
    Folder,
    journal_name,
    write_error,
)
from sirrchat_testkit.storage.recovery import former_raws, recover
from sirrchat_testkit.storage.segment_file import SegmentFile, is_whole
from sirrchat_testkit.storage.segments import SEGMENT, Index
from sirrchat_testkit.storage.snapshot import Draft, Snapshot

VERSION: Final = 2
"""The version that this release reads and writes."""

_VERSION: Final = "version"

log = logging.getLogger(__name__)


def read_version(folder: Folder) -> int:
    """Return the version of a folder: 1 if it has no ``format.json``.

    Raises:
        StoreDamaged: The file cannot be read, or has an unknown field.
        StoreError: The version is newer.
    """
    if FORMAT not in folder.names():
        return 1
    path = folder.path / FORMAT
    content = folder.read(FORMAT)
    try:
        found = json.loads(content)
        version = found[_VERSION]
        if type(version) is not int or version < 1:
            raise ValueError(f"{version!r} is not a version")
    except (ValueError, TypeError, LookupError) as error:
        byte = getattr(error, "pos", 0)
        text = f"{path}, byte {byte}: not the version of a data folder; run: sirrchat-testkit repair {folder.path}"
        raise StoreDamaged(text, file=str(path), byte=byte) from error
    if version > VERSION:
        byte = max(content.find(b"%d" % version), 0)
        raise StoreError(
            f"{path}, byte {byte}: version {version} was written by a newer release; this one reads version {VERSION}"
        )
    if unknown := found.keys() - {_VERSION}:
        name = min(unknown)
        byte = max(content.find(b'"%s"' % name.encode()), 0)
        text = f"{path}, byte {byte}: this release does not know the field {name!r}"
        raise StoreDamaged(text, file=str(path), byte=byte)
    return version


def bring_up_to_date(folder: Folder) -> Snapshot:
    """Return the records of a folder, which is new, or is converted to the current version if it is an old one.

    Raises:
        StoreDamaged: A file cannot be read; the error names the file and the byte.
        StoreError: The version is newer, or the files of the new one cannot be written.
    """
    version = read_version(folder)
    state = recover(folder, verify=has_sums(folder))
    try:
        if former_raws(folder):
            _import_raws(folder)
        if version < VERSION:
            if state.tables:
                write_records(folder, state)
            folder.write(FORMAT, json.dumps({_VERSION: VERSION}).encode() + b"\n")
            folder.sync()
        if FORMER_RAWS in folder.names():
            _delete_raws(folder)
    except OSError as error:
        raise write_error(error, folder.path) from error
    return state


def has_sums(folder: Folder) -> bool:
    """Return whether the snapshot must match checksums. That of a former layout has none."""
    return SUMS in folder.names() or read_version(folder) == VERSION


def write_records(folder: Folder, state: Snapshot, spare: int = 0) -> None:
    """Write a snapshot in which each message has a UID, and delete the journals before it.

    ``spare`` is how many ids of each table, and UIDs of each folder, lost documents may have used.
    """
    numbering.complete(state.tables, state.next_ids, spare)
    state.generation += 1
    Draft(state.generation, {name: [docs] for name, docs in state.tables.items()}, state.next_ids).save(folder)
    for generation in folder.generations():
        if generation < state.generation:
            folder.unlink(journal_name(generation))
    folder.unlink("mail.tmp")  # the draft of an earlier version


def _import_raws(folder: Folder) -> None:
    """Copy the files of raw messages to segments, except those that an earlier attempt has copied."""
    index = Index(folder)
    segment = SegmentFile(folder, max(index.extents, default=0) + 1)
    copied = 0
    for path in former_raws(folder):
        digest, raw = path.stem, path.read_bytes()
        if not is_whole(raw, digest):
            log.warning("%s is damaged, and is moved to %s", path, folder.path / ORPHANED)
            folder.make_folder(ORPHANED)
            folder.write(f"{ORPHANED}/{digest}.damaged.eml", raw)
        elif digest not in index.places:
            if segment.size >= SEGMENT:
                segment.sync()
                segment.close()
                segment = SegmentFile(folder, segment.number + 1)
            segment.append(digest, raw)
            copied += 1
    segment.sync()
    segment.close()
    folder.sync()
    log.info("%s: copied %d raw messages to segments", folder.path, copied)


def _delete_raws(folder: Folder) -> None:
    """Delete the files that ``_import_raws`` has copied, and their folders; other files are kept."""
    raws = folder.path / FORMER_RAWS
    for path in former_raws(folder):
        path.unlink()
    for each in [*raws.glob("??"), raws]:
        try:
            each.rmdir()
        except OSError:
            log.warning("%s has other files, which are kept", each)
