"""One journal on the disk: lines are added at its end, and it is cut back where that goes wrong."""

from __future__ import annotations

import os

from sirrchat_testkit.errors import StoreBroken
from sirrchat_testkit.storage.folder import Folder, write_error


class JournalFile:
    """The journal of one generation. ``length`` is what is written of it, ``synced`` what is surely on the disk."""

    def __init__(self, folder: Folder, generation: int) -> None:
        self._folder = folder
        self.path = folder.journal(generation)
        self.generation = generation
        self.descriptor = folder.open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.length = os.fstat(self.descriptor).st_size
        self.synced = self.length

    def append(self, line: bytes) -> None:
        """Write ``line``, or nothing.

        Raises:
            StoreFull: There is no room.
            StoreError: It cannot be written.
            StoreBroken: Neither that, nor can what was written of it be taken back.
        """
        if not os.fstat(self.descriptor).st_nlink:
            raise StoreBroken(f"{self.path} was deleted while it was in use")
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._write(rest) :]
        except OSError as error:
            try:
                self.cut(self.length)
            except OSError as worse:
                raise StoreBroken(f"{self.path} cannot be cut back to byte {self.length}: {worse}") from error
            raise write_error(error, self.path) from error
        self.length += len(line)

    def cut(self, length: int) -> None:
        """Forget what comes behind ``length``. Raises ``OSError``."""
        os.ftruncate(self.descriptor, length)
        self.length = length

    def sync(self) -> None:
        """Wait until everything written is on the disk. For a thread. Raises ``OSError``."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Let go of the file."""
        self._folder.close_file(self.descriptor)

    def _write(self, data: memoryview) -> int:
        return os.write(self.descriptor, data)
