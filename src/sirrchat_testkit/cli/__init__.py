"""The command line: argparse over the public API.

What a program reads goes to stdout, everything else to stderr. Status 0: done; 1: it could not be done; 2: usage.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.data import add_data
from sirrchat_testkit.cli.keys import add_keys
from sirrchat_testkit.cli.serve import add_serve


class _Parser(argparse.ArgumentParser):
    """Refuses what it does not know itself: a command shows its own usage, not the one around it."""

    def parse_known_args(self, *arguments: Any, **named: Any) -> Any:
        parsed, unknown = super().parse_known_args(*arguments, **named)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its status."""
    parser: argparse.ArgumentParser = _Parser(prog="sirrchat-testkit", description="Disposable mail servers for tests.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_serve(commands)
    add_keys(commands)
    add_data(commands)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status
