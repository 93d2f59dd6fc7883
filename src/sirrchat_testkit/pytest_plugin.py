"""The pytest plugin: fixtures, a marker, options, and what a failed test's report says of the mail server.

Only pytest and the standard library are imported when this loads; the kit itself is, when a fixture is first used.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sirrchat_testkit import Inbox, MailServer, MakeInbox, MakeInboxes, MakeWebhookSink, Settings, WebhookSink

_RUNNING = pytest.StashKey["MailServer"]()
_SERVER = pytest.StashKey["MailServer"]()
_PASSED = pytest.StashKey[bool]()
_LATE = pytest.StashKey[dict[str, int]]()
_TIMEOUT = pytest.StashKey[float]()
_WITHIN = pytest.StashKey[float]()

_TIMEOUT_HELP = "seconds that receive() waits for mail unless told otherwise"


def _hide(failure: pytest.ExceptionInfo[BaseException]) -> bool:
    """Hide the frames of this module. ``pytest.fail(pytrace=False)`` needs one, and shows none."""
    return not isinstance(failure.value, pytest.fail.Exception)


__tracebackhide__ = _hide


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("mailserver", "mail server (sirrchat_testkit)")
    group.addoption("--mailserver-timeout", metavar="SECONDS", help=f"{_TIMEOUT_HELP} (default: 10)")
    group.addoption("--mailserver-seed", metavar="TEXT", help="what addresses and ids are made from")
    parser.addini("mailserver_timeout", _TIMEOUT_HELP)
    parser.addini("mailserver_within", "seconds in which assert_nothing() lets nothing arrive unless told otherwise")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse wrong settings before any test runs."""
    config.addinivalue_line("markers", f"mailserver(timeout): {_TIMEOUT_HELP}, for this test")
    config.stash[_LATE] = {}
    variable = "SIRRCHAT_TESTKIT_TIMEOUT"
    timeouts = {
        "the option --mailserver-timeout": config.getoption("--mailserver-timeout"),
        f"the environment variable {variable}": os.environ.get(variable) or None,
        "the ini setting mailserver_timeout": config.getini("mailserver_timeout") or None,
    }
    given = [_seconds(setting, value) for setting, value in timeouts.items() if value is not None]
    config.stash[_TIMEOUT] = given[0] if given else 10.0
    config.stash[_WITHIN] = _seconds("the ini setting mailserver_within", config.getini("mailserver_within") or "0")


@pytest.fixture(scope="session")
def mailserver_settings() -> Settings:
    """What the mail server of this session starts with; override it to change that."""
    from sirrchat_testkit import Settings

    return Settings()


@pytest.fixture(scope="session")
def mailserver_session(request: pytest.FixtureRequest, mailserver_settings: Settings) -> Iterator[MailServer]:
    """The running mail server of this session (of this worker); what is made with it lives as long as it does."""
    from sirrchat_testkit import MailServer, NotSettled, Settings

    if not isinstance(mailserver_settings, Settings):
        pytest.fail(
            f"the fixture mailserver_settings returns a Settings(...), not {mailserver_settings!r}", pytrace=False
        )
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    seed = request.config.getoption("--mailserver-seed") or mailserver_settings.seed
    with _text_only(), MailServer(mailserver_settings, seed=seed) as server:
        _time(request.node, server)
        request.config.stash[_RUNNING] = server
        server._shared_by = "all tests of this session"  # noqa: SLF001 - only the plugin shares a server
        if worker:  # what it makes for all of its tests is its own; a test makes the same wherever it runs
            server._name_after(worker)  # noqa: SLF001 - for workers alone
        try:
            yield server
        finally:
            server._shared_by = ""  # noqa: SLF001
            del request.config.stash[_RUNNING]
        with contextlib.suppress(NotSettled):  # mail that is on its way may be late
            server.settle()
        _report_late(request.config, server)


@pytest.fixture
def mailserver(request: pytest.FixtureRequest, mailserver_session: MailServer) -> Iterator[MailServer]:
    """The mail server, in a scope of this test: whatever changes is put back when the test is over."""
    server = mailserver_session
    with _text_only(), server.scope(request.node.nodeid, check=False):
        request.node.stash[_SERVER] = server
        yield server
        if request.node.stash.get(_PASSED, False):
            server.check()  # for what failed after the test itself
        _report_late(request.config, server)


@pytest.fixture
def make_inbox(mailserver: MailServer) -> MakeInbox:
    """Make a new address: ``make_inbox(prefix=None, *, address=None, domain=None, expires_in=None)``."""
    return mailserver.make_inbox


@pytest.fixture
def make_inboxes(mailserver: MailServer) -> MakeInboxes:
    """Make several new addresses: ``make_inboxes(3)``."""

    def make(count: int) -> list[Inbox]:
        if type(count) is not int or count < 1:
            raise ValueError(f"make_inboxes takes a whole number, 1 or more, not {count!r}")
        return [mailserver.make_inbox() for _ in range(count)]

    return make


