"""``completion``, in real shells."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sirrchat_testkit.cli import COMMANDS
from tests.cli.conftest import run
from tests.support import environment, missing

NAMES = sorted(name for commands in COMMANDS.values() for name in commands)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        done = run("completion", shell)
        assert (done.status, done.err) == (0, "")
        (folder / shell).write_text(done.out)
    return folder


def shell(name: str, code: str) -> list[str]:
    """Return the sorted lines that a shell prints, without what follows a tab."""
    if shutil.which(name) is None:
        missing(name)
    done = subprocess.run([name, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    return sorted(line.partition("\t")[0].strip() for line in done.stdout.splitlines() if line.strip())


def in_bash(script: Path, *words: str) -> list[str]:
    return shell(
        "bash",
        f"source {script}\n"
        "function=$(complete -p sirrchat-testkit | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        f"COMP_WORDS=({shlex.join(['sirrchat-testkit', *words])}) COMP_CWORD={len(words)} COMPREPLY=()\n"
        '$function\nprintf "%s\\n" "${COMPREPLY[@]}"',
    )


def in_fish(script: Path, *words: str) -> list[str]:
    line = shlex.quote(" ".join(["sirrchat-testkit", *words]))
    return shell("fish", f"source {script}; complete -C {line}")


LANGUAGES = [
    "ar",
    "cs",
    "de",
    "el",
    "en",
    "es",
    "fr",
    "he",
    "hi",
    "it",
    "ja",
    "ko",
    "nl",
    "pl",
    "pt",
    "ru",
    "sv",
    "tr",
    "uk",
    "zh",
]
CASES = [
    ([""], NAMES),
    (["sen"], ["send", "sendmail"]),
    (["address", ""], ["create", "delete", "list"]),
    (["wait", "--t"], ["--text", "--timeout", "--to"]),
    (["send", "--language", ""], LANGUAGES),
    (["serve", "--auth", "re"], ["required"]),
    (["completion", ""], ["bash", "fish", "zsh"]),
]


@pytest.mark.parametrize(("words", "wanted"), CASES, ids=str)
def test_bash_completes(words: list[str], wanted: list[str], scripts: Path) -> None:
    assert in_bash(scripts / "bash", *words) == wanted


@pytest.mark.parametrize(("words", "wanted"), CASES, ids=str)
def test_fish_completes(words: list[str], wanted: list[str], scripts: Path) -> None:
    assert in_fish(scripts / "fish", *words) == wanted


def test_files_are_completed(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "old.mbox").touch()
    for words in (["ingest", f"{tmp_path}/o"], ["send", "--file", f"{tmp_path}/o"]):
        assert in_bash(scripts / "bash", *words) == [f"{tmp_path}/old.mbox"]
        assert in_fish(scripts / "fish", *words) == [f"{tmp_path}/old.mbox"]


def in_zsh(script: Path, typed: str, wanted: str) -> None:
    """Type ``typed`` and a Tab in an interactive zsh, and return as soon as it shows ``wanted``."""
    if shutil.which("zsh") is None:
        missing("zsh")
    folder = script.parent / "fpath"
    folder.mkdir(exist_ok=True)
    shutil.copy(script, folder / "_sirrchat-testkit")
    (folder / ".zshrc").write_text(f"PS1=READY; fpath=({folder} $fpath); autoload -U compinit; compinit -u -D\n")
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        ["zsh", "-d", "-i"],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**environment(), "TERM": "xterm", "ZDOTDIR": str(folder)},
        start_new_session=True,
    )
    os.close(end)
    try:
        _read_until("READY", terminal)
        os.write(terminal, f"sirrchat-testkit {typed}\t".encode())
        _read_until(wanted, terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read_until(wanted: str, terminal: int) -> None:
    shown = ""
    while wanted not in shown:
        shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(terminal, 100_000).decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("address cre", "address create"),
        ("sen\t", "sendmail  -- send a message from stdin"),
        ("wait --ti", "wait --timeout"),
    ],
)
def test_zsh_completes(typed: str, wanted: str, scripts: Path) -> None:
    in_zsh(scripts / "zsh", typed, wanted)


def test_another_shell_is_refused_with_those_there_are() -> None:
    done = run("completion", "tcsh")
    assert (done.status, done.line) == (2, "there is no shell tcsh; there are bash, zsh, fish")
