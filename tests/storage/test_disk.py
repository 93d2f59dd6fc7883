"""What a durable store does behind its commits: fsync, deletion of raw bytes, snapshots."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.models import Account, Message
from sirrchat_testkit.domain.store import Delete, Put
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.storage import TinyStore, blobs, disk
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.journal_file import JournalFile
from sirrchat_testkit.storage.segment_file import SegmentFile
from sirrchat_testkit.storage.snapshot import Draft
from tests.support import auntil

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


@pytest_asyncio.fixture(params=["journal", "fsync"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TinyStore]:
    made = TinyStore(tmp_path / "data", fsync=request.param == "fsync")
    yield made
    await made.close()


def places(store: TinyStore) -> dict[str, Any]:
    """Return where the raw bytes of a durable store are."""
    assert store._disk is not None
    return store._disk.blobs._index.places


class SlowSync:
    """Hold the fsync of segments and journals in its thread, from ``reached`` until ``may_end``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.may_end = threading.Event()
        monkeypatch.setattr(JournalFile, "sync", self._sync)
        monkeypatch.setattr(SegmentFile, "sync", self._sync)

    def _sync(self, *_: Any) -> None:
        self.reached.set()
        self.may_end.wait(10)


async def test_bytes_that_a_delivery_keeps_during_the_fsync_are_not_deleted_after_it(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await store.put_blob(b"raw")
    store.release_blob(digest)
    slow = SlowSync(monkeypatch)
    syncing = asyncio.create_task(store.flush())
    await asyncio.to_thread(slow.reached.wait, 10)
    assert await store.put_blob(b"raw") == digest
    slow.may_end.set()
    await syncing
    await store.flush()
    await store.commit([Put(make(Message, blob=digest))])
    store.release_blob(digest)
    await store.flush()
    assert await store.raw(digest) == b"raw"


async def test_bytes_of_a_message_deleted_in_a_scope_during_the_fsync_are_not_deleted_after_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = TinyStore(tmp_path / "data")
    digest = await store.put_blob(b"raw")
    store.release_blob(digest)
    slow = SlowSync(monkeypatch)
    syncing = asyncio.create_task(store.flush())
    await asyncio.to_thread(slow.reached.wait, 10)
    await store.put_blob(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    store.release_blob(digest)
    mark = store.mark()
    await store.commit([Delete(Message, 1)])
    slow.may_end.set()
    await syncing
    await store.flush()
    await store.rewind(mark)
    assert await store.raw(digest) == b"raw"
    await store.close()


async def test_bytes_that_come_after_they_were_dropped_are_written_again(store: TinyStore) -> None:
    digest = await store.put_blob(b"raw")
    store.release_blob(digest)
    await store.flush()
    with pytest.raises(NotFound):
        await store.raw(digest)
    assert await store.put_blob(b"raw") == digest
    assert await store.raw(digest) == b"raw"


async def test_a_commit_during_the_background_fsync_gets_one_of_its_own(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(disk, "LAZY", 0.001)  # real time is the subject
    store = TinyStore(tmp_path / "data")
    slow = SlowSync(monkeypatch)
    await store.commit([Put(make(Account))])
    await asyncio.to_thread(slow.reached.wait, 10)
    await store.commit([Put(make(Account))])
    slow.may_end.set()
    await auntil(lambda: not store._storage.dirty)  # type: ignore[attr-defined]  # it is a JournalStorage
    await store.close()


async def test_bytes_that_are_released_during_the_background_fsync_are_deleted_after_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(disk, "LAZY", 0.001)  # real time is the subject
    store = TinyStore(tmp_path / "data")
    digest = await store.put_blob(b"raw")
    slow = SlowSync(monkeypatch)
    await store.commit([Put(make(Account))])
    await asyncio.to_thread(slow.reached.wait, 10)
    store.release_blob(digest)
    slow.may_end.set()
    await auntil(lambda: digest not in places(store))
    await store.close()


async def test_bytes_whose_fsync_was_cancelled_are_synced_when_the_store_closes(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = TinyStore(tmp_path / "data")
    digest = await store.put_blob(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    slow = SlowSync(monkeypatch)
    assert store._disk is not None
    store._disk._begin()
    assert store._disk._syncing is not None
    await asyncio.to_thread(slow.reached.wait, 10)
    store._disk._syncing.cancel()
    slow.may_end.set()
    synced: list[str] = []
    monkeypatch.setattr(SegmentFile, "sync", lambda segment: synced.append(segment.path.name))
    await store.close()
    assert synced == ["raw-000001.seg"]


async def test_a_closed_store_has_no_threads(store: TinyStore) -> None:
    await store.put_blob(b"x" * blobs.LARGE)
    threads = store._threads._threads
    assert threads
    await store.close()
    assert not any(each.is_alive() for each in threads)


async def test_a_snapshot_is_written_after_the_fsync_of_what_it_holds(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []
    save = Draft.save

    def note_save(draft: Draft, folder: Folder, *, gently: bool = False) -> None:
        done.append("save")
        save(draft, folder, gently=gently)

    monkeypatch.setattr(JournalFile, "sync", lambda _: done.append("sync"))
    monkeypatch.setattr(Draft, "save", note_save)
    store = TinyStore(tmp_path / "data", compact_at=1)
    await store.commit([Put(make(Account))])
    assert store._disk is not None
    assert store._disk._compacting is not None
    await store._disk._compacting
    assert done == ["sync", "save"]  # the journal, the snapshot
    await store.close()


async def test_many_bytes_are_deleted_in_slices(store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [make(Message, blob=await store.put_blob(b"%d" % number)) for number in range(50)]
    await store.commit([*map(Put, messages)])
    for each in messages:
        store.release_blob(each.blob)
    await store.flush()
    monkeypatch.setattr(disk, "SLICE", 16)
    taken, dropped = [], []
    assert store._disk is not None
    take, drop = store._references.take_unreferenced, store._disk.blobs.drop

    def counted_take(most: int | None = None) -> list[str]:
        taken.append(most)
        return take(most)

    def counted_drop(digests: Iterable[str]) -> list[str]:
        found = list(digests)
        dropped.append(len(found))
        return drop(found)

    monkeypatch.setattr(store._references, "take_unreferenced", counted_take)
    monkeypatch.setattr(store._disk.blobs, "drop", counted_drop)
    await store.commit([Delete(Message, each.seq) for each in messages])
    await store.flush()
    assert (taken, dropped) == ([16] * 4, [16, 16, 16, 2])
    for each in messages:
        with pytest.raises(NotFound):
            await store.raw(each.blob)
