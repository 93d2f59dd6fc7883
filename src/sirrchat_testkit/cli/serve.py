"""The command line: argparse over the public API.

1. Every field of ``Settings`` and ``Policy`` is a flag of ``serve`` and an environment variable, found from the field
   itself; the flag wins. Lists repeat their flag and are comma-separated in the environment.
2. What a program reads goes to stdout, everything else to stderr. Status 0: done; 1: it could not be done; 2: usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sirrchat_testkit import MailServer, Policy, Settings, __version__

PREFIX = "SIRRCHAT_TESTKIT_"
SERVED = Settings(smtp_port=1025, http_port=8080, seed="")
"""What ``serve`` starts from: fixed ports that people remember, keys that cannot be guessed."""


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

    def read(self, text: str) -> Any:
        """Return the setting's value from the text of its environment variable. Raises ``ValueError``."""
        if self.repeats:
            return tuple(each.strip() for each in text.split(",") if each.strip())
        return self.one(text)

    def one(self, text: str) -> Any:
        """Return one value from a flag's text. Raises ``ValueError``."""
        if not isinstance(self.default, int):
            return text
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{self.field} takes a whole number, not {text!r}") from None


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its status."""
    parsed = _parser().parse_args(arguments)
    status: int = parsed.run(parsed)
    return status


def serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = MailServer(_settings(arguments, os.environ)).start()
    except ValueError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"cannot listen: {error.strerror or error}", 1)
    try:
        _announce(server, arguments)
        stop.wait()
    finally:
        server.stop()
    return 0


def _announce(server: MailServer, arguments: argparse.Namespace) -> None:
    facts = {
        "smtp_host": server.smtp_host,
        "smtp_port": server.smtp_port,
        "api_url": server.api_url,
        "api_key": server.api_key,
        "version": __version__,
    }
    line = json.dumps(facts)
    if arguments.ready_file:
        _write_whole(arguments.ready_file, f"{line}\n")
    print(line if arguments.json else _welcome(server), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sirrchat-testkit", description="Disposable mail servers for tests.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("serve", help="serve SMTP and the REST API until stopped", description=serve.__doc__)
    command.set_defaults(run=serve)
    for option in options():
        command.add_argument(
            option.flag,
            dest=option.field,
            action="append" if option.repeats else "store",
            metavar=option.flag.strip("-").replace("-", "_").upper(),
            help=f"{option.help} [{_shown(option.default)}; {option.variable}]",
        )
    command.add_argument("--json", action="store_true", help="print one line of JSON once both ports accept")
    command.add_argument("--ready-file", type=Path, help="write that line to this file, which appears whole")
    return parser


def _settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {}
    for option in options():
        given = getattr(arguments, option.field)
        if given is not None:
            changes[option.field] = tuple(given) if option.repeats else option.one(given)
        elif environment.get(option.variable):
            changes[option.field] = option.read(environment[option.variable])
    return Settings.of(SERVED, **changes)


def _described(record: type[Settings | Policy]) -> dict[str, str]:
    """Return the sentence of each field from the record's docstring, where it is written once."""
    found: dict[str, str] = {}
    for line in (record.__doc__ or "").partition("Attributes:")[2].splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon:
            found[name] = text.replace("``", "'").rstrip(".").replace("%", "%%")
    return found


def _shown(default: Any) -> str:
    return ", ".join(default) if isinstance(default, tuple) else "none" if default in {None, ""} else str(default)


def _welcome(server: MailServer) -> str:
    domain = server.settings.domains[0]
    key = f"-H 'X-API-Key: {server.api_key}'"
    body = json.dumps({"name": "ann", "expiryTime": 3_600_000, "domain": domain})
    return f"""\
SMTP      {server.smtp_host}:{server.smtp_port}
REST API  {server.api_url}
API key   {server.api_key}

Make an address, send it a mail, read it (the answer to the first has the id for the last):
  curl -s -X POST {server.api_url}/api/emails/generate {key} -d '{body}'
  printf 'Subject: Hello\\r\\n\\r\\nIt works.\\r\\n' | \
curl -s {server.smtp_url} --mail-from you@example.org --mail-rcpt ann@{domain} -T -
  curl -s {server.api_url}/api/emails {key}
  curl -s {server.api_url}/api/emails/ID {key}

Ctrl-C stops it."""


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _fail(text: str, status: int) -> int:
    print(f"sirrchat-testkit: {text}", file=sys.stderr)
    return status
