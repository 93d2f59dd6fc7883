"""``serve``: a standalone server, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sirrchat_testkit import __version__
from sirrchat_testkit.cli.options import add_settings, in_flags, settings, unknown_variables
from sirrchat_testkit.cli.parser import Parser, discard_output, fail
from sirrchat_testkit.errors import StoreError

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer
    from sirrchat_testkit.cli.log import Format, Log

FORMATS: Final = ("text", "json")
_STDERR: Final = 2

STOPS = frozenset({signal.SIGINT, signal.SIGTERM})

_PORTS = {"SMTP": "--smtp-port", "SMTP over TLS": "--smtps-port", "HTTP": "--http-port"}
"""The listeners and their flags."""

_OTHER_FOLDER: Final = "; choose another with --data, or leave it out to keep everything in memory"

_ABOUT = """\
Serve SMTP and the REST API until SIGINT or SIGTERM. Every setting is a flag and an environment variable, and the flag
wins. A flag that can be repeated is a list; in the environment, its elements are separated by commas."""


def add_serve(command: Parser) -> None:
    """Add the arguments."""
    command.usage, command.description = "%(prog)s [flags]", _ABOUT
    command.set_defaults(run=serve)
    command.add_argument("--json", action="store_true", help="print one line of JSON when the server is ready")
    command.add_argument("--ready-file", type=Path, help="write that line to this file, atomically")
    command.add_argument("--quiet", action="store_true", help="do not write the log to stderr")
    command.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        metavar="|".join(FORMATS),
        help="the form of the log [default: text]",
    )
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
        remedy = _OTHER_FOLDER if type(error) is StoreError else ""
        return fail(f"{in_flags(str(error))}{remedy}", 1)
    except OSError as error:
        named = f"cannot read {error.filename}: " if error.filename else ""
        return fail(f"{named}{error.strerror or error}{_way_out(error)}", 1)
    log = None if arguments.quiet or sys.stderr is None else _log(server, arguments.log_format)
    by = 0
    try:
        if problem := _announce(server, arguments):
            return fail(problem, 1)
        if log is not None:
            log.start()
        server._load_http()  # noqa: SLF001 - tests rarely need both, so they load them when first used
        gc.freeze()  # modules and the records of the data folder stay: collections need not visit them
        by = signal.sigwait(STOPS)
        if log is not None:
            log.stop()
    finally:
        server.stop()
    prompt = "\n" if by == signal.SIGINT and sys.stderr and os.isatty(_STDERR) else ""  # the terminal shows ^C
    if log is not None:
        log.finish(prompt)
    elif prompt:
        os.write(_STDERR, prompt.encode())
    return 0


def _log(server: MailServer, form: Format) -> Log:
    from sirrchat_testkit.cli.log import KINDS, Log
    from sirrchat_testkit.handles.log_reader import LogReader

    control = server._control  # noqa: SLF001 - the log reads events, for which there is no public handle
    colors = os.isatty(_STDERR) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Log(LogReader(control, KINDS), form, _STDERR, sys.stderr.encoding, colors=colors)


def _way_out(error: OSError) -> str:
    """Return what to do about a listener that could not be started; empty if ``error`` is about something else."""
    flag = next((flag for purpose, flag in _PORTS.items() if f" for {purpose} on " in str(error)), "")
    if not flag:
        return ""
    if error.errno == errno.EADDRINUSE:
        return f"; {flag} 0 picks a free one"
    if error.errno == errno.EACCES:
        return f"; ports below 1024 need special rights: choose another with {flag}"
    return "; --host is an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"


def _look_for(*files: str | None) -> None:
    """Raise the ``OSError`` of a file that cannot be read: TLS errors do not name the file."""
    for name in files:
        if name is not None:
            _check_regular(Path(name))
            with Path(name).open("rb"):
                pass


def _check_regular(path: Path) -> None:
    """Raise ``OSError`` if there is something else than a file at ``path``, such as a pipe or a device."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _announce(server: MailServer, arguments: argparse.Namespace) -> str:
    """Write that the server is ready; return why that failed, or "". A closed stdout is not a failure."""
    from sirrchat_testkit.cli.screen import first_screen

    facts = {
        "smtp_host": server.smtp_host,
        "smtp_port": server.smtp_port,
        "api_url": server.api_url,
        "api_key": server.api_key,
        "version": __version__,
    }
    if server.settings.tls:
        facts |= {"smtps_port": server.smtps_port, "smtp_ca_file": server.tls.ca_file}
    line = json.dumps(facts)
    try:
        if arguments.ready_file:
            _write_whole(arguments.ready_file, f"{line}\n")
    except OSError as error:
        return f"cannot write {arguments.ready_file}: {error.strerror}"
    try:
        print(line if arguments.json else first_screen(server), flush=True)
    except BrokenPipeError:  # such as head -1, which has read what it wants
        discard_output()
    except OSError as error:
        discard_output()  # or Python would try again at the exit
        return f"cannot write to stdout: {error.strerror}"
    return ""


def _write_whole(path: Path, text: str) -> None:
    """Write ``text``, which has the API key, to a file that only its owner can read, in one step."""
    _check_regular(path)  # a device or a pipe would be replaced
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with open(draft, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
