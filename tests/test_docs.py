"""The documentation names files, functions and tables that exist, its code runs, and its links lead somewhere."""

import ast
import json
import re
from dataclasses import MISSING
from pathlib import Path

import pytest

import sirrchat_testkit
from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage.schema import SECRETS
from tests.pages import DOCS, PAGES, PROJECT, Block, blocks, run, write

ROOT = Path(sirrchat_testkit.__file__).parent
PAGE = DOCS / "architecture.md"
DATABASE = (DOCS / "database.md").read_text("utf-8")
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


ALONE = {"failures", "migration"}  # tests/test_docs_by_example.py runs these pages, and blocks that need a framework
EVERY = [
    block
    for page in PAGES
    if page.stem not in ALONE
    for block in blocks(page)
    if block.language == "python" and not block.code.startswith("# with ")
]
EXCERPTS = [block for page in PAGES for block in blocks(page) if re.match(r"(#|//) examples/", block.code)]
BLOCKS = [block for block in EVERY if block not in EXCERPTS]
TESTS = [block for block in BLOCKS if "def test_" in block.code or block.is_named]
SCRIPTS = [block for block in BLOCKS if block not in TESTS and "import" in block.code]


@pytest.mark.timeout(240)
def test_tests_in_the_documentation_pass(tmp_path: Path) -> None:
    assert {block.name for block in TESTS} >= {"README-1", "pytest-1", "tutorial-1", "webhooks-1"}
    write(tmp_path, TESTS)
    done = run(tmp_path, "-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", EXCERPTS, ids=lambda block: block.name)
def test_an_excerpt_is_in_its_file(block: Block) -> None:
    title, _, code = block.code.partition("\n")
    file = (PROJECT / title.split()[1]).read_text("utf-8")
    for part in code.strip("\n").split("\n\n\n"):
        assert part in file


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.name)
def test_a_script_in_the_documentation_runs(block: Block, tmp_path: Path) -> None:
    done = run(tmp_path, "-c", block.code)
    assert done.returncode == 0, done.stderr


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of ``page``, as Markdown makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)]*)\)", page.read_text("utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_of_the_site_stay_on_it(page: Path) -> None:
    for path in re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / path).resolve().is_relative_to(DOCS), f"the site has no {path}: name it without a link"


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = (PROJECT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"^ +- [^#\n]+: (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


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