@pytest.fixture
def inbox(mailserver: MailServer) -> Inbox:
    """A new address of this test, and the mail that comes for it."""
    return mailserver.make_inbox()


@pytest.fixture
def make_webhook_sink(mailserver: MailServer) -> Iterator[MakeWebhookSink]:
    """Make one more receiver of webhooks: ``make_webhook_sink()``."""
    sinks: list[WebhookSink] = []

    def make() -> WebhookSink:
        sinks.append(mailserver.make_webhook_sink())
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.stop()


@pytest.fixture
def webhook_sink(mailserver: MailServer) -> Iterator[WebhookSink]:
    """A receiver of webhooks on a port of its own: its calls are recorded, verified, and answered as told."""
    sink = mailserver.make_webhook_sink()
    yield sink
    sink.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a wrong marker before any fixture is made: a later failure would leave one half made."""
    for marker in item.iter_markers("mailserver"):
        seconds = marker.kwargs.get("timeout")
        if marker.args or marker.kwargs.keys() != {"timeout"} or not _is_time(seconds):
            given = ", ".join([*map(repr, marker.args), *(f"{name}={each!r}" for name, each in marker.kwargs.items())])
            pytest.fail(f"the marker mailserver takes timeout=SECONDS, 0 or more, not ({given})", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> None:
    """Let a fixture wait as long as is said for what it is of: for a test, a module, or the session."""
    _time(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test with what failed in its mail server, unless it failed already."""
    _time(item)
    item.stash[_PASSED] = False
    result = yield
    server = item.stash.get(_SERVER, None)
    if server is not None:
        with _text_only():
            server.check()
    item.stash[_PASSED] = True
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report what its mail server saw and the failure does not tell already."""
    report = yield
    server = item.stash.get(_SERVER, None)
    if server is not None and report.failed and report.when == "call":
        report.sections.append(("Mail server", _overview(server, report.longreprtext)))
    if report.when == "teardown" and server is not None:
        del item.stash[_SERVER]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the late mail of a worker to the process that prints the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["mailserver_late"] = session.config.stash[_LATE]  # fixtures torn down later may add to it


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the late mail of a worker of pytest-xdist."""
    _add(node.config.stash[_LATE], getattr(node, "workeroutput", {}).get("mailserver_late", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the mail that came after its test had ended."""
    late = config.stash[_LATE]
    if late:
        terminalreporter.section("late mail")
        for line in _counted(late):
            terminalreporter.write_line(line)


@contextlib.contextmanager
def _text_only() -> Iterator[None]:
    """Fail with the text of a finding alone: no line of the test raised it."""
    from sirrchat_testkit import FaultNeverFired, LateMailWarning

    try:
        yield
    except (FaultNeverFired, LateMailWarning) as error:
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None


def _overview(server: MailServer, told: str) -> str:
    """Return what the server saw, or why that is not known: an error here would end the whole run."""
    try:
        return f"{server!r} seed={server.settings.seed!r}\n{server.overview(told=told)}".rstrip()
    except Exception as error:  # noqa: BLE001
        return f"No report: {type(error).__name__}: {error}".partition("\n")[0]


def _report_late(config: pytest.Config, server: MailServer) -> None:
    """Warn of late mail that was not reported yet, and keep it for the summary."""
    late: dict[str, int] = {}
    for each, times in server._now.findings.take_late().items():  # noqa: SLF001 - counted for the report alone
        text = f"mail for {each.recipient} from {each.sender} arrived after this test had ended and was refused"
        late[f"{each.scope}: {text}"] = times
    if late:
        from sirrchat_testkit import LateMailWarning

        _add(config.stash[_LATE], late)
        warnings.warn("\n".join(_counted(late)), LateMailWarning, stacklevel=1)


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for line, times in more.items():
        counts[line] = counts.get(line, 0) + times


def _counted(late: dict[str, int]) -> list[str]:
    return [line if times == 1 else f"{line} ({times} times)" for line, times in late.items()]


def _time(node: Any, server: MailServer | None = None) -> None:
    server = server or node.config.stash.get(_RUNNING, None)
    if server is not None:
        marker = node.get_closest_marker("mailserver")
        server.timeout = marker.kwargs["timeout"] if marker else node.config.stash[_TIMEOUT]
        server.within = node.config.stash[_WITHIN]


def _is_time(seconds: Any) -> bool:
    return type(seconds) in {int, float} and seconds >= 0


def _seconds(setting: str, given: str) -> float:
    """Return the value of ``setting``. Raises ``UsageError`` if it takes no such value."""
    with contextlib.suppress(ValueError):
        if (seconds := float(given)) >= 0:  # which NaN is not
            return seconds
    raise pytest.UsageError(f"{setting} takes seconds, 0 or more, not {given!r}")
