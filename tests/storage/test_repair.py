"""A repair of each kind of damage: what it keeps, what it sets aside, and what it says."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB, where

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import StoreDamaged, StoreError
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage.repair import Repair, repair
from sirrchat_testkit.storage.segment_file import HEADER

FOLDERS = Path(__file__).with_name("folders")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(FOLDERS / "version-2-stopped", tmp_path / "data")


def messages(folder: Path) -> dict[int, tuple[str, bytes | None]]:
    """Return the subject and the bytes of each message."""

    async def found() -> dict[int, tuple[str, bytes | None]]:
        store = TinyStore(folder)
        read: dict[int, tuple[str, bytes | None]] = {}
        for each in await store.find(Message):
            try:
                read[each.seq] = each.subject, await store.raw(each.blob)
            except LookupError:
                read[each.seq] = each.subject, None
        await store.close()
        return read

    return asyncio.run(found())


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDERS.glob("*.json")))
def test_a_right_folder_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(FOLDERS / name, tmp_path / "data")
    before = {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    assert repair(folder) == Repair()
    assert {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()} == before


def test_an_edit_with_tinydb_is_accepted(folder: Path) -> None:
    before = messages(folder)
    with TinyDB(folder / "mail.json") as database:
        table = database.table("messages")
        table.update({"subject": "edited"}, doc_ids=[1])
        table.remove(doc_ids=[2])
        new = {**table.all()[0], "id": "new"}
        del new["uid"]
        seq = table.insert(new)
    edited = (folder / "mail.json").read_bytes()
    with pytest.raises(StoreDamaged, match=r"was edited with other software; .* run: sirrchat-testkit repair"):
        TinyStore(folder)
    done = repair(folder)
    assert done.snapshot is not None
    assert (done.snapshot.edited, done.snapshot.lost) == (True, 0)
    assert done.snapshot.saved.read_bytes() == edited
    assert done.orphans == 0  # an envelope still names the bytes of the message that was removed
    after = messages(folder)
    assert after[1] == ("edited", before[1][1])
    assert after[seq] == after[1]
    assert after.keys() == before.keys() - {2} | {seq}
    assert repair(folder) == Repair()


@pytest.mark.parametrize("options", [{}, {"indent": 4}, {"sort_keys": True}])
def test_an_edit_is_accepted_however_tinydb_writes_it(folder: Path, options: dict[str, Any]) -> None:
    with TinyDB(folder / "mail.json", **options) as database:
        database.table("messages").update({"subject": "edited"}, where("folder") == "Sent")
    done = repair(folder).snapshot
    assert done is not None
    assert done.edited
    assert [subject for subject, _ in messages(folder).values()].count("edited") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"subject": 5},
        {"size": "many"},
        {"size": True},
        {"seen": 1},
        {"to": "ann@example.com"},
        {"flags": None},
        {"colour": "red"},
    ],
)
def test_an_edited_record_that_is_none_is_refused(folder: Path, change: dict[str, Any]) -> None:
    before = messages(folder)
    with TinyDB(folder / "mail.json") as database:
        database.table("messages").update(change, doc_ids=[1])
    done = repair(folder).snapshot
    assert done is not None
    assert (done.edited, done.lost) == (True, 1)
    assert messages(folder).keys() == before.keys() - {1}


def test_everything_can_be_removed_by_an_edit(folder: Path) -> None:
    with TinyDB(folder / "mail.json") as database:
        database.drop_tables()
    done = repair(folder)
    assert done.snapshot is not None
    assert done.snapshot.edited
    assert messages(folder) == {}
    assert len(list((folder / "orphaned").iterdir())) == done.orphans > 0


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"10 00000000\n"])
def test_checksums_that_are_missing_or_wrong_are_written_again(folder: Path, content: bytes | None) -> None:
    before = messages(folder)
    shutil.rmtree(folder)
    shutil.copytree(FOLDERS / "version-2-stopped", folder)
    if content is None:
        (folder / "mail.sums").unlink()
    else:
        (folder / "mail.sums").write_bytes(content)
    with pytest.raises(StoreDamaged):
        TinyStore(folder)
    repair(folder)
    assert messages(folder) == before


def test_a_kill_between_the_snapshot_and_its_checksums_is_no_damage(folder: Path, tmp_path: Path) -> None:
    before = messages(folder)
    newer = shutil.copytree(folder, tmp_path / "newer")
    with TinyDB(newer / "mail.json") as database:
        database.table("messages").update({"seen": True}, doc_ids=[1])
    repair(newer)
    killed = shutil.copytree(newer, tmp_path / "killed")
    (killed / "mail.sums").rename(killed / "mail.sums.tmp")
    shutil.copy(folder / "mail.sums", killed / "mail.sums")
    assert messages(killed) == before
    assert not (killed / "mail.sums.tmp").exists()


def test_messages_that_match_are_kept_and_others_are_set_aside(folder: Path) -> None:
    before = messages(folder)
    path = folder / "raw-000001.seg"
    data = bytearray(path.read_bytes())
    body = data.index(b"mail 0")
    data[body] ^= 1
    header = data.index(b"MAIL", data.index(b"mail 1")) + 20
    data[header] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match=f"{path} is damaged at byte {header - 20}"):
        TinyStore(folder)
    done = repair(folder)
    [segment] = done.segments
    assert (segment.path, segment.byte, segment.lost) == (path, 0, 2)
    assert segment.saved == folder / "raw-000001.seg.damaged"
    assert segment.saved.read_bytes() == data
    assert done.missing == 2
    after = messages(folder)
    assert [seq for seq in after if after[seq] != before[seq]] == [1, 3]
    assert after[1][1] is after[3][1] is None
    [aside] = (folder / "orphaned").iterdir()
    assert aside.name.endswith(".damaged.eml")
    assert aside.read_bytes() == bytes(data[HEADER : HEADER + len(before[1][1] or b"")])
    again = repair(folder)
    assert again == Repair(missing=2)


def test_bytes_with_a_right_checksum_and_a_wrong_digest_are_found(folder: Path) -> None:
    from zlib import crc32

    from sirrchat_testkit.storage.segment_file import pack

    path = folder / "raw-000001.seg"
    data = bytearray(path.read_bytes())
    at = data.index(b"mail 0")
    data[at] ^= 1
    length = int.from_bytes(data[12:20], "little")
    raw = bytes(data[HEADER : HEADER + length])
    data[:HEADER] = pack(data[20:HEADER].hex(), crc32(raw), length)
    path.write_bytes(data)
    assert messages(folder)[1][1] == raw  # a server compares only the checksum
    [segment] = repair(folder).segments
    assert (segment.byte, segment.lost) == (0, 1)
    assert messages(folder)[1][1] is None


@pytest.mark.parametrize("text", ["", "garbage", '{"version": 2, "shards": 4}'])
def test_a_version_that_cannot_be_read_is_written_again(folder: Path, text: str) -> None:
    (folder / "format.json").write_text(text)
    done = repair(folder)
    assert done.set_aside == (folder / "format.json.damaged",)
    assert done.set_aside[0].read_text() == text
    assert len(messages(folder)) == 8
    assert repair(folder) == Repair()


def test_a_newer_folder_is_not_touched(folder: Path) -> None:
    (folder / "format.json").write_text('{"version": 3}')
    before = {each: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(StoreError, match="newer release"):
        repair(folder)
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["version-2-stopped", "former-stopped"])
def test_raw_messages_without_any_records_are_moved(tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(FOLDERS / name, tmp_path / "data")
    for each in [*folder.glob("mail.*"), *folder.glob("journal-*")]:
        each.unlink()
    done = repair(folder)
    assert done.orphans == len(list((folder / "orphaned").glob("*.eml"))) >= 5
    assert messages(folder) == {}


@pytest.mark.parametrize("content", [b"hello", b""])
def test_a_snapshot_without_any_record_is_left_with_what_to_do(folder: Path, content: bytes) -> None:
    (folder / "mail.json").write_bytes(content)
    before = {each: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(StoreDamaged, match=r"no record in .*/mail\.json can be read, and nothing was changed: restore"):
        repair(folder)
    assert {each: each.read_bytes() for each in folder.iterdir()} == before
    (folder / "mail.json").rename(folder / "mail.json.mine")
    assert repair(folder).orphans > 0


def test_a_missing_snapshot_sets_its_checksums_aside(folder: Path) -> None:
    (folder / "mail.json").unlink()
    done = repair(folder)
    assert done.set_aside == (folder / "mail.sums.damaged",)
    assert done.orphans > 0
    assert messages(folder) == {}
    assert repair(folder) == Repair()


def test_a_commit_with_an_unknown_field_is_set_aside(folder: Path) -> None:
    from sirrchat_testkit.storage.journal_file import encode

    [journal] = folder.glob("journal-*")
    right = encode({"domains": {90: {"id": "d", "name": "x.example", "created_at": 1}}})
    wrong = encode({"domains": {91: {"id": "e", "name": "y.example", "created_at": 1, "zone": 1}}})
    journal.write_bytes(right + wrong + right)
    done = repair(folder)
    assert (done.journal, done.byte, done.kept, done.lost) == (journal, len(right), 1, 2)
    assert done.saved[0].read_bytes() == wrong + right
    tables = json.loads((folder / "mail.json").read_bytes())
    assert "90" in tables["domains"]
    assert "91" not in tables["domains"]


def test_a_damaged_file_of_a_former_layout_is_set_aside(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS / "former-stopped", tmp_path / "data")
    victim = min(folder.glob("raw/??/*.eml"))
    victim.write_bytes(b"damaged")
    done = repair(folder)
    assert done.set_aside == (folder / "orphaned" / f"{victim.stem}.damaged.eml",)
    assert done.set_aside[0].read_bytes() == b"damaged"
    assert len(messages(folder)) == 8
