"""A journal file: a line ``crc [[table, {id: document or null}], ...]`` for each commit.

A line is valid if its checksum is. A last line without its end is a torn write, left by a killed process, and so are
zeros at the end, left by a power failure. Everything else that is invalid is damage, since its content is unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from zlib import crc32

from sirrchat_testkit.errors import StoreBroken
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.encoding import from_json, to_json
from sirrchat_testkit.storage.folder import Folder, identity, journal_name, sync_data, write_error
from sirrchat_testkit.storage.tables import Batch


class JournalFile:
    """The journal of one generation. ``length`` bytes of it are written, ``synced`` bytes are on the disk."""

    def __init__(self, folder: Folder, generation: int) -> None:
        self._folder = folder
        self.path = folder.path / journal_name(generation)
        self.generation = generation
        self.descriptor = folder.open_file(self.path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        found = os.fstat(self.descriptor)
        self._identity = identity(found)
        self._text = str(self.path)
        self.length = found.st_size
        self.synced = self.length

    def append(self, line: bytes) -> None:
        """Write all of ``line``, or raise an error and write nothing.

        Raises:
            StoreFull: The disk is full.
            StoreError: The line cannot be written.
            StoreBroken: The file was deleted, its folder was moved, replaced or removed, or a part of the line was
                written and cannot be removed.
        """
        self._check_place()
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._write(rest) :]
        except OSError as error:
            try:
                self.truncate(self.length)
            except OSError as worse:
                raise StoreBroken(f"cannot truncate {self.path} to {self.length} bytes: {worse}") from error
            raise write_error(error, self.path) from error
        self.length += len(line)

    def truncate(self, length: int) -> None:
        """Truncate the file to ``length`` bytes. Raises ``OSError``."""
        os.ftruncate(self.descriptor, length)
        self.length = length

    def sync(self) -> None:
        """Wait until everything written is on the disk. Call it in a thread. Raises ``OSError``."""
        sync_data(self.descriptor)

    def close(self) -> None:
        """Close the file."""
        self._folder.close_file(self.descriptor)

    def _write(self, data: memoryview) -> int:
        return os.write(self.descriptor, data)

    def _check_place(self) -> None:
        try:
            found = os.stat(self._text)  # noqa: PTH116  # called for each commit; a Path takes twice as long
        except OSError as error:
            raise StoreBroken(f"{self.path} was deleted or moved while it was in use: {error.strerror}") from None
        if (found.st_dev, found.st_ino) != self._identity:
            raise StoreBroken(f"{self.path} was replaced while it was in use")


_START = re.compile(rb"[0-9a-f]{8} \[\[")
_CRC = 8
_CHUNK = 256


def encode(batch: Batch) -> bytes:
    """Return ``batch`` as a line. Lone surrogates are kept, as escapes."""
    body = to_json([*batch.items()])
    return b"%08x %s\n" % (crc32(body), body)


def valid_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the end offset and the body of each line before the first invalid one."""
    start = 0
    while body := _body(data, start):
        start += _CRC + 1 + len(body) + 1
        yield start, body


def valid_length(data: bytes) -> int:
    """Return how many bytes come before the first invalid line."""
    end = 0
    for end, _ in valid_lines(data):  # noqa: B007  # the last one is returned
        pass
    return end


def is_torn(data: bytes, start: int) -> bool:
    """Return whether the invalid bytes from ``start`` on are an unfinished write, not damage."""
    rest = data[start:]
    if b"\n" in rest:
        return False
    return not rest.strip(b"\0") or rest[:_CRC] != b"%08x" % crc32(rest[_CRC + 1 : -1])  # else its end was changed


def count_valid(data: bytes, start: int) -> int:
    """Return the number of valid lines after ``start``, skipping invalid bytes between them."""
    return sum(_body(data, found.start()) is not None for found in _START.finditer(data, start))


def decode(bodies: Iterator[bytes]) -> Iterator[list[tuple[str, dict[str, Doc | None]]]]:
    """Yield the commit in each of ``bodies`` as pairs of a table and its changes."""
    chunk: list[bytes] = []
    for body in bodies:
        chunk.append(body)
        if len(chunk) == _CHUNK:
            yield from _decode(chunk)
            chunk.clear()
    yield from _decode(chunk)


def _decode(chunk: list[bytes]) -> list[list[tuple[str, dict[str, Doc | None]]]]:
    decoded: list[list[tuple[str, dict[str, Doc | None]]]] = from_json(b"[%s]" % b",".join(chunk))
    return decoded


def _body(data: bytes, start: int) -> bytes | None:
    end = data.find(b"\n", start)
    body = data[start + _CRC + 1 : max(end, 0)]
    right = end > 0 and data[start : start + _CRC + 1] == b"%08x " % crc32(body)
    return body if right and body else None
