"""Recovery: the records of a data folder, from its snapshot and its journals.

A torn tail of the newest journal is removed: a process was killed while it wrote a commit, which was therefore never
acknowledged. With any other damage the store does not open, because the content of the damaged bytes is unknown.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage import journal_file, schema
from sirrchat_testkit.storage.folder import FORMER_RAWS, SNAPSHOT, SUMS, Folder, journal_name, segment_name
from sirrchat_testkit.storage.snapshot import Snapshot, load

log = logging.getLogger(__name__)


def recover(folder: Folder, *, verify: bool, tidy: bool = True) -> Snapshot:
    """Return all committed records, and the generation of the journal to continue.

    ``verify`` is whether the snapshot has checksums. If ``tidy``, remove what a killed process has left behind.

    Raises:
        StoreDamaged: A file cannot be read; the error names the file and the byte.
    """
    check_complete(folder)
    state = load(folder, verify=verify)
    generations = [each for each in folder.generations() if each >= state.generation]
    for expected, generation in enumerate(generations, state.generation):
        if generation != expected:
            missing = folder.path / journal_name(expected)
            raise StoreDamaged(f"{missing} is missing, although a later journal exists", file=str(missing), byte=0)
        _replay(folder, generation, state, newest=generation == generations[-1], tidy=tidy)
    _make_compact(state.tables)
    if tidy:  # now that everything could be read
        for name in (SNAPSHOT, SUMS):
            folder.unlink(f"{name}.tmp")
        for old in folder.generations():
            if old < state.generation:
                folder.unlink(journal_name(old))
    state.generation = max(generations, default=state.generation)
    return state


def check_complete(folder: Folder) -> None:
    """Raise ``StoreDamaged`` if a folder has raw messages but neither snapshot nor journal."""
    if SNAPSHOT in folder.names() or folder.generations():
        return
    if any(folder.size(segment_name(each)) for each in folder.segments()) or former_raws(folder):
        text = f"{folder.path} has raw messages, but neither {SNAPSHOT} nor a journal; restore them from a backup, or "
        text += f"run: sirrchat-testkit repair {folder.path}"
        raise StoreDamaged(text, file=str(folder.path / SNAPSHOT), byte=0)


def former_raws(folder: Folder) -> list[Path]:
    """Return the files with raw messages in the former layout."""
    found = (folder.path / FORMER_RAWS).glob("??/*.eml") if FORMER_RAWS in folder.names() else ()
    return sorted(each for each in found if each.is_file())


def _replay(folder: Folder, generation: int, state: Snapshot, *, newest: bool, tidy: bool) -> None:
    path = folder.path / journal_name(generation)
    data = folder.read(path.name)
    end = journal_file.valid_length(data)
    remedy = f"to keep the commits before it, run: sirrchat-testkit repair {folder.path}"
    if end < len(data):
        if not newest or not journal_file.is_torn(data, end):
            text = f"{path} is damaged at byte {end}: a commit does not match its checksum; {remedy}"
            raise StoreDamaged(text, file=str(path), byte=end)
        log.warning("%s ends with %d bytes of an unfinished commit, which are removed", path, len(data) - end)
        if tidy:
            with folder.open_stream(path.name, "rb+") as file:
                os.ftruncate(file.fileno(), end)
    shapes = schema.Shapes()
    try:
        for commit in journal_file.decode(body for _, body in journal_file.valid_lines(data[:end])):
            for name, changes in commit:
                _apply(state, name, changes, shapes)
    except schema.WrongRecord as error:
        byte = wrong_line(data[:end])
        raise StoreDamaged(f"{path}, byte {byte}: {error}; {remedy}", file=str(path), byte=byte) from error


def wrong_line(data: bytes) -> int:
    """Return the offset of the first commit in ``data`` that has a wrong record, or the length of ``data``."""
    shapes = schema.Shapes()
    start = 0
    for end, body in journal_file.valid_lines(data):
        [commit] = journal_file.decode(iter([body]))
        try:
            for name, changes in commit:
                shapes.check(name, changes)
        except schema.WrongRecord:
            return start
        start = end
    return len(data)


def _apply(state: Snapshot, name: str, changes: Mapping[str, Doc | None], shapes: schema.Shapes) -> None:
    shapes.check(name, changes)
    docs = state.tables.setdefault(name, {})
    for key, doc in changes.items():
        old = docs.pop(key, None) if doc is None else docs.get(key)
        if old is not None and "blob" in old:
            state.departed.add(old["blob"])
        if doc is not None:
            docs[key] = doc
    state.next_ids[name] = max(state.next_ids.get(name, 1), max(map(int, changes)) + 1)


def _make_compact(tables: Mapping[str, Mapping[str, Doc]]) -> None:
    """Use tuples for lists, as new documents have: the garbage collector does not visit tuples of strings."""
    for name, docs in tables.items():
        for field in schema.sequences(name):
            for doc in docs.values():
                if type(value := doc.get(field)) is list:
                    doc[field] = tuple(value)
