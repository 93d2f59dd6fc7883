"""``serve``: a server by itself, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path

from sirrchat_testkit import MailServer, __version__
from sirrchat_testkit.cli.options import options, settings
from sirrchat_testkit.cli.outcome import fail
from sirrchat_testkit.core.errors import StoreError

STOPS = frozenset({signal.SIGINT, signal.SIGTERM})


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser("serve", help="serve SMTP and the REST API until stopped", description=serve.__doc__)
    command.set_defaults(run=serve)
    for option in options():
        option.add_to(command)
    command.add_argument("--json", action="store_true", help="print one line of JSON once both ports accept")
    command.add_argument("--ready-file", type=Path, help="write that line to this file, which appears whole")


def serve(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # no handler runs: whenever one comes, it waits for sigwait
    try:
        server = MailServer(settings(arguments, os.environ)).start()
    except ValueError as error:
        return fail(str(error), 2)
    except (StoreError, RuntimeError) as error:
        return fail(str(error), 1)
    except OSError as error:
        return fail(str(error.strerror or error), 1)
    try:
        _announce(server, arguments)
        signal.sigwait(STOPS)
    except OSError as error:
        return fail(f"cannot write {arguments.ready_file}: {error.strerror}", 1)
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
    if _speaks_tls(server):
        facts |= {"smtps_port": server.smtps_port, "smtp_ca_file": server.tls.ca_file}
    line = json.dumps(facts)
    if arguments.ready_file:
        _write_whole(arguments.ready_file, f"{line}\n")
    print(line if arguments.json else _welcome(server), flush=True)


def _speaks_tls(server: MailServer) -> bool:
    return server.settings.starttls or server.settings.smtps_port is not None


def _welcome(server: MailServer) -> str:
    tls = ""
    if _speaks_tls(server):
        smtps = f"SMTPS     {server.smtp_host}:{server.smtps_port}\n" if server.smtps_port is not None else ""
        tls = f"{smtps}CA file   {server.tls.ca_file}\n"
    domain = server.settings.domains[0]
    key = f"-H 'X-API-Key: {server.api_key}'"
    body = json.dumps({"name": "ann", "expiryTime": 3_600_000, "domain": domain})
    return f"""\
SMTP      {server.smtp_host}:{server.smtp_port}
{tls}REST API  {server.api_url}
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
