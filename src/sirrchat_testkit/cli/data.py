"""``dump`` and ``repair``: what can be done with a data folder while no server has it open."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sirrchat_testkit.cli.options import fail
from sirrchat_testkit.errors import NotFound, StoreError
from sirrchat_testkit.formatting import counted

if TYPE_CHECKING:
    from sirrchat_testkit.domain.models import Envelope, Message
    from sirrchat_testkit.storage.repair import Repair

T = TypeVar("T")

MUCH = 500
"""Messages from which on a dump shows how far it is."""


def add_data(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands."""
    command = commands.add_parser(
        "dump", help="write every message of a data folder as a file", description=dump.__doc__
    )
    command.set_defaults(run=dump)
    command.add_argument("folder", type=Path, metavar="DIR", help="the data folder")
    command.add_argument("--to", type=Path, metavar="OUT", help="where to write; a new or empty folder [DIR-dump]")
    command = commands.add_parser("repair", help="open a damaged data folder again", description=repair.__doc__)
    command.set_defaults(run=repair)
    command.add_argument("folder", type=Path, metavar="DIR", help="the data folder")


def dump(arguments: argparse.Namespace) -> int:
    """Write every message as OUT/NUMBER.eml, and OUT/index.json with what is known of each."""
    import asyncio

    folder: Path = arguments.folder
    target: Path = arguments.to or folder.with_name(f"{folder.resolve().name}-dump")
    if not folder.is_dir():
        return fail(f"there is no folder {folder}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            return fail(f"{target} is not empty; name another folder with --to")
        count, missing = asyncio.run(_dump(folder, target))
    except (StoreError, OSError) as error:
        return fail(str(error))
    print(f"{counted(count, 'message')} in {target}")
    return fail(f"the bytes of {counted(missing, 'message')} are gone; index.json says of which") if missing else 0


def repair(arguments: argparse.Namespace) -> int:
    """Keep every whole record of the snapshot and every commit before the first damage; save the rest beside."""
    from sirrchat_testkit.storage.repair import repair as repair_folder

    if not arguments.folder.is_dir():
        return fail(f"there is no folder {arguments.folder}")
    try:
        done = repair_folder(arguments.folder)
    except (StoreError, OSError) as error:
        return fail(str(error))
    for line in _told(done):
        print(line)
    return 0


def _told(done: Repair) -> Iterator[str]:
    mended = done.snapshot
    if mended is not None:
        yield f"mail.json is damaged at byte {mended.byte}: {_are(mended.kept, 'record')} kept"
        yield f"{counted(mended.lost, 'line')} of it could not be read; the damaged file is {mended.saved}"
    if done.journal is not None:
        saved = ", ".join(str(path) for path in done.saved)
        yield f"{done.journal.name} is damaged at byte {done.byte}: {_are(done.kept, 'commit')} kept"
        yield f"what followed, with {counted(done.lost, 'intact commit')}, is in {saved}"
    if done.raws:
        yield f"what nothing names any more is in raw.damaged: {counted(done.raws, 'raw message')}"
    if mended is None and done.journal is None:
        yield "nothing is damaged"


def _are(number: int, what: str) -> str:
    return f"{counted(number, what)} {'is' if number == 1 else 'are'}"


async def _dump(folder: Path, target: Path) -> tuple[int, int]:
    from sirrchat_testkit.domain.models import Envelope, Message
    from sirrchat_testkit.storage import TinyStore

    store = TinyStore(folder)
    try:
        envelopes = {each.id: each for each in await store.find(Envelope)}
        index: list[dict[str, Any]] = []
        for message in _shown(await store.find(Message)):
            entry = _entry(message, envelopes.get(message.envelope))
            try:
                (target / entry["file"]).write_bytes(await store.raw(message.blob))
            except NotFound:
                entry["file"] = None
            index.append(entry)
        text = json.dumps(index, indent=1, ensure_ascii=True)
        (target / "index.json").write_text(f"{text}\n", encoding="ascii")
        return len(index), sum(entry["file"] is None for entry in index)
    finally:
        await store.close()


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
        "received_at": datetime.fromtimestamp(message.received_at / 1000, UTC).isoformat(),
        "size": message.size,
        "folder": message.folder,
        "flags": list(message.flags),
    }


def _shown(messages: list[T]) -> Iterable[T]:
    """Return ``messages``, with a progress bar on a terminal where there are many and rich is installed."""
    if len(messages) < MUCH or not sys.stderr.isatty():
        return messages
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return messages
    shown: Iterator[T] = iter(track(messages, "messages", console=Console(stderr=True)))
    return shown
