"""The command line: argparse, and HTTP and SMTP to a running server.

1. Output that was asked for goes to stdout, everything else to stderr.
2. The exit status is 0 if the command succeeded, 1 if what was asked for does not exist or did not arrive in time, 2 if
   the command line is wrong or the request was refused, 130 after Ctrl-C, and 141 (128 + SIGPIPE, as in a shell) if the
   reader of stdout has gone; ``serve`` goes on then. ``serve``, ``dump`` and ``repair`` end with 1 if they fail.
   ``sendmail`` has the statuses of sysexits.h.
3. A command loads the module that it is in, and nothing of the others.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.parser import WRONG, CommandFailed, Parser, discard_output, fail


class Command(NamedTuple):
    """A command: a line of help, and the function that adds its arguments, as ``module:function``."""

    help: str
    fill: str
    status: int = 2


COMMANDS: Mapping[str, Mapping[str, Command]] = {
    "Server": {
        "serve": Command("serve SMTP and the REST API until stopped", "serve:add_serve"),
        "ready": Command("wait until a server accepts mail and requests", "ready:add_ready"),
        "api-key": Command("create, list and revoke API keys", "keys:add_keys"),
    },
    "Addresses and mail": {
        "address": Command("create, list and delete disposable addresses", "addresses:add_addresses"),
        "send": Command("send a text, a file or a sample", "send:add_send"),
        "sendmail": Command("send a message from stdin, as sendmail does", "sendmail:add_sendmail", status=64),
        "wait": Command("wait for a message and print it", "messages:add_wait"),
        "list": Command("list messages, the newest first", "messages:add_list"),
        "search": Command("list the messages that a search finds", "messages:add_search"),
        "read": Command("print a message, or its bytes", "messages:add_read"),
        "delete": Command("delete messages", "messages:add_delete"),
        "ingest": Command("store the messages of a mailbox: mbox, Maildir or .eml", "ingest:add_ingest"),
    },
    "Data folders": {
        "dump": Command("write each message of a data folder to a file", "data:add_dump"),
        "repair": Command("repair a damaged data folder", "data:add_repair"),
    },
    "Shell": {
        "completion": Command("print a script for completion by Tab", "completion:add_completion"),
    },
}
"""All commands, in the groups in which the help shows them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        return _flushed(lambda: _run(arguments))
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    except CommandFailed as failure:
        return fail(str(failure), failure.status, lines=failure.lines)
    except OSError as error:
        discard_output()
        return fail(f"{error.filename or 'cannot write to stdout'}: {error.strerror}", WRONG)
    except KeyboardInterrupt:
        return _interrupted()


def parser() -> Parser:
    """Return the parser of the command line. The parsers of its commands are not filled yet."""
    lines = [
        line
        for title, commands in COMMANDS.items()
        for line in (f"{title}:", *(f"  {name:11} {each.help}" for name, each in commands.items()), "")
    ]
    made = Parser(
        prog="sirrchat-testkit",
        usage="%(prog)s COMMAND [flags]",
        description="Disposable mail servers for tests.",
        epilog="\n".join([*lines, "sirrchat-testkit COMMAND --help shows the flags of a command."]),
    )
    made.add_argument("--version", action="version", version=__version__)
    made.set_defaults(run=lambda _: made.error("a command is missing; see sirrchat-testkit --help"))
    group = made.add_subparsers(prog=made.prog, metavar="COMMAND", help=argparse.SUPPRESS)
    for name, each in ((name, each) for commands in COMMANDS.values() for name, each in commands.items()):
        group.add_parser(name, fill=partial(_fill, each.fill), status=each.status, help=each.help)
    return made


def _fill(where: str, command: Parser) -> None:
    module, _, function = where.partition(":")
    getattr(import_module(f"{__name__}.{module}"), function)(command)


def _run(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # mail has characters that the terminal may not have
    parsed = parser().parse_args(arguments)
    status: int = parsed.run(parsed)
    return status


def _flushed(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _interrupted() -> int:
    """End as by SIGINT, so that a shell script that runs the command ends too."""
    if sys.stderr.isatty():
        print(file=sys.stderr)  # the prompt and the reason begin after the ^C
    fail("interrupted")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 128 + signal.SIGINT
