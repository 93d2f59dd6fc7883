"""UIDs: the number of each message in its folder, given in the commit that puts the message there.

1. A folder is a record, ``MailFolder``: one for each name that an address has mail in. It is made with its first
   message and deleted with its address.
2. ``uidnext`` only rises, and a folder that is made again has another ``uidvalidity``. So no UID is used twice, as RFC
   3501 section 2.3.1.1 demands. Only a memory store goes back, when a scope ends.
3. A message without an address is in no folder; its UID is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sirrchat_testkit.domain.models import INBOX, Address, MailFolder, Message
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.tables import Batch, LiveStorage, Undo

FOLDERS = MailFolder.kind


def folder_id(address: str, name: str) -> str:
    """Return the ``id`` of the folder ``name`` of the address with the id ``address``."""
    return f"{address}/{name}"


def next_uid(storage: LiveStorage, batch: Batch, address: str, name: str) -> int:
    """Return the UID of the next message in a folder, and add the folder, with a higher ``uidnext``, to ``batch``."""
    if not address:
        return 0
    changes = batch.setdefault(FOLDERS, {})
    wanted = folder_id(address, name)
    seq = storage.indexes[FOLDERS].equals[("id",)].first(wanted)
    if seq is None:
        seq = next((each for each, doc in changes.items() if doc and doc["id"] == wanted), None)
    if seq is None:
        seq = max([storage.next_id(FOLDERS), *(each + 1 for each in changes)])
        changes[seq] = new_folder(seq, address, name, 2)
        return 1
    folder = changes.get(seq) or storage.tables[FOLDERS][str(seq)]
    uid: int = folder["uidnext"]
    changes[seq] = {**folder, "uidnext": uid + 1}
    return uid


def new_folder(seq: int, address: str, name: str, uidnext: int) -> Doc:
    """Return the document of a new folder. Its UIDVALIDITY is ``seq``, which is never used twice."""
    folder = folder_id(address, name)
    return {"id": folder, "address": address, "name": name, "uidvalidity": seq, "uidnext": uidnext}


def forget_address(storage: LiveStorage, batch: Batch, seq: int) -> None:
    """Add to ``batch`` the deletion of all folders of the address at ``seq``."""
    address = storage.tables[Address.kind].get(str(seq))
    if address is not None:
        for each in storage.indexes[FOLDERS].equals[("address",)].bucket(address["id"]):
            batch.setdefault(FOLDERS, {})[each] = None


def keep_uids(storage: LiveStorage, batch: Batch, undone: Iterable[Undo]) -> None:
    """Change ``batch``, which undoes a scope, so that no folder goes back to a lower ``uidnext``.

    ``undone`` are the documents before each change of the scope.
    """
    changes = batch.get(FOLDERS, {})
    highest: dict[int, int] = {}
    current = [(FOLDERS, seq, storage.tables[FOLDERS].get(str(seq))) for seq in changes]
    for name, seq, doc in (*undone, *current):
        if name == FOLDERS and doc is not None:
            highest[seq] = max(highest.get(seq, 0), doc["uidnext"])
    for seq, old in changes.items():
        if old is not None:
            changes[seq] = {**old, "uidnext": highest[seq]}


def complete(tables: dict[str, dict[str, Doc]], next_ids: dict[str, int], spare: int = 0) -> None:
    """Number the messages that have no UID yet, and make the folders that are missing.

    ``spare`` is how many ids of each table, and UIDs of each folder, lost documents may have used.
    """
    if spare:
        for name in tables:
            next_ids[name] = next_ids.get(name, 1) + spare
    folders = tables.setdefault(FOLDERS, {})
    known = {doc["id"]: doc for doc in folders.values()}
    last: dict[str, int] = {}
    messages = sorted(tables.get(Message.kind, {}).items(), key=lambda item: int(item[0]))
    unnumbered: list[tuple[Doc, str]] = []
    for _, doc in messages:
        if not doc["address"]:
            continue
        name = folder_id(doc["address"], doc.get("folder", INBOX))
        if name not in known:
            seq = next_ids.get(FOLDERS, 1)
            next_ids[FOLDERS] = seq + 1
            known[name] = folders[str(seq)] = new_folder(seq, doc["address"], doc.get("folder", INBOX), 1)
        uid: Any = doc.get("uid", 0)
        last[name] = max(last.get(name, 0), uid)
        if not uid:
            unnumbered.append((doc, name))
    for name, folder in known.items():
        folder["uidnext"] = max(folder["uidnext"], last.get(name, 0) + 1) + spare
    for doc, name in unnumbered:
        doc["uid"] = known[name]["uidnext"]
        known[name]["uidnext"] += 1
