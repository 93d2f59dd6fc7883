"""The snapshot: all records up to some commit, in a file that plain TinyDB can open; and recovery from a data folder.

1. One document per line, so reading needs little memory. The table ``_journal`` has the number of the next journal and
   the next ids. A file written by plain TinyDB has neither, and can be read as well.
2. A torn tail of the newest journal is removed: a process was killed while it wrote a commit, which was therefore never
   acknowledged. With any other damage the store does not open, because the content of the damaged bytes is unknown.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage import journal_file
from sirrchat_testkit.storage.folder import Folder, open_private

_HEADER = "_journal"
_CHUNK = 64
_PAUSE = 0.0002
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Snapshot:
    """All tables, the next ids, and the generation of the first journal that is not included."""

    tables: dict[str, dict[str, Doc]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)
    generation: int = 1


@dataclass(slots=True)
class Draft:
    """A snapshot to be written. Its tables are in slices, since a single large mapping takes too long to make."""

    generation: int
    tables: dict[str, list[dict[str, Doc]]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)

    def save(self, path: Path, *, gently: bool = False) -> None:
        """Write to ``path`` and sync it; the old file is replaced when the new one is complete. Raises ``OSError``.

        If ``gently``, it sleeps after each chunk, so that the loop's thread can run; this takes twice as long.
        """
        draft = path.with_suffix(".tmp")
        try:
            with open(draft, "wb", buffering=0, opener=open_private) as file:
                for chunk in self._chunks():
                    _write(file, chunk)
                    if gently:
                        # A write releases the GIL too, but this thread would take it back before the loop's wakes up.
                        time.sleep(_PAUSE)
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def clear(self) -> None:
        """Release the documents, a slice at a time, so that the loop's thread is not held for long."""
        for slices in self.tables.values():
            while slices:
                slices.pop()

    def _chunks(self) -> Iterator[bytes]:
        header = {"1": {"generation": self.generation, "next_ids": self.next_ids}}
        yield f'{{"{_HEADER}": {_encode(header)}'.encode()
        for name, slices in self.tables.items():
            yield f",\n{_encode(name)}: {{\n".encode()
            lines = (f'"{key}": {_encode(doc)}' for part in slices for key, doc in part.items())
            first = True
            while chunk := list(islice(lines, _CHUNK)):
                yield (("" if first else ",\n") + ",\n".join(chunk)).encode("ascii")
                first = False
            yield b"\n}"
        yield b"}\n"


def load(path: Path) -> Snapshot:
    """Read the snapshot; return an empty one if there is no file. Raises ``StoreDamaged``."""
    try:
        with path.open("rb") as file:
            try:
                tables = _by_line(file)
            except _OtherForm:
                file.seek(0)
                tables = json.loads(file.read())
            return checked(tables)
    except FileNotFoundError:
        return Snapshot()
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        byte = getattr(error, "pos", 0)
        remedy = f"to keep the records that can be read, run: sirrchat-testkit repair {path.parent}"
        text = f"{path} is not a valid snapshot: {error}; {remedy}"
        raise StoreDamaged(text, file=str(path), byte=byte) from error


class _OtherForm(Exception):  # not an error: plain TinyDB wrote the file
    pass


def _by_line(file: BinaryIO) -> dict[str, Any]:
    header = file.readline()
    if not header.startswith(f'{{"{_HEADER}": '.encode()) or not header.endswith(b"}},\n"):
        raise _OtherForm
    tables: dict[str, Any] = json.loads(header[:-2] + b"}")
    for line in file:
        if not line.endswith(b": {\n"):
            raise _OtherForm
        name = json.loads(line[: -len(b": {\n")])
        last = tables[name] = {}
        closing = _read_table(file, last)
        if closing == b"}}\n":
            return tables
        if closing != b"},\n":
            break
    raise _OtherForm


