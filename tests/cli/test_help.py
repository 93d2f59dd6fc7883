"""The help of every command, as golden files in ``help/``. Run with SIRRCHAT_TESTKIT_GOLDEN=write to write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sirrchat_testkit.cli import COMMANDS
from tests.cli.conftest import run

GOLDEN = Path(__file__).parent / "help"
NESTED = {"address": ["create", "list", "delete"], "api-key": ["create", "list", "revoke"]}
PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")


HELPS: list[list[str]] = [
    [],
    *([name] for commands in COMMANDS.values() for name in commands),
    *([name, nested] for name, all_nested in NESTED.items() for nested in all_nested),
]
"""The words of each command that has a help of its own."""


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_the_help_is_as_recorded(words: list[str]) -> None:
    done = run(*words, "--help", COLUMNS="100")
    assert (done.status, done.err) == (0, "")
    file = GOLDEN / f"{'-'.join(words) or 'sirrchat-testkit'}.txt"
    if os.environ.get("SIRRCHAT_TESTKIT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(done.out, "utf-8")
    assert done.out == file.read_text("utf-8")


def test_every_help_is_recorded_once() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {"-".join(words) or "sirrchat-testkit" for words in HELPS}


@pytest.mark.parametrize("file", sorted(GOLDEN.iterdir()), ids=lambda file: file.stem)
def test_a_help_fits_the_width_and_has_no_none(file: Path) -> None:
    text = file.read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 100
    assert "None" not in text


def test_the_page_has_every_command() -> None:
    listed = re.findall(r"^\| `([a-z-]+)[` ]", PAGE.partition("\n## ")[0], re.MULTILINE)
    also = re.findall(r"`, `(search|repair)`", PAGE.partition("\n## ")[0])
    assert sorted(listed + also) == sorted(name for commands in COMMANDS.values() for name in commands)
