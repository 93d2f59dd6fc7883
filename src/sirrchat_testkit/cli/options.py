"""Every setting as a flag of ``serve`` and as an environment variable, found from the records themselves.

1. The flag wins over the variable. Lists repeat their flag and are comma-separated in the environment.
2. What a setting is for is said once, in its record's docstring; the help is made from that.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sirrchat_testkit import Policy, Settings

PREFIX = "SIRRCHAT_TESTKIT_"
SERVED = Settings.of(smtp_port=1025, http_port=8080, seed="", max_messages=200_000, max_bytes=2_147_483_648)
"""What ``serve`` starts from: ports that people remember, keys that cannot be guessed, a bound on what is kept."""

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as a flag and an environment variable."""

    field: str
    flag: str
    variable: str
    default: Any
    help: str

    @property
    def repeats(self) -> bool:
        """Whether the setting is a list."""
        return isinstance(self.default, tuple)

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the flag to ``parser``."""
        text = f"{self.help} [{self._shown()}; {self.variable}]"
        if isinstance(self.default, bool):
            parser.add_argument(self.flag, dest=self.field, action=argparse.BooleanOptionalAction, help=text)
        else:
            action = "append" if self.repeats else "store"
            metavar = self.flag.removeprefix("--").replace("-", "_").upper()
            parser.add_argument(self.flag, dest=self.field, action=action, metavar=metavar, help=text)

    def read(self, text: str) -> Any:
        """Return the setting's value from the text of its environment variable. Raises ``ValueError``."""
        if self.repeats:
            return tuple(each.strip() for each in text.split(",") if each.strip())
        if not isinstance(self.default, bool):
            return self.one(text)
        if text.lower() not in _YES | _NO:
            raise ValueError(f"{self.field} takes yes or no, not {text!r}")
        return text.lower() in _YES

    def one(self, text: Any) -> Any:
        """Return one value from what a flag was given. Raises ``ValueError``."""
        if isinstance(self.default, float):
            return _number(self.field, float, "a number", text)
        if isinstance(self.default, bool) or not (isinstance(self.default, int) or self.field == "smtps_port"):
            return text
        return _number(self.field, int, "a whole number", text)

    def _shown(self) -> str:
        if self.repeats:
            return ", ".join(self.default)
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return "none" if self.default in {None, ""} else str(self.default)


def _number(field: str, kind: type[int | float], what: str, text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{field} takes {what}, not {text!r}") from None


def options() -> list[Option]:
    """Return every setting as an option, in the order of the records."""
    found = []
    for record in (SERVED, SERVED.policy):
        described = _described(type(record))
        for each in fields(record):
            if each.name == "policy":
                continue
            default = getattr(record, each.name)
            name = each.name.removesuffix("s") if isinstance(default, tuple) else each.name
            flag = f"--{name.replace('_', '-')}"
            found.append(Option(each.name, flag, PREFIX + name.upper(), default, described.get(each.name, "")))
    return found


def settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return what ``serve`` starts with. Raises ``ValueError``."""
    changes: dict[str, Any] = {}
    for option in options():
        given = getattr(arguments, option.field)
        if given is not None:
            changes[option.field] = tuple(given) if option.repeats else option.one(given)
        elif environment.get(option.variable):
            changes[option.field] = option.read(environment[option.variable])
    return Settings.of(SERVED, **changes)


def _described(record: type[Settings | Policy]) -> dict[str, str]:
    """Return the sentence of each field from the record's docstring."""
    found: dict[str, str] = {}
    for line in (record.__doc__ or "").partition("Attributes:")[2].splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon:
            found[name] = text.replace("``", "'").rstrip(".").replace("%", "%%")
    return found
