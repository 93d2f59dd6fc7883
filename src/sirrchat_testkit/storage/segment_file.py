"""A segment: a file of raw messages, one record after another.

A record is a header and the bytes::

    4   b"MAIL", or b"GONE" once the bytes are no longer needed
    4   CRC-32 of the rest of the header
    4   CRC-32 of the bytes
    8   length of the bytes
    32  SHA-256 of the bytes

Numbers are little-endian. The state is not covered by the checksum, since it is changed in place; no change of a single
byte makes one state the other. A record that is shorter than its header says is a torn write if nothing follows it, and
so are zeros at the end. Everything else that is invalid is damage: no record after it can be found with certainty.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

from sirrchat_testkit.errors import StoreBroken
from sirrchat_testkit.storage.folder import Folder, segment_name, sync_data, write_all

LIVE: Final = b"MAIL"
GONE: Final = b"GONE"
HEADER: Final = 52

_FIELDS: Final = struct.Struct("<IQ32s")
_START: Final = struct.Struct("<4sI")
_WHOLE: Final = struct.Struct("<4sIIQ32s")
_CHECKED: Final = 8
_WINDOW: Final = 1 << 20


class Entry(NamedTuple):
    """The header of a record that begins at ``offset``."""

    offset: int
    live: bool
    digest: str
    length: int
    crc: int

    @property
    def end(self) -> int:
        """The offset after the record."""
        return self.offset + HEADER + self.length


def pack(digest: str, crc: int, length: int) -> bytes:
    """Return the header of a live record."""
    fields = _FIELDS.pack(crc, length, bytes.fromhex(digest))
    return _START.pack(LIVE, crc32(fields)) + fields


def unpack(header: bytes, offset: int) -> Entry | None:
    """Return the entry in ``header``, None if it is invalid."""
    if len(header) < HEADER:
        return None
    state, check, crc, length, digest = _WHOLE.unpack_from(header)
    if crc32(header[_CHECKED:HEADER]) != check or state not in (LIVE, GONE):
        return None
    return Entry(offset, state == LIVE, digest.hex(), length, crc)


class Scan:
    """Reads the headers of a segment, from ``start`` on.

    After the last one, ``end`` is the offset after it, and ``damage`` the offset of a header that is invalid, or None.
    """

    def __init__(self, descriptor: int, start: int = 0) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.end = start
        self.damage: int | None = None

    def __iter__(self) -> Iterator[Entry]:
        while self.end < self._size:
            entry = unpack(os.pread(self._descriptor, HEADER, self.end), self.end)
            if entry is None:
                if self._size - self.end >= HEADER and not self._only_zeros():
                    self.damage = self.end
                return
            if entry.end > self._size:
                return
            self.end = entry.end
            yield entry

    @property
    def is_torn(self) -> bool:
        """Whether the segment ends with an unfinished write."""
        return self.damage is None and self.end < self._size

    def resume(self) -> bool:
        """Skip damage: go to the next valid header of a whole record; return False if there is none."""
        at = self.end
        while chunk := os.pread(self._descriptor, _WINDOW, at):
            found = -1
            while (found := _next_state(chunk, found + 1)) >= 0:
                offset = at + found
                entry = unpack(os.pread(self._descriptor, HEADER, offset), offset)
                if entry is not None and offset > self.end and entry.end <= self._size:
                    self.end, self.damage = offset, None
                    return True
            at += max(1, len(chunk) - len(LIVE) + 1)
        return False

    def _only_zeros(self) -> bool:
        at = self.end
        while chunk := os.pread(self._descriptor, _WINDOW, at):
            if chunk.strip(b"\0"):
                return False
            at += len(chunk)
        return True


def _next_state(chunk: bytes, start: int) -> int:
    found = [at for state in (LIVE, GONE) if (at := chunk.find(state, start)) >= 0]
    return min(found, default=-1)


def read(descriptor: int, entry: Entry) -> bytes:
    """Return the bytes of ``entry``. Raises ``OSError``, and ``ValueError`` if they do not match their checksum."""
    raw = os.pread(descriptor, entry.length, entry.offset + HEADER)
    if len(raw) != entry.length or crc32(raw) != entry.crc:
        raise ValueError("the bytes do not match their checksum")
    return raw


def is_whole(raw: bytes, digest: str) -> bool:
    """Return whether ``raw`` are the bytes of which ``digest`` is the SHA-256."""
    return sha256(raw).hexdigest() == digest


class SegmentFile:
    """A segment that is open for writing. It is made if it does not exist.

    Attributes:
        size: Its length in bytes.
        full: Whether nothing more may be appended.
        dirty: Whether something was appended since the last sync.
        is_new: Whether the folder was not synced since the file was made.
        filling: The number of reserved records whose bytes are being written.
    """

    def __init__(self, folder: Folder, number: int) -> None:
        self._folder = folder
        self.number = number
        self.path = folder.path / segment_name(number)
        self.descriptor = folder.open_file(self.path.name, os.O_RDWR | os.O_CREAT)
        self.size = os.fstat(self.descriptor).st_size
        self.full = False
        self.dirty = False
        self.is_new = not self.size
        self.filling = 0

    def check_place(self) -> None:
        """Raise ``StoreBroken`` if the file was deleted."""
        if not os.fstat(self.descriptor).st_nlink:
            raise StoreBroken(f"{self.path} was deleted while it was in use")

    def append(self, digest: str, raw: bytes) -> int:
        """Write a record, or raise ``OSError`` and write nothing. Return its offset."""
        return self._add(pack(digest, crc32(raw), len(raw)) + raw, HEADER + len(raw))

    def reserve(self, digest: str, crc: int, length: int) -> int:
        """Write only the header of a record, and return its offset; ``fill`` writes the bytes. Raises ``OSError``."""
        return self._add(pack(digest, crc, length), HEADER + length)

    def fill(self, offset: int, raw: bytes) -> None:
        """Write the bytes of the record that was reserved at ``offset``. Call it in a thread. Raises ``OSError``."""
        write_all(self.descriptor, raw, offset + HEADER)

    def abandon(self, offset: int, length: int) -> None:
        """Undo a ``reserve`` whose ``fill`` has failed. Raises ``OSError``."""
        if self.size == offset + HEADER + length:
            self._truncate(offset)
        else:
            self.mark_gone(offset)

    def mark_gone(self, offset: int) -> None:
        """Note that the record at ``offset`` is no longer needed. Raises ``OSError``."""
        write_all(self.descriptor, GONE, offset)

    def sync(self) -> None:
        """Wait until everything written is on the disk. Call it in a thread. Raises ``OSError``."""
        sync_data(self.descriptor)

    def close(self) -> None:
        """Close the file."""
        self._folder.close_file(self.descriptor)

    def _add(self, data: bytes, length: int) -> int:
        offset = self.size
        try:
            write_all(self.descriptor, data, offset)
        except OSError:
            self._truncate(offset)
            raise
        self.size = offset + length
        return offset

    def _truncate(self, size: int) -> None:
        try:
            os.ftruncate(self.descriptor, size)
            self.size = size
        except OSError:
            self.full = True  # what is left of the record is a torn write, since nothing follows it
