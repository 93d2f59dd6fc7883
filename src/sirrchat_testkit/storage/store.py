"""TinyStore: the store on TinyDB, in memory or in a folder.

The records of ``TinyStore()`` are gone when it is closed; those of ``TinyStore(folder)`` are kept. The changes of a
commit are staged here as one batch of documents. ``tables`` and ``journal`` commit it, ``index`` and ``queries`` read,
``blobs`` and ``segments`` store raw bytes, and ``numbering`` gives UIDs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sirrchat_testkit.domain.models import INBOX, RECORDS, Address, Delivery, Message
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Update, Usage
from sirrchat_testkit.errors import StoreBusy, StoreError
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage import numbering, schema
from sirrchat_testkit.storage.blobs import LARGE, BlobReferences, Blobs, MemoryBlobs
from sirrchat_testkit.storage.folder import COMPACT_AT
from sirrchat_testkit.storage.index import Ordered, Total
from sirrchat_testkit.storage.queries import Reader
from sirrchat_testkit.storage.schema import SCALARS, plain_field
from sirrchat_testkit.storage.tables import Batch, LiveStorage, LiveTable, Scopes

if TYPE_CHECKING:
    from sirrchat_testkit.storage.disk import Disk

_FLAT = SCALARS | {tuple}
_NONE: dict[Any, Any] = {}


def stage(storage: LiveStorage, changes: Sequence[Change]) -> tuple[Batch, list[int]]:
    """Return the batch of documents for ``changes``, and the ``seq`` of each change. The store is not changed yet.

    Raises:
        TypeError: A value is not JSON, or a patch names a field that its kind does not have.
    """
    batch: Batch = {}
    seqs: list[int] = []
    fresh: dict[str, int] = {}
    for change in changes:
        old: Doc | None
        new: Doc | None
        if type(change) is Put:
            record = change.record
            name = record.kind
            seq = fresh.get(name) or storage.next_id(name)
            fresh[name] = seq + 1
            if type(record) is Message:
                record.uid = numbering.next_uid(storage, batch, record.address, record.folder)  # type: ignore[misc]
            new = _sealed(record.to_doc(), record._sequences)  # noqa: SLF001  # the counterpart of ``to_doc``
            old = _NONE
        elif type(change) is Update:
            name = change.kind.kind
            seq = _found(storage, change)
            old = _before(storage, batch, name, seq)
            new = None if old is None else _sealed(change.change(old))
        else:
            assert isinstance(change, Patch | Delete)
            name, seq = change.kind.kind, change.seq
            old = _before(storage, batch, name, seq)
            new = None
            if isinstance(change, Patch) and old is not None:
                new = _patched(change, old)
                if change.kind is Message and new.get("folder") != old.get("folder"):
                    new["uid"] = numbering.next_uid(storage, batch, new["address"], new.get("folder", INBOX))
            elif change.kind is Address:
                numbering.forget_address(storage, batch, seq)
        seqs.append(seq)
        if old is None:
            continue
        if name in batch:
            batch[name][seq] = new
        else:
            batch[name] = {seq: new}
    return batch, seqs


def _before(storage: LiveStorage, batch: Batch, name: str, seq: int) -> Doc | None:
    """Return the document after the earlier changes of the same commit, or None."""
    changes = batch.get(name, _NONE)
    return changes[seq] if seq in changes else storage.tables[name].get(str(seq))


def _found(storage: LiveStorage, change: Update) -> int:
    """Return the ``seq`` of the record to update, or 0 if there is none."""
    index = storage.indexes[change.kind.kind].equals.get((change.field,))
    if index is None:
        raise ValueError(f"{change.kind.kind} has no index on {change.field}")
    return index.first(change.value) or 0


def _sealed(doc: Doc, sequences: Sequence[str] | None = None) -> Doc:
    """Return a checked copy of ``doc`` that shares no values with a record. ``sequences`` are tuples."""
    if sequences is not None and _FLAT.issuperset(map(type, doc.values())):
        for name in sequences:
            if name in doc and not SCALARS.issuperset(map(type, doc[name])):
                doc[name] = tuple(plain_field(doc[name], name))
    else:
        for name in [name for name, value in doc.items() if type(value) not in SCALARS]:
            doc[name] = plain_field(doc[name], name)
    return doc


def _patched(change: Patch, old: Doc) -> Doc:
    new = dict(old)
    for field, value in change.fields.items():
        if value == _default(change.kind, field):
            new.pop(field, None)
        else:
            plain = plain_field(value, field)
            new[field] = tuple(plain) if type(value) is tuple else plain
    return new


def _default(kind: type[Record], field: str) -> Any:
    try:
        return kind._defaults[field]  # noqa: SLF001  # the counterpart of ``Record.to_doc``
    except KeyError:
        raise TypeError(f"{kind.__name__} has no field {field!r}") from None


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Pause the garbage collector: loading makes no garbage, and collections would more than double its time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


R = TypeVar("R", bound=Record)


class TinyStore:
    """A store on TinyDB's tables, in memory or in ``folder``. It is used by one loop and is not thread-safe.

    In a folder, committed changes survive the end of the process, and with ``fsync`` power loss too. Without it, power
    loss may destroy the changes of the last second. A journal of ``compact_at`` bytes is replaced by a new snapshot.

    Raises:
        StoreLocked: The folder is already open, in another process or in this one.
        StoreDamaged: A file cannot be read; ``repair`` may help.
        StoreError: The folder cannot be made or opened.
    """

    def __init__(self, folder: Path | None = None, *, fsync: bool = False, compact_at: int = COMPACT_AT) -> None:
        with nullcontext() if folder is None else _paused_collector():
            self._open(folder, fsync=fsync, compact_at=compact_at)

    def _open(self, folder: Path | None, *, fsync: bool, compact_at: int) -> None:
        self._threads = ThreadPoolExecutor(4, "store")
        self._storage = LiveStorage()
        self._blobs: Blobs = MemoryBlobs()
        self._disk: Disk | None = None
        if folder is not None:
            from sirrchat_testkit.storage.disk import Disk
            from sirrchat_testkit.storage.journal import JournalStorage

            self._storage = JournalStorage(Path(folder), compact_at=compact_at, undo_unsynced=fsync)
            try:
                self._disk = Disk(self._storage, self._threads, eager=fsync)
            except BaseException:
                self._storage.folder.close()
                raise
            self._blobs = self._disk.blobs
        self._references = BlobReferences()
        self._tables = {
            kind: LiveTable(self._storage, kind.kind, indexes=schema.indexes(kind, self._references))
            for kind in RECORDS
        }
        for kind in RECORDS:
            self._storage.tables.setdefault(kind.kind, {})
        self._readers = {kind: Reader(kind, table) for kind, table in self._tables.items()}
        self._expiry = self._tables[Address].indexes.of(Ordered, schema.EXPIRY)
        self._totals = self._tables[Message].indexes.of(Total, "account", "size")
        self._texts = self._tables[Delivery].indexes.of(Total, "account", "request_body")
        self._scopes = Scopes(self._storage, reuse_ids=folder is None)
        self._write_error: StoreError | None = None
        self.closed = False
        if self._disk is not None:
            self._disk.collect(self._references)

    def __repr__(self) -> str:
        place = "in memory" if self._disk is None else f"in {self._disk.folder.path}"
        return f"<TinyStore {place}, {sum(map(len, self._tables.values()))} records>"

    @property
    def write_error(self) -> StoreError | None:
        """The reason why the last write failed, such as a full disk; None after a write that succeeded."""
        return (self._disk and self._disk.broken) or self._write_error

    async def put_blob(self, raw: bytes) -> str:
        """Store ``raw`` until ``release_blob``, and as long as a record names it; return its SHA-256 in hex."""
        self._check_open()
        if len(raw) < LARGE:
            digest = sha256(raw).hexdigest()
        else:
            digest = (await asyncio.get_running_loop().run_in_executor(self._threads, sha256, raw)).hexdigest()
        self._references.retain(digest)
        try:
            await self._blobs.put(digest, bytes(raw))
        except BaseException as error:
            self._note_failure(error)
            self.release_blob(digest)
            raise
        return digest

    def release_blob(self, blob: str) -> None:
        """End a ``put_blob``; from now on ``blob`` is kept only while a record names it."""
        self._references.release(blob)
        self._drop_unreferenced()
        if self._disk is not None and not self.closed:
            self._disk.sync_soon()

    async def commit(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        """Apply all ``changes`` or none, and call ``applied`` in the same step; return the ``seq`` of each, in order.

        Raises:
            StoreFull: The disk is full; nothing has changed.
            StoreBroken: The disk failed; the store is read-only until it is reopened.
            TypeError: The value of a field is not JSON; the message names the path to it.
        """
        self._check_open()
        batch, seqs = stage(self._storage, changes)
        self._commit(batch)
        for change, seq in zip(changes, seqs, strict=True):
            if type(change) is Put:
                change.record.seq = seq  # type: ignore[misc]  # frozen for all others
        if applied is not None:
            applied()
        if self._disk is not None:
            await self._disk.committed()
        return seqs

    async def raw(self, blob: str) -> bytes:
        """Return the bytes of ``blob``. Raises ``NotFound`` if they were deleted."""
        self._check_open()
        return await self._blobs.get(blob)

    async def get(self, kind: type[R], **where: Any) -> R | None:
        """Return the oldest record whose indexed fields equal ``where``, or None."""
        self._check_open()
        return self._reader(kind).first(where)

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
        self._check_open()
        return self._reader(kind).find(
            where or {}, match, bounds=(after, before), newest=newest, offset=offset, limit=limit
        )

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
        self._check_open()
        return self._reader(kind).page(where or {}, before, newest=newest, offset=offset, limit=limit)

    async def count(self, kind: type[Record], **where: Any) -> int:
        """Return how many records have indexed fields equal to ``where``. It builds no records."""
        self._check_open()
        return self._readers[kind].count(where)

    async def expired(self, now: int, *, limit: int | None = None) -> list[Address]:
        """Return the addresses whose ``expires_at`` is at or before ``now``, the earliest first."""
        self._check_open()
        return self._reader(Address).records(self._expiry.upto(now, limit))

    async def usage(self, account: str | None = None) -> Usage:
        """Return the usage of ``account``, in all folders and for all addresses; None means all accounts."""
        self._check_open()
        return Usage(*(self._totals.everything if account is None else self._totals.of(account)))

    async def delivery_bytes(self) -> int:
        """Return the total size of the ``request_body`` of all webhook deliveries, in bytes."""
        self._check_open()
        return self._texts.everything[1]

    async def sizes(self, accounts: Sequence[str]) -> list[int]:
        """Return how many bytes each of ``accounts`` stores, in order."""
        self._check_open()
        return [self._totals.of(account)[1] for account in accounts]

    def mark(self) -> int:
        """Open a scope and return its mark for ``rewind``. Scopes can be nested."""
        self._check_open()
        self._references.scoped = True
        return self._scopes.mark()

    async def rewind(self, mark: int) -> None:
        """Close a scope and undo everything that changed since ``mark``, in one commit.

        Scopes within it are closed as well. Raises ``ValueError`` if it is not open.
        """
        self._check_open()
        undo = self._scopes.changed_since(mark)
        if self._disk is not None:
            numbering.keep_uids(self._storage, undo, self._scopes.undone(mark))
        self._commit(undo)
        self._scopes.close(mark)
        if not self._scopes:
            self._references.end_scopes()
            self._drop_unreferenced()
        if self._disk is not None:
            await self._disk.committed()

    async def flush(self) -> None:
        """Wait until everything committed is on the disk and unreferenced blobs are deleted.

        Raises:
            StoreBroken: The disk failed.
        """
        self._check_open()
        if self._disk is not None:
            await self._disk.settle()

    async def close(self) -> None:
        """Finish the work in progress and close all files. A closed store cannot be used again."""
        if self.closed:
            return
        self.closed = True
        if self._disk is None:
            self._threads.shutdown(wait=False)
        elif not self._disk.folder.forked:
            await self._disk.close()

    def table(self, kind: type[Record]) -> LiveTable:
        """Return the table of ``kind``, for reading on the store's loop."""
        self._check_open()
        return self._tables[kind]

    def _commit(self, batch: Batch) -> None:
        try:
            self._storage.commit(batch)
        except StoreError as error:
            self._note_failure(error)
            raise
        if batch:
            self._write_error = None
        self._drop_unreferenced()

    def _note_failure(self, error: BaseException) -> None:
        if isinstance(error, StoreError) and not isinstance(error, StoreBusy):
            self._write_error = error

    def _drop_unreferenced(self) -> None:
        if self._references.unreferenced and isinstance(self._blobs, MemoryBlobs):
            self._blobs.drop(self._references.take_unreferenced())

    def _reader(self, kind: type[R]) -> Reader[R]:
        return self._readers[kind]  # type: ignore[return-value]  # a mapping's type cannot relate keys to values

    def _check_open(self) -> None:
        if self.closed:
            raise StoreError("the store is closed")
        if self._disk is not None and self._disk.folder.forked:
            raise StoreError(
                f"the store in {self._disk.folder.path} was opened by a parent process; a forked child cannot use it"
            )
