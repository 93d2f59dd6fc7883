"""SMTP servers to measure, each in a process of its own: ours in three modes, and what a user would use instead.

    python tests/benchmarks/smtp_servers.py KIND

prints the port, then answers each line on its standard input: ``cpu`` by the CPU seconds used so far, ``rss`` by the
resident octets, ``count`` by how many messages it has stored.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from smtp_load import RECIPIENT

Serving = contextlib.AbstractContextManager[tuple[int, Callable[[], int]]]


class Child:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    def ask(self, question: str) -> float:
        """Return ``cpu`` in seconds, ``rss`` in octets, or ``count``."""
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def child(kind: str) -> Iterator[Child]:
    """Run a server until the context is left."""
    with subprocess.Popen(
        [sys.executable, __file__, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


@contextlib.contextmanager
def aiosmtpd() -> Iterator[tuple[int, Callable[[], int]]]:
    """aiosmtpd as it comes, with a handler that does nothing and stores nothing: the base of all ratios."""
    from aiosmtpd.controller import Controller

    class Handler:
        async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=_free_port(), server_hostname="bench.test")
    controller.start()
    yield controller.port, lambda: 0
    controller.stop()


@contextlib.contextmanager
def smtpdfix() -> Iterator[tuple[int, Callable[[], int]]]:
    """The server of the pytest plugin of that name: parses and keeps each message."""
    from smtpdfix import SMTPDFix

    with SMTPDFix("127.0.0.1", _free_port()) as server:
        yield server.port, lambda: len(server.messages)


@contextlib.contextmanager
def localserver() -> Iterator[tuple[int, Callable[[], int]]]:
    """The SMTP server of pytest-localserver: parses and keeps each message."""
    from pytest_localserver.smtp import Server

    server = Server("127.0.0.1", 0)
    server.start()
    yield server.addr[1], lambda: len(server.outbox)
    server.stop()


@contextlib.contextmanager
def ours(**settings: Any) -> Iterator[tuple[int, Callable[[], int]]]:
    """A whole ``MailServer``, as a test gets it: SMTP, REST, whoever waits for mail, webhooks."""
    from sirrchat_testkit import MailServer

    with MailServer(**settings) as server:
        server.add_account(RECIPIENT, quota=1 << 40)
        yield server.smtp_port, lambda: len(server.messages)


@contextlib.contextmanager
def logged() -> Iterator[tuple[int, Callable[[], int]]]:
    """The same with the log that ``serve`` writes, into a file that keeps nothing."""
    from sirrchat_testkit import MailServer
    from sirrchat_testkit.cli.log import KINDS, Log
    from sirrchat_testkit.handles.log_reader import LogReader

    with MailServer() as server, Path(os.devnull).open("wb") as nowhere:
        log = Log(LogReader(server._control, KINDS), "text", nowhere.fileno(), "utf-8", colors=True)
        log.start()
        server.add_account(RECIPIENT, quota=1 << 40)
        yield server.smtp_port, lambda: len(server.messages)
        log.stop()


@contextlib.contextmanager
def _durable(**settings: Any) -> Iterator[tuple[int, Callable[[], int]]]:
    with tempfile.TemporaryDirectory() as folder, ours(data=folder, **settings) as serving:
        yield serving


KINDS: dict[str, Callable[[], Serving]] = {
    "aiosmtpd": aiosmtpd,
    "smtpdfix": smtpdfix,
    "pytest-localserver": localserver,
    "ours": ours,
    "ours-logged": logged,
    "ours-durable": _durable,
    "ours-fsync": lambda: _durable(fsync=True),
}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _answer(question: str, count: Callable[[], int]) -> float:
    if question == "cpu":
        return time.process_time()
    return _resident() if question == "rss" else count()


def main() -> None:
    with KINDS[sys.argv[1]]() as (port, count):
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            sys.stdout.write(f"{_answer(line.strip(), count)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
