"""The snapshot: all records up to some commit, in a file that plain TinyDB can open, with its checksums beside it.

1. One document per line, so reading needs little memory. The table ``_journal`` has the number of the next journal and
   the next ids. A file written by plain TinyDB has neither, and can be read as well.
2. The snapshot is replaced before its checksums. If a process is killed between the two, ``mail.sums.tmp`` has the
   right ones.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Final

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage import schema, sums
from sirrchat_testkit.storage.encoding import from_json, to_json
from sirrchat_testkit.storage.folder import SNAPSHOT, SUMS, Folder, write_all

HEADER: Final = "_journal"
_DRAFT: Final = f"{SNAPSHOT}.tmp"
_NEW_SUMS: Final = f"{SUMS}.tmp"
_CHUNK: Final = 64
_PAUSE: Final = 0.0002


@dataclass(slots=True)
class Snapshot:
    """All tables, the next ids, and the generation of the first journal that is not included.

    ``departed`` are the blobs of documents that later commits deleted or changed.
    """

    tables: dict[str, dict[str, Doc]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)
    generation: int = 1
    departed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Draft:
    """A snapshot to be written. Its tables are in slices, since a single large mapping takes too long to make."""

    generation: int
    tables: dict[str, list[dict[str, Doc]]] = field(default_factory=dict)
    next_ids: dict[str, int] = field(default_factory=dict)

    def save(self, folder: Folder, *, gently: bool = False) -> None:
        """Write and sync the snapshot and its checksums; the old ones are replaced when these are complete.

        If ``gently``, it sleeps after each chunk, so that the loop's thread can run; this takes twice as long.

        Raises:
            OSError: They cannot be written.
        """
        checksums = sums.Sums()
        try:
            with folder.open_stream(_DRAFT, "wb") as file:
                for chunk in self._chunks():
                    checksums.add(chunk)
                    write_all(file.fileno(), chunk)
                    if gently:
                        # A write releases the GIL too, but this thread would take it back before the loop's wakes up.
                        time.sleep(_PAUSE)
                os.fsync(file.fileno())
            with folder.open_stream(_NEW_SUMS, "wb") as file:
                for chunk in checksums.encode():
                    write_all(file.fileno(), chunk)
                os.fsync(file.fileno())
        except OSError:
            folder.unlink(_DRAFT)
            folder.unlink(_NEW_SUMS)
            raise
        folder.rename(_DRAFT, SNAPSHOT)
        try:
            folder.sync()
        finally:
            folder.rename(_NEW_SUMS, SUMS)
        folder.sync()

    def clear(self) -> None:
        """Release the documents, a slice at a time, so that the loop's thread is not held for long."""
        for slices in self.tables.values():
            while slices:
                slices.pop()

    def _chunks(self) -> Iterator[bytes]:
        header = {"1": {"generation": self.generation, "next_ids": self.next_ids}}
        yield b'{"%s": %s' % (HEADER.encode(), to_json(header))
        for name, slices in self.tables.items():
            yield b",\n%s: {\n" % to_json(name)
            lines = (b'"%s": %s' % (key.encode(), to_json(doc)) for part in slices for key, doc in part.items())
            first = True
            while chunk := list(islice(lines, _CHUNK)):
                yield (b"" if first else b",\n") + b",\n".join(chunk)
                first = False
            yield b"\n}"
        yield b"}\n"


def load(folder: Folder, *, verify: bool) -> Snapshot:
    """Read the snapshot; return an empty one if there is none. If ``verify``, compare its checksums first.

    Raises:
        StoreDamaged: It cannot be read, its checksums differ, or a record has an unknown field.
    """
    names = folder.names()
    if SNAPSHOT not in names:
        if verify and SUMS in names:
            raise _damaged(folder, SNAPSHOT, 0, "the file is missing")
        return Snapshot()
    if verify:
        _verify(folder, names)
    with folder.open_stream(SNAPSHOT, "rb") as file:
        try:
            try:
                tables = _by_line(file)
            except _OtherForm:
                file.seek(0)
                tables = json.loads(file.read())
            return checked(tables)
        except schema.WrongRecord as error:
            file.seek(0)
            byte = _position(file.read(), error)
            raise _damaged(folder, SNAPSHOT, byte, str(error)) from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            path = folder.path / SNAPSHOT
            text = f"{path} is not a valid snapshot: {error}; {_remedy(folder)}"
            raise StoreDamaged(text, file=str(path), byte=getattr(error, "pos", 0)) from error


