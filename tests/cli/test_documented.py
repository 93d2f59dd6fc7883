"""The commands in the documentation run, one after another, as a person would type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sirrchat_testkit import MailServer
from tests.cli.conftest import Cli, variables
from tests.pages import DOCS, blocks
from tests.support import environment, missing

SESSION = next(block.code for block in blocks(DOCS / "command-line.md") if block.language == "console")
SCRIPT = "\n".join(block.code for block in blocks(DOCS / "command-line.md") if block.language == "sh")


def test_the_commands_of_the_page_run(mailserver: MailServer, tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        missing("jq")
    program = tmp_path / "bin" / "sirrchat-testkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sirrchat_testkit "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", SCRIPT],
        cwd=tmp_path,
        env={
            **environment(**variables(mailserver)),
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        },
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the code is" in done.stdout
    assert (tmp_path / "confirm.eml").read_bytes().startswith(b"From: ")


def test_the_first_session_of_the_page_looks_as_it_does(cli: Cli) -> None:
    address = cli("address", "create").out.strip()
    assert cli("send", "--to", address, "--sample", "sign-up").out == f"sent to {address}\n"
    shown = cli("wait", "--to", address).out
    documented = SESSION.partition("sirrchat-testkit wait")[2].partition("\n")[2]
    assert _fields(shown) == _fields(documented)


def _fields(message: str) -> list[str]:
    """Return the names before the first empty line."""
    return [line.partition(":")[0] for line in message.partition("\n\n")[0].splitlines()]
