"""Files that were cut or changed: what is certain comes back to the letter, or the store refuses to start."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from dataclasses import MISSING, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.domain.models import RECORDS, Envelope, Message
from sirrchat_testkit.domain.store import Delete, Patch, Put
from sirrchat_testkit.errors import StoreDamaged, StoreLocked
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage.journal import JournalStorage
from sirrchat_testkit.storage.repair import Repair, repair
from sirrchat_testkit.storage.salvage import fits

Make = Callable[..., Any]
Tables = dict[str, dict[str, Any]]


@pytest.fixture
def history(tmp_path: Path, make: Make) -> tuple[bytes, list[Tables]]:
    """A journal of twenty commits, and what is stored after each number of them."""

    async def fill() -> bytes:
        store = TinyStore(tmp_path / "history")
        for number in range(1, 11):
            await store.commit([Put(make(Message, subject=f"{number} 00000000 [[ \udce9"))])
            await store.commit([Patch(Message, number, size=number) if number % 3 else Delete(Message, number)])
        data = (tmp_path / "history" / "journal-00000001.log").read_bytes()
        await store.close()
        return data

    data = asyncio.run(fill())
    lines = data.splitlines(keepends=True)
    assert len(lines) == 20
    return data, [read(tmp_path / f"after-{count}", b"".join(lines[:count])) for count in range(21)]


def read(folder: Path, journal: bytes) -> Tables:
    """Return what a store finds in a folder with this journal."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "format.json").write_text('{"version": 2}')
    (folder / "journal-00000001.log").write_bytes(journal)
    return tables_in(folder)


def tables_in(folder: Path) -> Tables:
    """Return what a store finds in ``folder``, without folders of messages: a repair leaves out UIDs."""
    storage = JournalStorage(folder)
    tables = {name: dict(docs) for name, docs in storage.tables.items() if name != "folders"}
    storage.folder.close()
    return tables


def whole_lines(data: bytes, length: int) -> int:
    return data[:length].count(b"\n")


