"""Helpers to read and run the pages of the documentation, for tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
PAGES = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md"), *PROJECT.glob("examples/*/README.md")])

RECORDER = """\
import json
import pathlib
import pytest

failures = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo is not None:
        failures[item.path.name] = call.excinfo.exconly()
    return (yield)


def pytest_sessionfinish():
    pathlib.Path(__file__).with_name("failures.json").write_text(json.dumps(failures))
"""


class Block(NamedTuple):
    """A code block of a page.

    Attributes:
        name: The page and the number of the block among those of its language, such as ``README-1``.
        language: The word after the opening fence.
        code: The lines between the fences.
    """

    name: str
    language: str
    code: str

    @property
    def is_named(self) -> bool:
        """Whether the first line names the file, as in ``# shop.py``."""
        return bool(re.match(r"# \w+\.py\n", self.code))

    @property
    def file(self) -> str:
        """The file that the first line names, or one for this block alone."""
        return self.code.split()[1] if self.is_named else f"test_{self.name.replace('-', '_')}.py"


def blocks(page: Path) -> Iterator[Block]:
    """Return the code blocks of ``page``, in order."""
    counts: dict[str, int] = {}
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        counts[language] = counts.get(language, 0) + 1
        yield Block(f"{page.stem}-{counts[language]}", language, code)


def write(folder: Path, given: list[Block]) -> None:
    """Write the blocks to their files in ``folder``; several blocks of the same file are written one after another."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider -p no:xdist\n", "utf-8")
    for block in given:
        with (folder / block.file).open("a", encoding="utf-8") as file:
            file.write(block.code + "\n")


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in ``folder`` and return its output."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def failures(folder: Path, *arguments: str, **variables: str) -> dict[str, str]:
    """Run pytest in ``folder``; return the text of the failure in each file."""
    (folder / "conftest.py").write_text(RECORDER, "utf-8")
    done = run(folder, "-m", "pytest", "--mailserver-timeout=0.1", *arguments, **variables)
    assert done.returncode <= 1, done.stdout + done.stderr
    return dict(json.loads((folder / "failures.json").read_text("utf-8")))


def normalized(failure: str) -> str:
    """Return ``failure`` as the documentation shows it, without what differs from run to run."""
    text = re.sub(r"\A(?:Failed: |sirrchat_testkit\.)", "", failure.strip())
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"[a-z]+-[a-z]+-\w{6}@example\.com", "ADDRESS", text)
    text = re.sub(r"\btest_\w+\.py:", "FILE:", text)
    return re.sub(r"\b\d+(?:\.\d+)? (m?s)\b", r"N \1", text)
