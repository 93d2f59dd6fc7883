"""The command line: argparse over the public API.

Machine-readable output goes to stdout, everything else to stderr. The exit status is 0 if the command succeeded, 1 if
it failed, 2 if the command line is wrong, and 141 (128 + SIGPIPE, as in a shell) if the reader of stdout has gone.
``serve`` goes on then. Commands import what they need when they run, so ``--help`` is quick.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.data import add_data
from sirrchat_testkit.cli.keys import add_keys
from sirrchat_testkit.cli.options import Parser, discard_output
from sirrchat_testkit.cli.serve import add_serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = Parser(prog="sirrchat-testkit", description="Disposable mail servers for tests.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_serve(commands)
    add_keys(commands)
    add_data(commands)
    parsed = parser.parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    return status
