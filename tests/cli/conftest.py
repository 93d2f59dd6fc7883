"""Fixtures of the tests of the command line: processes, as a shell starts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from sirrchat_testkit import MailServer
from tests.support import environment

COMMAND = [sys.executable, "-m", "sirrchat_testkit"]


class Done(NamedTuple):
    """A command that has ended; a status below 0 is the signal that ended it."""

    status: int
    out: str
    err: str
    raw: bytes

    @property
    def line(self) -> str:
        """The only line on stderr, without the name of the program."""
        assert self.err.startswith("sirrchat-testkit: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("sirrchat-testkit: ").rstrip("\n")


Cli = Callable[..., Done]


def run(*arguments: str, stdin: bytes = b"", **variables: str) -> Done:
    """Run a command in a process of its own, with pipes."""
    done = subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, timeout=50, env=environment(**variables), check=False
    )
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode(), done.stdout)


def variables(server: MailServer) -> dict[str, str]:
    """Return the environment variables that name ``server``."""
    return {
        "SIRRCHAT_TESTKIT_URL": server.api_url,
        "SIRRCHAT_TESTKIT_API_KEY": server.api_key,
        "SIRRCHAT_TESTKIT_SMTP_HOST": server.smtp_host,
        "SIRRCHAT_TESTKIT_SMTP_PORT": str(server.smtp_port),
    }


@pytest.fixture
def cli(mailserver: MailServer) -> Cli:
    """Run a command with the server of the test."""

    def command(*arguments: str, stdin: bytes = b"", **more: str) -> Done:
        return run(*arguments, stdin=stdin, **{**variables(mailserver), **more})

    return command
