"""The folder of a durable store: its files, its lock, and what happens to both in a forked child.

::

    lock                   held while the store is open
    mail.json              the snapshot, which plain TinyDB opens
    journal-00000007.log   the commits since, one per line
    raw/ab/<sha256>.eml    raw messages

1. Only one store in all processes can have a folder open. Its lock is a POSIX lock: a forked child does not inherit it.
2. A forked child closes the files that it inherits before anything else runs in it.
3. New folders have mode 0700 and files 0600, so that only the owner can read mail and hashes of passwords.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import weakref
from pathlib import Path

from sirrchat_testkit.errors import StoreBusy, StoreError, StoreFull, StoreLocked

COMPACT_AT = 64 << 20
"""Bytes of a journal from which on it is compacted, if it is also as long as the snapshot."""

FOLDER_MODE, FILE_MODE = 0o700, 0o600

_JOURNAL = re.compile(r"journal-(\d{8})\.log")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}
_held: dict[tuple[int, int], int] = {}
_open: weakref.WeakSet[Folder] = weakref.WeakSet()


class Folder:
    """The files of one durable store. The folder is locked, and made if it does not exist.

    Raises:
        StoreLocked: The folder is already open.
        StoreError: It cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshot = path / "mail.json"
        self.raw = path / "raw"
        self.forked = False
        self._files: set[int] = set()
        try:
            path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self._key = _identity(path)
            self._lock()
        except StoreLocked:
            raise
        except OSError as error:
            why = "it is not a folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
            raise StoreError(f"cannot open the data folder {path}: {why or error}") from error
        _open.add(self)

    def journal(self, generation: int) -> Path:
        """Return the path of the journal of ``generation``."""
        return self.path / f"journal-{generation:08}.log"

    def generations(self) -> list[int]:
        """Return the generations of the existing journals, the oldest first."""
        return sorted(int(found[1]) for each in self.path.iterdir() if (found := _JOURNAL.fullmatch(each.name)))

    def open_file(self, path: Path, flags: int) -> int:
        """Open a file, which is closed in a forked child; return its descriptor."""
        descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
        self._files.add(descriptor)
        return descriptor

    def close_file(self, descriptor: int) -> None:
        """Close a file, unless it is closed already."""
        if descriptor in self._files:
            self._files.discard(descriptor)
            os.close(descriptor)

    def sync(self) -> None:
        """Sync the folder, so that the names in it are on the disk."""
        sync_folder(self.path)

    def sync_all(self) -> bool:
        """Wait until every file written in the folder is on the disk. Call it in a thread.

        Returns False if the system has no call for this; then each file must be synced.
        """
        try:
            same_device = self.raw.stat().st_dev == self._key[0]
        except FileNotFoundError:
            return False
        return same_device and _sync_file_system(_held[self._key])

    def close(self) -> None:
        """Close every file and release the lock."""
        for descriptor in list(self._files):
            self.close_file(descriptor)
        if not self.forked:
            _held.pop(self._key, None)

    def disown(self) -> None:
        """Close the inherited files in a forked child; the parent goes on using its own."""
        self.forked = True
        self.close()

    def _lock(self) -> None:
        # Closing a second descriptor of the file would release the lock, so this process's locks are checked first.
        if self._key in _held:
            raise StoreLocked(f"the data folder {self.path} is already open in this process")
        descriptor = self.open_file(self.path / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.close_file(descriptor)
            raise StoreLocked(f"the data folder {self.path} is in use by another process") from None
        _held[self._key] = descriptor


def open_private(path: str, flags: int) -> int:
    """An opener for ``open``: a new file gets the mode of the files in a data folder."""
    return os.open(path, flags, FILE_MODE)


def sync_folder(path: Path) -> None:
    """Sync the folder at ``path``, so that the names in it are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(descriptor: int) -> bool:
    """Call Linux's ``syncfs``; return False if there is none, or a write has failed since ``descriptor`` was opened."""
    import ctypes  # imported here because it takes as long as the rest of the store

    call = getattr(ctypes.CDLL(None), "syncfs", None)
    return call is not None and call(descriptor) == 0


def write_error(error: OSError, path: Path) -> StoreError:
    """Return the error to raise when writing to ``path`` failed with ``error``."""
    if error.errno in _FULL:
        return StoreFull(f"no space left to write {path}: {error}")
    if is_temporary(error):
        return StoreBusy(f"cannot write {path} now: {error}")
    return StoreError(f"cannot write {path}: {error}")


def is_temporary(error: OSError) -> bool:
    """Return whether the process lacked a resource, so that the disk itself has not failed."""
    return error.errno in _BUSY


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _forked() -> None:
    for folder in list(_open):
        folder.disown()
    _held.clear()


os.register_at_fork(after_in_child=_forked)
