"""The flags and environment variables of the settings, made from their table.

1. A flag wins over its variable. A list repeats its flag; in the environment, its elements are separated by commas.
2. A list has the flag ``--domain`` for ``domains``; its variable may be singular or plural.
3. Errors are one line, in terms of what the user typed: they name the flag or the variable, and suggest the nearest
   name for an unknown one.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sirrchat_testkit.cli.parser import PREFIX
from sirrchat_testkit.settings import OF_TESTS, ROWS, Row, Settings
from sirrchat_testkit.suggestions import near_name

_OTHER_VARIABLES = ("URL", "SMTP_HOST", "TIMEOUT", "GOLDEN")
"""Variables that other parts of the package read."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as a flag and as environment variables; the first variable is the one that the help shows."""

    row: Row
    flag: str
    variables: tuple[str, ...]

    def add_to(self, parser: argparse._ArgumentGroup) -> None:
        """Add the flag to ``parser``."""
        kind = self.row.kind
        default = "" if "Default: " in self.row.help else f"default: {self._default()}; "
        repeats = " Can be repeated." if kind.repeats else ""
        text = f"{in_flags(self.row.help)}{repeats} [{default}{self.variables[0]}]"
        named: dict[str, Any] = {"dest": self.row.name, "help": text.replace("%", "%%")}
        if isinstance(self.row.default, bool):
            parser.add_argument(self.flag, action=argparse.BooleanOptionalAction, **named)
        else:
            metavar = "|".join(kind.choices) or kind.metavar or self.flag.removeprefix("--").upper()
            parser.add_argument(self.flag, action="append" if kind.repeats else "store", metavar=metavar, **named)

    def value(self, given: Any, environment: Mapping[str, str]) -> Any:
        """Return the value of the flag, or of a variable, or the default of ``serve``. Raises ``ValueError``."""
        if given is not None:
            kind = self.row.kind
            return kind.parse(self.flag, given) if isinstance(given, str) else kind.check(self.flag, given)
        found = [each for each in self.variables if environment.get(each)]
        if len(found) > 1:
            raise ValueError(f"{found[0]} and {found[1]} are both set: set only one of them")
        return self.row.kind.parse(found[0], environment[found[0]]) if found else self.row.served

    def _default(self) -> str:
        default = self.row.served
        if isinstance(default, tuple):
            return ", ".join(default) or "none"
        if isinstance(default, bool):
            return "yes" if default else "no"
        return "none" if default in {None, ""} else self.row.kind.show(default)


def _option(row: Row) -> Option:
    single = row.name.removesuffix("s") if row.kind.repeats else row.name
    names = dict.fromkeys((row.name, single))
    return Option(row, f"--{single.replace('_', '-')}", tuple(f"{PREFIX}{name.upper()}" for name in names))


OPTIONS = tuple(_option(row) for row in ROWS if row.group != OF_TESTS)
"""Every setting of ``serve``, in the order of the table."""


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add the flag of every setting to ``command``, in the groups of the table."""
    groups = {name: command.add_argument_group(name) for name in dict.fromkeys(each.row.group for each in OPTIONS)}
    for option in OPTIONS:
        option.add_to(groups[option.row.group])


def settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return the settings of ``serve``. Raises ``ValueError``."""
    given = vars(arguments)
    return Settings(**{each.row.name: each.value(given[each.row.name], environment) for each in OPTIONS})


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Return a line for each ``SIRRCHAT_TESTKIT_*`` variable that does not exist, with the nearest name."""
    known = [*(name for each in OPTIONS for name in each.variables), *(PREFIX + name for name in _OTHER_VARIABLES)]
    lines = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = near_name(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known])
            hint = f"did you mean {PREFIX}{near}?" if near else "serve --help lists the variables"
            lines.append(f"there is no variable {name}, so it is ignored; {hint}")
    return lines


def in_flags(text: str) -> str:
    """Return ``text`` with the names of settings replaced by flags."""
    return _NAME.sub(lambda found: _FLAGS[found[0]], text)


_FLAGS = {each.row.name: each.flag for each in OPTIONS if "_" in each.row.name or each.row.name == "starttls"}
_NAME = re.compile(rf"\b({'|'.join(_FLAGS)})\b")
