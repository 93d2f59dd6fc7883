"""The folder of a durable store: what is called how, who may open it, and what a forked child has of it.

::

    lock                   held while the store is open
    mail.json              the snapshot, which plain TinyDB opens
    journal-00000007.log   the commits since, one to a line
    raw/ab/<sha256>.eml    raw messages

Rules of this module:

1. One store has a folder open, in all processes. The lock is a POSIX one, which a child does not inherit.
2. A forked child has none of the files: it closes what it got before anything else runs in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import weakref
from pathlib import Path

from sirrchat_testkit.errors import StoreError, StoreFull, StoreLocked

COMPACT_AT = 64 << 20
"""Bytes of a journal, and at least the size of the snapshot, that make a compaction due."""

_JOURNAL = re.compile(r"journal-(\d{8})\.log")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_held: dict[tuple[int, int], int] = {}
_open: weakref.WeakSet[Folder] = weakref.WeakSet()


class Folder:
    """The files of one durable store, locked from now on.

    Raises:
        StoreLocked: The folder is open already.
        StoreError: It cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshot = path / "mail.json"
        self.raw = path / "raw"
        self.forked = False
        self._files: set[int] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._key = _identity(path)
            self._lock()
        except StoreLocked:
            raise
        except OSError as error:
            raise StoreError(f"the store's folder {path} cannot be opened: {error}") from error
        _open.add(self)

    def journal(self, generation: int) -> Path:
        """Return the path of the journal of ``generation``."""
        return self.path / f"journal-{generation:08}.log"

    def generations(self) -> list[int]:
        """Return which journals there are, the oldest first."""
        return sorted(int(found[1]) for each in self.path.iterdir() if (found := _JOURNAL.fullmatch(each.name)))

    def open_file(self, path: Path, flags: int) -> int:
        """Open a file that a forked child must not have."""
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
        self._files.add(descriptor)
        return descriptor

    def close_file(self, descriptor: int) -> None:
        """Close a file, once."""
        if descriptor in self._files:
            self._files.discard(descriptor)
            os.close(descriptor)

    def sync(self) -> None:
        """Make sure that the names in the folder are on the disk."""
        sync_folder(self.path)

    def sync_all(self) -> bool:
        """Wait, by one call, until whatever was written in the folder is on the disk; for a thread.

        Return False where that cannot be known, and each file has to be asked.
        """
        try:
            together = self.raw.stat().st_dev == self._key[0]
        except FileNotFoundError:
            return False
        return together and _sync_file_system(_held[self._key])

    def close(self) -> None:
        """Close every file and let others have the folder."""
        for descriptor in list(self._files):
            self.close_file(descriptor)
        if not self.forked:
            _held.pop(self._key, None)

    def disown(self) -> None:
        """Let go of everything in a forked child, whose parent goes on with it."""
        self.forked = True
        self.close()

    def _lock(self) -> None:
        # A second descriptor on the file would let go of the lock when it is closed, so our own are looked up first.
        if self._key in _held:
            raise StoreLocked(f"the store's folder {self.path} is open already in this process")
        descriptor = self.open_file(self.path / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.close_file(descriptor)
            raise StoreLocked(f"the store's folder {self.path} is in use by another process") from None
        _held[self._key] = descriptor


def sync_folder(path: Path) -> None:
    """Make sure that the names in the folder at ``path`` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(descriptor: int) -> bool:
    """Call Linux's ``syncfs``; return False where there is none, or a write failed since ``descriptor`` was opened."""
    import ctypes  # here, for it takes as long to import as the rest of the store

    call = getattr(ctypes.CDLL(None), "syncfs", None)
    return call is not None and call(descriptor) == 0


def write_error(error: OSError, path: Path) -> StoreError:
    """Return what to raise when writing to ``path`` failed."""
    if error.errno in _FULL:
        return StoreFull(f"no room to write {path}: {error}")
    return StoreError(f"cannot write {path}: {error}")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _forked() -> None:
    for folder in list(_open):
        folder.disown()
    _held.clear()


os.register_at_fork(after_in_child=_forked)
