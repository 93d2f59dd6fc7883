"""Salvage: the whole documents of a snapshot that cannot be read as a whole.

1. A snapshot has one document to a line, so what is wrong with one line says nothing of the others.
2. Of which kind a record is can be told from its fields, so none gets into a wrong table where the line between two
   tables is lost. In a table of no known kind, no document behind a wrong line counts.
3. What the first line says is known again without it: journals older than the oldest that is there are in the snapshot,
   and the next id is above the highest that is left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage.snapshot import Snapshot, checked

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
