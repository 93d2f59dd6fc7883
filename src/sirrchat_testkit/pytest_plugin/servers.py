"""The servers of the fixtures: one for all tests with the same settings, in which each test has a scope."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.pytest_plugin.late_mail import LATE_MAIL
from sirrchat_testkit.pytest_plugin.options import OPTIONS, strict_of, timeout_of
from sirrchat_testkit.pytest_plugin.tracebacks import hide, text_only

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer, Settings

__tracebackhide__ = hide


class TestState:
    """What the hooks and the fixtures know of a test; there is a new one when a test begins."""

    __test__ = False

    server: MailServer | None = None
    """The server of its fixtures, from the begin of its scope to the report of its teardown."""
    has_ended: bool = False
    """Whether its scope has ended."""
    has_passed: bool = False
    """Whether its call has passed, and what its server found then."""
    has_failed: bool = False
    """Whether one of its phases, or a subtest, has failed."""
    may_fail_in_teardown: bool = False
    """Whether code of the user is run when its fixtures are torn down."""


_STATE = pytest.StashKey[TestState]()


def begin_state(item: pytest.Item) -> None:
    """Reset the state of a test, since a plugin may run the same test again."""
    item.stash[_STATE] = TestState()


def state_of(item: pytest.Item) -> TestState:
    """Return the state of a test."""
    return item.stash.setdefault(_STATE, TestState())


class SessionServers:
    """The servers of the fixtures that run."""

    def __init__(self, config: pytest.Config) -> None:
        self.running: dict[Settings, MailServer] = {}
        self._config = config

    def find(self, request: pytest.FixtureRequest, settings: Settings, owner: str) -> MailServer:
        """Return the server with ``settings``. If there is none, start one that runs until the session ends.

        Args:
            request: That of a fixture of the session.
            settings: The settings; a value of another type fails the test.
            owner: The first words of that failure, such as "the fixture mailserver_settings returns".
        """
        from sirrchat_testkit import Settings

        if not isinstance(settings, Settings):
            pytest.fail(f"{owner} a Settings(...), not {settings!r}", pytrace=False)
        if settings not in self.running:
            serving = self._serve(request.session, settings)  # a context manager would add frames to its errors
            self.running[settings] = next(serving)
            request.addfinalizer(lambda: next(serving, None))
        return self.running[settings]

    def _serve(self, session: pytest.Session, settings: Settings) -> Iterator[MailServer]:
        """Run a server until the session ends, and report the mail that arrived after the last test had ended."""
        from sirrchat_testkit import NotSettled

        options = self._config.stash[OPTIONS]
        if options.follows_time and settings.start_at is not None:
            pytest.fail(
                "the ini setting mailserver_clock = follow and the setting start_at exclude each other: a clock that "
                "follows time.time() starts there",
                pytrace=False,
            )
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        with text_only(self._config), self._make(settings, options.seed or settings.seed) as server:
            set_times(session, server)
            if options.follows_time:
                server.clock.follow()
            server._shared_by = "all tests of this session"  # noqa: SLF001 - only the plugin shares a server
            server._checks_strictly = False  # noqa: SLF001 - each test does
            server._control.runner = "pytest"  # noqa: SLF001 - for the remedies in failures, as below
            if worker:  # names made outside of tests differ between workers; those of a test do not
                server._name_after(worker)  # noqa: SLF001 - for workers alone
            try:
                yield server
            finally:
                server._shared_by = ""  # noqa: SLF001
                del self.running[settings]
            with contextlib.suppress(NotSettled):  # mail that is on its way may be late
                server.settle()
            self._config.stash[LATE_MAIL].report(server)

    def _make(self, settings: Settings, seed: str) -> MailServer:
        """Return the server that the tests use, before it is started."""
        attaching = self._config.pluginmanager.get_plugin("sirrchat_testkit_attaching")
        if attaching is None:
            from sirrchat_testkit import MailServer

            return MailServer(settings, seed=seed)
        try:
            server: MailServer = attaching.server(settings, seed)
        except (ConnectionError, ValueError) as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        return server


SERVERS = pytest.StashKey[SessionServers]()
"""The servers of a run, in the stash of its config."""


def set_times(node: Any, *servers: MailServer) -> None:
    """Have ``servers`` wait as long as a test, a class, a module or the session says; without any, all that run."""
    for each in servers or node.config.stash[SERVERS].running.values():
        each.timeout = timeout_of(node)
        each.within = node.config.stash[OPTIONS].within


def in_scope(
    item: pytest.Function, server: MailServer, connected: contextlib.AbstractContextManager[None] | None = None
) -> Iterator[MailServer]:
    """Run a test in a scope of ``server``, and raise what the server finds after the call."""
    state = state_of(item)
    fails = True  # so that the report can be made after the scope has ended
    try:
        with text_only(item.config), server._scope(item.nodeid, check=False, keep=lambda: fails):  # noqa: SLF001
            state.server = server
            server._control.runner = "unittest" if connected else "pytest"  # noqa: SLF001 - for the remedies
            _set_strict(item, server)
            with connected or contextlib.nullcontext():
                yield server
                if postponed := getattr(item, "_explicit_tearDown", None):  # with --pdb, pytest runs tearDown last
                    item._explicit_tearDown = None  # type: ignore[attr-defined]  # noqa: SLF001
                    postponed()
            if state.has_passed:
                server.check()  # for errors after the test itself
            with _nothing_further(state):
                item.config.stash[LATE_MAIL].report(server)
            fails = state.may_fail_in_teardown
    finally:
        state.has_ended = True


def _set_strict(item: pytest.Item, server: MailServer) -> None:
    """Set the strict checks of a test."""
    strict = strict_of(item)
    if strict is not None and strict != server.settings.strict:
        server.configure(strict=strict)
    checks = server.settings.strict
    if isinstance(checks, tuple) and "late" in checks:
        item.config.stash[LATE_MAIL].failing.add(item.nodeid)


@contextlib.contextmanager
def _nothing_further(state: TestState) -> Iterator[None]:
    """Raise no late mail in the teardown of a test that has failed already; the summary lists it."""
    try:
        yield
    except Exception as error:
        from sirrchat_testkit import LateMailWarning, StrictCheckFailed

        if not (isinstance(error, LateMailWarning | StrictCheckFailed) and state.has_failed):
            raise


def concerned(item: pytest.Item) -> dict[MailServer, bool]:
    """Return the servers for the report of a failed test, and whether the user started each; that of fixtures first."""
    found: dict[MailServer, bool] = {}
    server = state_of(item).server
    if server is not None:
        found[server] = False
    elif "_mailservers" in getattr(item, "fixturenames", ()):  # a wider fixture failed
        found |= dict.fromkeys(item.config.stash[SERVERS].running.values(), False)
    return found | {each: True for each in running() if not each._shared_by}  # noqa: SLF001


def running() -> list[MailServer]:
    """Return the servers that run in this process, in no order: of the fixtures, and of the user."""
    module = sys.modules.get("sirrchat_testkit.server")
    return module.running() if module is not None else []
