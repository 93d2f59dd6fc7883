"""``ingest``: stores the messages of mailboxes on a running server, as if they had just arrived.

1. What a path is follows from its contents: a folder with ``cur`` or ``new`` is a Maildir, another folder has ``.eml``
   files, a file that begins with ``From`` and a space is an mbox, and one that begins with a header field is a message.
2. Files are read piece by piece. Lines get CRLF, as they had on the wire, and an mbox's ``>From`` becomes ``From``.
3. A message that is refused is reported, and the others are stored.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sirrchat_testkit.cli.parser import WRONG, CommandFailed, Parser, add_server, print_json, with_api
from sirrchat_testkit.cli.progress import Progress
from sirrchat_testkit.cli.smtp import with_crlf
from sirrchat_testkit.formatting import counted

if TYPE_CHECKING:
    from sirrchat_testkit.cli.api import Api
    from sirrchat_testkit.mail.headers import Headers

_HEADER: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_FROM: Final = re.compile(rb"From .*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d\d:\d\d")
"""The line before each message of an mbox but the first, for which "From " is enough; it has a date."""

_QUOTED: Final = re.compile(rb">+From ")
_RECIPIENT_FIELDS: Final = ("Delivered-To", "X-Original-To", "Envelope-To")
"""Fields in which a mail server has noted the recipient of a copy, the best first."""


class Item(NamedTuple):
    """A message of a mailbox: where it is from, its bytes, and how many bytes of the file it takes."""

    name: str
    raw: bytes
    size: int


def add_ingest(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s PATH... [flags]"
    command.description = (
        "Store the messages of mbox files, Maildir folders, .eml files and folders of them, as if they had just "
        "arrived. Each message goes to the recipient that its mail server noted (Delivered-To), or else to the "
        "addresses of To and Cc; --to overrides that."
    )
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="an mbox, a Maildir, a file or a folder")
    command.add_argument("--to", action="append", metavar="ADDRESS", help="the recipient of all; can be repeated")
    add_server(command)
    command.set_defaults(run=with_api(_ingest))


def _ingest(arguments: argparse.Namespace, server: Api) -> int:
    from sirrchat_testkit.cli.api import Refused

    mailboxes = [_mailbox(path) for path in arguments.paths]
    stored = refused = done = 0
    with Progress(sum(size for size, _ in mailboxes), "message") as progress:
        for item in (item for _, items in mailboxes for item in items):
            try:
                _store(server, item, arguments.to)
                stored += 1
            except Refused as failure:
                refused += 1
                progress.line(f"sirrchat-testkit: {item.name}: {failure}")
            done += item.size
            progress.update(done, stored)
    if arguments.json:
        print_json({"stored": stored, "refused": refused})
    else:
        print(f"{counted(stored, 'message')} stored{f', {refused} refused' if refused else ''}")
    return WRONG if refused else 0


def _store(server: Api, item: Item, to: list[str] | None) -> None:
    """Store a message. Raises ``Refused``, or another ``CommandFailed`` if the server cannot store any."""
    from sirrchat_testkit.cli.api import Refused
    from sirrchat_testkit.mail.headers import Headers, split

    header = Headers(split(item.raw)[0])
    if not _HEADER.match(item.raw):
        raise Refused("it does not begin with a header field")
    recipients = to or _recipients(header)
    if not recipients:
        raise Refused("it has no recipient in its header; give one with --to")
    sender = next(iter(_addresses(header, "Return-Path") or _addresses(header, "From")), None)
    server.call("POST", "/testkit/v1/messages", item.raw, query={"to": recipients, "from": sender})


def _recipients(header: Headers) -> list[str]:
    noted = next((found for name in _RECIPIENT_FIELDS if (found := _addresses(header, name))), None)
    return noted or _addresses(header, "To", "Cc")


def _addresses(header: Headers, *names: str) -> list[str]:
    from sirrchat_testkit.mail.addresses import is_mailbox

    found = [str(each) for name in names for each in header.named_addresses(name)]
    return [*dict.fromkeys(each for each in found if is_mailbox(each))]


def _mailbox(path: Path) -> tuple[int, Iterator[Item]]:
    """Return the size of a mailbox in bytes, and its messages. Raises ``CommandFailed``."""
    try:
        if path.is_dir():
            files = _files(path)
            return sum(each.stat().st_size for each in files), map(_message, files)
        if path.exists() and not path.is_file():
            raise CommandFailed(f"{path} is neither a file nor a folder; save what it has in a file first")
        with path.open("rb") as file:
            start = file.read(1000)
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    if not start or start.startswith(b"From "):
        return size, _mbox(path)
    if _HEADER.match(start):
        return size, map(_message, [path])
    raise CommandFailed(f'{path} is not a mailbox: it begins neither with "From " (mbox) nor with a header (.eml)')


def _files(folder: Path) -> list[Path]:
    parts = [each for each in (folder / "new", folder / "cur") if each.is_dir()]
    if parts:
        return sorted(
            (file for part in parts for file in part.iterdir() if file.name[0] != "." and file.is_file()),
            key=lambda file: file.name,
        )
    if found := sorted(file for file in folder.rglob("*.eml") if file.is_file()):
        return found
    raise CommandFailed(f"{folder} is not a mailbox: it has no .eml files, and it is not a Maildir")


def _message(path: Path) -> Item:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    return Item(str(path), with_crlf(raw), len(raw))


def _mbox(path: Path) -> Iterator[Item]:
    number = size = 0
    lines: list[bytes] = []
    try:
        with path.open("rb") as file:
            for line in file:
                if not size or (_FROM.match(line) and lines[-1:] in ([b"\n"], [b"\r\n"])):
                    if size:
                        yield _of_mbox(path, number, lines, size)
                    number, size, lines = number + 1, len(line), []
                else:
                    lines.append(line.removeprefix(b">") if _QUOTED.match(line) else line)
                    size += len(line)
    except OSError as error:
        raise _unreadable(path, error) from None
    if size:
        yield _of_mbox(path, number, lines, size)


def _of_mbox(path: Path, number: int, lines: list[bytes], size: int) -> Item:
    if lines[-1:] in ([b"\n"], [b"\r\n"]):
        del lines[-1]  # it separates two messages
    return Item(f"message {number} of {path}", with_crlf(b"".join(lines)), size)


def _unreadable(path: Path, error: OSError) -> CommandFailed:
    return CommandFailed(f"cannot read {path}: {error.strerror}")