def test_a_journal_cut_anywhere_gives_its_prefix(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, after = history
    cuts = {*random.Random(1).sample(range(len(data)), 300), 0, len(data)}
    for length in sorted(cuts):
        assert read(tmp_path / "cut", data[:length]) == after[whole_lines(data, length)], length


def test_zeros_at_the_end_are_a_torn_tail(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, after = history
    assert read(tmp_path / "zeros", data + bytes(5000)) == after[20]


def test_a_flipped_bit_is_never_believed(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, _ = history
    choose = random.Random(2)
    refused = 0
    for _ in range(300):
        place, bit = choose.randrange(len(data)), choose.randrange(8)
        flipped = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
        with pytest.raises(StoreDamaged) as caught:
            read(tmp_path / "flip", flipped)
        start = data.rfind(b"\n", 0, place) + 1
        assert caught.value.byte == start
        assert f"byte {start}" in str(caught.value)
        assert caught.value.file.endswith("journal-00000001.log")
        refused += 1
    assert refused > 250


def test_a_line_written_twice_changes_nothing(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, after = history
    lines = data.splitlines(keepends=True)
    assert read(tmp_path / "twice", b"".join([*lines, lines[-1]])) == after[20]


def test_a_refused_folder_is_left_as_it_is_and_unlocked(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, _ = history
    damaged = b"x" + data[1:]
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            read(tmp_path / "refused", damaged)
        assert (tmp_path / "refused" / "journal-00000001.log").read_bytes() == damaged


@pytest.mark.parametrize("line", [0, 7, 18])
def test_repair_keeps_what_is_before_and_saves_the_rest(
    tmp_path: Path, history: tuple[bytes, list[Tables]], line: int
) -> None:
    data, after = history
    lengths = [0, *accumulate(map(len, data.splitlines(keepends=True)))]
    start = lengths[line]
    damaged = data[: start + 20] + b"?" + data[start + 21 :]
    folder = tmp_path / "repaired"
    with pytest.raises(StoreDamaged):
        read(folder, damaged)
    report = repair(folder)
    assert (report.byte, report.kept, report.lost) == (start, line, 20 - line - 1)
    assert report.journal == folder / "journal-00000001.log"
    assert [path.read_bytes() for path in report.saved] == [damaged[start:]]
    assert tables_in(folder) == after[line]
    assert repair(folder).journal is None


def test_repair_sets_later_journals_aside(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, after = history
    lines = data.splitlines(keepends=True)
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "journal-00000001.log").write_bytes(b"".join(lines[:5]) + b"damage\n" + b"".join(lines[5:10]))
    (folder / "journal-00000002.log").write_bytes(b"".join(lines[10:]))
    report = repair(folder)
    assert (report.kept, report.lost) == (5, 15)
    assert [path.name for path in report.saved] == ["journal-00000001.log.damaged", "journal-00000002.log.damaged"]
    assert tables_in(folder) == after[5]


def test_repair_of_a_missing_journal(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, _ = history
    folder = tmp_path / "gap"
    folder.mkdir()
    (folder / "journal-00000002.log").write_bytes(data)
    with pytest.raises(StoreDamaged, match="missing"):
        JournalStorage(folder)
    assert repair(folder).lost == 20
    assert tables_in(folder) == {}


def test_repair_touches_nothing_that_is_right(tmp_path: Path, history: tuple[bytes, list[Tables]]) -> None:
    data, _ = history
    folder = tmp_path / "right"
    read(folder, data + b"12345678 [[torn")
    (folder / "journal-00000001.log").write_bytes(data + b"12345678 [[torn")
    report = repair(folder)
    assert report.journal is None
    assert (folder / "journal-00000001.log").read_bytes() == data + b"12345678 [[torn"


def test_repair_waits_for_nobody(tmp_path: Path) -> None:
    storage = JournalStorage(tmp_path)
    with pytest.raises(StoreLocked):
        repair(tmp_path)
    storage.close()
    shutil.rmtree(tmp_path)


def test_a_snapshot_that_nests_without_end_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "mail.json").write_text("[" * 100_000)
    with pytest.raises(StoreDamaged, match=r"mail\.json"):
        TinyStore(tmp_path)


@pytest.fixture
def snapshot(tmp_path: Path, make: Make) -> tuple[Path, list[bytes], dict[int, str]]:
    """A closed folder, the lines of its snapshot, and the subject of each message by its ``seq``."""
    folder = tmp_path / "closed"

    async def fill() -> None:
        store = TinyStore(folder)
        for number in range(5):
            blob = await store.put_blob(b"%d" % number)
            await store.commit([Put(make(Envelope)), Put(make(Message, subject=str(number), blob=blob))])
            store.release_blob(blob)
        await store.commit([Put(make(Message, subject="gone"))])
        await store.commit([Delete(Message, 6)])
        await store.close()

    asyncio.run(fill())
    return folder, (folder / "mail.json").read_bytes().splitlines(keepends=True), {n + 1: str(n) for n in range(5)}


def messages(folder: Path) -> dict[int, str]:
    async def found() -> dict[int, str]:
        store = TinyStore(folder)
        try:
            return {each.seq: each.subject for each in await store.find(Message)}
        finally:
            await store.close()

    return asyncio.run(found())


def test_repair_keeps_every_whole_document_of_a_snapshot(
    tmp_path: Path, snapshot: tuple[Path, list[bytes], dict[int, str]]
) -> None:
    closed, whole, subjects = snapshot
    for number, line in enumerate(whole):
        if line == b"\n":
            continue
        folder = tmp_path / str(number)
        shutil.copytree(closed, folder)
        damaged = b"".join([*whole[:number], b"?" + line[1:], *whole[number + 1 :]])
        (folder / "mail.json").write_bytes(damaged)
        with pytest.raises(StoreDamaged, match="repair"):
            TinyStore(folder)
        mended = repair(folder).snapshot
        assert mended is not None
        assert mended.byte == sum(map(len, whole[:number]))
        assert mended.saved.read_bytes() == damaged
        lost = [seq for seq in subjects if line.startswith(b'"%d"' % seq) and b"recipient_key" in line]
        assert messages(folder) == {seq: text for seq, text in subjects.items() if seq not in lost}
        assert (mended.lost, mended.edited) == (1, False)
        assert repair(folder) == Repair()


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_tells_its_kind_by_its_fields(kind: type[Record]) -> None:
    types = {"int": 1, "boo": True, "tup": (), "Map": {}}
    values = {each.name: types.get(str(each.type)[:3], "") for each in fields(kind)}
    least = {name: values[name] for name, usual in kind._defaults.items() if usual is MISSING}
    for doc in (least, {name: values[name] for name in kind._defaults}):
        assert [each for each in RECORDS if fits(each, doc)] == [kind]


def test_repair_of_a_snapshot_whose_end_is_missing(snapshot: tuple[Path, list[bytes], dict[int, str]]) -> None:
    folder, whole, _ = snapshot
    end = whole.index(b'"messages": {\n') + 3
    (folder / "mail.json").write_bytes(b"".join(whole[:end]))
    done = repair(folder)
    assert done.snapshot is not None
    assert (done.snapshot.byte, done.snapshot.lost) == (sum(map(len, whole[:end])), 0)
    assert messages(folder) == {1: "0", 2: "1"}
    assert done.orphans == 3
    assert sorted(path.read_text() for path in (folder / "orphaned").iterdir()) == ["2", "3", "4"]


@pytest.mark.parametrize("snapshot", [b"", b"garbage", b'{"_journal'])
def test_a_snapshot_that_is_no_snapshot_is_set_aside_while_the_journals_have_everything(
    tmp_path: Path, history: tuple[bytes, list[Tables]], snapshot: bytes
) -> None:
    data, after = history
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "journal-00000001.log").write_bytes(data)
    (folder / "mail.json").write_bytes(snapshot)
    with pytest.raises(StoreDamaged, match="is not a valid snapshot"):
        JournalStorage(folder)
    mended = repair(folder).snapshot
    assert mended is not None
    assert (mended.kept, mended.saved.read_bytes()) == (0, snapshot)
    assert tables_in(folder) == after[20]
