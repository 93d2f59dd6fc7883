"""Reference counts of raw bytes: which may be deleted, and when.

Bytes stay while at least one of these holds:

1. A stored record names them.
2. A scope is open in which they were named: a rewind may bring the record back.
3. They are retained for a commit that is about to store a record that names them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sirrchat_testkit.records import Doc


class Named:
    """An index of the blobs that a table's documents name, with counts; reports to ``references`` what it loses."""

    __slots__ = ("_counts", "_field", "_references", "fields")

    def __init__(self, field: str, references: BlobReferences) -> None:
        self.fields: tuple[str, ...] = (field,)
        self._field = field
        self._references = references
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Named({self._field!r})"

    def add(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Take in the document."""
        digest = doc.get(self._field)
        if digest and type(digest) is str:
            self._counts[digest] = self._counts.get(digest, 0) + 1

    def drop(self, seq: int, doc: Doc) -> None:  # noqa: ARG002
        """Let go of the document, given as it was taken in."""
        digest = doc.get(self._field)
        if digest and type(digest) is str:
            left = self._counts[digest] - 1
            if left:
                self._counts[digest] = left
            else:
                del self._counts[digest]
                self._references.lose(digest)

    def clear(self) -> None:
        """Let go of everything."""
        self._counts.clear()

    def __contains__(self, digest: str) -> bool:
        return digest in self._counts


class BlobReferences:
    """Reference counts of blobs; ``unreferenced`` may be deleted. While ``scoped``, blobs that records drop stay."""

    def __init__(self) -> None:
        self.scoped = False
        self._indexes: list[Named] = []
        self._claims: dict[str, int] = {}
        self.unreferenced: set[str] = set()
        self._scoped: set[str] = set()

    def index(self, field: str) -> Named:
        """Return a new index of what a table names in ``field``."""
        made = Named(field, self)
        self._indexes.append(made)
        return made

    def named(self, digest: str) -> bool:
        """Return whether a stored record names ``digest``."""
        for index in self._indexes:  # noqa: SIM110 - asked of every message: a generator takes four times as long
            if digest in index:
                return True
        return False

    def retain(self, digest: str) -> None:
        """Note that somebody is about to name ``digest``."""
        self._claims[digest] = self._claims.get(digest, 0) + 1

    def release(self, digest: str) -> None:
        """Note that who claimed ``digest`` has named it, or never will."""
        left = self._claims[digest] - 1
        if left:
            self._claims[digest] = left
            return
        del self._claims[digest]
        if not self.named(digest):
            self.unreferenced.add(digest)

    def lose(self, digest: str) -> None:
        """Note that no record of a table names ``digest`` any more."""
        (self._scoped if self.scoped else self.unreferenced).add(digest)

    def end_scopes(self) -> None:
        """Note that no scope is open any more."""
        self.scoped = False
        self.unreferenced |= self._scoped
        self._scoped.clear()

    def take_unreferenced(self) -> list[str]:
        """Return the bytes that nobody needs any more, and forget them."""
        if not self.unreferenced:
            return []
        gone = self.still_free(self.unreferenced)
        self.unreferenced.clear()
        return gone

    def still_free(self, digests: Iterable[str]) -> list[str]:
        """Return those of ``digests`` that may be deleted: no record, delivery or open scope needs them."""
        return [
            each for each in digests if each not in self._claims and each not in self._scoped and not self.named(each)
        ]
