"""``send``: sends a text, a file or a sample over SMTP."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from sirrchat_testkit.cli.parser import CommandFailed, Parser, add_json, fail, print_json
from sirrchat_testkit.cli.smtp import NotSent, add_smtp, smtp_server, with_crlf
from sirrchat_testkit.mail.samples import KINDS, LANGUAGES

SENDER: Final = "sender@example.org"


def add_send(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s --to ADDRESS [--text TEXT | --file FILE | --sample KIND] [flags]"
    command.description = "Send one message over SMTP: a text, a file as it is, or a sample with invented contents."
    command.add_argument(
        "--to", required=True, action="append", metavar="ADDRESS", help="the recipient; can be repeated"
    )
    command.add_argument("--from", dest="sender", metavar="ADDRESS", help=f"the sender [default: {SENDER}]")
    command.add_argument("--subject", help="the subject of a text [default: Hello]")
    contents = command.add_argument_group("contents, one of them").add_mutually_exclusive_group(required=True)
    contents.add_argument("--text", help="the plain text")
    contents.add_argument("--file", type=Path, help="a message with its header, such as a .eml file; - is stdin")
    contents.add_argument("--sample", choices=KINDS, metavar="|".join(KINDS), help="a message in text and HTML")
    command.add_argument(
        "--language", choices=LANGUAGES, default="en", metavar="CODE",
        help=f"the language of a sample: {', '.join(LANGUAGES)} [default: en]",
    )  # fmt: skip
    add_json(add_smtp(command))
    command.set_defaults(run=_send)


def _send(arguments: argparse.Namespace) -> int:
    sender, raw = _contents(arguments)
    try:
        refused = smtp_server(arguments).send(sender, arguments.to, raw)
    except (NotSent, ValueError) as error:
        raise CommandFailed(str(error)) from None
    sent = [each for each in arguments.to if each not in refused]
    if arguments.json:
        print_json(
            {"from": sender, "to": sent, "refused": {to: f"{code} {why}" for to, (code, why) in refused.items()}}
        )
    elif sent:
        print(f"sent to {', '.join(sent)}")
    for to, (code, why) in refused.items():
        fail(f"{to} was refused: {code} {why}")
    return 2 if refused else 0


def _contents(arguments: argparse.Namespace) -> tuple[str, bytes]:
    """Return the sender and the bytes of the message."""
    if arguments.file is not None:
        try:
            raw = sys.stdin.buffer.read() if str(arguments.file) == "-" else arguments.file.read_bytes()
        except OSError as error:
            raise CommandFailed(f"cannot read {arguments.file}: {error.strerror}") from None
        return arguments.sender or SENDER, with_crlf(raw)
    from datetime import UTC, datetime
    from uuid import uuid4

    from sirrchat_testkit.mail.compose import MessageFields, compose, to_bytes

    fields: MessageFields = {"subject": "Hello", "text": f"{arguments.text}\n"}
    if arguments.sample is not None:
        from sirrchat_testkit.mail.samples import sample

        fields = sample(arguments.sample, arguments.language)
    if arguments.subject is not None:
        fields["subject"] = arguments.subject
    if arguments.sender is not None:
        fields["sender"] = arguments.sender
    fields["to"] = arguments.to
    try:
        sender, raw = to_bytes(compose("", fields, now=datetime.now(UTC), unique=str(uuid4())))
    except (ValueError, IndexError, AttributeError, TypeError) as error:  # malformed addresses, in Python's email
        raise CommandFailed(f"this cannot be sent: {error}") from None
    return sender, raw
