"""What can be read of a snapshot that is damaged, or that other software has written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage import schema
from sirrchat_testkit.storage.snapshot import HEADER, Snapshot, checked

_KINDS: Final = {each.kind: each for each in RECORDS}
_ENDS: Final = {b"}", b"},", b"}}", b""}
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(slots=True)
class Salvage:
    """The readable part of a snapshot.

    ``byte`` is the start of the first damaged line, or the length of the file if only its end is missing. ``kept``
    documents are in ``tables``. ``lost`` lines could not be read; each was a document, or several joined by the damage.
    If the file was ``edited``, ``lost`` are documents that cannot be records.
    """

    byte: int = -1
    lost: int = 0
    edited: bool = False
    tables: dict[str, Any] = field(default_factory=dict)
    _name: str = ""
    _name_is_certain: bool = True

    @property
    def kept(self) -> int:
        """The number of documents that could be read."""
        return sum(len(docs) for name, docs in self.tables.items() if name != HEADER)

    @property
    def has_ids(self) -> bool:
        """Whether the next ids could be read."""
        return HEADER in self.tables

    def snapshot(self, generation: int) -> Snapshot:
        """Return the readable part. ``generation`` is used if the file's own could not be read."""
        return checked({HEADER: {"1": {"generation": generation}}} | self.tables)

    def take(self, line: bytes, start: int, *, believed: bool) -> None:
        """Read the next line, which begins at byte ``start``, unless it is not ``believed``."""
        if line in _ENDS:
            return
        try:
            if not believed:
                raise ValueError("the line does not match its checksum")
            self._read(line)
        except _UNREADABLE:
            self.byte = start if self.byte < 0 else self.byte
            self.lost += 1
            self._name_is_certain = False

    def take_edited(self, tables: dict[str, Any]) -> None:
        """Read ``tables``, the content of a file that other software has written."""
        self.edited = True
        for name, docs in tables.items():
            if name == HEADER:
                self._take_header({HEADER: docs})
                continue
            for key, doc in docs.items():
                kind = _KINDS.get(name)
                if key.isdecimal() and type(doc) is dict and (kind is None or fits(kind, doc)):
                    self.tables.setdefault(name, {})[key] = doc
                else:
                    self.lost += 1

    def _read(self, line: bytes) -> None:
        if line.startswith(b"{"):
            if not self._take_header(json.loads(line.removesuffix(b",") + b"}")):
                raise ValueError("the header has values that are not numbers")
        elif line.endswith(b": {"):
            [self._name] = json.loads(b"{%s}}" % line)
            self._name_is_certain = True
            self.tables.setdefault(self._name, {})
        else:
            [(key, doc)] = json.loads(b"{%s}" % line.removesuffix(b",")).items()
            int(key)
            self.tables.setdefault(self._table_of(doc), {})[key] = doc

    def _take_header(self, header: dict[str, Any]) -> bool:
        try:
            numbers = [header[HEADER]["1"]["generation"], *header[HEADER]["1"]["next_ids"].values()]
        except _UNREADABLE:
            return False
        if any(type(each) is not int for each in numbers):
            return False
        self.tables[HEADER] = header[HEADER]
        return True

    def _table_of(self, doc: Doc) -> str:
        for kind in (_KINDS.get(self._name), *RECORDS):
            if kind is not None and fits(kind, doc):
                return kind.kind
        if not self._name_is_certain or self._name in {"", *_KINDS} or type(doc) is not dict:
            raise ValueError("the table of this document is unknown")
        return self._name


def fits(kind: type[Record], doc: Doc) -> bool:
    """Return whether ``doc`` can be a record of ``kind``."""
    return type(doc) is dict and not schema.wrong_values(kind, doc)


def salvage(data: bytes, known: set[int]) -> Salvage:
    """Return the readable part of the snapshot ``data``.

    ``known`` are the checksums of the lines that it should have; if there are none, every line is believed. A file that
    is JSON as a whole, and of which most lines are unknown, was edited.
    """
    found = Salvage()
    lines = data.split(b"\n")
    right = [not known or line in _ENDS or crc32(line) in known for line in lines]
    if not known or 2 * sum(right) < len(right):
        try:
            tables = json.loads(data)
            if all(type(docs) is dict for docs in tables.values()):
                found.take_edited(tables)
                return found
        except _UNREADABLE:
            pass
    start = 0
    for line, believed in zip(lines, right, strict=True):
        found.take(line, start, believed=believed)
        start += len(line) + 1
    if found.byte < 0:
        found.byte = len(data)
    return found
