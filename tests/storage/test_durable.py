"""What a folder adds: everything is there again, whatever the end was."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB

from sirrchat_testkit.domain.models import RECORDS, Account, Address, Envelope, Message
from sirrchat_testkit.domain.store import Delete, Patch, Put, Store
from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.storage import TinyStore, journal
from sirrchat_testkit.storage.journal_file import encode
from sirrchat_testkit.storage.repair import repair

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def everything(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = {kind.kind: await store.find(kind) for kind in RECORDS}
    return found | {"folders": [replace(each, uidnext=0) for each in found["folders"]]}  # these are never undone


async def fill(store: Store, make: Make, count: int = 5) -> None:
    for number in range(count):
        blob = await store.put_blob(b"raw %d" % number)
        subject = f'{number} \u2603 \udce9 \u2028 \\ " \x00 {{}}'
        await store.commit([Put(make(Envelope, blob=blob)), Put(make(Message, blob=blob, subject=subject))])
        store.release_blob(blob)
    await store.commit([Patch(Message, 1, folder="Sent", flags=("seen",)), Put(make(Address, expires_at=7))])
    await store.commit([Delete(Message, 2), Delete(Envelope, 2), Put(make(Account))])


def copied(folder: Path, to: Path) -> Path:
    """Copy a folder as a killed process would leave it: the store that has it open goes on."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    return to


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def journal_of(folder: Path) -> Path:
    return max(folder.glob("journal-*.log"))


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
async def test_all_is_there_again(tmp_path: Path, make: Make, *, closed: bool) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    before = await everything(store)
    if closed:
        await store.close()
    folder = copied(tmp_path / "a", tmp_path / "b")
    again = TinyStore(folder)
    assert await everything(again) == before
    assert await again.expired(7) == before["addresses"]
    assert (await again.usage("acc")).count == 4
    assert [each.seq for each in await again.find(Message, {"address": "adr", "folder": "INBOX"})] == [3, 4, 5]
    for message in before["messages"]:
        assert (await again.raw(message.blob)).startswith(b"raw")
    await again.close()
    await store.close()


async def test_seqs_are_not_reused_after_a_restart(tmp_path: Path, make: Make) -> None:
    for expected in (1, 2, 3):
        store = TinyStore(tmp_path)
        assert await store.commit([Put(make(Message))]) == [expected]
        await store.commit([Delete(Message, expected)])
        await store.close()
    store = TinyStore(tmp_path)
    await store.commit([Put(make(Message))])
    await store.commit([Delete(Message, 4)])
    again = TinyStore(copied(tmp_path, tmp_path / "copy"))
    assert await again.commit([Put(make(Message))]) == [5]
    await again.close()
    await store.close()


