"""The documentation names files and functions that exist."""

import ast
import re
from pathlib import Path

import pytest

import sirrchat_testkit

ROOT = Path(sirrchat_testkit.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
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
