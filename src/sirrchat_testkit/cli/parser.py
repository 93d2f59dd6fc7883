"""What all commands share: their parser, the flags that name a server, and how they fail.

1. A command fails with one line on stderr, in terms of what the user typed. The line has the remedy, and for an unknown
   flag, command or choice the nearest one.
2. A parser gets its arguments when it is used, so that a command loads nothing of the others.
3. A flag wins over its environment variable.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sirrchat_testkit.suggestions import near_name

if TYPE_CHECKING:
    from sirrchat_testkit.cli.api import Api

PREFIX = "SIRRCHAT_TESTKIT_"
"""Of all environment variables."""

DEFAULT_URL = "http://127.0.0.1:8080"

NOT_FOUND = 1
"""The exit status if what was asked for does not exist, or did not arrive in time."""

WRONG = 2
"""The exit status if the command line is wrong, or the request was refused or could not be made."""


class Help(argparse.HelpFormatter):
    """Help in the width of the terminal, at most 100 columns. A text with an empty line in it is shown as it is."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(_columns(), 100) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n\n" in text else super()._fill_text(text, width, indent)


class CommandFailed(Exception):
    """Ends a command with ``text`` on stderr and an exit status.

    Attributes:
        status: The exit status.
        lines: Whether the text may have several lines, as that of a failed wait.
    """

    def __init__(self, text: str, status: int = WRONG, *, lines: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.lines = lines


class Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage, and names the flag that was probably meant.

    Args:
        fill: Adds the arguments, when they are first needed.
        status: The exit status of an error.
    """

    def __init__(
        self, *arguments: Any, fill: Callable[[Parser], None] | None = None, status: int = WRONG, **named: Any
    ) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, "formatter_class": Help, **named})
        self._fill = fill
        self._status = status
        self.rest: str | None = None
        """The list that takes further arguments after flags; argparse takes only those in one place."""

    def filled(self) -> Parser:
        """Return the parser with its arguments."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill(self)
        return self

    def add_commands(self) -> argparse._SubParsersAction[Parser]:
        """Return the group to which commands of this command are added; one of them is required."""
        self.set_defaults(run=lambda _: self.error(f"a command is missing; see {self.prog} --help"))
        self.usage = "%(prog)s COMMAND [flags]"
        return self.add_subparsers(prog=self.prog, title="commands", metavar="COMMAND", parser_class=Parser)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(each) for each in action.choices]
            near = near_name(str(value), choices)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(choices)}"
            kind = "command" if action.dest == argparse.SUPPRESS else action.dest.replace("_", " ")
            raise argparse.ArgumentError(None, f"there is no {kind} {value}; {hint}")

    def parse_known_args(self, *arguments: Any, **named: Any) -> Any:
        """Refuse unknown arguments here, so that the error comes from the subcommand."""
        self.filled()
        if self._subparsers is None and arguments[0] is not None:
            self._check_flags(arguments[0])
        parsed, unknown = super().parse_known_args(*arguments, **named)
        if self.rest is not None:
            getattr(parsed, self.rest).extend(each for each in unknown if not each.startswith("-"))
            unknown = [each for each in unknown if each.startswith("-") and each != "--"]
        if unknown:
            self._refuse(unknown[0])
        return parsed, unknown

    def _check_flags(self, words: Sequence[str]) -> None:
        """Refuse an unknown flag before a missing one, since it may be that one, misspelt."""
        for word in words:
            if word == "--":
                return
            if word.startswith("--") and " " not in word and word.partition("=")[0] not in self._option_string_actions:
                self._refuse(word)

    def _refuse(self, word: str) -> NoReturn:
        name = word.partition("=")[0]
        near = near_name(name, self._option_string_actions)
        hint = f"did you mean {near}?" if near else f"see {self.prog} --help"
        self.error(f"there is no {'flag' if name.startswith('-') else 'argument'} {name}; {hint}")

    def error(self, message: str) -> NoReturn:
        """Print ``message`` as one line to stderr and exit."""
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"{missing} is missing; see {self.prog} --help"
        sys.exit(fail(message.removeprefix("argument ").replace(": must be", " must be", 1), self._status))


def _columns() -> int:
    """Return the width of the terminal as ``shutil`` does, which takes long to import."""
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns) or 80
    except (ValueError, OSError):
        return 80


def fail(text: str, status: int = 1, *, lines: bool = False) -> int:
    """Print ``text`` to stderr, in one line or in ``lines``, without what a terminal would obey; return ``status``."""
    from sirrchat_testkit.formatting import in_line, printable

    print(f"sirrchat-testkit: {printable(text) if lines else in_line(text)}", file=sys.stderr)
    return status


def discard_output() -> None:
    """Discard what is written to stdout from now on, because it cannot be written; Python would fail at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_server(command: argparse.ArgumentParser, *, key: bool = True) -> argparse._ArgumentGroup:
    """Add the flags that name the server of a command, and ``--json``; return their group."""
    group = command.add_argument_group("the server and the output")
    group.add_argument("--url", help=f"the URL of the server [default: {DEFAULT_URL}; {PREFIX}URL]")
    if key:
        group.add_argument("--api-key", metavar="KEY", help=f"an admin key of the server [{PREFIX}API_KEY]")
    add_json(group)
    return group


def add_json(command: argparse._ActionsContainer) -> None:
    """Add ``--json``."""
    command.add_argument("--json", action="store_true", help="print JSON")


def variable(name: str) -> str | None:
    """Return the environment variable of the flag ``name``, such as ``url``; None if it is missing or empty."""
    return os.environ.get(f"{PREFIX}{name.upper()}") or None


def api(arguments: argparse.Namespace, remedy: str = "") -> Api:
    """Return the server that ``arguments`` name. Raises ``CommandFailed``; ``remedy`` is another than a key."""
    from sirrchat_testkit.cli.api import Api

    key = arguments.api_key or variable("api_key")
    if not key:
        raise CommandFailed(f"an API key is missing: give --api-key or set {PREFIX}API_KEY{remedy}")
    return Api(server_url(arguments), key)


def with_api(work: Callable[[argparse.Namespace, Api], int]) -> Callable[[argparse.Namespace], int]:
    """Return a command that opens the server of its arguments for ``work``."""

    def run(arguments: argparse.Namespace) -> int:
        with api(arguments) as server:
            return work(arguments, server)

    return run


def server_url(arguments: argparse.Namespace) -> str:
    """Return the URL of the server that ``arguments`` name."""
    return arguments.url or variable("url") or DEFAULT_URL


def duration(text: str) -> float:
    """Return the seconds of a duration that a flag was given."""
    from sirrchat_testkit.durations import read_duration

    try:
        return read_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a duration such as 500ms, 10s or 1h30m, not {text!r}") from None


def print_json(data: Any) -> None:
    """Print ``data`` as JSON: one line in ASCII, so that no terminal obeys what a mail says."""
    import json

    print(json.dumps(data).replace("\x7f", "\\u007f"))


def print_list(items: Iterable[Any], line: Callable[[Any], str], *, as_json: bool) -> int:
    """Print ``items`` as they come, each as a ``line`` or all as one JSON array; return how many there were."""
    import json

    count = 0
    for count, item in enumerate(items, 1):
        if as_json:
            print("[" if count == 1 else ",\n ", json.dumps(item).replace("\x7f", "\\u007f"), sep="", end="")
        else:
            print(line(item))
    if as_json:
        print("]" if count else "[]")
    return count
