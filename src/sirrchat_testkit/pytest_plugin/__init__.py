"""The pytest plugin: hooks here; fixtures, options and the marker in modules of their own.

Only pytest and the standard library are imported when this loads. The rest of the package is imported when a fixture
is first used.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator
from typing import Any

import pytest

from sirrchat_testkit.pytest_plugin.fixtures import (
    _mailserver_test_case,
    _mailservers,
    inbox,
    mail_client,
    mailserver,
    mailserver_django,
    mailserver_flask,
    mailserver_session,
    mailserver_settings,
    make_inbox,
    make_inboxes,
    make_webhook_sink,
    webhook_sink,
)
from sirrchat_testkit.pytest_plugin.late_mail import LATE_MAIL, LateMail
from sirrchat_testkit.pytest_plugin.options import MARKER, OPTIONS, check_markers, pytest_addoption, read_options
from sirrchat_testkit.pytest_plugin.servers import (
    SERVERS,
    SessionServers,
    begin_state,
    concerned,
    running,
    set_times,
    state_of,
)
from sirrchat_testkit.pytest_plugin.tracebacks import hide, text_only

__all__ = [  # what pytest finds here, in addition to the hooks below
    "_mailserver_test_case",
    "_mailservers",
    "inbox",
    "mail_client",
    "mailserver",
    "mailserver_django",
    "mailserver_flask",
    "mailserver_session",
    "mailserver_settings",
    "make_inbox",
    "make_inboxes",
    "make_webhook_sink",
    "pytest_addoption",
    "webhook_sink",
]

__tracebackhide__ = hide


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Import this package as it is: pytest rewrites the assertions of all modules that are installed with a plugin.

    That takes longer than importing them. Before Python 3.11.8 it is also unsafe: a server's thread and a test that
    import modules at the same time may get a ``SystemError`` (CPython issue 106905).
    """
    hook: Any = pluginmanager.rewrite_hook
    rewritten: set[str] = getattr(hook, "_must_rewrite", set())  # pytest has no public way to take a name back
    rewritten.discard("sirrchat_testkit")
    hook.mark_rewrite()  # without a name, it only forgets its earlier decisions


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and reject wrong options before any test runs."""
    config.addinivalue_line("markers", MARKER)
    options = config.stash[OPTIONS] = read_options(config)
    config.stash[LATE_MAIL] = LateMail()
    config.stash[SERVERS] = SessionServers(config)
    config.option.mailserver_artifacts = options.artifacts  # pytest-xdist passes it to its workers
    if options.keeps_open:
        from sirrchat_testkit.reports.holding import refuse

        refuse(config)
    if config.getoption("xmlpath", None):
        from sirrchat_testkit.reports.junit import JUnit

        config.pluginmanager.register(JUnit(config), "sirrchat_testkit_junit")
    if options.url or options.is_shared:
        from sirrchat_testkit.attached.plugin import Attaching

        config.pluginmanager.register(Attaching(config, options.url), "sirrchat_testkit_attaching")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reject a wrong marker before any fixture is set up: a later failure would leave one only partly set up.

    A test of a ``MailServerTestCase`` gets its fixture, after those that unittest and the user define.
    """
    begin_state(item)
    for server in running():
        server._control.begin_test()  # noqa: SLF001 - for its report
    cases = sys.modules.get("sirrchat_testkit.frameworks.testcase")
    if cases is not None and issubclass(getattr(item, "cls", None) or object, cases.MailServerTestCase):
        assert isinstance(item, pytest.Function)
        if "_mailserver_test_case" not in item.fixturenames:
            item.fixturenames.append("_mailserver_test_case")
    check_markers(item)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Set the timeout of a fixture to that of the test, module or session that it belongs to.

    Note if it may fail when it is torn down: the report is made when all have been, and needs an overview of the scope.
    """
    set_times(request.node)
    if fixturedef.scope == "function" and not _ends_quietly(fixturedef):
        state_of(request.node).may_fail_in_teardown = True


def _ends_quietly(fixture: pytest.FixtureDef[Any]) -> bool:
    """Return whether nothing of the user's is run when ``fixture`` is torn down."""
    if fixture.func.__module__.startswith(("_pytest.", "sirrchat_testkit.")):
        return True
    made = inspect.unwrap(fixture.func)  # plugins wrap asynchronous ones
    is_generator = inspect.isgeneratorfunction(made) or inspect.isasyncgenfunction(made)
    return not is_generator and "request" not in fixture.argnames


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Note that fixtures of a class, a module or the session may be torn down with this test."""
    if nextitem is None or nextitem.parent is not item.parent:
        state_of(item).may_fail_in_teardown = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test with the errors of its mail server, unless it has failed already."""
    set_times(item)
    state = state_of(item)
    state.has_passed = False
    result = yield
    if state.has_failed or getattr(item, "_excinfo", None):  # a subtest; a test case of unittest
        return result
    if state.server is not None:
        with text_only(item.config):
            state.server._check_at_end(without=["late"])  # noqa: SLF001 - late mail belongs to another test
    state.has_passed = True
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section about the mail server to the report of a failed test, without what the failure already shows."""
    report = yield
    state = state_of(item)
    if report.failed:
        state.has_failed = True
        servers = concerned(item)
        if servers:
            from sirrchat_testkit.reports.section import add_report

            add_report(item, report, servers, ended=state.has_ended)
    if report.when == "teardown" and state.server is not None:
        state.server._ended = None  # noqa: SLF001 - it holds the messages of the test
        state.server = None
    return report


@pytest.hookimpl(wrapper=True)
def pytest_exception_interact(node: Any, report: Any) -> Generator[None, Any, Any]:
    """Show where to look at the mail of a failed test before the debugger starts; or wait while its server runs."""
    waits, debugs = node.config.stash[OPTIONS].keeps_open, node.config.getoption("usepdb", False)
    if debugs:
        _hold(node, report, waits=False)
    result = yield  # plugins that limit the time of a test stop counting
    if waits and not debugs:
        _hold(node, report, waits=True)
    return result


def _hold(node: Any, report: Any, *, waits: bool) -> None:
    if not isinstance(node, pytest.Item):  # a module that cannot be imported
        return
    servers = [each for each, is_own in concerned(node).items() if is_own or not state_of(node).has_ended]
    if servers:
        from sirrchat_testkit.reports.holding import hold

        hold(node, report, servers, waits=waits)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the late mail of a worker to the process that prints the summary."""
    late = session.config.stash[LATE_MAIL]
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["mailserver_late"] = late.counts  # fixtures that are torn down later may add to it


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the late mail of a pytest-xdist worker."""
    node.config.stash[LATE_MAIL].add(getattr(node, "workeroutput", {}).get("mailserver_late", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the mail that arrived after its test had ended."""
    lines = config.stash[LATE_MAIL].lines()
    if lines:
        terminalreporter.section("late mail")
        for line in lines:
            terminalreporter.write_line(line)
