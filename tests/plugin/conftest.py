"""A project of its own for pytest inside pytest; its tests can import ``tests.support``."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sirrchat_testkit
from sirrchat_testkit import MailServer


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[MailServer]:
    """A server that tests of the mode ``attached`` use."""
    with MailServer() as server:
        yield server


def run_or_skip(pytester: pytest.Pytester, *arguments: str, **options: Any) -> pytest.RunResult:
    """Run pytest. Skip the test if one of its own tests is refused what would affect others."""
    result = pytest.Pytester.runpytest_subprocess(pytester, *arguments, **options)
    if "SharedServerError: " in str(result.stdout):
        pytest.skip("its tests need a server of their own")
    return result


@pytest.fixture
def project(
    request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str
) -> pytest.Pytester:
    """Make a project in which pytest loads this plugin and those that ``-p`` names; the rest would slow its start."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    package = Path(sirrchat_testkit.__file__).parents[1]  # the one under test, wherever it is installed
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}{os.pathsep}{package}")
    pytester.plugins = ["sirrchat_testkit"]
    if mode == "attached":
        server = request.getfixturevalue("elsewhere")
        monkeypatch.setenv("SIRRCHAT_TESTKIT_ATTACH", server.api_url)
        monkeypatch.setenv("SIRRCHAT_TESTKIT_API_KEY", server.api_key)
    elif mode == "shared":
        pytester.plugins += ["xdist"]
        monkeypatch.setenv("PYTEST_ADDOPTS", "-n 1 --mailserver-shared")
    if mode != "own":
        monkeypatch.setattr(pytester, "runpytest_subprocess", functools.partial(run_or_skip, pytester))
    return pytester
