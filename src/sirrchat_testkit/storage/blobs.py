"""Blobs: raw bytes, named by their SHA-256 so that equal bytes are stored once; and the count of their references.

1. A blob is kept while a stored record names it, while it is retained for a commit, and until the end of a scope in
   which a record that named it was deleted, since a rewind may restore the record.
2. ``MemoryBlobs`` and ``FileBlobs`` know nothing of records: ``BlobReferences`` does.
3. A file needs no atomic write: a record that names it is committed only when it is complete, and files that no record
   names are deleted when the store opens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor
from itertools import islice
from pathlib import Path
from typing import Protocol

from sirrchat_testkit.errors import NotFound, StoreBusy
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.folder import FILE_MODE, FOLDER_MODE, Folder, is_temporary, sync_folder, write_error

LARGE = 1 << 20
"""Blobs of at least this many bytes are hashed, written and read in a thread."""

FEW = 16
"""More files than this are synced by one call for the whole file system."""

log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")


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
            raise _gone(digest) from None

    def drop(self, digests: Iterable[str]) -> None:
        """Delete blobs; those that do not exist are ignored."""
        for digest in digests:
            self._held.pop(digest, None)


class FileBlobs:
    """Raw bytes as files, ``ab/<sha256>.eml``. If ``sync``, they are on the disk when ``put`` returns."""

    def __init__(self, folder: Folder, threads: Executor, *, sync: bool) -> None:
        self._folder = folder
        self._raws = folder.raw
        self._threads = threads
        self._sync = sync
        self._busy: dict[str, asyncio.Future[None]] = {}
        self.unsynced: set[str] = set()

    async def put(self, digest: str, raw: bytes) -> None:
        """Write ``raw`` as ``digest``, unless it exists.

        Raises:
            StoreFull: The disk is full.
            StoreError: The file cannot be written.
        """
        while digest in self._busy:
            await asyncio.wait([self._busy[digest]])
        path = self._path(digest)
        if len(raw) >= LARGE or self._sync:
            await self._in_thread([digest], lambda: _write(path, raw, sync=self._sync))
        else:
            _write(path, raw, sync=False)
        if not self._sync:
            self.unsynced.add(digest)

    async def get(self, digest: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFound: They were deleted.
            StoreBusy: The process has no file descriptor or memory left.
        """
        path = Path(self._path(digest)) if _DIGEST.fullmatch(digest) else self._raws
        try:
            if path.stat().st_size < LARGE:
                return path.read_bytes()
            return await asyncio.get_running_loop().run_in_executor(self._threads, path.read_bytes)
        except (FileNotFoundError, IsADirectoryError):
            raise _gone(digest) from None
        except OSError as error:
            if not is_temporary(error):
                raise
            raise StoreBusy(f"cannot read {path} now: {error}") from error

    def busy(self, digest: str) -> bool:
        """Return whether a thread is writing or deleting ``digest``, so that it must not be deleted yet."""
        return digest in self._busy

    async def drop(self, digests: list[str]) -> None:
        """Delete blobs; those that do not exist are ignored."""
        await self._in_thread(digests, lambda: self._unlink(digests))

    def sync(self, digests: Collection[str]) -> None:
        """Wait until ``digests`` are on the disk. Call it in a thread. Raises ``OSError``."""
        if len(digests) > FEW and self._folder.sync_all():
            return
        folders: set[Path] = set()
        for path in map(self._path, digests):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            folders.add(Path(path).parent)
        for folder in [*folders, self._raws] if folders else []:
            sync_folder(folder)

    def sweep(self, named: Callable[[str], bool]) -> int:
        """Delete the files that are not ``named``; return their number."""
        orphans = [path.stem for path in self._raws.glob("??/*.eml") if not named(path.stem)]
        self._unlink(orphans)
        return len(orphans)

    async def _in_thread(self, digests: list[str], work: Callable[[], None]) -> None:
        """Run ``work`` in a thread. ``digests`` are busy until it is done."""
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        for digest in digests:
            self._busy[digest] = done

        def finished(done: asyncio.Future[None]) -> None:
            for digest in digests:
                del self._busy[digest]
            if not done.cancelled():
                done.exception()  # mark it as retrieved, in case the awaiting task was cancelled

        done.add_done_callback(finished)
        # If this task is cancelled, the thread goes on and the digests stay busy.
        await asyncio.shield(done)

    def _unlink(self, digests: Iterable[str]) -> None:
        for digest in digests:
            try:
                Path(self._path(digest)).unlink(missing_ok=True)
            except OSError as error:
                log.warning("cannot delete a raw message that is no longer needed: %s", error)

    def _path(self, digest: str) -> str:
        return f"{self._raws}/{digest[:2]}/{digest}.eml"  # making a Path takes as long as writing the file


def _write(path: str, raw: bytes, *, sync: bool) -> None:
    """Write ``raw`` to ``path``, unless the file exists and is complete."""
    try:
        descriptor = _new(path)
        if descriptor is None:
            if Path(path).stat().st_size == len(raw):
                return
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            rest = memoryview(raw)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for folder in (Path(path).parent, Path(path).parent.parent) if sync else ():
            sync_folder(folder)
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise write_error(error, Path(path)) from error


def _new(path: str) -> int | None:
    """Open a new file and return its descriptor, or None if the file exists."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, FILE_MODE)
    except FileExistsError:
        return None
    except FileNotFoundError:
        Path(path).parent.parent.mkdir(FOLDER_MODE, exist_ok=True)
        Path(path).parent.mkdir(FOLDER_MODE, exist_ok=True)
        return os.open(path, flags, FILE_MODE)


def _gone(digest: str) -> NotFound:
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
