"""The raw messages of a durable store: segments, and an index of what is in them.

1. The index is in memory, and is built from the headers in the segments when the store opens.
2. Raw bytes are appended to the newest segment. When it is full, another one is begun; if that is not possible now, it
   grows further.
3. Large bytes are written in a thread, at an offset that the header reserves. Their place is in the index afterwards.
4. Bytes that are no longer needed are marked in their header. When less than half of a segment is needed, the rest is
   copied to the newest one in slices, and the segment is deleted after the copies are on the disk.
5. Bytes that no record names are saved in ``orphaned/`` when the store opens: a process was killed between storing them
   and committing the record.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeAlias, TypeVar
from zlib import crc32

from sirrchat_testkit.errors import StoreBusy, StoreDamaged, StoreError
from sirrchat_testkit.storage.blobs import LARGE, gone
from sirrchat_testkit.storage.folder import ORPHANED, Folder, is_temporary, segment_name, write_all, write_error
from sirrchat_testkit.storage.segment_file import GONE, HEADER, Scan, SegmentFile, unpack

SEGMENT: Final = 64 << 20
"""Bytes from which on a segment is full."""

SLICE: Final = 128 << 10
"""Bytes that are copied from a segment at once, if no single message is larger."""

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

Place: TypeAlias = tuple[int, int, int]
"""Where bytes are: the number of the segment, the offset of the record, and the length of the bytes."""


@dataclass(slots=True)
class Extent:
    """How many bytes a segment has, and how many of them are needed. If it is ``kept``, it is not compacted."""

    size: int = 0
    live: int = 0
    kept: bool = False


class Index:
    """The places of all raw bytes in a folder, read from its segments.

    Raises:
        StoreDamaged: The header of a record is invalid.
    """

    def __init__(self, folder: Folder) -> None:
        self.places: dict[str, Place] = {}
        self.extents: dict[int, Extent] = {}
        self.is_torn = False
        for number in folder.segments():
            self._read(folder, number)

    def add(self, digest: str, place: Place) -> None:
        """Add the place of ``digest``, or replace the one that it had."""
        self.remove(digest)
        self.places[digest] = place
        self.extents[place[0]].live += HEADER + place[2]

    def remove(self, digest: str) -> None:
        """Remove ``digest``, if it is there."""
        place = self.places.pop(digest, None)
        if place is not None:
            self.extents[place[0]].live -= HEADER + place[2]

    def _read(self, folder: Folder, number: int) -> None:
        name = segment_name(number)
        extent = self.extents[number] = Extent(folder.size(name))
        with folder.open_stream(name, "rb") as file:
            scan = Scan(file.fileno())
            for entry in scan:
                if entry.live:
                    self.add(entry.digest, (number, entry.offset, entry.length))
        if scan.damage is not None:
            raise damaged(folder, name, scan.damage, "this is not the header of a raw message")
        self.is_torn = scan.is_torn
        if scan.is_torn:
            log.warning("%s ends with %d bytes of an unfinished write", folder.path / name, extent.size - scan.end)


def load(folder: Folder, digest: str, place: Place, descriptor: int | None = None) -> bytes:
    """Return the bytes at ``place``. ``descriptor`` is that of the segment, if it is open.

    Raises:
        StoreDamaged: They do not match their checksum, or the segment was deleted.
        StoreBusy: The process has no file descriptor or memory left.
        StoreError: They cannot be read.
    """
    number, offset, length = place
    name = segment_name(number)
    try:
        if descriptor is not None:
            data = os.pread(descriptor, HEADER + length, offset)
        else:
            with folder.open_stream(name, "rb") as file:
                data = os.pread(file.fileno(), HEADER + length, offset)
    except FileNotFoundError:
        raise damaged(folder, name, offset, "the file is missing") from None
    except OSError as error:
        if is_temporary(error):
            raise StoreBusy(f"cannot read {folder.path / name} now: {error}") from error
        raise StoreError(f"cannot read {folder.path / name}: {error}") from error
    entry, raw = unpack(data[:HEADER], offset), data[HEADER:]
    if entry is None or entry.digest != digest or len(raw) != length or crc32(raw) != entry.crc:
        raise damaged(folder, name, offset, "a raw message does not match its checksum")
    return raw


def damaged(folder: Folder, name: str, byte: int, reason: str) -> StoreDamaged:
    """Return the error to raise when a file is damaged at ``byte``."""
    path = folder.path / name
    remedy = f"to keep what can be read, run: sirrchat-testkit repair {folder.path}"
    return StoreDamaged(f"{path} is damaged at byte {byte}: {reason}; {remedy}", file=str(path), byte=byte)


class Segments:
    """The raw messages in ``folder``."""

    def __init__(self, folder: Folder, threads: Executor) -> None:
        self._folder = folder
        self._threads = threads
        self._index = Index(folder)
        self._busy: dict[str, asyncio.Future[None]] = {}
        self._full: list[SegmentFile] = []
        extents = self._index.extents
        number = max(extents, default=1)
        if self._index.is_torn or (number in extents and extents[number].size >= SEGMENT):
            number += 1
        self._active = self._begin(number)

    async def put(self, digest: str, raw: bytes) -> None:
        """Append ``raw`` as ``digest``, unless it is stored already.

        Raises:
            StoreFull: The disk is full.
            StoreError: They cannot be written.
        """
        while digest in self._busy:
            await asyncio.wait([self._busy[digest]])
        if digest not in self._index.places:
            await self._write(digest, raw)

    async def get(self, digest: str) -> bytes:
        """Return the bytes.

        Raises:
            NotFound: They were deleted.
            StoreDamaged: They do not match their checksum; the error names the file and the byte.
            StoreBusy: The process has no file descriptor or memory left.
        """
        while True:
            place = self._index.places.get(digest)
            if place is None:
                raise gone(digest)
            try:
                if place[2] < LARGE:
                    return load(self._folder, digest, place, self._descriptor(place[0]))
                return await self._run(load, self._folder, digest, place)
            except StoreDamaged:
                if self._index.places.get(digest) == place:  # else it was moved while the thread began
                    raise

    def busy(self, digest: str) -> bool:
        """Return whether ``digest`` is being written, so that it must not be dropped yet."""
        return digest in self._busy

    def drop(self, digests: Iterable[str]) -> list[str]:
        """Note that ``digests`` are no longer needed; return those for which this must be repeated later."""
        groups: dict[int, list[str]] = {}
        for digest in digests:
            if (place := self._index.places.get(digest)) is not None:
                groups.setdefault(place[0], []).append(digest)
        again: list[str] = []
        for number, group in groups.items():
            try:
                self._mark_gone(number, group)
            except OSError as error:
                if is_temporary(error):
                    again += group
                    continue
                log.warning("cannot mark raw messages in %s as deleted: %s", segment_name(number), error)
            for digest in group:
                self._index.remove(digest)
        return again

    def unnamed(self, named: Callable[[str], bool]) -> list[str]:
        """Return the digests that are not ``named``."""
        return [digest for digest in self._index.places if not named(digest)]

    def save_orphans(self, digests: Iterable[str]) -> int:
        """Move ``digests`` to ``orphaned/``, and return how many there were."""
        orphans = list(digests)
        try:
            for digest in orphans:
                save_orphan(self._folder, digest, self._index.places[digest])
            if orphans:
                self._folder.sync()
        except (OSError, StoreError) as error:
            log.warning("%s: cannot save raw messages without a record: %s", self._folder.path, error)
            return 0
        self.drop(orphans)
        return len(orphans)

    def begin_sync(self) -> list[SegmentFile]:
        """Return the segments that must be synced so that everything put before is on the disk."""
        dirty = [each for each in (*self._full, self._active) if each.dirty]
        for each in dirty:
            each.dirty = False
        return dirty

    def end_sync(self) -> None:
        """Note that what ``begin_sync`` returned is on the disk."""
        for each in [*self._full]:
            if not each.dirty and not each.filling:
                self._full.remove(each)
                each.close()

    def repeat_sync(self, segments: Iterable[SegmentFile]) -> None:
        """Note that syncing ``segments`` has failed, so that they must be part of the next sync."""
        for each in segments:
            each.dirty = True

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        while self._busy:
            await asyncio.wait(self._busy.values())

    def sparse(self) -> int | None:
        """Return the number of a segment to compact, or None."""
        in_use = {each.number for each in (*self._full, self._active)}
        for number, extent in self._index.extents.items():
            if number not in in_use and not extent.kept and 2 * extent.live < max(1, extent.size):
                return number
        return None

    async def compact(self, number: int, flush: Callable[[], Awaitable[None]]) -> None:
        """Copy what is needed in the segment ``number`` to the newest one, ``flush`` the copies, and delete it.

        Raises:
            StoreError: A copy cannot be written, or a message is damaged. The segment is kept.
            OSError: The segment cannot be read or deleted.
        """
        extent = self._index.extents[number]
        at = 0
        try:
            while at < extent.size and extent.live:
                at, copies = await self._run(self._read_slice, number, at)
                for digest, place, raw in copies:
                    if self._index.places.get(digest) == place:
                        await self._write(digest, raw, instead_of=place)
                await asyncio.sleep(0)
            await self.settle()
        except StoreDamaged:
            extent.kept = True
            raise
        await flush()
        if extent.live:
            extent.kept = True
            return
        del self._index.extents[number]
        await self._run(self._folder.unlink, segment_name(number))

    def close(self) -> None:
        """Close the files."""
        for each in (*self._full, self._active):
            each.close()

    def _begin(self, number: int) -> SegmentFile:
        segment = SegmentFile(self._folder, number)
        self._index.extents.setdefault(number, Extent(segment.size))
        return segment

    def _roll(self) -> None:
        """Begin another segment if the newest one is full. If that is not possible, go on with it."""
        if self._active.size < SEGMENT and not self._active.full:
            return
        try:
            fresh = self._begin(self._active.number + 1)
        except OSError:
            if self._active.full:
                raise
            return
        self._full.append(self._active)
        self._active = fresh

    async def _write(self, digest: str, raw: bytes, instead_of: Place | None = None) -> None:
        if len(raw) < LARGE:
            segment = self._active
            try:
                self._roll()
                segment = self._active
                segment.check_place()
                offset = segment.append(digest, raw)
            except OSError as error:
                raise write_error(error, segment.path) from error
            self._note(segment, digest, offset, len(raw))
            return
        filling = asyncio.ensure_future(self._fill(digest, raw, instead_of))
        self._busy[digest] = filling
        filling.add_done_callback(lambda done: self._filled(digest, done))
        await asyncio.shield(filling)  # if this task is cancelled, the thread goes on, and the digest stays busy

    async def _fill(self, digest: str, raw: bytes, instead_of: Place | None) -> None:
        crc = await self._run(crc32, raw)
        segment = self._active
        try:
            self._roll()
            segment = self._active
            segment.check_place()
            offset = segment.reserve(digest, crc, len(raw))
            segment.filling += 1
            try:
                await self._run(segment.fill, offset, raw)
            except OSError:
                segment.abandon(offset, len(raw))
                raise
            finally:
                segment.filling -= 1
                self._index.extents[segment.number].size = segment.size
        except OSError as error:
            raise write_error(error, segment.path) from error
        if self._index.places.get(digest) == instead_of:
            self._note(segment, digest, offset, len(raw))
        else:  # it was dropped meanwhile
            segment.mark_gone(offset)

    def _filled(self, digest: str, done: asyncio.Future[None]) -> None:
        del self._busy[digest]
        if not done.cancelled():
            done.exception()  # mark it as retrieved, in case the awaiting task was cancelled

    def _note(self, segment: SegmentFile, digest: str, offset: int, length: int) -> None:
        segment.dirty = True
        self._index.extents[segment.number].size = segment.size
        self._index.add(digest, (segment.number, offset, length))

    def _read_slice(self, number: int, at: int) -> tuple[int, list[tuple[str, Place, bytes]]]:
        """Return some bytes that are needed, from the offset ``at`` on, and the offset after them.

        Call it in a thread.
        """
        copies: list[tuple[str, Place, bytes]] = []
        room = SLICE
        with self._folder.open_stream(segment_name(number), "rb") as file:
            scan = Scan(file.fileno(), at)
            for entry in scan:
                place = number, entry.offset, entry.length
                if self._index.places.get(entry.digest) == place:
                    copies.append((entry.digest, place, load(self._folder, entry.digest, place, file.fileno())))
                    room -= entry.length
                if room < 0:
                    return scan.end, copies
        if scan.damage is not None:
            raise damaged(self._folder, segment_name(number), scan.damage, "this is not the header of a raw message")
        return self._index.extents[number].size, copies

    def _mark_gone(self, number: int, digests: Iterable[str]) -> None:
        descriptor = self._descriptor(number)
        if descriptor is not None:
            for digest in digests:
                write_all(descriptor, GONE, self._index.places[digest][1])
            return
        with self._folder.open_stream(segment_name(number), "rb+") as file:
            for digest in digests:
                write_all(file.fileno(), GONE, self._index.places[digest][1])

    def _descriptor(self, number: int) -> int | None:
        for each in (self._active, *self._full):
            if each.number == number:
                return each.descriptor
        return None

    async def _run(self, function: Callable[P, T], *arguments: P.args, **_: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def save_orphan(folder: Folder, digest: str, place: Place) -> None:
    """Write the bytes at ``place`` to ``orphaned/``; those that do not match their checksum are named ``damaged``."""
    folder.make_folder(ORPHANED)
    name = f"{ORPHANED}/{digest}"
    try:
        folder.write(f"{name}.eml", load(folder, digest, place))
    except StoreDamaged:
        with folder.open_stream(segment_name(place[0]), "rb") as file:
            folder.write(f"{name}.damaged.eml", os.pread(file.fileno(), place[2], place[1] + HEADER))
