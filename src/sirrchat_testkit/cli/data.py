"""``dump`` and ``repair``: commands on a data folder that no server has open."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirrchat_testkit.cli.parser import Parser, add_json, fail, print_json
from sirrchat_testkit.cli.progress import Progress
from sirrchat_testkit.errors import NotFound, StoreDamaged, StoreError
from sirrchat_testkit.formatting import counted, iso_milliseconds

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
    folder: Path = arguments.folder
    target: Path = arguments.to or folder.with_name(f"{folder.resolve().name}-dump")
    if not folder.is_dir():
        return fail(f"there is no folder {folder}")
    try:
        target.mkdir(0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            return fail(f"{target} is not empty; choose another folder with --to")
        count, problems = _dump(folder, target)
    except (StoreError, OSError) as error:
        return fail(str(error))
    if arguments.json:
        print_json({"messages": count, "missing": len(problems), "folder": str(target)})
    else:
        print(f"{counted(count, 'message')} in {target}")
    for problem in problems:
        fail(problem)
    if problems:
        return fail(f'{counted(len(problems), "message")} without a file: "file" is null in index.json')
    return 0


def repair(arguments: argparse.Namespace) -> int:
    """Check everything in a data folder, keep what can be read, and set the rest aside."""
    from sirrchat_testkit.storage.repair import repair as repair_folder

    if not arguments.folder.is_dir():
        return fail(f"there is no folder {arguments.folder}")
    try:
        done = repair_folder(arguments.folder)
    except (StoreError, OSError) as error:
        return fail(str(error))
    lines = [*_report(done)]
    if arguments.json:
        print_json({"damaged": done != type(done)(), "report": lines})
    else:
        print(*lines, sep="\n")
    return 0


def _report(done: Repair) -> Iterator[str]:
    for path in done.set_aside:
        yield f"a file that cannot be used is saved as {path}"
    if done.snapshot is not None:
        byte, kept, lost = done.snapshot.byte, done.snapshot.kept, done.snapshot.lost
        if done.snapshot.edited:
            yield f"mail.json was edited with other software: kept {counted(kept, 'record')}, refused {lost}"
        else:
            yield f"mail.json is damaged at byte {byte}: kept {counted(kept, 'record')}, lost {counted(lost, 'line')}"
        yield f"the file as it was is saved as {done.snapshot.saved}"
    if done.journal is not None:
        saved = ", ".join(str(path) for path in done.saved)
        yield f"{done.journal.name} is damaged at byte {done.byte}: kept {counted(done.kept, 'commit')}"
        yield f"the rest, with {counted(done.lost, 'valid commit')}, is saved in {saved}"
    for each in done.segments:
        copied = counted(each.kept, "raw message")
        yield f"{each.path.name} is damaged at byte {each.byte}: kept {copied}, lost {each.lost}"
        yield f"the file as it was is saved as {each.saved}"
    if done.orphans:
        yield f"moved {counted(done.orphans, 'raw message')} without a record to orphaned"
    if done.missing:
        yield f"the content of {counted(done.missing, 'message')} is missing"
    if done == type(done)():
        yield "no damage found"


def _dump(folder: Path, target: Path) -> tuple[int, list[str]]:
    """Return the number of messages, and what is wrong with those that have no file."""
    import json

    from sirrchat_testkit.domain.models import Envelope, Message, PendingDeletion
    from sirrchat_testkit.storage.archive import Archive

    problems: list[str] = []
    with Archive(folder) as archive:
        deleted = {each.id for each in archive.records(PendingDeletion)}
        envelopes = {each.id: each for each in archive.records(Envelope)}
        messages = [each for each in archive.records(Message) if deleted.isdisjoint((each.account, each.address))]
        index: list[dict[str, Any]] = []
        with Progress(len(messages), "message") as progress:
            for message in messages:
                entry = _entry(message, envelopes.get(message.envelope))
                try:
                    _write(target / entry["file"], archive.raw(message.blob))
                except (NotFound, StoreDamaged) as error:
                    problems.append(f"message {message.seq}: {error}")
                    entry["file"] = None
                index.append(entry)
                progress.update(len(index), len(index))
    text = json.dumps(index, indent=1, ensure_ascii=True)
    _write(target / "index.json", f"{text}\n".encode("ascii"))
    return len(index), problems


def _write(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)


def _entry(message: Message, envelope: Envelope | None) -> dict[str, Any]:
    return {
        "file": f"{message.seq:08}.eml",
        "id": message.id,
        "recipient": message.recipient,
        "mail_from": message.mail_from,
        "recipients": list(envelope.recipients) if envelope else [],
        "from": message.sender,
        "to": list(message.to),
        "subject": message.subject,
        "received_at": iso_milliseconds(message.received_at),
        "size": message.size,
        "folder": message.folder,
        "flags": list(message.flags),
    }
