"""The first screen of ``serve``: how to connect, and commands to copy that make an address, send mail and log in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sirrchat_testkit.domain.simulators import SIMULATORS
from sirrchat_testkit.extras import has_web
from sirrchat_testkit.net import WILDCARDS, netloc, reachable

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer


def first_screen(server: MailServer) -> str:
    """Return what a person needs to know who has just started ``server``."""
    facts = [*_facts(server)]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:{width}}  {text}" for name, text in facts]
    return "\n".join([*lines, "", *_commands(server), "", "Press Ctrl-C to stop."])


def _facts(server: MailServer) -> Iterator[tuple[str, str]]:
    settings = server.settings
    starttls = settings.starttls and "STARTTLS" not in settings.hide_extensions
    tls = "with STARTTLS" if starttls else "without TLS"
    yield "SMTP", f"{_smtp(server)}, {tls}; {_login_rule(server)}"
    if server.smtps_port is not None:
        yield "SMTPS", f"{netloc((_host(server), server.smtps_port))}, with TLS from the start"
    if settings.tls:
        yield "CA file", f"{server.tls.ca_file}, for clients to trust"
    yield "REST API", f"{_api(server)}, with all routes on the page {_api(server)}/docs"
    if has_web():
        url, sign_in = server._web_inbox  # noqa: SLF001 - its own package
        yield "Web inbox", f"{url} ({sign_in})" if sign_in else url
    yield "API key", server.api_key
    if settings.host in WILDCARDS:
        yield "Elsewhere", _elsewhere(server)
    if settings.data is not None:
        yield "Data folder", str(Path(settings.data).absolute())
    yield "Domains", ", ".join(settings.domains)
    if settings.simulators:
        *names, last = (f"{each.name}@" for each in SIMULATORS)
        yield "Simulators", f"{', '.join(names)} and {last}, at each domain, misbehave on purpose"


def _elsewhere(server: MailServer) -> str:
    name = server.settings.advertise
    if not name:
        return "connect to an address of this machine; to use a name, start with --advertise NAME"
    return f"{netloc((name, server.smtp_port))} and http://{netloc((name, _api_port(server)))}"


def _login_rule(server: MailServer) -> str:
    if not _can_log_in(server):
        return "logins are not offered"
    return "mail is accepted only after a login" if _wants_login(server) else "logging in is optional"


def _commands(server: MailServer) -> Iterator[str]:
    domain = server.settings.domains[0]
    key = f"-H 'X-API-Key: {server.api_key}'"
    body = json.dumps({"name": "ann", "expiryTime": 3_600_000, "domain": domain})
    anybody = not _wants_login(server)
    yield f"Make an address, {'send mail to it, and wait for the mail' if anybody else 'and wait for its mail'}:"
    yield f"  curl -sS -X POST {_api(server)}/api/emails/generate {key} -d '{body}'"
    if anybody:
        yield _send(server, "", "you@example.org", f"ann@{domain}")
    yield f"  curl -sS '{_api(server)}/testkit/v1/wait?to=ann@{domain}' {key}"
    if _can_log_in(server):
        user = f"bob@{domain}"
        body = json.dumps({"email": user, "password": "secret"})
        yield ""
        yield "Make a user, and log in to send mail:"
        yield f"  curl -sS -X POST {_api(server)}/api/v1/users -H 'Authorization: Bearer {server.api_key}' -d '{body}'"
        yield _send(server, f" --user {user}:secret", user, f"ann@{domain}")


def _send(server: MailServer, login: str, sender: str, recipient: str) -> str:
    mail = rf"From: {sender}\r\nTo: {recipient}\r\nSubject: Hello\r\n\r\nIt works.\r\n"
    curl = f"curl -sS {_curl_to(server)}{login} --mail-from {sender} --mail-rcpt {recipient} -T -"
    return f"  printf '{mail}' | {curl}"


def _can_log_in(server: MailServer) -> bool:
    settings = server.settings
    return "AUTH" not in settings.hide_extensions and (settings.auth != "tls" or settings.tls)


def _wants_login(server: MailServer) -> bool:
    auth = server.settings.auth
    return auth == "required" or (auth == "tls" and server.settings.tls)


def _host(server: MailServer) -> str:
    return reachable(server.smtp_host)


def _smtp(server: MailServer) -> str:
    return netloc((_host(server), server.smtp_port))


def _api(server: MailServer) -> str:
    return f"http://{netloc((_host(server), _api_port(server)))}"


def _api_port(server: MailServer) -> int:
    return int(server.api_url.rpartition(":")[2])


def _curl_to(server: MailServer) -> str:
    """Return curl's arguments for sending mail here, over TLS if the server has it."""
    if not server.settings.tls:
        return f"smtp://{_smtp(server)}"
    if server.settings.starttls:
        return f"smtp://{_smtp(server)} --ssl-reqd --cacert {server.tls.ca_file}"
    return f"smtps://{netloc((_host(server), server.smtps_port or 0))} --cacert {server.tls.ca_file}"
