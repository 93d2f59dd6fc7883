"""The checksums of the snapshot: the file ``mail.sums``, with one for each line and one for the whole.

The first line has the size and the CRC-32 of the whole snapshot, then follows the CRC-32 of each of its lines, all in
hexadecimal. The one of the whole is compared when a store opens, those of the lines only to find what is wrong: a
changed line, a file that other software has written, or the checksums themselves.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from zlib import crc32

from sirrchat_testkit.storage.folder import SNAPSHOT, Folder

_BLOCK = 1 << 20
_LINES = 1 << 15


class Sums:
    """The checksums of a file that is being written."""

    def __init__(self) -> None:
        self.lines = array("I")
        self.size = 0
        self.whole = 0
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Add the next bytes of the file."""
        self.size += len(chunk)
        self.whole = crc32(chunk, self.whole)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.lines.extend(map(crc32, lines))

    def encode(self) -> Iterator[bytes]:
        """Yield the content of ``mail.sums``, in chunks that take little time. The file must end with a line break."""
        yield self.first_line()
        for start in range(0, len(self.lines), _LINES):
            lines = self.lines[start : start + _LINES]
            if sys.byteorder == "little":
                lines.byteswap()
            yield lines.tobytes().hex("\n", lines.itemsize).encode("ascii") + b"\n"

    def first_line(self) -> bytes:
        """Return the first line: size and checksum of the whole file."""
        return b"%x %08x\n" % (self.size, self.whole)


def of_snapshot(folder: Folder, *, lines: bool) -> Sums:
    """Return the checksums of the snapshot, those of its lines only if ``lines``."""
    sums = Sums()
    with folder.open_stream(SNAPSHOT, "rb") as file:
        while chunk := file.read(_BLOCK):
            if lines:
                sums.add(chunk)
            else:
                sums.size += len(chunk)
                sums.whole = crc32(chunk, sums.whole)
    return sums


def matches(folder: Folder, sums: bytes) -> bool:
    """Return whether ``sums``, the content of ``mail.sums``, has the checksum of the whole snapshot."""
    return sums.startswith(of_snapshot(folder, lines=False).first_line())


def wrong_lines(folder: Folder, sums: bytes) -> set[int]:
    """Return the numbers of the lines of the snapshot, from 0, whose checksums are not in ``sums``."""
    wanted = sums.split(b"\n")[1:-1]
    found = of_snapshot(folder, lines=True).lines
    known = [*wanted, *[b""] * (len(found) - len(wanted))]
    return {number for number, crc in enumerate(found) if known[number] != b"%08x" % crc}
