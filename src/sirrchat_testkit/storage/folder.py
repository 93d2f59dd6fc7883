"""The folder of a durable store: its files, its lock, and what happens to both in a forked child.

::

    format.json            the version of all other files
    lock                   held while the store is open
    mail.json, mail.sums   the snapshot, which plain TinyDB opens, and its checksums
    journal-00000007.log   the commits since, one per line
    raw-000003.seg         raw messages
    orphaned/              raw messages that no record names
    *.damaged              files that a repair has replaced

1. Only one store in all processes can have a folder open, or several readers. The folder itself is locked, and the file
   ``lock`` too, as earlier versions do. So nothing that a user can delete opens the folder to a second process.
2. Files are opened, renamed and deleted relative to the descriptor of the folder. If the folder is moved or replaced,
   no file of another folder is touched.
3. A forked child closes the files that it inherits before anything else runs in it.
4. Only regular files are opened.
5. New folders have mode 0700 and files 0600, so that only the owner can read mail and hashes of passwords.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
import weakref
from pathlib import Path
from typing import IO, Any, Final

from sirrchat_testkit.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, StoreLocked

COMPACT_AT: Final = 64 << 20
"""Bytes of a journal from which on it is compacted, if it is also as long as the snapshot."""

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

SNAPSHOT: Final = "mail.json"
SUMS: Final = "mail.sums"
FORMAT: Final = "format.json"
ORPHANED: Final = "orphaned"
FORMER_RAWS: Final = "raw"
"""The folder of raw messages in the former layout, with a file for each: ``raw/ab/<sha256>.eml``."""

ATTEMPTS: Final = 100
"""How often the lock of the folder is tried, if that of the file ``lock`` is free: for a second."""

_LOCK: Final = "lock"
_JOURNAL: Final = re.compile(r"journal-(\d{8})\.log")
_SEGMENT: Final = re.compile(r"raw-(\d{6,})\.seg")
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BUSY: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}
_NO_FOLDER_LOCKS: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL}
_held: set[tuple[int, int]] = set()
_open: weakref.WeakSet[Folder] = weakref.WeakSet()


def journal_name(generation: int) -> str:
    """Return the name of the journal of ``generation``."""
    return f"journal-{generation:08}.log"


def segment_name(number: int) -> str:
    """Return the name of the segment ``number``."""
    return f"raw-{number:06}.seg"


class Folder:
    """The files of one durable store. The folder is locked, and made if it does not exist.

    If ``read_only``, it must exist, nothing is written, and others can read it too.

    Raises:
        StoreLocked: The folder is already open.
        StoreError: It cannot be made or opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path.absolute()
        self.forked = False
        self.read_only = read_only
        self._files: set[int] = set()
        try:
            if not read_only:
                path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._files.add(self.descriptor)
            self._key = identity(os.fstat(self.descriptor))
            self._lock()
        except StoreError:
            self._close_files()
            raise
        except OSError as error:
            self._close_files()
            why = "it is not a folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
            raise StoreError(f"cannot open the data folder {path}: {why or error}") from error
        _open.add(self)

    def names(self) -> set[str]:
        """Return the names of all files and folders in it."""
        return set(os.listdir(self.descriptor))  # noqa: PTH208  # a Path would follow a folder that was replaced

    def generations(self) -> list[int]:
        """Return the generations of the existing journals, the oldest first."""
        return sorted(int(found[1]) for name in self.names() if (found := _JOURNAL.fullmatch(name)))

    def segments(self) -> list[int]:
        """Return the numbers of the existing segments, the oldest first."""
        return sorted(int(found[1]) for name in self.names() if (found := _SEGMENT.fullmatch(name)))

    def open_file(self, name: str, flags: int) -> int:
        """Open a file, which is closed in a forked child; return its descriptor."""
        descriptor = self._open(name, flags)
        self._files.add(descriptor)
        return descriptor

    def close_file(self, descriptor: int) -> None:
        """Close a file, unless it is closed already."""
        if descriptor in self._files:
            self._files.discard(descriptor)
            os.close(descriptor)

    def open_stream(self, name: str, mode: str) -> IO[Any]:
        """Open a file, as ``open`` does."""
        return open(name, mode, opener=self._open)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self.open_stream(name, "rb") as file:
            content: bytes = file.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file and sync it; an old one is replaced when the new one is complete. Raises ``OSError``."""
        draft = f"{name}.tmp"
        with self.open_stream(draft, "wb") as file:
            write_all(file.fileno(), content)
            os.fsync(file.fileno())
        self.rename(draft, name)

    def size(self, name: str) -> int:
        """Return the length of a file in bytes, 0 if it does not exist."""
        try:
            return os.stat(name, dir_fd=self.descriptor).st_size
        except FileNotFoundError:
            return 0

    def rename(self, old: str, new: str) -> None:
        """Rename a file; one with the new name is replaced."""
        os.replace(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def unlink(self, name: str) -> None:
        """Delete a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def make_folder(self, name: str) -> None:
        """Make a folder, unless it exists."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, FOLDER_MODE, dir_fd=self.descriptor)

    def free_name(self, name: str) -> str:
        """Return ``name``, or ``name`` with the first number that makes it the name of no file."""
        names = self.names()
        number = 0
        while (free := f"{name}.{number}" if number else name) in names:
            number += 1
        return free

    def sync(self) -> None:
        """Sync the folder, so that the names in it are on the disk."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Close every file and release the lock."""
        self._close_files()
        if not self.forked and not self.read_only:
            _held.discard(self._key)

    def disown(self) -> None:
        """Close the inherited files in a forked child; the parent goes on using its own."""
        self.forked = True
        self.close()

    def _open(self, name: str, flags: int) -> int:
        """Open a file. Raises ``StoreDamaged`` if it is a pipe or a device, at which reading or writing could wait."""
        try:
            descriptor = os.open(name, flags | os.O_CLOEXEC | os.O_NONBLOCK, FILE_MODE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno not in {errno.ENXIO, errno.EISDIR}:
                raise
        else:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
        path = str(self.path / name)
        text = f"{path} is not a regular file; restore it from a backup, or move it away"
        raise StoreDamaged(text, file=path, byte=0)

    def _close_files(self) -> None:
        for descriptor in list(self._files):
            self.close_file(descriptor)

    def _lock(self) -> None:
        # Closing a second descriptor of the file would release the lock, so this process's locks are checked first.
        if self._key in _held:
            raise StoreLocked(f"the data folder {self.path} is already open in this process")
        kind = (fcntl.LOCK_SH if self.read_only else fcntl.LOCK_EX) | fcntl.LOCK_NB
        try:
            self._lock_file(kind)
            self._lock_folder(kind)
        except (BlockingIOError, PermissionError) as error:
            if error.filename is not None:  # the file cannot be opened
                raise
            raise StoreLocked(f"the data folder {self.path} is in use by another process") from None
        if not self.read_only:
            _held.add(self._key)

    def _lock_file(self, kind: int) -> None:
        try:
            descriptor = self.open_file(_LOCK, os.O_RDONLY if self.read_only else os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # it is read only
            return
        fcntl.lockf(descriptor, kind)

    def _lock_folder(self, kind: int) -> None:
        # A forked child inherits this lock until it has closed its files, so that of a killed server may last a moment.
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(self.descriptor, kind)
            except BlockingIOError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.01)
            except OSError as error:
                if error.errno not in _NO_FOLDER_LOCKS:
                    raise
                return
            else:
                return


def identity(found: os.stat_result) -> tuple[int, int]:
    """Return what a file or folder keeps when it is renamed: its device and inode."""
    return found.st_dev, found.st_ino


def write_all(descriptor: int, data: bytes, offset: int | None = None) -> None:
    """Write all of ``data``, at ``offset`` if it is given. Raises ``OSError``."""
    rest = memoryview(data)
    while rest:
        if offset is None:
            rest = rest[os.write(descriptor, rest) :]
        else:
            written = os.pwrite(descriptor, rest, offset)
            offset += written
            rest = rest[written:]


def sync_data(descriptor: int) -> None:
    """Wait until the content of a file is on the disk. Raises ``OSError``."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:  # macOS
        os.fsync(descriptor)


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


def _forked() -> None:
    for folder in list(_open):
        folder.disown()
    _held.clear()


os.register_at_fork(after_in_child=_forked)
