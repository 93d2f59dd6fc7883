"""Blobs: raw bytes, named by their SHA-256 so that equal bytes are stored once; and the count of their references.

1. A blob is kept while a stored record names it, while it is retained for a commit, and until the end of a scope in
   which a record that named it was deleted, since a rewind may restore the record.
2. ``MemoryBlobs`` and ``segments.Segments`` know nothing of records: ``BlobReferences`` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, Protocol

from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.records import Doc

LARGE: Final = 1 << 20
"""Blobs of at least this many bytes are hashed, written and read in a thread."""


class Blobs(Protocol):
    """The methods of blobs that a store uses."""

    async def put(self, digest: str, raw: bytes) -> None:
        """Store ``raw`` as ``digest``."""

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        ...


class MemoryBlobs:
    """Raw bytes in memory."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, digest: str, raw: bytes) -> None:
        """Store ``raw`` as ``digest``."""
        self._held[digest] = raw

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        try:
            return self._held[digest]
        except KeyError:
            raise gone(digest) from None

    def drop(self, digests: Iterable[str]) -> None:
        """Delete blobs; those that do not exist are ignored."""
        for digest in digests:
            self._held.pop(digest, None)


def gone(digest: str) -> NotFound:
    """Return the error to raise when ``digest`` is not stored."""
    return NotFound(f"raw message {digest} was deleted")


class BlobIndex:
    """Counts the documents of a table that name each blob; notifies ``references`` when a count drops to 0."""

    __slots__ = ("_counts", "_field", "_references", "fields")

    def __init__(self, field: str, references: BlobReferences) -> None:
        self.fields: tuple[str, ...] = (field,)
        self._field = field
        self._references = references
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"BlobIndex({self._field!r})"

    def add(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Add the document."""
        digest = doc.get(self._field)
        if digest and type(digest) is str:
            self._counts[digest] = self._counts.get(digest, 0) + 1

    def drop(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Remove the document, which must be the one that was added."""
        digest = doc.get(self._field)
        if digest and type(digest) is str:
            left = self._counts[digest] - 1
            if left:
                self._counts[digest] = left
            else:
                del self._counts[digest]
                self._references.dropped(digest)

    def clear(self) -> None:
        """Remove everything."""
        self._counts.clear()

    def __contains__(self, digest: str) -> bool:
        return digest in self._counts


class BlobReferences:
    """Counts the references to blobs. Those in ``unreferenced`` may be deleted.

    While ``scoped`` is true, blobs whose records are deleted are kept.
    """

    def __init__(self) -> None:
        self.scoped = False
        self._indexes: list[BlobIndex] = []
        self._retained: dict[str, int] = {}
        self.unreferenced: set[str] = set()
        self._kept: set[str] = set()

    def index(self, field: str) -> BlobIndex:
        """Return a new index of the blobs that a table names in ``field``."""
        made = BlobIndex(field, self)
        self._indexes.append(made)
        return made

    def named(self, digest: str) -> bool:
        """Return whether a stored record names ``digest``."""
        for index in self._indexes:  # noqa: SIM110 - called for every message; a generator takes four times as long
            if digest in index:
                return True
        return False

    def retain(self, digest: str) -> None:
        """Keep ``digest`` until ``release``, since a record is about to name it."""
        self._retained[digest] = self._retained.get(digest, 0) + 1

    def release(self, digest: str) -> None:
        """End a ``retain``, once the record that names ``digest`` is committed or abandoned."""
        left = self._retained[digest] - 1
        if left:
            self._retained[digest] = left
            return
        del self._retained[digest]
        if not self.named(digest):
            self.unreferenced.add(digest)

    def dropped(self, digest: str) -> None:
        """Note that a table has no more records that name ``digest``."""
        (self._kept if self.scoped else self.unreferenced).add(digest)

    def end_scopes(self) -> None:
        """Note that the last open scope has ended."""
        self.scoped = False
        self.unreferenced |= self._kept
        self._kept.clear()

    def take_unreferenced(self, most: int | None = None) -> list[str]:
        """Remove all blobs from ``unreferenced``, or at most ``most``; return those among them that may be deleted."""
        taken = [*islice(self.unreferenced, most)]
        self.unreferenced.difference_update(taken)
        return self.deletable(taken)

    def deletable(self, digests: Iterable[str]) -> list[str]:
        """Return the ``digests`` that may be deleted because no record, commit or open scope needs them."""
        return [
            each for each in digests if each not in self._retained and each not in self._kept and not self.named(each)
        ]
