"""The reference names every fixture, option and public name, with the text of the code."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import sirrchat_testkit
from sirrchat_testkit import CallConditions, pytest_plugin
from sirrchat_testkit.pytest_plugin import fixtures as plugin_fixtures
from tests.pages import DOCS

PAGE = (DOCS / "fixtures.md").read_text("utf-8")


def rows(title: str) -> list[tuple[str, ...]]:
    """Return the rows of the table below the heading ``title``."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)
    return [tuple(line.split(" | ")) for line in lines]


def fixtures() -> list[tuple[str, str, str]]:
    """Return the name, the scope and the first line of each public fixture of the plugin."""
    found = []
    for node in ast.parse(Path(plugin_fixtures.__file__).read_text("utf-8")).body:
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
            assert isinstance(node, ast.FunctionDef)
            if ast.unparse(decorator).startswith("pytest.fixture") and not node.name.startswith("_"):
                scope = re.search(r"scope='(\w+)'", ast.unparse(decorator))
                first = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("``", "`")
                found.append((f"`{node.name}`", scope[1] if scope else "test", first))
    return found


class Options:
    """Records what the plugin adds to a pytest parser."""

    def __init__(self) -> None:
        self.options: list[tuple[str, str]] = []
        self.settings: list[tuple[str, str]] = []

    def getgroup(self, *_: str) -> "Options":
        return self

    def addoption(self, *names: str, help: str, metavar: str = "", **_: Any) -> None:  # noqa: A002 - pytest's own
        self.options.append((f"`{' '.join([*names, metavar]).strip()}`", help))

    def addini(self, name: str, help: str, *_: Any, **__: Any) -> None:  # noqa: A002
        self.settings.append((f"`{name}`", help))


OPTIONS = Options()
pytest_plugin.pytest_addoption(OPTIONS)  # type: ignore[arg-type]


def test_every_fixture_is_in_the_reference() -> None:
    assert sorted(rows("Fixtures")) == sorted(fixtures())


def test_pytest_finds_every_fixture() -> None:
    found = {name: value for name, value in vars(plugin_fixtures).items() if hasattr(value, "__wrapped__")}
    assert found.items() <= vars(pytest_plugin).items()
    assert len(found) >= len(fixtures())


def test_every_option_is_in_the_reference() -> None:
    assert rows("Options") == OPTIONS.options


def test_every_ini_setting_is_in_the_reference() -> None:
    assert rows("Settings of the ini file") == OPTIONS.settings


def test_every_marker_is_in_the_reference(pytestconfig: pytest.Config) -> None:
    markers = [line.split(": ", 1) for line in pytestconfig.getini("markers") if line.startswith("mailserver")]
    assert rows("Markers") == [(f"`{name}`", text) for name, text in markers]


def test_every_public_name_is_in_the_api_reference_once() -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS / "api").glob("*.md"))
    assert sorted(re.findall(r"^::: sirrchat_testkit\.(\w+)$", pages, re.MULTILINE)) == sorted(sirrchat_testkit.__all__)


def test_every_condition_on_a_call_is_in_the_webhooks_page() -> None:
    page = (DOCS / "webhooks.md").read_text("utf-8").partition("\n| condition |")[2].partition("\n\n")[0]
    described = re.findall(r"^    (\w+): (.*)$", inspect.getdoc(CallConditions) or "", re.MULTILINE)
    assert {name for name, _ in described} == {*CallConditions.__annotations__}
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE) == [
        (name, text.replace("``", "`")) for name, text in described
    ]
