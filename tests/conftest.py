"""What several test folders share."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sirrchat_testkit import SharedServerError
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage.store import TinyStore
from tests.modes import FIXTURES, reason_against
from tests.support import Serve, StartServe


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis take any time: the first example of a test imports modules, and the machine may be busy."""
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import settings

        settings.register_profile("any-time", deadline=None)
        settings.load_profile("any-time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a browser. With a server that others use too, leave out the rest, and skip what needs its own."""
    for item in items:
        if not {"browser", "chromium"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.reports)
    if config.getoption("--server-mode") != "own":
        using = [each for each in items if not FIXTURES.isdisjoint(getattr(each, "fixturenames", ()))]
        config.hook.pytest_deselected(items=[each for each in items if each not in using])
        items[:] = using
        for item in items:
            item.add_marker(pytest.mark.timeout(300))  # pytest inside pytest starts more processes in these modes
            if reason := reason_against(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Skip a test that is refused what would affect others, if it runs with a server that others use too."""
    try:
        return (yield)
    except SharedServerError as refusal:
        if item.config.getoption("--server-mode") == "own" or "attached" in item.path.parts:
            raise
        pytest.skip(f"it needs a server of its own: {refusal}")


@pytest.fixture(scope="session")
def mode(pytestconfig: pytest.Config) -> str:
    """Which server the tests use: see ``tests/modes.py``."""
    chosen: str = pytestconfig.getoption("--server-mode")
    return chosen


@pytest_asyncio.fixture
async def services() -> AsyncIterator[Services]:
    """A domain without sockets, on the test's own loop."""
    store = TinyStore()
    services = Services.build(Settings(), store, asyncio.get_running_loop())
    await services.set_up()
    yield services
    await services.close()
    await store.close()


@pytest.fixture
def serve() -> Iterator[StartServe]:
    """Start ``serve`` processes; those that still run at the end of the test are killed."""
    started: list[Serve] = []

    def start(*arguments: str, **options: Any) -> Serve:
        started.append(Serve(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def chromium() -> str:
    """The path of Chromium."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs Chromium")
        pytest.skip("Chromium is not installed")
    return found