def _read_table(file: BinaryIO, docs: dict[str, Doc]) -> bytes:
    """Read documents into ``docs`` up to the line that closes their table, and return that line."""
    chunk: list[bytes] = []
    for line in file:
        if line.startswith(b"}"):
            docs.update(_parse(chunk))
            return line
        chunk.append(line)
        # Within one call the parser makes the name of each field once, which saves a third of the memory.
        if len(chunk) == 16 * _CHUNK:
            docs.update(_parse(chunk))
            chunk.clear()
    raise _OtherForm


def _parse(lines: Iterable[bytes]) -> dict[str, Doc]:
    parsed: dict[str, Doc] = json.loads(b"{%s}" % b"".join(lines).rstrip(b",\n"))
    return parsed


def checked(tables: dict[str, Any]) -> Snapshot:
    """Return the snapshot in ``tables``, whose header is one of them. Raises ``ValueError`` or ``TypeError``."""
    [header] = tables.pop(_HEADER, {"1": {}}).values()
    next_ids: Mapping[str, int] = header.get("next_ids", {})
    snapshot = Snapshot(tables, dict(next_ids), header.get("generation", 1))
    for name, docs in tables.items():
        if not all(type(doc) is dict for doc in docs.values()):
            raise TypeError(f"table {name} has an entry that is not a document")
        snapshot.next_ids[name] = max(snapshot.next_ids.get(name, 1), max(map(int, docs), default=0) + 1)
    return snapshot


def _write(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


log = logging.getLogger(__name__)


def recover(folder: Folder) -> Snapshot:
    """Return all committed records, and the generation of the journal to continue.

    Raises:
        StoreDamaged: A file cannot be read; the error names the file and the byte.
    """
    state = load(folder.snapshot)
    generations = [each for each in folder.generations() if each >= state.generation]
    for expected, generation in enumerate(generations, state.generation):
        if generation != expected:
            missing = folder.journal(expected)
            raise StoreDamaged(f"{missing} is missing, although a later journal exists", file=str(missing), byte=0)
        _replay(folder.journal(generation), state, newest=generation == generations[-1])
    _make_compact(state)
    # Remove what a crash left behind, now that everything could be read.
    folder.snapshot.with_suffix(".tmp").unlink(missing_ok=True)
    for old in folder.generations():
        if old < state.generation:
            folder.journal(old).unlink()
    state.generation = max(generations, default=state.generation)
    return state


def _replay(path: Path, state: Snapshot, *, newest: bool) -> None:
    data = path.read_bytes()
    end = journal_file.valid_length(data)
    if end < len(data):
        if not newest or not journal_file.is_torn(data, end):
            remedy = f"to keep the commits before it, run: sirrchat-testkit repair {path.parent}"
            text = f"{path} is damaged at byte {end}, and commits follow; {remedy}"
            raise StoreDamaged(text, file=str(path), byte=end)
        log.warning("%s ends with %d bytes of an unfinished commit, which are removed", path, len(data) - end)
        with path.open("rb+") as file:
            file.truncate(end)
    for commit in journal_file.decode(body for _, body in journal_file.valid_lines(data[:end])):
        for name, changes in commit:
            _apply(state, name, changes)


def _apply(state: Snapshot, name: str, changes: dict[str, Doc | None]) -> None:
    docs = state.tables.setdefault(name, {})
    for key, doc in changes.items():
        if doc is None:
            docs.pop(key, None)
        else:
            docs[key] = doc
    state.next_ids[name] = max(state.next_ids.get(name, 1), max(map(int, changes)) + 1)


def _make_compact(state: Snapshot) -> None:
    """Use one string for equal ones, such as ids of accounts, and tuples for lists, as new documents have."""
    known: dict[str, str] = {}
    for docs in state.tables.values():
        for doc in docs.values():
            for name, value in doc.items():
                if type(value) is str:
                    doc[name] = known.setdefault(value, value)
                elif type(value) is list:
                    doc[name] = tuple(value)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the garbage collector: loading makes no garbage, and collections would more than double its time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
