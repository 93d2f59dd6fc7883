"""The disk work of a durable store after its commits: group fsync, compaction, dropping blobs.

1. One fsync runs at a time. It covers everything that was committed before it began.
2. Blobs that a commit made unreferenced are dropped after the fsync that covers the commit.
3. A segment of which less than half is needed is compacted, one at a time.
4. State changes on the loop. Threads only wait for the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sirrchat_testkit.errors import StoreBroken, StoreBusy, StoreError
from sirrchat_testkit.storage.blobs import BlobReferences
from sirrchat_testkit.storage.folder import ORPHANED, is_temporary
from sirrchat_testkit.storage.journal import JournalStorage, Sync
from sirrchat_testkit.storage.segments import Segments

LAZY = 1.0
"""Seconds from a commit to its fsync, if no caller waits for the fsync."""

RETRY = 0.1
"""Seconds after which an fsync is repeated if it lacked a file descriptor or memory."""

SLICE = 200
"""Blobs that are dropped at once, at most."""

log = logging.getLogger(__name__)


class Disk:
    """The disk side of one store. If ``eager``, ``committed`` returns when the commit is on the disk."""

    def __init__(self, storage: JournalStorage, threads: ThreadPoolExecutor, *, eager: bool) -> None:
        self.folder = storage.folder
        self.blobs = Segments(self.folder, threads)
        self._storage = storage
        self._threads = threads
        self._eager = eager
        self._references: BlobReferences | None = None
        self._closing = False
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._compacting: asyncio.Task[None] | None = None
        self._thinning: asyncio.Task[None] | None = None

    def collect(self, references: BlobReferences) -> None:
        """Drop blobs whenever ``references`` has unreferenced ones. Save those that no record names now.

        Those whose record was deleted since the last snapshot are only dropped.
        """
        self._references = references
        departed = self._storage.departed
        unnamed = self.blobs.unnamed(references.named)
        orphans = self.blobs.save_orphans(digest for digest in unnamed if digest not in departed)
        if orphans:
            log.warning("%s: moved %d raw messages without a record to %s", self.folder.path, orphans, ORPHANED)
        self.blobs.drop(digest for digest in unnamed if digest in departed)
        departed.clear()

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
        """Wait until everything is on the disk, unreferenced blobs are dropped, and no file is being compacted."""
        await self.flush()
        await self._finish_tasks()

    async def close(self) -> None:
        """Finish the work in progress, write a snapshot, and close all files."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        await self.blobs.settle()
        await self._finish_tasks()
        closer = ThreadPoolExecutor(1)
        try:
            await asyncio.get_running_loop().run_in_executor(closer, self._close_files)
        finally:
            closer.shutdown(wait=False)
        _resolve(self._waiting, StoreBusy("the store was closed before its commits were on the disk"))

    async def _finish_tasks(self) -> None:
        while tasks := [task for task in (self._syncing, self._compacting, self._thinning) if task is not None]:
            await asyncio.wait(tasks)

    def _close_files(self) -> None:
        # A thread may still work for a task that was cancelled.
        self._threads.shutdown()
        if self._references is not None and self.broken is None:  # without a crash there are no orphans
            self.blobs.drop(self.blobs.unnamed(self._references.named))
        try:
            for each in self.blobs.begin_sync():
                each.sync()
        except OSError as error:
            log.warning("%s: cannot sync raw messages, which power loss may destroy: %s", self.folder.path, error)
        self.blobs.close()
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
        sync = self._storage.begin_sync(self.blobs.begin_sync())
        try:
            await self._run(sync.run)
        except OSError as error:
            if is_temporary(error):
                self._repeat(sync, group, unreferenced)
                return False
            broken = self._storage.fail(error)
            log.error("%s", broken)  # noqa: TRY400  # a traceback would add nothing
            _resolve([*group, *self._waiting], broken)
            self._waiting.clear()
            return True
        except asyncio.CancelledError:
            self.blobs.repeat_sync(sync.segments)
            raise
        self._storage.end_sync(sync)
        self.blobs.end_sync()
        _resolve(group)
        for start in range(0, len(unreferenced), SLICE):
            self._drop(unreferenced[start : start + SLICE])
            await asyncio.sleep(0)
        if self._thinning is None and not self._closing and self.blobs.sparse() is not None:
            self._thinning = asyncio.create_task(self._thin())
        return True

    async def _take_unreferenced(self) -> list[str]:
        """Take the unreferenced blobs that may be dropped, a slice in each step of the loop."""
        taken: list[str] = []
        while self._references is not None and self._references.unreferenced:
            taken += self._references.take_unreferenced(SLICE)
            await asyncio.sleep(0)
        return taken

    def _drop(self, digests: list[str]) -> None:
        """Drop the blobs among ``digests`` that may still be dropped; those that are being written follow later."""
        assert self._references is not None
        deletable = self._references.deletable(digests)
        busy = set(filter(self.blobs.busy, deletable))
        again = self.blobs.drop(digest for digest in deletable if digest not in busy)
        self._references.unreferenced.update(busy, again)

    def _repeat(self, sync: Sync, group: list[asyncio.Future[None]], unreferenced: list[str]) -> None:
        """Repeat the same sync soon: the process lacked a file descriptor or memory, but no write has failed."""
        self._storage.repeat_sync(sync)
        self.blobs.repeat_sync(sync.segments)
        self._waiting = [*group, *self._waiting]
        if self._references is not None:
            self._references.unreferenced |= set(unreferenced)
        log.warning("%s: too few file descriptors or too little memory to sync; trying again", self.folder.path)
        self._sync_after(RETRY)

    async def _thin(self) -> None:
        """Compact the segments of which too little is needed."""
        try:
            while not self._closing and (number := self.blobs.sparse()) is not None:
                await self.blobs.compact(number, self.flush)
        except (OSError, StoreError) as error:
            log.warning("%s: cannot compact raw messages: %s", self.folder.path, error)
        finally:
            self._thinning = None

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