def _verify(folder: Folder, names: set[str]) -> None:
    if SUMS not in names and _NEW_SUMS not in names:
        raise _damaged(folder, SUMS, 0, "the file is missing")
    known = folder.read(SUMS) if SUMS in names else b""
    if sums.matches(folder, known):
        return
    if _NEW_SUMS in names and sums.matches(folder, folder.read(_NEW_SUMS)):
        if not folder.read_only:
            folder.rename(_NEW_SUMS, SUMS)
        return
    wrong = sums.wrong_lines(folder, known)
    lines = folder.read(SNAPSHOT).split(b"\n")
    if not wrong and known.count(b"\n") == len(lines):
        raise _damaged(folder, SUMS, 0, "the checksums of all lines are right, but not the one of the whole")
    byte = sum(len(line) + 1 for line in lines[: min(wrong, default=len(lines) - 1)])
    path = folder.path / SNAPSHOT
    text = f"{path} differs from its checksums in {SUMS} from byte {byte} on: it is damaged, or was edited with other "
    text += (
        f"software; to check the records and to keep those that are right, run: sirrchat-testkit repair {folder.path}"
    )
    raise StoreDamaged(text, file=str(path), byte=byte)


def _damaged(folder: Folder, name: str, byte: int, reason: str) -> StoreDamaged:
    path = folder.path / name
    return StoreDamaged(f"{path}, byte {byte}: {reason}; {_remedy(folder)}", file=str(path), byte=byte)


def _remedy(folder: Folder) -> str:
    return f"to keep the records that can be read, run: sirrchat-testkit repair {folder.path}"


def _position(data: bytes, error: schema.WrongRecord) -> int:
    """Return the offset of the record that ``error`` is about; in a file of a single line, of its table."""
    table = max(data.find(b'"%s":' % error.table.encode()), 0)
    return max(data.find(b'\n"%s": ' % error.key.encode(), table) + 1, table)


class _OtherForm(Exception):  # not an error: plain TinyDB wrote the file
    pass


def _by_line(file: IO[bytes]) -> dict[str, Any]:
    header = file.readline()
    if not header.startswith(f'{{"{HEADER}": '.encode()) or not header.endswith(b"}},\n"):
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


def _read_table(file: IO[bytes], docs: dict[str, Doc]) -> bytes:
    """Read documents into ``docs`` up to the line that closes their table, and return that line."""
    chunk: list[bytes] = []
    for line in file:
        if line.startswith(b"}"):
            docs.update(_parse(chunk))
            return line
        chunk.append(line)
        if len(chunk) == 16 * _CHUNK:
            docs.update(_parse(chunk))
            chunk.clear()
    raise _OtherForm


def _parse(lines: Iterable[bytes]) -> dict[str, Doc]:
    parsed: dict[str, Doc] = from_json(b"{%s}" % b"".join(lines).rstrip(b",\n"))
    return parsed


def checked(tables: dict[str, Any]) -> Snapshot:
    """Return the snapshot in ``tables``, whose header is one of them. Raises ``ValueError`` or ``TypeError``."""
    [header] = tables.pop(HEADER, {"1": {}}).values()
    next_ids: Mapping[str, int] = header.get("next_ids", {})
    snapshot = Snapshot(tables, dict(next_ids), header.get("generation", 1))
    for name, docs in tables.items():
        schema.check(name, docs)
        snapshot.next_ids[name] = max(snapshot.next_ids.get(name, 1), max(map(int, docs), default=0) + 1)
    return snapshot
