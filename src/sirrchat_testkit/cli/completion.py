"""``completion``: a script for the shell, so that Tab completes commands, flags and their values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sirrchat_testkit.cli.parser import Parser

_SHELLS: Final = ("bash", "zsh", "fish")


def add_completion(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s bash|zsh|fish"
    command.description = _ABOUT
    command.add_argument("shell", choices=_SHELLS, metavar="|".join(_SHELLS), help="the shell to complete in")
    command.set_defaults(run=_completion)


_ABOUT: Final = """\
Print a script that completes commands, flags and values by Tab, without running Python.
Save it where the shell looks for it:

  bash: ~/.local/share/bash-completion/completions/sirrchat-testkit
  zsh:  _sirrchat-testkit in a folder of $fpath
  fish: ~/.config/fish/completions/sirrchat-testkit.fish"""


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    from sirrchat_testkit.cli import parser

    made = parser()
    _prepare(made, shtab.FILE)
    print(shtab.complete(made, arguments.shell))
    return 0


def _prepare(command: Parser, files: Mapping[str, Any]) -> None:
    """Fill ``command`` and its commands, and add what the scripts need and the help does not."""
    for action in command.filled()._actions:  # noqa: SLF001 - argparse has no public list
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            action.help = ""
            for each in action._get_subactions():  # noqa: SLF001 - same
                _prepare(action.choices[each.dest], files)
                action.choices[each.dest].description = each.help
        elif action.type is Path:
            action.complete = files  # type: ignore[attr-defined]  # shtab reads it
        elif action.choices is None and "|" in str(action.metavar):
            action.choices = str(action.metavar).split("|")
