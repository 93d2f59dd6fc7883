"""What to paste so that an application, or a command, sends its mail here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shlex import quote
from typing import Final

from sirrchat_testkit.handles.environment import PRESETS, Connection, connection
from sirrchat_testkit.net import Ports, netloc, reachable
from sirrchat_testkit.settings import Settings

_TITLES: Final[Mapping[str, str]] = {
    "django": "Django",
    "fastapi-mail": "FastAPI (fastapi-mail)",
    "flask": "Flask",
    "laravel": "Laravel",
    "nodemailer": "Node.js (Nodemailer)",
    "rails": "Rails",
    "spring": "Spring Boot",
    "symfony": "Symfony",
}
"""The names of the presets for people."""


def target(settings: Settings, ports: Ports, login: tuple[str, str] | None = None) -> Connection:
    """Return how an application connects, with ``login``, or with placeholders for one if it is needed."""
    needed = ("USER", "PASSWORD") if settings.auth == "required" else ("", "")
    return connection(settings, ports, settings.advertise or reachable(ports.smtp[0]), login or needed)


def snippets(to: Connection, address: str) -> list[tuple[str, str, str]]:
    """Return the id, the title and the text of each snippet; commands send to ``address``."""
    return [
        *((each, _TITLES.get(each, each), lines(make(to))) for each, make in PRESETS.items()),
        ("go", "Go", _go(to, address)),
        ("curl", "curl", curl(to, address)),
        ("swaks", "swaks", swaks(to, address)),
    ]


def lines(variables: Mapping[str, str]) -> str:
    """Return variables as lines of an ``.env`` file."""
    return "\n".join(f"{name}={value}" for name, value in variables.items())


def _go(to: Connection, address: str) -> str:
    login = f'smtp.PlainAuth("", {_quoted(to.username)}, {_quoted(to.password)}, "{to.host}")' if to.username else "nil"
    return (
        f'err := smtp.SendMail("{netloc((to.host, to.port))}", {login},\n'
        f'\t"you@example.org", []string{{{_quoted(address)}}},\n'
        '\t[]byte("From: you@example.org\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n"))'
    )


def curl(to: Connection, address: str) -> str:
    """Return a command that sends a mail to ``address`` with curl."""
    parts = [f"curl -sS {'smtps' if to.implicit else 'smtp'}://{netloc((to.host, to.port))}"]
    parts += ["--ssl-reqd"] * to.starttls + ([f"--cacert {to.ca_file}"] if to.tls and to.ca_file else [])
    parts += [f"--user {quote(f'{to.username}:{to.password}')}"] if to.username else []
    parts += [f"--mail-from you@example.org --mail-rcpt {quote(address)}", "-T -"]
    return "printf 'From: you@example.org\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n' |\n  " + " \\\n  ".join(parts)


def swaks(to: Connection, address: str) -> str:
    """Return a command that sends a mail to ``address`` with swaks."""
    parts = [f"swaks --server {netloc((to.host, to.port))}", f"--to {quote(address)} --from you@example.org"]
    parts += ["--tls"] * to.starttls + ["--tls-on-connect"] * to.implicit
    parts += [f"--auth-user {quote(to.username)} --auth-password {quote(to.password)}"] if to.username else []
    return " \\\n  ".join(parts)


def _quoted(text: str) -> str:
    """Return ``text`` as a string of Go."""
    return json.dumps(text, ensure_ascii=False)
