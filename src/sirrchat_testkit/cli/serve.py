"""``serve``: a standalone server, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.options import add_settings, discard_output, fail, in_flags, settings, unknown_variables
from sirrchat_testkit.errors import StoreError

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer

STOPS = frozenset({signal.SIGINT, signal.SIGTERM})

_PORTS = {"SMTP": "--smtp-port", "SMTP over TLS": "--smtps-port", "HTTP": "--http-port"}
"""The listeners and their flags."""

_ABOUT = """\
Serve SMTP and the REST API until SIGINT or SIGTERM. Every setting is a flag and an environment variable, and the flag
wins. A flag that can be repeated is a list; in the environment, its elements are separated by commas."""


def add_serve(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "serve", help="serve SMTP and the REST API until stopped", usage="%(prog)s [flags]", description=_ABOUT
    )
    command.set_defaults(run=serve)
    command.add_argument("--json", action="store_true", help="print one line of JSON when the server is ready")
    command.add_argument("--ready-file", type=Path, help="write that line to this file, atomically")
    add_settings(command)


def serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from sirrchat_testkit import MailServer

    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # no handler runs: an early signal stays pending until sigwait
    for line in unknown_variables(os.environ):
        fail(line)
    try:
        chosen = settings(arguments, os.environ)
        _look_for(chosen.tls_cert, chosen.tls_key)
        server = MailServer(chosen).start()
    except ValueError as error:
        return fail(in_flags(str(error)), 2)
    except (StoreError, RuntimeError) as error:
        return fail(in_flags(str(error)), 1)
    except OSError as error:
        named = f"cannot read {error.filename}: " if error.filename else ""
        return fail(f"{named}{error.strerror or error}{_way_out(error)}", 1)
    try:
        if problem := _announce(server, arguments):
            return fail(problem, 1)
        gc.freeze()  # modules and the records of the data folder stay: collections need not visit them
        signal.sigwait(STOPS)
    finally:
        server.stop()
    return 0


def _way_out(error: OSError) -> str:
    flags = [flag for purpose, flag in _PORTS.items() if f" for {purpose} on " in str(error)]
    return f"; {flags[0]} 0 picks a free one" if flags and error.errno == errno.EADDRINUSE else ""


def _look_for(*files: str | None) -> None:
    """Raise the ``OSError`` of a file that cannot be read: TLS errors do not name the file."""
    for name in files:
        if name is not None:
            with Path(name).open("rb"):
                pass


def _announce(server: MailServer, arguments: argparse.Namespace) -> str:
    """Write that the server is ready; return why that failed, or "". If the reader of stdout has gone, it serves on."""
    facts = {
        "smtp_host": server.smtp_host,
        "smtp_port": server.smtp_port,
        "api_url": server.api_url,
        "api_key": server.api_key,
        "version": __version__,
    }
    if _speaks_tls(server):
        facts |= {"smtps_port": server.smtps_port, "smtp_ca_file": server.tls.ca_file}
    line = json.dumps(facts)
    try:
        if arguments.ready_file:
            _write_whole(arguments.ready_file, f"{line}\n")
    except OSError as error:
        return f"cannot write {arguments.ready_file}: {error.strerror}"
    try:
        print(line if arguments.json else _welcome(server), flush=True)
    except BrokenPipeError:  # such as head -1, which has read what it wants
        discard_output()
    except OSError as error:
        discard_output()  # or Python would try again at the exit
        return f"cannot write to stdout: {error.strerror}"
    return ""


def _speaks_tls(server: MailServer) -> bool:
    return server.settings.starttls or server.settings.smtps_port is not None


def _welcome(server: MailServer) -> str:
    tls = ""
    if _speaks_tls(server):
        smtps = f"SMTPS     {server.smtp_host}:{server.smtps_port}\n" if server.smtps_port is not None else ""
        tls = f"{smtps}CA file   {server.tls.ca_file}\n"
    domain = server.settings.domains[0]
    key = f"-H 'X-API-Key: {server.api_key}'"
    mail = f"printf 'Subject: Hello\\r\\n\\r\\nIt works.\\r\\n' | curl -sS {_curl_to(server)}"
    body = json.dumps({"name": "ann", "expiryTime": 3_600_000, "domain": domain})
    send = "" if _wants_login(server) else f"  {mail} --mail-from you@example.org --mail-rcpt ann@{domain} -T -\n"
    then = "send mail to it, and wait for the mail" if send else "and wait for its mail"
    return f"""\
SMTP      {server.smtp_host}:{server.smtp_port}
{tls}REST API  {server.api_url}, with all routes on the page {server.api_url}/docs
API key   {server.api_key}

Make an address, {then}:
  curl -sS -X POST {server.api_url}/api/emails/generate {key} -d '{body}'
{send}  curl -sS '{server.api_url}/testkit/v1/wait?to=ann@{domain}' {key}
{_login(server, mail, domain)}
Press Ctrl-C to stop."""


def _wants_login(server: MailServer) -> bool:
    auth = server.settings.auth
    return auth == "required" or (auth == "tls" and _speaks_tls(server))


def _login(server: MailServer, mail: str, domain: str) -> str:
    settings = server.settings
    if "AUTH" in settings.hide_extensions or (settings.auth == "tls" and not _speaks_tls(server)):
        return ""
    user = f"bob@{domain}"
    body = json.dumps({"email": user, "password": "secret"})
    return f"""
{"Mail is accepted only after a login: make" if _wants_login(server) else "Logging in is optional: make"} a user, \
and send as that user:
  curl -sS -X POST {server.api_url}/api/v1/users -H 'Authorization: Bearer {server.api_key}' -d '{body}'
  {mail} --user {user}:secret --mail-from {user} --mail-rcpt ann@{domain} -T -
"""


def _curl_to(server: MailServer) -> str:
    """Return curl's arguments for sending mail here, over TLS if the server has it."""
    if not _speaks_tls(server):
        return server.smtp_url
    if server.settings.starttls:
        return f"{server.smtp_url} --ssl-reqd --cacert {server.tls.ca_file}"
    return f"smtps://{server.smtp_host}:{server.smtps_port} --cacert {server.tls.ca_file}"


def _write_whole(path: Path, text: str) -> None:
    """Write ``text``, which has the API key, to a file that only its owner can read, in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    draft.replace(path)
