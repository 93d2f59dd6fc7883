"""Every setting as a flag of ``serve`` and as an environment variable, found from the records themselves.

1. The flag wins over the variable. Lists repeat their flag and are comma-separated in the environment.
2. What a setting is for is said once, in its record's docstring; the help is made from that, but for what a command
   line cannot be given, such as None.
3. What is wrong is told in the words of who gave it: by flag, or by variable.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sirrchat_testkit import Policy, Settings

PREFIX = "SIRRCHAT_TESTKIT_"
SERVED = Settings.of(smtp_port=1025, http_port=8080, seed="", max_messages=200_000, max_bytes=2_147_483_648)
"""What ``serve`` starts from: ports that people remember, keys that cannot be guessed, a bound on what is kept."""

_HELP: Mapping[str, str] = {
    "smtps_port": "The port of SMTP that begins with TLS; 0 for any free one",
    "tls_cert": "A PEM file with the certificate and its chain; without it one is issued for this machine's names",
    "api_key": "The admin account's key; without it one is made",
    "data": "The folder to keep everything in; without it everything is in memory",
    "auth": "'optional' and 'required' say it of logins; 'tls' offers them under TLS alone, and requires them there",
    "oauth_tokens": "A user and the token that XOAUTH2 is to take of it, such as 'ann@example.com=token'",
}
"""Settings that a command line can be given less of than a program."""

_FIELD = re.compile(r"(?<![^ ])([a-z]+(?:_[a-z]+)+|[a-z]+(?==True))(?:=True)?")
"""A word that names a field beyond doubt: ``tls_cert``, or ``starttls=True``."""

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
            return self.one(text, self.variable)
        if text.lower() not in _YES | _NO:
            raise ValueError(f"{self.variable} takes yes or no, not {text!r}")
        return text.lower() in _YES

    def one(self, text: Any, name: str) -> Any:
        """Return one value from what ``name``, the flag or the variable, was given. Raises ``ValueError``."""
        if isinstance(self.default, float):
            return _number(name, float, "a number", text)
        if isinstance(self.default, bool) or not (isinstance(self.default, int) or self.field == "smtps_port"):
            return text
        return _number(name, int, "a whole number", text)

    def _shown(self) -> str:
        if self.repeats:
            return ", ".join(self.default) or "none"
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return "none" if self.default in {None, ""} else str(self.default)


def _number(name: str, kind: type[int | float], what: str, text: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name} takes {what}, not {text!r}") from None


def options() -> list[Option]:
    """Return every setting as an option, in the order of the records."""
    found = []
    for record in (SERVED, SERVED.policy):
        described = {**_described(type(record)), **_HELP}
        for each in fields(record):
            if each.name == "policy":
                continue
            default = getattr(record, each.name)
            name = each.name.removesuffix("s") if isinstance(default, tuple) else each.name
            flag = f"--{name.replace('_', '-')}"
            found.append(Option(each.name, flag, PREFIX + name.upper(), default, described[each.name]))
    return found


def settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return what ``serve`` starts with. Raises ``ValueError``."""
    changes: dict[str, Any] = {}
    for option in options():
        given = getattr(arguments, option.field)
        if given is not None:
            changes[option.field] = tuple(given) if option.repeats else option.one(given, option.flag)
        elif environment.get(option.variable):
            changes[option.field] = option.read(environment[option.variable])
    return Settings.of(SERVED, **changes)


def in_flags(text: str) -> str:
    """Return ``text``, which says what is wrong with a setting, with flags in place of the names of fields."""
    flags = {each.field: each.flag for each in options()}
    subject, blank, rest = text.partition(" ")
    return flags.get(subject, subject) + blank + _FIELD.sub(lambda found: flags.get(found[1], found[0]), rest)


def _described(record: type[Settings | Policy]) -> dict[str, str]:
    """Return the sentence of each field from the record's docstring."""
    found: dict[str, str] = {}
    for line in (record.__doc__ or "").partition("Attributes:")[2].splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon:
            found[name] = text.replace("``", "'").rstrip(".").replace("%", "%%")
    return found
