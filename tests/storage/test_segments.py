"""Segments: where raw messages are, what happens to them when they are dropped, and what a killed process leaves."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Domain, Message
from sirrchat_testkit.domain.store import Delete, Put
from sirrchat_testkit.errors import NotFound, StoreDamaged, StoreError, StoreFull
from sirrchat_testkit.storage import TinyStore, blobs, segments
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.segment_file import HEADER, Scan, SegmentFile, unpack
from sirrchat_testkit.storage.segments import Index, Segments

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def put(store: TinyStore, make: Make, raw: bytes) -> int:
    blob = await store.put_blob(raw)
    [seq] = await store.commit([Put(make(Message, blob=blob, size=len(raw)))])
    store.release_blob(blob)
    return seq


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("raw-*.seg"))


def killed(folder: Path, to: Path) -> Path:
    """Copy a folder as a killed process would leave it."""
    return shutil.copytree(folder, to)


async def raws(store: TinyStore) -> list[bytes]:
    return [await store.raw(each.blob) for each in await store.find(Message)]


async def finished(store: TinyStore) -> None:
    """Wait for everything that follows the latest commit, compaction included."""
    await store.flush()
    await store.flush()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make segments that five messages of 100 bytes fill."""
    monkeypatch.setattr(segments, "SEGMENT", 5 * (HEADER + 100))
    monkeypatch.setattr(segments, "SLICE", 150)


def raw_of(number: int) -> bytes:
    return b"%099d\n" % number


