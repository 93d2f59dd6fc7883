"""A project of its own for pytest inside pytest; its tests can import ``tests.support``."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sirrchat_testkit
from sirrchat_testkit import Settings
from tests.support import Serve


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Serve]:
    """A server that tests of the mode ``attached`` use. Not in this process, whose modules pytester unloads."""
    server = Serve()
    yield server
    server.end()


def run_or_skip(pytester: pytest.Pytester, *arguments: str, **options: Any) -> pytest.RunResult:
    """Run a command. Skip the test if its own tests are refused what would affect others."""
    result = pytest.Pytester.run(pytester, *arguments, **options)
    for line in [*result.outlines, *result.errlines]:
        if any(each in line for each in REFUSALS):
            pytest.skip(f"its tests need a server of their own: {line.strip()}")
    return result


REFUSALS = (
    "SharedServerError: ",
    "has other settings than mailserver_settings: ",
    "the workers share one mail server, but mailserver_settings, ",
    "mailserver_clock would move the clock of a server that others use",
)


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
    seed = f"--mailserver-seed {Settings().seed}"  # that of a server of their own, so that names are the same
    if mode == "attached":
        monkeypatch.setenv("PYTEST_ADDOPTS", seed)
        server = request.getfixturevalue("elsewhere")
        monkeypatch.setenv("SIRRCHAT_TESTKIT_ATTACH", server.api_url)
        monkeypatch.setenv("SIRRCHAT_TESTKIT_API_KEY", server.api_key)
    elif mode == "shared":
        pytester.plugins += ["xdist"]
        monkeypatch.setenv("PYTEST_ADDOPTS", f"-n 1 --mailserver-shared {seed}")
    if mode != "own":
        monkeypatch.setattr(pytester, "run", functools.partial(run_or_skip, pytester))
    return pytester
