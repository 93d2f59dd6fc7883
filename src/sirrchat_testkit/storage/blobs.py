"""Raw bytes, named by their SHA-256 so that equal bytes are kept once; and the count of their references.

1. Bytes stay while a stored record names them, while a scope is open in which a record named them (a rewind may bring
   it back), or while they are retained for a commit.
2. The stores of bytes do not know the records: ``BlobReferences`` does.
3. A file needs no atomic write: the journal names it only when it is complete, and files that no record names are
   deleted when the store opens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Protocol

from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.folder import Folder, sync_folder, write_error

LARGE = 1 << 20
"""From this size in bytes on, hashing, writing and reading are worth a thread."""

FEW = 16
"""From this number on, raw messages are worth a call that waits for whatever is on its way to the disk."""

log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs(Protocol):
    """What a store asks of its raw bytes."""

    async def put(self, digest: str, raw: bytes) -> None:
        """Hold ``raw`` as ``digest``."""

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        ...


class MemoryBlobs:
    """Raw bytes in memory."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, digest: str, raw: bytes) -> None:
        """Hold ``raw`` as ``digest``."""
        self._held[digest] = raw

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        try:
            return self._held[digest]
        except KeyError:
            raise _gone(digest) from None

    def drop(self, digests: Iterable[str]) -> None:
        """Let go of bytes, held or not."""
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
        """Write ``raw`` as ``digest``, unless it is there.

        Raises:
            StoreFull: There is no room.
            StoreError: It cannot be written.
        """
        while digest in self._busy:
            await asyncio.wait([self._busy[digest]])
        path = self._path(digest)
        if len(raw) >= LARGE or self._sync:
            await self._alone([digest], lambda: _write(path, raw, sync=self._sync))
        else:
            _write(path, raw, sync=False)
        if not self._sync:
            self.unsynced.add(digest)

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        path = Path(self._path(digest)) if _DIGEST.fullmatch(digest) else self._raws
        try:
            if path.stat().st_size < LARGE:
                return path.read_bytes()
            return await asyncio.get_running_loop().run_in_executor(self._threads, path.read_bytes)
        except (FileNotFoundError, IsADirectoryError):
            raise _gone(digest) from None

    def busy(self, digest: str) -> bool:
        """Return whether a thread is at work on ``digest``: then it must not be dropped yet."""
        return digest in self._busy

    async def drop(self, digests: list[str]) -> None:
        """Delete bytes, held or not."""
        await self._alone(digests, lambda: self._unlink(digests))

    def sync(self, digests: Collection[str]) -> None:
        """Wait until ``digests`` are on the disk. For a thread. Raises ``OSError``."""
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
        """Delete the files that nobody names, and return how many there were."""
        orphans = [path.stem for path in self._raws.glob("??/*.eml") if not named(path.stem)]
        self._unlink(orphans)
        return len(orphans)

    async def _alone(self, digests: list[str], work: Callable[[], None]) -> None:
        """Do ``work`` in a thread, while whoever wants one of ``digests`` waits."""
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        for digest in digests:
            self._busy[digest] = done

        def finished(done: asyncio.Future[None]) -> None:
            for digest in digests:
                del self._busy[digest]
            if not done.cancelled():
                done.exception()  # whoever awaits it has heard of it; if nobody does any more, nobody must

        done.add_done_callback(finished)
        # Whoever is cancelled leaves the thread at work, and the digests busy.
        await asyncio.shield(done)

    def _unlink(self, digests: Iterable[str]) -> None:
        for digest in digests:
            try:
                Path(self._path(digest)).unlink(missing_ok=True)
            except OSError as error:
                log.warning("a raw message that nobody needs stays: %s", error)

    def _path(self, digest: str) -> str:
        return f"{self._raws}/{digest[:2]}/{digest}.eml"  # a Path takes as long as writing the file


def _write(path: str, raw: bytes, *, sync: bool) -> None:
    """Write ``raw``, unless it is there already."""
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
    """Open a new file, None where there is one already."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:
        return None
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _gone(digest: str) -> NotFound:
    return NotFound(f"the raw bytes {digest} are gone")


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
