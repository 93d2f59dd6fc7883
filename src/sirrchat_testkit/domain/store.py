"""What the domain asks of a store. ``storage/`` answers it; nothing else in the package knows how.

Rules that every store keeps:

1. A commit is all or none, and what it changed is seen by the next read, whoever asks.
2. A commit by a memory store never suspends: what was read just before still holds. A durable store suspends
   only while it waits for the disk, and has applied the commit before it does.
3. ``seq`` rises for each kind and is never reused, but for a rewind of a memory store.
4. ``where`` names only indexed fields; what else is wanted of a record is the caller's ``match``.
5. While a scope is open the store can go back to its mark, at a cost of what was changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from sirrchat_testkit.domain.models import Address
from sirrchat_testkit.records import Doc, Record

R = TypeVar("R", bound=Record)


class Put:
    """Store a new record. Its ``seq`` is given by the store, which notes it in the record."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record


class Patch:
    """Change the named fields of the record of ``kind`` at ``seq``; one that is gone meanwhile is passed over."""

    __slots__ = ("fields", "kind", "seq")

    def __init__(self, kind: type[Record], seq: int, **fields: Any) -> None:
        self.kind = kind
        self.seq = seq
        self.fields = fields


class Delete(NamedTuple):
    """Delete the record of ``kind`` at ``seq``; one that is gone already is passed over."""

    kind: type[Record]
    seq: int


class Update:
    """Make ``change`` of the document of the record of ``kind`` whose indexed ``field`` is ``value``, if there is one.

    The record is not read for it. One that the same commit puts is not found, what else it changes is seen.
    """

    __slots__ = ("change", "field", "kind", "value")

    def __init__(self, kind: type[Record], field: str, value: Any, change: Callable[[Doc], Doc]) -> None:
        self.kind = kind
        self.field = field
        self.value = value
        self.change = change


Change: TypeAlias = Put | Patch | Delete | Update


@dataclass(frozen=True, slots=True)
class Usage:
    """What is stored, by an account or in all: number of copies and sum of their sizes in bytes."""

    count: int
    size: int


class Store(Protocol):
    """Where records and raw bytes are kept."""

    async def put_blob(self, raw: bytes) -> str:
        """Store ``raw`` and return its name, the SHA-256 in hex. Each ``put_blob`` is ended by a ``release_blob``."""
        ...

    def release_blob(self, blob: str) -> None:
        """End a ``put_blob``: from now on the bytes ``blob`` stay only while a record names them."""

    async def commit(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        """Apply all ``changes`` or none; return the ``seq`` of each, in order.

        ``applied`` is called in the step in which they are made, before anybody can wait for the disk.

        Raises:
            StoreFull: The disk is full; nothing has changed.
            StoreBroken: The disk failed; the store is read-only until it is opened anew.
        """
        ...

    async def raw(self, blob: str) -> bytes:
        """Return the bytes that ``put_blob`` named ``blob``. Raises ``NotFound`` where they are gone."""
        ...

    def at_hand(self, kind: type[R], field: str, value: Any) -> R | None:
        """Return the oldest record whose indexed ``field`` is ``value`` if it is in memory; None means unknown."""

    async def get(self, kind: type[R], **where: Any) -> R | None:
        """Return the oldest record whose indexed fields equal ``where`` (``seq=`` and ``id=`` always are), or None."""

    async def find(
        self,
        kind: type[R],
        where: Mapping[str, Any] | None = None,
        match: Callable[[R], bool] | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[R]:
        """Return the records equal to ``where`` that pass ``match``, by rising ``seq`` (falling if ``newest``).

        ``after`` and ``before`` are bounds of ``seq``, both exclusive; ``offset`` skips matches, ``limit`` caps them.
        """
        ...

    async def count(self, kind: type[Record], **where: Any) -> int:
        """Return how many records have indexed fields equal to ``where``; no record is read for it."""
        ...

    async def expired(self, now: int, *, limit: int | None = None) -> list[Address]:
        """Return the addresses whose ``expires_at`` is at or before ``now``, the earliest first."""
        ...

    async def usage(self, account: str | None = None) -> Usage:
        """Return how much ``account`` stores, in every folder and for every address; None asks for everything."""
        ...

    async def sizes(self, accounts: Sequence[str]) -> list[int]:
        """Return how many bytes each of ``accounts`` stores, in order."""
        ...

    def mark(self) -> int:
        """Open a scope: note where the store stands. Marks nest."""
        ...

    async def rewind(self, mark: int) -> None:
        """Close the scope and put back everything that changed since ``mark``, in one commit."""

    async def close(self) -> None:
        """Finish what is under way and let go of every file. A closed store is not used again."""
