"""A disk that is full, or fails: nothing half done, and the error says what holds from now on."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.models import RECORDS, Account, Domain, Envelope, Message
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Store
from sirrchat_testkit.errors import NotFound, StoreBroken, StoreBusy, StoreError, StoreFull
from sirrchat_testkit.storage import TinyStore, blobs, disk
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


@pytest_asyncio.fixture
async def synced(tmp_path: Path) -> AsyncIterator[TinyStore]:
    made = TinyStore(tmp_path / "data", fsync=True)
    yield made
    await made.close()


async def everything(store: Store) -> dict[str, Any]:
    records: dict[str, Any] = {kind.kind: await store.find(kind) for kind in RECORDS}
    return records | {"usage": await store.usage("acc"), "inbox": await store.count(Message, address="adr")}


def fail(*_: Any) -> Any:
    raise OSError(errno.EIO, "the disk is on fire")


def half_then_full(journal: JournalFile, data: memoryview) -> int:
    if len(data) > 20:
        return os.write(journal.descriptor, data[: len(data) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_changes_nothing(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await store.commit([Put(make(Message))])
    before = await everything(store)
    journal = (tmp_path / "data" / "journal-00000001.log").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", half_then_full)
        for _ in range(3):
            with pytest.raises(StoreFull, match="no space left to write"):
                await store.commit([Put(make(Account)), Delete(Message, 1), Put(make(Message))])
    assert await everything(store) == before
    assert (tmp_path / "data" / "journal-00000001.log").read_bytes() == journal
    assert await store.commit([Put(make(Message))]) == [2]


async def test_the_error_of_the_last_write_is_kept_until_a_write_succeeds(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    assert store.write_error is None
    for failing, kind in ((half_then_full, StoreFull), (fail, StoreError)):
        with monkeypatch.context() as patch:
            patch.setattr(JournalFile, "_write", failing)
            with pytest.raises(kind) as caught:
                await store.commit([Put(make(Message))])
        assert store.write_error is caught.value
        await store.commit([])
        assert store.write_error is caught.value
        await store.commit([Put(make(Message))])
        assert store.write_error is None
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", busy)
        with pytest.raises(StoreBusy):
            await store.commit([Put(make(Message))])
    assert store.write_error is None


async def test_a_failed_write_is_no_full_disk(store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", fail)
        with pytest.raises(StoreError, match="on fire") as caught:
            await store.commit([Put(make(Message))])
        assert not isinstance(caught.value, StoreFull)
    assert await store.commit([Put(make(Message))]) == [1]


async def test_a_journal_that_cannot_be_cut_back_breaks_the_store(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit([Put(make(Message))])
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", half_then_full)
        patch.setattr(JournalFile, "truncate", fail)
        with pytest.raises(StoreBroken, match="cannot truncate"):
            await store.commit([Put(make(Message))])
    with pytest.raises(StoreBroken):
        await store.commit([Put(make(Message))])
    assert isinstance(store.write_error, StoreBroken)
    assert await store.count(Message) == 1


async def test_a_rewind_on_a_full_disk_can_be_tried_again(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = store.mark()
    await store.commit([Put(make(Message))])
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", half_then_full)
        with pytest.raises(StoreFull):
            await store.rewind(mark)
    assert await store.count(Message) == 1
    await store.rewind(mark)
    assert await store.count(Message) == 0


async def test_no_room_for_raw_bytes(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StoreFull):
            await store.put_blob(b"raw")
        assert isinstance(store.write_error, StoreFull)
        with pytest.raises(StoreFull):
            await store.put_blob(b"x" * blobs.LARGE)
    digest = await store.put_blob(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    assert await store.raw(digest) == b"raw"


async def test_a_large_message_that_finds_no_room_leaves_the_segment_as_it_was(
    store: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    segment = tmp_path / "data" / "raw-000001.seg"
    small = await store.put_blob(b"small")
    size = segment.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(SegmentFile, "fill", full)
        with pytest.raises(StoreFull):
            await store.put_blob(b"x" * blobs.LARGE)
    assert segment.stat().st_size == size
    assert await store.raw(small) == b"small"
    large = await store.put_blob(b"x" * blobs.LARGE)
    assert await store.raw(large) == b"x" * blobs.LARGE


async def test_raw_bytes_that_could_not_be_synced_take_back_their_message(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = await synced.put_blob(b"raw")
    with monkeypatch.context() as patch:
        patch.setattr(SegmentFile, "sync", fail)
        with pytest.raises(StoreBroken, match="on fire"):
            await synced.commit([Put(make(Message, blob=blob))])
    assert await synced.count(Message) == 0


async def test_bytes_that_are_being_written_for_nobody_are_dropped_after_it(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write = threading.Event()
    fill = SegmentFile.fill
    raw = b"x" * blobs.LARGE
    digest = sha256(raw).hexdigest()

    def slow(segment: SegmentFile, offset: int, raw: bytes) -> None:
        may_write.wait(10)
        fill(segment, offset, raw)

    monkeypatch.setattr(SegmentFile, "fill", slow)
    assert synced._disk is not None
    segments = synced._disk.blobs
    task = asyncio.create_task(synced.put_blob(raw))
    await auntil(lambda: segments.busy(digest))
    task.cancel()
    await asyncio.wait([task])
    await synced.commit([Put(make(Account))])
    await synced.flush()
    assert digest in synced._references.unreferenced  # it follows when it is written
    may_write.set()
    assert await synced.put_blob(raw) == digest  # waits for the first to be written
    assert await synced.raw(digest) == raw
    synced.release_blob(digest)
    await synced.flush()
    with pytest.raises(NotFound):
        await synced.raw(digest)


async def test_a_failed_fsync_takes_back_its_group(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blob = await synced.put_blob(b"raw")
    await synced.commit([Put(make(Message, blob=blob)), Put(make(Message)), Put(make(Envelope))])
    before = await everything(synced)
    journal = (tmp_path / "data" / "journal-00000001.log").read_bytes()
    changes: list[list[Change]] = [
        [Delete(Message, 1)],
        [Patch(Message, 2, size=99)],
        [Put(make(Message)), Patch(Envelope, 1, blob="other")],
        [Patch(Message, 2, size=100), Patch(Message, 3, size=5)],
    ]
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "sync", fail)
        failed = await asyncio.gather(*(synced.commit(each) for each in changes), return_exceptions=True)
    assert [type(each) for each in failed] == [StoreBroken] * 4
    assert "read-only until the server is restarted" in str(failed[0])
    assert await everything(synced) == before
    assert (tmp_path / "data" / "journal-00000001.log").read_bytes() == journal
    assert await synced.raw(blob) == b"raw"
    with pytest.raises(StoreBroken):
        await synced.commit([Put(make(Message))])
    with pytest.raises(StoreBroken):
        await synced.flush()
    await synced.close()
    again = TinyStore(tmp_path / "data")
    assert await everything(again) == before
    await again.close()


async def test_a_failed_fsync_takes_back_what_came_while_it_ran(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def slow_failure(_: Any) -> None:
        reached.set()
        let_go.wait(10)
        fail()

    monkeypatch.setattr(JournalFile, "sync", slow_failure)
    first = asyncio.create_task(synced.commit([Put(make(Message))]))
    await asyncio.to_thread(reached.wait, 10)
    second = asyncio.create_task(synced.commit([Patch(Message, 1, size=5), Put(make(Account))]))
    await asyncio.sleep(0)
    assert await synced.count(Account) == 1
    let_go.set()
    for task in (first, second):
        with pytest.raises(StoreBroken):
            await task
    assert await synced.count(Message) == await synced.count(Account) == 0


async def test_a_failed_background_fsync_stops_writing_but_takes_nothing_back(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = TinyStore(tmp_path / "data")
    await store.commit([Put(make(Message))])
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "sync", fail)
        with pytest.raises(StoreBroken):
            await store.flush()
    assert "on fire" in caplog.text
    assert await store.count(Message) == 1
    with pytest.raises(StoreBroken):
        await store.commit([Put(make(Message))])
    await store.close()
    again = TinyStore(tmp_path / "data")
    assert await again.count(Message) == 1
    await again.close()


async def test_the_background_fsync_comes_by_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced = threading.Event()
    threads: set[int] = set()

    def note(_: JournalFile) -> None:
        threads.add(threading.get_ident())
        synced.set()

    monkeypatch.setattr(disk, "LAZY", 0.001)  # real time is the subject
    monkeypatch.setattr(JournalFile, "sync", note)
    store = TinyStore(tmp_path / "data")
    await store.commit([Put(make(Message))])
    assert await asyncio.to_thread(synced.wait, 10)
    assert threading.get_ident() not in threads
    await store.close()


async def test_commits_that_wait_share_one_fsync(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    real = JournalFile.sync

    def counted(journal: JournalFile) -> None:
        nonlocal count
        count += 1
        real(journal)

    monkeypatch.setattr(JournalFile, "sync", counted)
    await asyncio.gather(*(synced.commit([Put(make(Message))]) for _ in range(200)))
    assert count <= 3
    assert await synced.count(Message) == 200


async def test_a_commit_is_seen_at_once_and_acknowledged_after_the_fsync(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def slow(_: JournalFile) -> None:
        reached.set()
        let_go.wait(10)

    monkeypatch.setattr(JournalFile, "sync", slow)
    task = asyncio.create_task(synced.commit([Put(make(Message))]))
    await asyncio.to_thread(reached.wait, 10)
    assert await synced.count(Message) == 1
    assert not task.done()
    let_go.set()
    assert await task == [1]


async def test_a_cancelled_waiter_disturbs_nobody(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def slow(_: JournalFile) -> None:
        reached.set()
        let_go.wait(10)

    monkeypatch.setattr(JournalFile, "sync", slow)
    tasks = [asyncio.create_task(synced.commit([Put(make(Message))])) for _ in range(3)]
    await asyncio.to_thread(reached.wait, 10)
    tasks[1].cancel()
    let_go.set()
    assert await tasks[0] == [1]
    assert await tasks[2] == [3]
    assert await synced.count(Message) == 3


async def test_a_compaction_that_fails_keeps_the_journals(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = TinyStore(tmp_path / "data", compact_at=500)
    with monkeypatch.context() as patch:

        def chunks(_: Draft) -> Any:
            yield b"{"
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(Draft, "_chunks", chunks)
        for _ in range(10):
            await store.commit([Put(make(Message))])
            while store._disk is not None and store._disk._compacting is not None:
                await asyncio.wait([store._disk._compacting])
    assert "the journals are kept" in caplog.text
    assert not (tmp_path / "data" / "mail.json.tmp").exists()
    assert len(list((tmp_path / "data").glob("journal-*"))) > 2
    before = await everything(store)
    for _ in range(10):
        await store.commit([Patch(Message, 1, size=10)])
        await store.flush()
    await store.close()
    again = TinyStore(tmp_path / "data")
    assert await everything(again) == before
    assert len(list((tmp_path / "data").glob("journal-*"))) == 1
    await again.close()


SHORT = """
import asyncio, resource, sys
from sirrchat_testkit.errors import StoreFull
from sirrchat_testkit.domain.models import Domain
from sirrchat_testkit.domain.store import Delete, Put
from sirrchat_testkit.storage import TinyStore

