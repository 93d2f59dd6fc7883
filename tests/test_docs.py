"""The documentation names files, functions and tables that exist, its code runs, and its links lead somewhere."""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path

import pytest

import sirrchat_testkit
from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage.schema import SECRETS

ROOT = Path(sirrchat_testkit.__file__).parent
PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "architecture.md"
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
DATABASE = (PROJECT / "docs" / "database.md").read_text("utf-8")
CODE = re.compile(r"`([^`\n]+)`")


def names(file: Path) -> set[str]:
    """Return the functions and classes of ``file``, methods as ``Class.method``."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {node.name, *(f"{node.name}.{each.name}" for each in methods)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


WORDS = CODE.findall(PAGE.read_text("utf-8"))
PATHS = sorted({word for word in WORDS if word.endswith(".py") and not word.startswith("tests/")})
METHODS = sorted({word for word in WORDS if re.fullmatch(r"[A-Z]\w+\.\w+", word)})
PAIRS = re.findall(r"`([\w/]+\.py)`\s+`([\w.]+)`", PAGE.read_text("utf-8"))


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_the_architecture_names_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(("path", "name"), PAIRS, ids=str)
def test_a_function_is_in_the_file_that_the_architecture_names(path: str, name: str) -> None:
    assert name in names(ROOT / path)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_the_architecture_names_exists(method: str) -> None:
    assert any(method in names(ROOT / path) for path in PATHS)


def test_the_page_is_read() -> None:
    assert len(PAIRS) > 30


def runs(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments, file.name],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


EVERY = {f"{page.stem}-{number}": code for page in PAGES for number, code in enumerate(blocks(page), 1)}
EXCERPTS = {name: code for name, code in EVERY.items() if code.startswith("# examples/")}
BLOCKS = {name: code for name, code in EVERY.items() if name not in EXCERPTS}
TESTS = {name: code for name, code in BLOCKS.items() if "def test_" in code}
SCRIPTS = {name: code for name, code in BLOCKS.items() if "def test_" not in code and "import" in code}


def test_tests_in_the_documentation_pass(tmp_path: Path) -> None:
    assert TESTS.keys() >= {"README-1", "pytest-1", "webhooks-1"}
    for name, code in TESTS.items():
        (tmp_path / f"test_{name.replace('-', '_')}.py").write_text(code, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", "utf-8")
    done = runs(tmp_path / ".", "-m", "pytest", "-q", "-p", "no:xdist", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", EXCERPTS)
def test_an_excerpt_is_in_its_file(name: str) -> None:
    title, _, code = EXCERPTS[name].partition("\n")
    file = (PROJECT / title.removeprefix("# ")).read_text("utf-8")
    for part in code.strip("\n").split("\n\n\n"):
        assert part in file


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_in_the_documentation_runs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPTS[name], "utf-8")
    done = runs(file)
    assert done.returncode == 0, done.stderr


def test_the_failure_that_the_readme_shows_is_the_one_that_pytest_shows(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    shown = re.search(r"^```text\n(MailNotReceived.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert shown is not None
    file = tmp_path / "test_readme.py"
    file.write_text(
        TESTS["README-1"].replace('(subject="Welcome Ann")', '(subject="Welcome, Ann", timeout=0.1)'), "utf-8"
    )
    said = "".join(re.findall(r"^E +(?:sirrchat_testkit\.)?(.*\n)", runs(file, "-m", "pytest").stdout, re.MULTILINE))
    address = re.compile(r"[\w-]+@example\.com")
    expected = address.sub("ADDRESS", shown[1]).replace("10.0 s", "0.1 s")
    assert [line.strip() for line in address.sub("ADDRESS", said).splitlines()] == [
        line.strip() for line in expected.splitlines()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_database_page_has_every_table() -> None:
    assert sorted(re.findall(r"^## (\w+)$", DATABASE, re.MULTILINE)) == sorted(kind.kind for kind in RECORDS)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.kind)
def test_the_database_page_has_every_field_and_its_default(kind: type[Record]) -> None:
    section = DATABASE.partition(f"\n## {kind.kind}\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| (?:`(.*?)` )?\|", section, re.MULTILINE)
    defaults = {name: default for name, default in kind._defaults.items() if name not in SECRETS}
    assert dict(documented) == {
        name: "" if default is MISSING else json.dumps(default) for name, default in defaults.items()
    }


def test_the_database_page_names_what_is_left_out() -> None:
    secret = {f"{kind.kind}.{name}" for kind in RECORDS for name in kind._defaults if name in SECRETS}
    assert secret == set(re.findall(r"`(\w+\.(?:password|\w+_hash|secret))`", DATABASE))
