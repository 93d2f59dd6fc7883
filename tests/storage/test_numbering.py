"""UIDs: a number for each message of a folder, which is never used twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Address, MailFolder, Message
from sirrchat_testkit.domain.store import Delete, Patch, Put
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage.repair import repair

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def numbers(store: TinyStore) -> list[tuple[str, str, int]]:
    return [(each.address, each.folder, each.uid) for each in await store.find(Message)]


async def test_each_folder_counts_from_one(store: TinyStore, make: Make) -> None:
    first = make(Message, address="a")
    await store.commit([Put(first), Put(make(Message, address="a")), Put(make(Message, address="b"))])
    await store.commit([Put(make(Message, address="a", folder="Sent")), Put(make(Message, address=""))])
    assert first.uid == 1
    assert await numbers(store) == [
        ("a", "INBOX", 1),
        ("a", "INBOX", 2),
        ("b", "INBOX", 1),
        ("a", "Sent", 1),
        ("", "INBOX", 0),
    ]
    folders = [(each.id, each.address, each.name, each.uidnext) for each in await store.find(MailFolder)]
    assert folders == [("a/INBOX", "a", "INBOX", 3), ("b/INBOX", "b", "INBOX", 2), ("a/Sent", "a", "Sent", 2)]


async def test_a_message_that_moves_gets_a_number_of_the_other_folder(store: TinyStore, make: Make) -> None:
    await store.commit([Put(make(Message, address="a")) for _ in range(2)])
    await store.commit([Put(make(Message, address="a", folder="Trash"))])
    await store.commit([Patch(Message, 1, folder="Trash"), Patch(Message, 2, folder="INBOX", seen=True)])
    await store.commit([Patch(Message, 1, folder="INBOX")])
    assert await numbers(store) == [("a", "INBOX", 3), ("a", "INBOX", 2), ("a", "Trash", 1)]


async def test_a_deleted_number_is_not_given_again(store: TinyStore, make: Make) -> None:
    for expected in (1, 2, 3):
        message = make(Message, address="a")
        [seq] = await store.commit([Put(message)])
        await store.commit([Delete(Message, seq)])
        assert message.uid == expected


async def test_a_folder_is_deleted_with_its_address_and_made_again_with_another_validity(
    store: TinyStore, make: Make
) -> None:
    await store.commit([Put(make(Address, id="a")), Put(make(Message, address="a"))])
    [before] = await store.find(MailFolder)
    await store.commit([Delete(Address, 1), Delete(Message, 1)])
    assert await store.find(MailFolder) == []
    await store.commit([Put(make(Address, id="a")), Put(make(Message, address="a"))])
    [after] = await store.find(MailFolder)
    assert after.uidvalidity > before.uidvalidity
    assert (await numbers(store))[-1] == ("a", "INBOX", 1)


async def test_the_end_of_a_scope_gives_numbers_back_only_in_memory(store: TinyStore, make: Make) -> None:
    await store.commit([Put(make(Address, id="a")), Put(make(Message, address="a"))])
    mark = store.mark()
    await store.commit([Put(make(Message, address="a")), Put(make(Message, address="a"))])
    await store.commit([Delete(Address, 1)])
    await store.rewind(mark)
    message = make(Message, address="a")
    await store.commit([Put(message)])
    [folder] = await store.find(MailFolder)
    durable = store._disk is not None
    assert (message.uid, folder.uidnext, folder.uidvalidity) == ((4, 5, 1) if durable else (2, 3, 1))


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "killed"])
async def test_numbers_survive_a_restart(tmp_path: Path, make: Make, *, closed: bool) -> None:
    store = TinyStore(tmp_path / "a")
    await store.commit([Put(make(Message, address="a")) for _ in range(3)])
    await store.commit([Delete(Message, 3)])
    if closed:
        await store.close()
    again = TinyStore(shutil.copytree(tmp_path / "a", tmp_path / "b"))
    message = make(Message, address="a")
    await again.commit([Put(message)])
    assert message.uid == 4
    await again.close()
    await store.close()


@pytest.mark.parametrize("damage", ["journal", "header", "folder", "edit"])
async def test_a_repair_gives_no_number_that_was_used(tmp_path: Path, make: Make, damage: str) -> None:
    store = TinyStore(tmp_path)
    for _ in range(3):
        await store.commit([Put(make(Message, address="a"))])
    await store.commit([Delete(Message, 3)])
    folder = tmp_path
    journal = (tmp_path / "journal-00000001.log").read_bytes()
    if damage == "journal":
        folder = shutil.copytree(tmp_path, tmp_path.with_name("killed"))
    await store.close()
    if damage == "journal":
        at = journal.index(b"\n") + 50
        (folder / "journal-00000001.log").write_bytes(journal[:at] + b"?" + journal[at + 1 :])
    else:
        snapshot = (folder / "mail.json").read_bytes()
        changed = {
            "header": snapshot.replace(b'"next_ids"', b'"next_idz"'),
            "folder": snapshot.replace(b'"a/INBOX"', b'"a/INBOZ"'),
            "edit": json.dumps({"messages": json.loads(snapshot)["messages"]}).encode(),  # without the next ids
        }
        (folder / "mail.json").write_bytes(changed[damage])
    repair(folder)
    again = TinyStore(folder)
    kept = {(each.uid, each.seq) for each in await again.find(Message)}
    message = make(Message, address="a")
    [seq] = await again.commit([Put(message)])
    [mailbox] = await again.find(MailFolder)
    assert len(kept) == (1 if damage == "journal" else 2)
    assert seq > 3
    assert message.uid > 3 or mailbox.uidvalidity > 1
    assert message.uid > max(uid for uid, _ in kept)
    await again.close()
