"""The interface of a store, which ``storage/`` implements, and the changes that a commit consists of.

Rules for every store:

1. A commit makes all of its changes or none. The next read sees them.
2. Reading records never suspends, and neither does a commit to a memory store. A commit to a durable store suspends
   only while it waits for the disk, after its changes are applied. So what was read just before a commit is still true.
3. ``seq`` rises for each kind and is never reused, except after a rewind of a memory store.
4. ``where`` names only indexed fields. Other conditions on a record are the caller's ``match``.
5. While a scope is open, the store can return to its mark. This costs as much as was changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from sirrchat_testkit.domain.models import Address
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.records import Doc, Record

R = TypeVar("R", bound=Record)


class Put:
    """Store a new record. The store sets the record's ``seq``."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record


class Patch:
    """Change the named fields of the record of ``kind`` at ``seq``. If it no longer exists, nothing is done."""

    __slots__ = ("fields", "kind", "seq")

    def __init__(self, kind: type[Record], seq: int, **fields: Any) -> None:
        self.kind = kind
        self.seq = seq
        self.fields = fields


class Delete(NamedTuple):
    """Delete the record of ``kind`` at ``seq``. If it no longer exists, nothing is done."""

    kind: type[Record]
    seq: int


class Update:
    """Replace the document of the record of ``kind`` whose indexed ``field`` is ``value``, if there is one.

    ``change`` receives the document after earlier changes of the same commit, and returns the new one. A record that
    the same commit puts is not found.
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
    """What is stored for one account or for all: the number of copies, and their total size in bytes."""

    count: int
    size: int


class Store(Protocol):
    """Stores records and raw bytes (blobs)."""

    @property
    def write_error(self) -> StoreError | None:
        """The reason why the last write failed, such as a full disk; None after a write that succeeded.

        A failure that another attempt may solve at once (``StoreBusy``) does not count.
        """

    async def put_blob(self, raw: bytes) -> str:
        """Store ``raw`` and return its name, the SHA-256 in hex. Call ``release_blob`` after each ``put_blob``."""
        ...

    def release_blob(self, blob: str) -> None:
        """End a ``put_blob``; from now on ``blob`` is kept only while a record names it."""

    async def commit(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        """Apply all ``changes`` or none; return the ``seq`` of each, in order.

        ``applied`` is called in the same step of the loop in which they are made, before any wait for the disk.

        Raises:
            StoreFull: The disk is full; nothing has changed.
            StoreBroken: The disk failed; the store is read-only until it is reopened.
        """
        ...

    async def raw(self, blob: str) -> bytes:
        """Return the bytes of ``blob``. Raises ``NotFound`` if they were deleted."""
        ...

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
        """Return the records equal to ``where`` that pass ``match``, in order of ``seq``, descending if ``newest``.

        ``after`` and ``before`` are exclusive bounds of ``seq``. ``offset`` is the number of matches to skip, ``limit``
        the most to return.
        """
        ...

    async def page(
        self,
        kind: type[R],
        where: Mapping[str, Any] | None = None,
        *,
        before: int | None = None,
        newest: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> tuple[list[R], int]:
        """Return the same as ``find``, and how many records equal ``where`` in all."""
        ...

    async def count(self, kind: type[Record], **where: Any) -> int:
        """Return how many records have indexed fields equal to ``where``. It reads no records."""
        ...

    async def expired(self, now: int, *, limit: int | None = None) -> list[Address]:
        """Return the addresses whose ``expires_at`` is at or before ``now``, the earliest first."""
        ...

    async def usage(self, account: str | None = None) -> Usage:
        """Return the usage of ``account``, in all folders and for all addresses; None means all accounts."""
        ...

    async def delivery_bytes(self) -> int:
        """Return the total size of the ``request_body`` of all webhook deliveries, in bytes."""
        ...

    async def sizes(self, accounts: Sequence[str]) -> list[int]:
        """Return how many bytes each of ``accounts`` stores, in order."""
        ...

    def mark(self) -> int:
        """Open a scope and return its mark for ``rewind``. Scopes can be nested."""
        ...

    async def rewind(self, mark: int) -> None:
        """Close a scope and undo everything that changed since ``mark``, in one commit."""

    async def close(self) -> None:
        """Finish the work in progress and close all files. A closed store cannot be used again."""
