"""The snapshot: everything up to some commit, in a file that plain TinyDB opens; and recovery from it and the journals.

1. One document per line, so reading needs little memory. The table ``_journal`` has the number of the next journal and
   the next ids. A file that plain TinyDB wrote has no such lines, and is read all the same.
2. A torn tail of the newest journal is cut: a process was killed while it wrote, and never acknowledged the commit. Any
   other damage stops the store from opening, because the content of the damaged bytes cannot be known.
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
from sirrchat_testkit.storage.folder import Folder

_HEADER = "_journal"
_CHUNK = 64
_PAUSE = 0.0002
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Snapshot:
    """All tables, which ids come next, and the generation of the first journal that is not in it."""

    tables: dict[str, dict[str, Doc]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)
    generation: int = 1


@dataclass(slots=True)
class Draft:
    """A snapshot that is to be written: its tables are in slices, since one large mapping takes long to make."""

    generation: int
    tables: dict[str, list[dict[str, Doc]]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)

    def save(self, path: Path, *, gently: bool = False) -> None:
        """Write to ``path`` and sync it; the old file stays until the new one is whole. Raises ``OSError``.

        A thread that saves ``gently`` takes twice as long, and lets the loop's thread run between any two chunks.
        """
        draft = path.with_suffix(".tmp")
        try:
            with draft.open("wb", buffering=0) as file:
                for chunk in self._chunks():
                    _write(file, chunk)
                    if gently:
                        # Giving up the interpreter for a write is not enough: it is taken back before others wake up.
                        time.sleep(_PAUSE)
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def clear(self) -> None:
        """Let go of the documents, a slice at a time: all at once would hold the loop's thread."""
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
    """Read the snapshot, an empty one where there is no file. Raises ``StoreDamaged``."""
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
        text = (
            f"{path} cannot be read as JSON: {error}; sirrchat-testkit repair {path.parent} keeps the records that can"
        )
        raise StoreDamaged(text, file=str(path), byte=byte) from error


class _OtherForm(Exception):  # not an error: the file was written by somebody else
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
        # Within one call the parser makes each field's name once, which is worth a third of the memory.
        if len(chunk) == 16 * _CHUNK:
            docs.update(_parse(chunk))
            chunk.clear()
    raise _OtherForm


def _parse(lines: Iterable[bytes]) -> dict[str, Doc]:
    parsed: dict[str, Doc] = json.loads(b"{%s}" % b"".join(lines).rstrip(b",\n"))
    return parsed


def checked(tables: dict[str, Any]) -> Snapshot:
    """Return the snapshot that ``tables`` are, the header among them. Raises ``ValueError`` or ``TypeError``."""
    [header] = tables.pop(_HEADER, {"1": {}}).values()
    next_ids: Mapping[str, int] = header.get("next_ids", {})
    snapshot = Snapshot(tables, dict(next_ids), header.get("generation", 1))
    for name, docs in tables.items():
        if not all(type(doc) is dict for doc in docs.values()):
            raise TypeError(f"table {name} holds something that is no document")
        snapshot.next_ids[name] = max(snapshot.next_ids.get(name, 1), max(map(int, docs), default=0) + 1)
    return snapshot


def _write(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


log = logging.getLogger(__name__)


def recover(folder: Folder) -> Snapshot:
    """Return everything that was committed; its generation is that of the journal to go on with.

    Raises:
        StoreDamaged: A file cannot be read; the error says which, and from which byte on.
    """
    state = load(folder.snapshot)
    generations = [each for each in folder.generations() if each >= state.generation]
    for expected, generation in enumerate(generations, state.generation):
        if generation != expected:
            missing = folder.journal(expected)
            raise StoreDamaged(f"{missing} is missing, but a later one is there", file=str(missing), byte=0)
        _replay(folder.journal(generation), state, newest=generation == generations[-1])
    _share_texts(state)
    # What a crash left half done is finished only now that everything could be read.
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
            way_out = f"sirrchat-testkit repair {path.parent} keeps what is before it"
            text = f"{path} is damaged at byte {end}, and commits follow; {way_out}"
            raise StoreDamaged(text, file=str(path), byte=end)
        log.warning("%s ends in %d bytes of a commit that was never finished; they are cut", path, len(data) - end)
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


def _share_texts(state: Snapshot) -> None:
    # Parsed texts are all separate; an account's id is worth having once.
    known: dict[str, str] = {}
    for docs in state.tables.values():
        for doc in docs.values():
            for name, value in doc.items():
                if type(value) is str:
                    doc[name] = known.setdefault(value, value)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Look for no garbage meanwhile: loading makes only what stays, and looking would more than double its time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
