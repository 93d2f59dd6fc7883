"""``dump`` and ``repair``: commands on a data folder that no server has open."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirrchat_testkit.cli.parser import Parser, add_json, fail, print_json
from sirrchat_testkit.cli.progress import Progress
from sirrchat_testkit.errors import NotFound, StoreError
from sirrchat_testkit.formatting import counted

if TYPE_CHECKING:
    from sirrchat_testkit.domain.models import Envelope, Message
    from sirrchat_testkit.storage.repair import Repair


def add_dump(command: Parser) -> None:
    """Add the arguments."""
    command.usage, command.description = "%(prog)s DIR [flags]", dump.__doc__
    command.set_defaults(run=dump)
    command.add_argument("folder", type=Path, metavar="DIR", help="the data folder")
    command.add_argument("--to", type=Path, metavar="OUT", help="a new or empty folder to write to [default: DIR-dump]")
    add_json(command)


def add_repair(command: Parser) -> None:
    """Add the arguments."""
    command.usage, command.description = "%(prog)s DIR [flags]", repair.__doc__
    command.set_defaults(run=repair)
    command.add_argument("folder", type=Path, metavar="DIR", help="the data folder")
    add_json(command)


def dump(arguments: argparse.Namespace) -> int:
    """Write each message to OUT/NUMBER.eml, and an index with their details to OUT/index.json."""
    import asyncio

    folder: Path = arguments.folder
    target: Path = arguments.to or folder.with_name(f"{folder.resolve().name}-dump")
    if not folder.is_dir():
        return fail(f"no such folder: {folder}")
    try:
        target.mkdir(0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            return fail(f"{target} is not empty; choose another folder with --to")
        count, missing = asyncio.run(_dump(folder, target))
    except (StoreError, OSError) as error:
        return fail(str(error))
    if arguments.json:
        print_json({"messages": count, "missing": missing, "folder": str(target)})
    else:
        print(f"{counted(count, 'message')} in {target}")
    if missing:
        return fail(f'the content of {counted(missing, "message")} is missing: "file" is null in index.json')
    return 0


def repair(arguments: argparse.Namespace) -> int:
    """Repair a data folder: keep the readable records and the commits before the first damage, save the rest aside."""
    from sirrchat_testkit.storage.repair import repair as repair_folder

    if not arguments.folder.is_dir():
        return fail(f"no such folder: {arguments.folder}")
    try:
        done = repair_folder(arguments.folder)
    except (StoreError, OSError) as error:
        return fail(str(error))
    lines = [*_report(done)]
    if arguments.json:
        print_json({"damaged": done.snapshot is not None or done.journal is not None, "report": lines})
    else:
        print(*lines, sep="\n")
    return 0


def _report(done: Repair) -> Iterator[str]:
    if done.snapshot is not None:
        byte, kept, lost = done.snapshot.byte, done.snapshot.kept, done.snapshot.lost
        yield f"mail.json is damaged at byte {byte}: kept {counted(kept, 'record')}, lost {counted(lost, 'line')}"
        yield f"the damaged file is saved as {done.snapshot.saved}"
    if done.journal is not None:
        saved = ", ".join(str(path) for path in done.saved)
        yield f"{done.journal.name} is damaged at byte {done.byte}: kept {counted(done.kept, 'commit')}"
        yield f"the rest, with {counted(done.lost, 'valid commit')}, is saved in {saved}"
    if done.raws:
        yield f"moved {counted(done.raws, 'raw message')} without a record to raw.damaged"
    if done.snapshot is None and done.journal is None:
        yield "no damage found"


async def _dump(folder: Path, target: Path) -> tuple[int, int]:
    import json

    from sirrchat_testkit.domain.models import Envelope, Message, PendingDeletion
    from sirrchat_testkit.storage import TinyStore

    store = TinyStore(folder)
    try:
        deleted = {each.id for each in await store.find(PendingDeletion)}
        envelopes = {each.id: each for each in await store.find(Envelope)}
        index: list[dict[str, Any]] = []
        messages = await store.find(Message, match=lambda each: deleted.isdisjoint((each.account, each.address)))
        with Progress(len(messages), "messages") as progress:
            for message in messages:
                entry = _entry(message, envelopes.get(message.envelope))
                try:
                    _write(target / entry["file"], await store.raw(message.blob))
                except NotFound:
                    entry["file"] = None
                index.append(entry)
                progress.update(len(index), len(index))
        text = json.dumps(index, indent=1, ensure_ascii=True)
        _write(target / "index.json", f"{text}\n".encode("ascii"))
        return len(index), sum(entry["file"] is None for entry in index)
    finally:
        await store.close()


def _write(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _entry(message: Message, envelope: Envelope | None) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {
        "file": f"{message.seq:08}.eml",
        "id": message.id,
        "recipient": message.recipient,
        "mail_from": message.mail_from,
        "recipients": list(envelope.recipients) if envelope else [],
        "from": message.sender,
        "to": list(message.to),
        "subject": message.subject,
        "received_at": datetime.fromtimestamp(message.received_at / 1000, UTC).isoformat(),
        "size": message.size,
        "folder": message.folder,
        "flags": list(message.flags),
    }