async def test_seqs_do_not_go_back_with_a_rewind(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    mark = store.mark()
    await store.commit([Put(make(Message))])
    await store.rewind(mark)
    assert await store.commit([Put(make(Message))]) == [2]
    await store.close()


async def test_a_rewind_lasts(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    before = await everything(store)
    mark = store.mark()
    await store.commit([Delete(Message, 1), Patch(Message, 3, size=77), Put(make(Message))])
    await store.rewind(mark)
    again = TinyStore(copied(tmp_path / "a", tmp_path / "b"))
    assert await everything(again) == before
    await again.close()
    await store.close()


async def test_plain_tinydb_opens_what_a_closed_store_leaves(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    await fill(store, make)
    await store.close()
    with TinyDB(tmp_path / "mail.json") as database:
        messages = database.table("messages")
        assert [doc.doc_id for doc in messages] == [1, 3, 4, 5]
        messages.update({"subject": "edited"}, doc_ids=[3])
        messages.remove(doc_ids=[5])
    with pytest.raises(StoreDamaged, match=r"edited with other software.*repair"):
        TinyStore(tmp_path)
    done = repair(tmp_path).snapshot
    assert done is not None
    assert (done.edited, done.lost) == (True, 0)
    again = TinyStore(tmp_path)
    edited = await again.get(Message, seq=3)
    assert edited is not None
    assert edited.subject == "edited"
    assert await again.count(Message) == 3
    assert await again.commit([Put(make(Message))]) == [6]
    await again.close()


async def test_a_plain_tinydb_file_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "mail.json").write_text('{"domains": {"4": {"id": "d", "name": "example.com", "created_at": 1}}}')
    store = TinyStore(tmp_path)
    assert [each.seq for each in (await everything(store))["domains"]] == [4]
    await store.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"domains": {"1": {}',
        "[]",
        '{"domains": {"1": 5}}',
        '{"strange": {"x": {}}}',
        '{"_journal": {}}',
        '{"_journal": {"1": {}},\n"a": {\n"1": {},\n',
    ],
)
async def test_a_broken_snapshot_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mail.json").write_text(text)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=r"mail\.json is not a valid snapshot"):
            TinyStore(tmp_path)


async def test_compaction_replaces_the_journal(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a", compact_at=2000)
    for number in range(100):
        await store.commit([Put(make(Message, subject=str(number)))])
        if number % 10 == 0:
            await store.flush()
    await store.flush()
    before = await everything(store)
    assert int(journal_of(tmp_path / "a").stem.split("-")[1]) > 2
    again = TinyStore(copied(tmp_path / "a", tmp_path / "b"))
    assert await everything(again) == before
    await again.close()
    await store.close()
    assert len(list((tmp_path / "a").glob("journal-*"))) == 1


@pytest.mark.parametrize("step", range(14))
async def test_commits_during_compaction_are_there_at_any_moment(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(journal, "SLICE", 2)
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    storage: Any = store._storage
    compaction = storage.begin_compaction()
    steps = compaction.copy()
    for number, _ in enumerate(steps):
        # Some of it is in the snapshot already, some is not, whatever the step.
        await store.commit(
            [Patch(Message, 1, size=number), Put(make(Message)), Delete(Message, number), Put(make(Account))]
        )
        if number == step:
            break
    mark = store.mark()
    await store.commit([Delete(Message, 3), Patch(Envelope, 1, size=8)])
    await store.rewind(mark)
    before = await everything(store)
    for _ in steps:
        pass
    for moment in ("copied", "run"):
        again = TinyStore(copied(tmp_path / "a", tmp_path / moment))
        assert await everything(again) == before
        assert all(again._storage.next_id(kind.kind) == storage.next_id(kind.kind) for kind in RECORDS)
        await again.close()
        if moment == "copied":
            compaction.run()
    await store.close()


async def test_a_crash_between_snapshot_and_deletion(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    before = await everything(store)
    storage: Any = store._storage
    compaction = storage.begin_compaction()
    for _ in compaction.copy():
        pass
    compaction.draft.save(storage.folder)
    (tmp_path / "a" / "mail.json.tmp").write_text("half a snap")
    folder = copied(tmp_path / "a", tmp_path / "b")
    assert len(list(folder.glob("journal-*"))) == 2
    again = TinyStore(folder)
    assert await everything(again) == before
    assert len(list(folder.glob("journal-*"))) == 1
    assert not (folder / "mail.json.tmp").exists()
    await again.close()
    await store.close()


async def test_a_missing_journal_is_named(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    store._storage.begin_compaction()  # type: ignore[attr-defined]  # a durable store has a JournalStorage
    folder = copied(tmp_path / "a", tmp_path / "b")
    (folder / "journal-00000001.log").unlink()
    with pytest.raises(StoreDamaged, match=r"journal-00000001.log is missing"):
        TinyStore(folder)
    await store.close()


async def test_a_torn_older_journal_is_damage(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    store._storage.begin_compaction()  # type: ignore[attr-defined]  # a durable store has a JournalStorage
    folder = copied(tmp_path / "a", tmp_path / "b")
    with (folder / "journal-00000001.log").open("ab") as file:
        file.write(b"12345678 [[")
    with pytest.raises(StoreDamaged, match=r"journal-00000001.log is damaged"):
        TinyStore(folder)
    await store.close()


async def test_a_torn_tail_is_cut_and_logged(tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    store = TinyStore(tmp_path / "a")
    await fill(store, make)
    before = await everything(store)
    folder = copied(tmp_path / "a", tmp_path / "b")
    with journal_of(folder).open("ab") as file:
        file.write(b'12345678 [["messages",{"9":')
    with caplog.at_level(logging.WARNING):
        again = TinyStore(folder)
    assert "unfinished commit" in caplog.text
    assert await everything(again) == before
    [seq] = await again.commit([Put(make(Message))])
    third = TinyStore(copied(folder, tmp_path / "c"))
    assert await third.get(Message, seq=seq) is not None
    for each in (third, again, store):
        await each.close()


@pytest.mark.parametrize("blob", ["../mail.json", "..", "", "/etc/passwd", "A" * 64])
async def test_a_name_that_is_no_digest_reads_nothing(tmp_path: Path, blob: str) -> None:
    store = TinyStore(tmp_path)
    with pytest.raises(LookupError):
        await store.raw(blob)
    await store.close()


async def test_close_without_a_change_leaves_the_snapshot_alone(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    await fill(store, make)
    await store.close()
    before = stamps(tmp_path)
    await TinyStore(tmp_path).close()
    assert stamps(tmp_path) == before


async def test_the_journal_says_one_line_for_each_commit(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path)
    await store.commit([Put(make(Account, id="a")), Put(make(Message, id="m")), Put(make(Message, id="n"))])
    await store.commit([Delete(Message, 1)])
    await store.commit([Delete(Message, 1)])
    lines = journal_of(tmp_path).read_bytes().splitlines()
    assert len(lines) == 2
    assert [[name, [*docs]] for name, docs in json.loads(lines[0][9:])] == [
        ["accounts", ["1"]],
        ["folders", ["1"]],
        ["messages", ["1", "2"]],
    ]
    assert json.loads(lines[1][9:]) == [["messages", {"1": None}]]
    await store.close()


async def test_what_was_written_before_a_cancelled_task_is_there(tmp_path: Path, make: Make) -> None:
    store = TinyStore(tmp_path / "a", fsync=True)
    task = asyncio.create_task(store.commit([Put(make(Message))]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert await store.commit([Put(make(Message))]) == [2]
    again = TinyStore(copied(tmp_path / "a", tmp_path / "b"))
    assert await again.count(Message) == 2
    for each in (again, store):
        await each.close()


async def test_a_large_raw_message(tmp_path: Path, make: Make) -> None:
    raw = bytes(range(256)) * 8192
    for fsync in (True, False):
        store = TinyStore(tmp_path / str(fsync), fsync=fsync)
        digests = await asyncio.gather(*(store.put_blob(raw) for _ in range(4)))
        await store.commit([Put(make(Message, blob=digests[0], size=len(raw)))])
        assert await store.raw(digests[0]) == raw
        await store.close()


async def test_a_store_that_never_ran_lets_go_of_its_folder(tmp_path: Path, make: Make) -> None:
    (tmp_path / "journal-00000001.log").write_bytes(b'00000000 [["a",{}]]\n' + encode({"domains": {1: {"id": "x"}}}))
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            TinyStore(tmp_path)
