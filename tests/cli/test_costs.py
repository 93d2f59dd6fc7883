"""What a command loads and costs: scripts call many of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sirrchat_testkit import Inbox, MailServer
from sirrchat_testkit.cli import COMMANDS
from tests.cli.conftest import variables
from tests.support import environment

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "bench_cli.py"
NAMES = [name for commands in COMMANDS.values() for name in commands]

HEAVY = {"aiohttp", "aiosmtpd", "pydantic", "httpx", "tinydb", "selectolax", "faker", "asyncio", "anyio", "shtab"}
FOR_OTHERS = {"http.client", "smtplib", "email.utils", "difflib"}


def loaded(*words: str, **more: str) -> set[str]:
    """Return the modules that a process has loaded when a command has ended in it."""
    code = (
        "import sys\nfrom sirrchat_testkit.cli import main\n"
        f"try: status = main({[*words]})\n"
        "except SystemExit as end: status = end.code\n"
        "assert not status, status\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="hi\n", capture_output=True, text=True, env=environment(**more), check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("name", NAMES)
def test_a_help_loads_nothing_of_what_the_command_does(name: str) -> None:
    found = loaded(name, "--help")
    assert not (HEAVY | FOR_OTHERS) & found
    assert not {"sirrchat_testkit.server", "sirrchat_testkit.assembly", "sirrchat_testkit.domain"} & found
    assert ("sirrchat_testkit.settings" in found) == (name == "serve")


@pytest.mark.parametrize("name", ["wait", "list", "read", "delete", "address", "ready", "send", "sendmail", "ingest"])
def test_a_command_loads_neither_the_server_nor_the_sdk(
    name: str, mailserver: MailServer, inbox: Inbox, tmp_path: Path
) -> None:
    message = inbox.deliver(subject="x", text="Your code is 482913.")
    (tmp_path / "x.eml").write_bytes(message.raw)
    words = {
        "wait": ["--to", inbox.address],
        "list": [],
        "read": [message.id],
        "delete": [message.id],
        "address": ["create"],
        "ready": [],
        "send": ["--to", inbox.address, "--file", str(tmp_path / "x.eml")],
        "sendmail": [inbox.address],
        "ingest": [str(tmp_path / "x.eml")],
    }[name]
    found = loaded(name, *words, **variables(mailserver))
    assert not HEAVY & found
    assert not {each for each in found if each.startswith(("sirrchat_testkit.client", "sirrchat_testkit.schemas"))}


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4")
def test_what_a_command_costs_is_some_times_a_bare_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--rounds", "3", "--gate", "7.5,12"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
