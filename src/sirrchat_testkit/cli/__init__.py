"""The command line: argparse over the public API.

What a program reads goes to stdout, everything else to stderr. Status 0: done; 1: it could not be done; 2: usage.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.data import add_data
from sirrchat_testkit.cli.keys import add_keys
from sirrchat_testkit.cli.serve import add_serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its status."""
    parser = argparse.ArgumentParser(prog="sirrchat-testkit", description="Disposable mail servers for tests.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_serve(commands)
    add_keys(commands)
    add_data(commands)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status
