"""A project of its own for pytest inside pytest; its tests can import ``tests.support``."""

import os
from pathlib import Path

import pytest

import sirrchat_testkit


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Make a project in which pytest loads this plugin and those that ``-p`` names; the rest would slow its start."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    package = Path(sirrchat_testkit.__file__).parents[1]  # the one under test, wherever it is installed
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}{os.pathsep}{package}")
    pytester.plugins = ["sirrchat_testkit"]
    return pytester
