"""The disk work of a durable store after its commits: group fsync, compaction, deleting blobs.

1. One fsync runs at a time. It covers everything that was committed before it began.
2. Blobs that a commit made unreferenced are deleted after the fsync that covers the commit.
3. State changes on the loop. Threads only wait for the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sirrchat_testkit.errors import StoreBroken, StoreBusy, StoreError
from sirrchat_testkit.storage.blobs import BlobReferences, FileBlobs
from sirrchat_testkit.storage.folder import is_temporary
from sirrchat_testkit.storage.journal import JournalStorage, Sync

LAZY = 1.0
"""Seconds from a commit to its fsync, if no caller waits for the fsync."""

RETRY = 0.1
"""Seconds after which an fsync is repeated if it lacked a file descriptor or memory."""

SLICE = 500
"""Blobs that are deleted at once, at most."""

log = logging.getLogger(__name__)


class Disk:
    """The disk side of one store. If ``eager``, ``committed`` returns when the commit is on the disk."""

    def __init__(self, storage: JournalStorage, threads: ThreadPoolExecutor, *, eager: bool) -> None:
        self.folder = storage.folder
        self.blobs = FileBlobs(self.folder, threads, sync=eager)
        self._storage = storage
        self._threads = threads
        self._eager = eager
        self._references: BlobReferences | None = None
        self._closing = False
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._compacting: asyncio.Task[None] | None = None

    def collect(self, references: BlobReferences) -> None:
        """Delete blobs that no record names, now and whenever ``references`` has unreferenced ones."""
        self._references = references
        orphans = self.blobs.sweep(references.named)
        if orphans:
            log.info("%s: deleted %d raw messages without a record", self.folder.path, orphans)

    @property
    def broken(self) -> StoreBroken | None:
        """The reason why the store is read-only; None if it is not."""
        return self._storage.broken

    async def committed(self) -> None:
        """Start the work that follows a commit; if ``eager``, return when the commit is on the disk.

        Raises:
            StoreBroken: The disk failed; the commit was undone.
        """
        if self._storage.compaction_is_due and self._compacting is None:
            self._compacting = asyncio.create_task(self._compact())
        if not self._eager:
            self.sync_soon()
        elif self._storage.dirty:
            await self.flush()

    def sync_soon(self) -> None:
        """Begin an fsync within ``LAZY`` seconds."""
        if self._syncing is None:
            self._sync_after(LAZY)

    def _sync_after(self, seconds: float) -> None:
        if self._timer is None and not self._closing:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    async def flush(self) -> None:
        """Wait until everything committed so far is on the disk. Raises ``StoreBroken``."""
        if self._storage.broken is not None:
            raise StoreBroken(str(self._storage.broken)) from self._storage.broken
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._begin()
        await waiter

    async def settle(self) -> None:
        """Wait until everything is on the disk and unreferenced blobs are deleted."""
        await self.flush()
        await self._finish_tasks()

    async def close(self) -> None:
        """Finish the work in progress, write a snapshot, and close all files."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        await self._finish_tasks()
        closer = ThreadPoolExecutor(1)
        try:
            await asyncio.get_running_loop().run_in_executor(closer, self._close_files)
        finally:
            closer.shutdown(wait=False)
        _resolve(self._waiting, StoreBusy("the store was closed before its commits were on the disk"))

    async def _finish_tasks(self) -> None:
        while tasks := [task for task in (self._syncing, self._compacting) if task is not None]:
            await asyncio.wait(tasks)

    def _close_files(self) -> None:
        # A thread may still work for a task that was cancelled.
        self._threads.shutdown()
        try:
            self.blobs.sync(self.blobs.unsynced)
        except OSError as error:
            log.warning("%s: cannot sync raw messages, which power loss may destroy: %s", self.folder.path, error)
        self._storage.close()

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._syncing is None and self._storage.broken is None:
            self._syncing = asyncio.create_task(self._sync_all())

    async def _sync_all(self) -> None:
        try:
            while await self._sync() and self._waiting and self._storage.broken is None:
                pass
        finally:
            self._syncing = None
        if self._storage.dirty or (self._references is not None and self._references.unreferenced):
            self.sync_soon()

    async def _sync(self) -> bool:
        """Sync what was committed before; return False if that has to be repeated later."""
        unreferenced = await self._take_unreferenced()
        group, self._waiting = self._waiting, []
        raws, self.blobs.unsynced = self.blobs.unsynced, set()
        sync = self._storage.begin_sync()
        try:
            await self._run(partial(self._wait_for_disk, sync, raws))
        except OSError as error:
            if is_temporary(error):
                self._repeat(sync, group, raws, unreferenced)
                return False
            broken = self._storage.fail(error)
            log.error("%s", broken)  # noqa: TRY400  # a traceback would add nothing
            _resolve([*group, *self._waiting], broken)
            self._waiting.clear()
            return True
        except asyncio.CancelledError:
            self.blobs.unsynced |= raws
            raise
        self._storage.end_sync(sync)
        _resolve(group)
        for start in range(0, len(unreferenced), SLICE):
            await self._drop(unreferenced[start : start + SLICE])
        return True

    async def _take_unreferenced(self) -> list[str]:
        """Take the unreferenced blobs that may be deleted, a slice in each step of the loop."""
        taken: list[str] = []
        while self._references is not None and self._references.unreferenced:
            taken += self._references.take_unreferenced(SLICE)
            await asyncio.sleep(0)
        return taken

    async def _drop(self, digests: list[str]) -> None:
        """Delete the blobs among ``digests`` that may still be deleted; those in use by a thread follow later."""
        assert self._references is not None
        if deletable := self._references.deletable(digests):
            busy = set(filter(self.blobs.busy, deletable))
            self._references.unreferenced |= busy
            await self.blobs.drop([digest for digest in deletable if digest not in busy])

    def _repeat(self, sync: Sync, group: list[asyncio.Future[None]], raws: set[str], unreferenced: list[str]) -> None:
        """Repeat the same sync soon: the process lacked a file descriptor or memory, but no write has failed."""
        self._storage.repeat_sync(sync)
        self._waiting = [*group, *self._waiting]
        self.blobs.unsynced |= raws
        if self._references is not None:
            self._references.unreferenced |= set(unreferenced)
        log.warning("%s: too few file descriptors or too little memory to sync; trying again", self.folder.path)
        self._sync_after(RETRY)

    def _wait_for_disk(self, sync: Sync, raws: set[str]) -> None:
        self.blobs.sync(raws)
        sync.run()

    async def _compact(self) -> None:
        try:
            compaction = self._storage.begin_compaction()
            for _ in compaction.copy():
                await asyncio.sleep(0)
            await self.flush()
            await self._run(partial(compaction.run, gently=True))
            self._storage.end_compaction()
        except OSError as error:
            log.warning("%s: cannot write a new snapshot, so the journals are kept: %s", self.folder.path, error)
        except StoreBroken:
            pass
        finally:
            self._compacting = None

    async def _run(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _resolve(waiters: list[asyncio.Future[None]], error: StoreError | None = None) -> None:
    for waiter in waiters:
        if not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(type(error)(str(error)))