async def test_equal_bytes_are_stored_once(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    for _ in range(3):
        await put(store, make, b"raw")
    assert (tmp_path / "raw-000001.seg").stat().st_size == HEADER + 3
    await store.close()


async def test_a_segment_is_read_without_the_store(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    await put(store, make, b"Subject: hello\r\n\r\n")
    await store.close()
    data = (tmp_path / "raw-000001.seg").read_bytes()
    entry = unpack(data[:HEADER], 0)
    assert entry is not None
    assert (entry.live, entry.length, entry.digest) == (True, 18, sha256(b"Subject: hello\r\n\r\n").hexdigest())
    assert data[HEADER:] == b"Subject: hello\r\n\r\n"


@pytest.mark.usefixtures("small")
async def test_a_full_segment_is_followed_by_another(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    for number in range(12):
        await put(store, make, raw_of(number))
    assert names(tmp_path / "a") == ["raw-000001.seg", "raw-000002.seg", "raw-000003.seg"]
    assert await raws(store) == [raw_of(number) for number in range(12)]
    await store.flush()
    assert await raws(store) == [raw_of(number) for number in range(12)]
    again = TinyStore(killed(tmp_path / "a", tmp_path / "b"))
    assert await raws(again) == [raw_of(number) for number in range(12)]
    for each in (store, again):
        await each.close()


@pytest.mark.usefixtures("small")
async def test_a_segment_that_is_hardly_needed_is_compacted(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    seqs = [await put(store, make, raw_of(number)) for number in range(12)]
    await store.commit([Delete(Message, seq) for seq in seqs[:2]])
    await finished(store)
    assert "raw-000001.seg" in names(tmp_path / "a")
    await store.commit([Delete(Message, seqs[2])])
    await finished(store)
    assert names(tmp_path / "a") == ["raw-000002.seg", "raw-000003.seg"]
    assert await raws(store) == [raw_of(number) for number in range(3, 12)]
    again = TinyStore(killed(tmp_path / "a", tmp_path / "b"))
    assert await raws(again) == [raw_of(number) for number in range(3, 12)]
    assert not (tmp_path / "b" / "orphaned").exists()
    for each in (store, again):
        await each.close()


@pytest.mark.usefixtures("small")
async def test_large_messages_are_compacted_too(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    large = b"x" * blobs.LARGE
    first = await put(store, make, large)
    kept = await put(store, make, large + b"y")
    await put(store, make, b"small")
    await put(store, make, b"another")
    await store.commit([Delete(Message, first)])
    await finished(store)
    found = await store.get(Message, seq=kept)
    assert found is not None
    assert await store.raw(found.blob) == large + b"y"
    assert sum((tmp_path / name).stat().st_size for name in names(tmp_path)) < 2 * blobs.LARGE
    await store.close()


@pytest.mark.usefixtures("small")
async def test_a_message_that_is_deleted_while_it_is_copied_does_not_come_back(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TinyStore(tmp_path / "a")
    seqs = [await put(store, make, raw_of(number)) for number in range(6)]
    read_slice = Segments._read_slice
    loop = asyncio.get_running_loop()

    def slow(self: Segments, number: int, at: int) -> Any:
        found = read_slice(self, number, at)
        asyncio.run_coroutine_threadsafe(store.commit([Delete(Message, seqs[4])]), loop).result(10)
        store_dropped = asyncio.run_coroutine_threadsafe(dropped(), loop)
        store_dropped.result(10)
        return found

    async def dropped() -> None:
        assert store._disk is not None
        store._disk._drop(store._references.take_unreferenced())

    monkeypatch.setattr(Segments, "_read_slice", slow)
    await store.commit([Delete(Message, seq) for seq in seqs[:3]])
    await finished(store)
    assert await raws(store) == [raw_of(3), raw_of(5)]
    again = TinyStore(killed(tmp_path / "a", tmp_path / "b"))
    assert await raws(again) == [raw_of(3), raw_of(5)]
    assert not (tmp_path / "b" / "orphaned").exists()
    for each in (store, again):
        await each.close()


@pytest.mark.usefixtures("small")
async def test_a_damaged_segment_is_not_compacted(tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    store = TinyStore(tmp_path)
    seqs = [await put(store, make, raw_of(number)) for number in range(6)]
    path = tmp_path / "raw-000001.seg"
    data = bytearray(path.read_bytes())
    data[4 * (HEADER + 100) + HEADER] ^= 1
    path.write_bytes(data)
    await store.commit([Delete(Message, seq) for seq in seqs[:3]])
    await finished(store)
    assert "cannot compact raw messages" in caplog.text
    assert path.exists()
    assert await store.raw(sha256(raw_of(3)).hexdigest()) == raw_of(3)
    with pytest.raises(StoreDamaged):
        await store.raw(sha256(raw_of(4)).hexdigest())
    await store.close()


@pytest.mark.usefixtures("small")
async def test_a_compaction_on_a_full_disk_loses_nothing_and_is_tried_again(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = TinyStore(tmp_path)
    seqs = [await put(store, make, raw_of(number)) for number in range(6)]
    with monkeypatch.context() as patch:
        patch.setattr(SegmentFile, "append", full)
        await store.commit([Delete(Message, seq) for seq in seqs[:3]])
        await finished(store)
        assert await raws(store) == [raw_of(3), raw_of(4), raw_of(5)]
    await put(store, make, b"more")
    await finished(store)
    assert names(tmp_path) == ["raw-000002.seg"]
    assert await raws(store) == [raw_of(3), raw_of(4), raw_of(5), b"more"]
    await store.close()


async def test_without_a_descriptor_for_another_segment_the_full_one_grows(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch, small: None
) -> None:
    store = TinyStore(tmp_path)
    with monkeypatch.context() as patch:

        def lacking(*_: Any) -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

        patch.setattr(Folder, "open_file", lacking)
        for number in range(7):
            await put(store, make, raw_of(number))
    assert names(tmp_path) == ["raw-000001.seg"]
    await put(store, make, raw_of(7))
    assert names(tmp_path) == ["raw-000001.seg", "raw-000002.seg"]
    assert await raws(store) == [raw_of(number) for number in range(8)]
    await store.close()


async def test_a_short_write_leaves_no_part_of_a_message(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TinyStore(tmp_path / "a")
    await put(store, make, b"first")
    real = os.pwrite

    def half(descriptor: int, data: memoryview, offset: int) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2], offset)

    def failing(*_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    for truncates in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", half)
            if not truncates:
                patch.setattr(os, "ftruncate", failing)
            with pytest.raises(StoreFull):
                await store.put_blob(raw_of(1))
    assert await put(store, make, b"second") == 2
    again = TinyStore(killed(tmp_path / "a", tmp_path / "b"))
    for each in (store, again):
        assert await raws(each) == [b"first", b"second"]
        await each.close()


async def test_a_segment_that_was_deleted_takes_nothing_more(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    await put(store, make, b"first")
    (tmp_path / "raw-000001.seg").unlink()
    with pytest.raises(StoreError, match=r"raw-000001\.seg was deleted while it was in use"):
        await store.put_blob(b"second")
    await store.close()


async def test_bytes_without_a_record_are_moved_and_reported(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    store = TinyStore(tmp_path / "a")
    await put(store, make, b"named")
    orphan = await store.put_blob(b"orphan")
    folder = killed(tmp_path / "a", tmp_path / "b")
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            again = TinyStore(folder)
        assert caplog.messages == [f"{folder}: moved 1 raw messages without a record to orphaned"]
        assert [path.name for path in (folder / "orphaned").iterdir()] == [f"{orphan}.eml"]
        assert (folder / "orphaned" / f"{orphan}.eml").read_bytes() == b"orphan"
        assert (folder / "orphaned" / f"{orphan}.eml").stat().st_mode & 0o777 == 0o600
        assert await raws(again) == [b"named"]
        with pytest.raises(NotFound):
            await again.raw(orphan)
        await again.close()
    await store.close()


async def test_deleted_mail_does_not_become_an_orphan(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    for number in range(4):
        await put(store, make, raw_of(number))
    await store.commit([Delete(Message, 1)])
    await store.flush()
    await store.commit([Delete(Message, 2)])  # its bytes are not yet marked when the process is killed
    store.release_blob(await store.put_blob(b"refused"))
    await store.flush()
    for name, end in (("b", False), ("c", True)):
        if end:
            await store.commit([Delete(Message, 3)])
            await store.close()
        folder = killed(tmp_path / "a", tmp_path / name)
        again = TinyStore(folder)
        assert not (folder / "orphaned").exists()
        await again.close()


@pytest.mark.parametrize("cut", [1, HEADER - 1, HEADER, HEADER + 50])
async def test_a_torn_record_at_the_end_is_left_alone(tmp_path: Path, make: Make, cut: int) -> None:
    store = TinyStore(tmp_path / "a")
    for number in range(3):
        await put(store, make, raw_of(number))
    await store.put_blob(raw_of(3))
    folder = killed(tmp_path / "a", tmp_path / "b")
    path = folder / "raw-000001.seg"
    data = path.read_bytes()[: 3 * (HEADER + 100) + cut]
    path.write_bytes(data)
    again = TinyStore(folder)
    assert await raws(again) == [raw_of(0), raw_of(1), raw_of(2)]
    await put(again, make, raw_of(3))
    assert path.read_bytes() == data
    assert names(folder) == ["raw-000001.seg", "raw-000002.seg"]
    third = TinyStore(killed(folder, tmp_path / "c"))
    assert await raws(third) == [raw_of(number) for number in range(4)]
    for each in (store, again, third):
        await each.close()


async def test_zeros_at_the_end_are_a_torn_write(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    await put(store, make, raw_of(0))
    folder = killed(tmp_path / "a", tmp_path / "b")
    with (folder / "raw-000001.seg").open("ab") as file:
        file.write(bytes(5000))
    again = TinyStore(folder)
    assert await raws(again) == [raw_of(0)]
    for each in (store, again):
        await each.close()


async def test_a_large_message_whose_bytes_were_not_written_is_no_damage(tmp_path: Path, make: Make) -> None:
    folder = Folder(tmp_path / "a")
    segment = SegmentFile(folder, 1)
    large = b"x" * 5000
    digest = sha256(large).hexdigest()
    segment.reserve(digest, 1, len(large))
    segment.append(sha256(b"after").hexdigest(), b"after")
    segment.close()
    folder.close()
    (tmp_path / "a" / "journal-00000001.log").touch()
    store = TinyStore(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a" / "orphaned").iterdir()) == sorted(
        [f"{digest}.damaged.eml", f"{sha256(b'after').hexdigest()}.eml"]
    )
    await put(store, make, b"next")
    assert await raws(store) == [b"next"]
    await store.close()


async def test_the_place_in_the_newer_segment_counts(tmp_path: Path, make: Make) -> None:
    """A process was killed after a copy and before the deletion of the old segment."""
    store = TinyStore(tmp_path / "a")
    await put(store, make, raw_of(0))
    folder = killed(tmp_path / "a", tmp_path / "b")
    shutil.copy(folder / "raw-000001.seg", folder / "raw-000002.seg")
    opened = Folder(folder)
    index = Index(opened)
    opened.close()
    assert [place[0] for place in index.places.values()] == [2]
    assert (index.extents[1].live, index.extents[2].live) == (0, HEADER + 100)
    again = TinyStore(folder)
    await again.commit([Put(make(Domain))])
    await finished(again)
    assert names(folder) == ["raw-000002.seg"]
    assert await raws(again) == [raw_of(0)]
    for each in (store, again):
        await each.close()


async def test_a_scan_goes_on_after_damage(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    segment = SegmentFile(folder, 1)
    digests = [sha256(raw_of(number)).hexdigest() for number in range(4)]
    for number, digest in enumerate(digests):
        segment.append(digest, raw_of(number))
    os.pwrite(segment.descriptor, b"?", HEADER + 100 + 20)
    scan = Scan(segment.descriptor)
    assert [each.digest for each in scan] == digests[:1]
    assert scan.damage == HEADER + 100
    assert scan.resume()
    assert [each.digest for each in scan] == digests[2:]
    assert scan.damage is None
    folder.close()
