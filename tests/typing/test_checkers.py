"""mypy and pyright accept the right uses and find each wrong one, in the package as a user has installed it.

A ``*_right.py`` file is checked strictly by both. In a ``*_wrong.py`` file each line that ends with ``# error`` must be
refused, by pyright in its standard mode. Each checker runs once over all files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("*_right.py"), *HERE.glob("*_wrong.py")])
WRONG = re.compile(r"# error$")

Line = tuple[str, int]

pytestmark = pytest.mark.timeout(600)


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command, *(each.name for each in FILES)],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # there are errors, and nothing else went wrong
    return done.stdout


def found_by_mypy() -> Iterator[tuple[Line, str]]:
    output = run("mypy", "--strict", "--config-file=", f"--cache-dir={os.devnull}", "--output=json")
    for each in map(json.loads, output.splitlines()):
        if each["severity"] == "error":
            yield (Path(each["file"]).name, each["line"]), each["message"]


def found_by_pyright() -> Iterator[tuple[Line, str]]:
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable)
    for each in json.loads(output)["generalDiagnostics"]:
        if each["severity"] == "error":
            yield (Path(each["file"]).name, each["range"]["start"]["line"] + 1), each["message"]


@pytest.mark.parametrize("found_by", [found_by_mypy, found_by_pyright])
def test_a_checker_judges_each_line_rightly(found_by: Callable[[], Iterator[tuple[Line, str]]]) -> None:
    lines = {(file.name, n): text for file in FILES for n, text in enumerate(file.read_text("utf-8").splitlines(), 1)}
    wrong = {line for line, text in lines.items() if WRONG.search(text)}
    found = dict(found_by())
    accepted = [f"{file}:{n} is accepted: {lines[file, n].strip()}" for file, n in sorted(wrong - found.keys())]
    refused = [f"{file}:{n} is refused: {found[file, n]}" for file, n in sorted(found.keys() - wrong)]
    mistakes = [*accepted, *refused]
    assert not mistakes, "\n".join(mistakes)