async def main():
    store = TinyStore(sys.argv[1])
    size = lambda: store._storage.journal.length
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    refused = 0
    for number in range(50):
        await store.commit([Put(Domain(id=str(number), name=f"{number}.example", created_at=1))])
        before = size(), await store.find(Domain), store._storage.next_ids.copy()
        resource.setrlimit(resource.RLIMIT_FSIZE, (size() + number, hard))
        try:
            await store.commit([Delete(Domain, 1), Put(Domain(id="x", name="x" * 99, created_at=1))])
        except StoreFull:
            refused += 1
        try:
            await store.put_blob(b"y" * (size() + 100))
        except StoreFull:
            refused += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert before == (size(), await store.find(Domain), store._storage.next_ids)
        assert await store.count(Domain, name="x" * 99) == 0
    print(refused, flush=True)
    import os
    os._exit(0)

asyncio.run(main())
"""


async def test_short_writes_change_nothing(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", SHORT, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["100"]
    again = TinyStore(tmp_path)
    assert [each.id for each in await again.find(Domain)] == [str(number) for number in range(50)]
    assert again._storage.next_id("domains") == 51
    await again.close()


async def test_a_rewind_that_was_not_synced_is_taken_back(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = synced.mark()
    await synced.commit([Put(make(Message))])
    before = await everything(synced)
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "sync", fail)
        with pytest.raises(StoreBroken):
            await synced.rewind(mark)
    assert await everything(synced) == before
    await synced.close()
    again = TinyStore(tmp_path / "data")
    assert await everything(again) == before
    await again.close()


async def test_nothing_is_noted_for_undo_once_it_is_synced(synced: TinyStore, make: Make) -> None:
    for _ in range(3):
        await synced.commit([Put(make(Message))])
    assert synced._storage.undo == []


async def test_a_journal_that_was_deleted_breaks_the_store(store: TinyStore, make: Make, tmp_path: Path) -> None:
    (tmp_path / "data" / "journal-00000001.log").unlink()
    with pytest.raises(StoreBroken, match="was deleted or moved while it was in use"):
        await store.commit([Put(make(Message))])
    assert await store.count(Message) == 0


TEMPORARY = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR]


@pytest.mark.parametrize("number", TEMPORARY)
async def test_a_sync_that_lacks_a_resource_is_repeated(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failures = [OSError(number, os.strerror(number))] * 2
    real = JournalFile.sync

    def lacking(journal: JournalFile) -> None:
        if failures:
            raise failures.pop()
        real(journal)

    monkeypatch.setattr(JournalFile, "sync", lacking)
    monkeypatch.setattr(disk, "RETRY", 0.001)
    await synced.commit([Put(make(Account))])
    assert failures == []
    await synced.commit([Put(make(Account))])


@pytest.mark.parametrize("number", TEMPORARY)
async def test_a_message_that_lacks_a_resource_is_refused_until_it_has_it(
    store: TinyStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def lacking(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(SegmentFile, "append", lacking)
        with pytest.raises(StoreBusy, match=r"cannot write .* now"):
            await store.put_blob(b"mail")
    digest = await store.put_blob(b"mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", lacking)
        with pytest.raises(StoreBusy, match=r"cannot read .* now"):
            await store.raw(digest)
    assert await store.raw(digest) == b"mail"


async def test_a_store_closes_while_it_waits_for_a_resource(
    synced: TinyStore, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def lacking(*_: Any) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(disk, "RETRY", 3600.0)
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "sync", lacking)
        commit = asyncio.create_task(synced.commit([Put(make(Account))]))
        await tried.wait()
    await synced.close()
    with pytest.raises(StoreBusy, match="closed before"):
        await commit
    again = TinyStore(tmp_path / "data")
    assert len(await again.find(Account)) == 1
    await again.close()
