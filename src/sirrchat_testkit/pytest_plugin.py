"""The pytest plugin: fixtures, a marker, options, and a section about the mail server in reports of failed tests.

Only pytest and the standard library are imported when this loads. The rest of the package is imported when a fixture
is first used.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sirrchat_testkit import (
        Client,
        ConnectFlask,
        Inbox,
        MailServer,
        MakeInbox,
        MakeInboxes,
        MakeWebhookSink,
        Settings,
        WebhookSink,
    )
    from sirrchat_testkit.attached.plugin import Attaching
    from sirrchat_testkit.settings import StrictCheck

    _StartServer = Callable[[Settings, str], MailServer]

_RUNNING = pytest.StashKey["dict[Settings, MailServer]"]()
_SERVER = pytest.StashKey["MailServer"]()
_ENDED = pytest.StashKey[bool]()
_PASSED = pytest.StashKey[bool]()
_FAILED = pytest.StashKey[bool]()
_TORN_DOWN = pytest.StashKey[bool]()
_STRICT = pytest.StashKey["tuple[StrictCheck, ...] | None"]()
_STRICT_LATE = pytest.StashKey[set[str]]()
_LATE = pytest.StashKey[dict[str, int]]()
_TIMEOUT = pytest.StashKey[float]()
_WITHIN = pytest.StashKey[float]()
_ATTACHING = pytest.StashKey["Attaching"]()

_ATTACH = "SIRRCHAT_TESTKIT_ATTACH"
"""The environment variable that has the URL of a running server for tests. The one of the clients has no effect."""

_ARTIFACTS_HELP = "a folder for the mail, transcripts and webhook calls of each failed test"
_STRICT_HELP = "what else fails a test: unread, refused, late, duplicate, undelivered, leaks; true: all but leaks"
_URL_HELP = "use the mail server that runs there, such as http://127.0.0.1:8080, instead of starting one"
_KEY_HELP = "the API key of an admin of the mail server at the URL"
_SHARED_HELP = "with pytest-xdist, all workers use one mail server"
_KEEP_OPEN_HELP = "wait for Enter after a failed test, while its mail server runs, to look at its web inbox"
_TIMEOUT_HELP = "how long receive() waits by default"


def _hide(failure: pytest.ExceptionInfo[BaseException]) -> bool:
    """Hide the frames of this module, except from ``pytest.fail(pytrace=False)``, which needs one and shows none."""
    return not isinstance(failure.value, pytest.fail.Exception)


__tracebackhide__ = _hide


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("mailserver", "mail server (sirrchat_testkit)")
    group.addoption(
        "--mailserver-timeout", metavar="DURATION", help=f"{_TIMEOUT_HELP}, such as 30s or 1m (default: 10s)"
    )
    group.addoption(
        "--mailserver-seed", metavar="TEXT", help="the seed for addresses and ids; the same seed gives the same ones"
    )
    group.addoption("--mailserver-artifacts", metavar="DIR", help=_ARTIFACTS_HELP)
    group.addoption("--mailserver-keep-open", action="store_true", help=_KEEP_OPEN_HELP)
    group.addoption("--mailserver-strict", metavar="CHECKS", help=_STRICT_HELP)
    group.addoption("--mailserver-url", metavar="URL", help=_URL_HELP)
    group.addoption("--mailserver-key", metavar="KEY", help=_KEY_HELP)
    group.addoption("--mailserver-shared", action="store_true", help=_SHARED_HELP)
    parser.addini("mailserver_artifacts", _ARTIFACTS_HELP)
    parser.addini("mailserver_timeout", _TIMEOUT_HELP)
    parser.addini("mailserver_strict", _STRICT_HELP)
    parser.addini("mailserver_url", _URL_HELP)
    parser.addini("mailserver_key", _KEY_HELP)
    parser.addini("mailserver_shared", f"true: {_SHARED_HELP}", type="bool")
    parser.addini("mailserver_within", "how long assert_nothing() watches by default")
    parser.addini(
        "mailserver_clock", "follow: the server's clock follows time.time(), which freezegun and time-machine move"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and reject wrong settings before any test runs."""
    config.addinivalue_line(
        "markers", f"mailserver(timeout, strict): for this test, {_TIMEOUT_HELP}, in seconds, and {_STRICT_HELP}"
    )
    config.stash[_LATE] = {}
    config.option.mailserver_artifacts = _artifacts(config)  # pytest-xdist passes it to its workers
    if config.getoption("--mailserver-keep-open"):
        from sirrchat_testkit.reports.holding import refuse

        refuse(config)
    if config.getoption("xmlpath", None):
        from sirrchat_testkit.reports.junit import JUnit

        config.pluginmanager.register(JUnit(config), "sirrchat_testkit_junit")
    variable = "SIRRCHAT_TESTKIT_TIMEOUT"
    timeouts = {
        "the option --mailserver-timeout": config.getoption("--mailserver-timeout"),
        f"the environment variable {variable}": os.environ.get(variable) or None,
        "the ini setting mailserver_timeout": config.getini("mailserver_timeout") or None,
    }
    given = [_seconds(setting, value) for setting, value in timeouts.items() if value is not None]
    config.stash[_TIMEOUT] = given[0] if given else 10.0
    config.stash[_STRICT_LATE] = set()
    config.stash[_STRICT] = None
    if config.getoption("--mailserver-strict") is not None:
        config.stash[_STRICT] = _strict("the option --mailserver-strict", config.getoption("--mailserver-strict"))
    elif config.getini("mailserver_strict"):
        config.stash[_STRICT] = _strict("the ini setting mailserver_strict", config.getini("mailserver_strict"))
    if config.getini("mailserver_clock") not in {"", "follow"}:
        given_clock = config.getini("mailserver_clock")
        raise pytest.UsageError(f"the ini setting mailserver_clock must be follow, not {given_clock!r}")
    url = config.getoption("--mailserver-url") or os.environ.get(_ATTACH) or config.getini("mailserver_url")
    is_shared = config.getoption("--mailserver-shared") or config.getini("mailserver_shared")
    if url or is_shared or "mailserver_shared" in getattr(config, "workerinput", {}):
        from sirrchat_testkit.attached.plugin import Attaching

        config.stash[_ATTACHING] = Attaching(config, url)
        config.pluginmanager.register(config.stash[_ATTACHING], "sirrchat_testkit_attaching")
    config.stash[_WITHIN] = _seconds("the ini setting mailserver_within", config.getini("mailserver_within") or "0")


@pytest.fixture(scope="session")
def mailserver_settings() -> Settings:
    """Return the ``Settings`` of the mail server; override this fixture in a ``conftest.py`` to change them.

    Example:
        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(domains=["shop.example"], starttls=True)
    """
    from sirrchat_testkit import Settings

    return Settings()


@pytest.fixture(scope="session")
def mailserver_session(_mailservers: _StartServer, mailserver_settings: Settings) -> MailServer:
    """The mail server of this session, or of this pytest-xdist worker; everything made with it stays until the end."""
    return _mailservers(mailserver_settings, "the fixture mailserver_settings returns")


@pytest.fixture(scope="session")
def _mailservers(request: pytest.FixtureRequest) -> _StartServer:
    """Return the server of this session with the given settings; there is one for all tests with the same settings."""
    from sirrchat_testkit import Settings

    servers: dict[Settings, MailServer] = {}
    request.config.stash[_RUNNING] = servers

    def start(settings: Settings, owner: str) -> MailServer:
        if not isinstance(settings, Settings):
            pytest.fail(f"{owner} a Settings(...), not {settings!r}", pytrace=False)
        if settings not in servers:
            serving = _serve(request, settings)  # a context manager would add frames to its errors
            servers[settings] = next(serving)
            request.addfinalizer(lambda: next(serving, None))
        return servers[settings]

    return start


def _serve(request: pytest.FixtureRequest, settings: Settings) -> Iterator[MailServer]:
    """Run a server until the session ends, and report the mail that arrived after the last test had ended."""
    from sirrchat_testkit import NotSettled

    follows = bool(request.config.getini("mailserver_clock"))
    if follows and settings.start_at is not None:
        pytest.fail(
            "the ini setting mailserver_clock = follow and the setting start_at exclude each other: a clock that "
            "follows time.time() starts there",
            pytrace=False,
        )
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    seed = request.config.getoption("--mailserver-seed") or settings.seed
    with _text_only(request.config), _server(request.config, settings, seed) as server:
        _time(request.node, server)
        if follows:
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
            del request.config.stash[_RUNNING][settings]
        with contextlib.suppress(NotSettled):  # mail that is on its way may be late
            server.settle()
        _report_late(request.config, server)


def _server(config: pytest.Config, settings: Settings, seed: str) -> MailServer:
    """Return the server that the tests use, before it is started."""
    attaching: Attaching | None = config.stash.get(_ATTACHING, None)
    if attaching is None:
        from sirrchat_testkit import MailServer

        return MailServer(settings, seed=seed)
    try:
        return attaching.server(settings, seed)
    except (ConnectionError, ValueError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def mailserver(request: pytest.FixtureRequest, mailserver_session: MailServer) -> Iterator[MailServer]:
    """The mail server, in a scope of this test: everything that changes is undone when the test ends."""
    yield from _in_scope(request.node, mailserver_session)


@pytest.fixture
def _mailserver_test_case(request: pytest.FixtureRequest, _mailservers: _StartServer) -> Iterator[MailServer]:
    """Connect a test of a ``MailServerTestCase`` to its server, in a scope of this test."""
    from sirrchat_testkit import Settings

    case = request.instance
    settings = Settings() if case.mailserver_settings is None else case.mailserver_settings
    server = _mailservers(settings, f"{type(case).__name__}.mailserver_settings must be")
    _time(request.node, server)
    yield from _in_scope(request.node, server, case._connected(server))  # noqa: SLF001 - the plugin runs the test case


def _in_scope(
    item: pytest.Function, server: MailServer, connected: contextlib.AbstractContextManager[None] | None = None
) -> Iterator[MailServer]:
    """Run a test in a scope of ``server``, and raise what the server finds after the call."""
    fails = True  # so that the report can be made after the scope has ended
    try:
        with _text_only(item.config), server._scope(item.nodeid, check=False, keep=lambda: fails):  # noqa: SLF001
            item.stash[_SERVER] = server
            server._control.runner = "unittest" if connected else "pytest"  # noqa: SLF001 - for the remedies
            _set_strict(item, server)
            with connected or contextlib.nullcontext():
                yield server
                if postponed := getattr(item, "_explicit_tearDown", None):  # with --pdb, pytest runs tearDown last
                    item._explicit_tearDown = None  # type: ignore[attr-defined]  # noqa: SLF001
                    postponed()
            if item.stash.get(_PASSED, False):
                server.check()  # for errors after the test itself
            with _nothing_further(item):
                _report_late(item.config, server)
            fails = item.stash[_TORN_DOWN]
    finally:
        item.stash[_ENDED] = True


@pytest.fixture
def make_inbox(mailserver: MailServer) -> MakeInbox:
    """Make a new address: ``make_inbox(prefix=None, *, address=None, domain=None, expires_in=None)``."""
    return mailserver.make_inbox


@pytest.fixture
def make_inboxes(mailserver: MailServer) -> MakeInboxes:
    """Make several new addresses: ``make_inboxes(3)`` returns a list of three inboxes."""

    def make(count: int) -> list[Inbox]:
        if type(count) is not int or count < 1:
            raise ValueError(f"count must be a whole number of at least 1, not {count!r}")
        return [mailserver.make_inbox() for _ in range(count)]

    return make


@pytest.fixture
def inbox(mailserver: MailServer) -> Inbox:
    """The inbox of a new address; the address is gone when the test ends."""
    return mailserver.make_inbox()


@pytest.fixture
def mail_client(mailserver: MailServer) -> Iterator[Client]:
    """A client of the SirrChat API of the server, with its admin key; it sends each request once."""
    from sirrchat_testkit import Client

    with Client(mailserver.api_key, mailserver.api_url, retries=0) as client:
        yield client


@pytest.fixture
def mailserver_django(mailserver: MailServer) -> Iterator[MailServer]:
    """The mail server, with the mail settings of Django pointing at it until the test ends."""
    from sirrchat_testkit import connect_django

    with connect_django(mailserver):
        yield mailserver


@pytest.fixture
def mailserver_flask(mailserver: MailServer) -> Iterator[ConnectFlask]:
    """Send the mail of a Flask application to the server until the test ends: ``mailserver_flask(app)``."""
    from sirrchat_testkit import connect_flask

    with contextlib.ExitStack() as connected:
        yield lambda app: connected.enter_context(connect_flask(mailserver, app))


@pytest.fixture
def make_webhook_sink(mailserver: MailServer) -> Iterator[MakeWebhookSink]:
    """Start another webhook receiver: ``make_webhook_sink()``."""
    sinks: list[WebhookSink] = []

    def make() -> WebhookSink:
        sinks.append(mailserver.make_webhook_sink())
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.stop()


@pytest.fixture
def webhook_sink(mailserver: MailServer) -> Iterator[WebhookSink]:
    """A webhook receiver on its own port; it records, verifies and answers calls."""
    sink = mailserver.make_webhook_sink()
    yield sink
    sink.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reject a wrong marker before any fixture is set up: a later failure would leave one only partly set up.

    A test of a ``MailServerTestCase`` gets its fixture, after those that unittest and the user define.
    """
    item.stash[_ENDED] = item.stash[_FAILED] = item.stash[_TORN_DOWN] = False  # a plugin may run a test again
    for server in _running():
        server._control.begin_test()  # noqa: SLF001 - for its report
    cases = sys.modules.get("sirrchat_testkit.frameworks.testcase")
    if cases is not None and issubclass(getattr(item, "cls", None) or object, cases.MailServerTestCase):
        assert isinstance(item, pytest.Function)
        if "_mailserver_test_case" not in item.fixturenames:
            item.fixturenames.append("_mailserver_test_case")
    for marker in item.iter_markers("mailserver"):
        named = marker.kwargs.keys() & {"timeout", "strict"}
        if marker.args or not named or named != marker.kwargs.keys() or not _is_time(marker.kwargs.get("timeout", 0)):
            given = ", ".join([*map(repr, marker.args), *(f"{name}={each!r}" for name, each in marker.kwargs.items())])
            expected = "mailserver(timeout=SECONDS, strict=CHECKS)"
            pytest.fail(f"the marker must be {expected}, not mailserver({given})", pytrace=False)
        if "strict" in named:
            try:
                _strict("the marker mailserver", marker.kwargs["strict"])
            except pytest.UsageError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Set the timeout of a fixture to that of the test, module or session that it belongs to.

    Note if it may fail when it is torn down: the report is made when all have been, and needs an overview of the scope.
    """
    _time(request.node)
    if fixturedef.scope == "function" and not _ends_quietly(fixturedef):
        request.node.stash[_TORN_DOWN] = True


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
        item.stash[_TORN_DOWN] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test with the errors of its mail server, unless it has failed already."""
    _time(item)
    item.stash[_PASSED] = False
    result = yield
    if item.stash.get(_FAILED, False) or getattr(item, "_excinfo", None):  # a subtest; a test case of unittest
        return result
    server = item.stash.get(_SERVER, None)
    if server is not None:
        with _text_only(item.config):
            server._check_at_end(without=["late"])  # noqa: SLF001 - late mail belongs to another test
    item.stash[_PASSED] = True
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section about the mail server to the report of a failed test, without what the failure already shows."""
    report = yield
    server = item.stash.get(_SERVER, None)
    if report.failed:
        item.stash[_FAILED] = True
        servers = _concerned(item)
        if servers:
            from sirrchat_testkit.reports.section import add_report

            add_report(item, report, servers, ended=item.stash.get(_ENDED, False))
    if report.when == "teardown" and _SERVER in item.stash and server is not None:
        del item.stash[_SERVER]
        server._ended = None  # noqa: SLF001 - it holds the messages of the test
    return report


@pytest.hookimpl(wrapper=True)
def pytest_exception_interact(node: Any, report: Any) -> Generator[None, Any, Any]:
    """Show where to look at the mail of a failed test before the debugger starts; or wait while its server runs."""
    waits, debugs = node.config.getoption("--mailserver-keep-open"), node.config.getoption("usepdb", False)
    if debugs:
        _hold(node, report, waits=False)
    result = yield  # plugins that limit the time of a test stop counting
    if waits and not debugs:
        _hold(node, report, waits=True)
    return result


def _hold(node: Any, report: Any, *, waits: bool) -> None:
    if not isinstance(node, pytest.Item):  # a module that cannot be imported
        return
    servers = [each for each, is_own in _concerned(node).items() if is_own or not node.stash.get(_ENDED, False)]
    if servers:
        from sirrchat_testkit.reports.holding import hold

        hold(node, report, servers, waits=waits)


def _running() -> list[MailServer]:
    """Return the servers that run in this process, in no order: of the fixtures, and of the user."""
    module = sys.modules.get("sirrchat_testkit.server")
    return module.running() if module is not None else []


def _concerned(item: pytest.Item) -> dict[MailServer, bool]:
    """Return the servers for the report of a failed test, and whether the user started each; that of fixtures first."""
    found: dict[MailServer, bool] = {}
    if _SERVER in item.stash:
        found[item.stash[_SERVER]] = False
    elif "_mailservers" in getattr(item, "fixturenames", ()):  # a wider fixture failed
        found |= dict.fromkeys(item.config.stash.get(_RUNNING, {}).values(), False)
    return found | {each: True for each in _running() if not each._shared_by}  # noqa: SLF001


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the late mail of a worker to the process that prints the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["mailserver_late"] = session.config.stash[_LATE]  # fixtures that are torn down later may add to it


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the late mail of a pytest-xdist worker."""
    _add(node.config.stash[_LATE], getattr(node, "workeroutput", {}).get("mailserver_late", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the mail that arrived after its test had ended."""
    late = config.stash[_LATE]
    if late:
        terminalreporter.section("late mail")
        for line in _counted(late):
            terminalreporter.write_line(line)


@contextlib.contextmanager
def _text_only(config: pytest.Config) -> Iterator[None]:
    """Fail with only the text of a finding, because no line of the test raised it."""
    try:
        yield
    except Exception as error:
        from sirrchat_testkit import FaultNeverFired, LateMailWarning, NeverAwaited, StrictCheckFailed

        findings: tuple[type[Exception], ...] = (FaultNeverFired, LateMailWarning, NeverAwaited, StrictCheckFailed)
        if _ATTACHING in config.stash:
            findings += config.stash[_ATTACHING].findings
        if not isinstance(error, findings):
            raise
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None


@contextlib.contextmanager
def _nothing_further(item: pytest.Item) -> Iterator[None]:
    """Raise no late mail in the teardown of a test that has failed already; the summary lists it."""
    try:
        yield
    except Exception as error:
        from sirrchat_testkit import LateMailWarning, StrictCheckFailed

        if not (isinstance(error, LateMailWarning | StrictCheckFailed) and item.stash.get(_FAILED, False)):
            raise


def _report_late(config: pytest.Config, server: MailServer) -> None:
    """Warn about late mail that was not reported yet, and keep it for the summary.

    Raises:
        StrictCheckFailed: The test that caused it had the strict check ``late``.
    """
    late: dict[str, int] = {}
    failing: dict[str, int] = {}
    for each, times in server._now.findings.take_late().items():  # noqa: SLF001 - counted for the report alone
        is_strict = each.scope.partition(" > ")[0] in config.stash[_STRICT_LATE]
        (failing if is_strict else late)[str(each)] = times
    if not (late or failing):
        return
    from sirrchat_testkit import LateMailWarning, StrictCheckFailed

    _add(config.stash[_LATE], late | failing)
    if late:
        warnings.warn("\n".join(_counted(late)), LateMailWarning, stacklevel=1)
    if failing:
        raise StrictCheckFailed("\n".join(_counted(failing)))


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for line, times in more.items():
        counts[line] = counts.get(line, 0) + times


def _counted(late: dict[str, int]) -> list[str]:
    return [line if times == 1 else f"{line} ({times} times)" for line, times in late.items()]


def _time(node: Any, server: MailServer | None = None) -> None:
    for each in node.config.stash.get(_RUNNING, {}).values() if server is None else [server]:
        seconds = _marked(node, "timeout")
        if seconds is None:
            seconds = getattr(getattr(node, "cls", None), "mailserver_timeout", None)
        each.timeout = node.config.stash[_TIMEOUT] if seconds is None else seconds
        each.within = node.config.stash[_WITHIN]


def _artifacts(config: pytest.Config) -> str:
    """Return the folder for artifacts: the option is relative to the current folder, the ini setting to rootdir."""
    option, ini = config.getoption("--mailserver-artifacts"), config.getini("mailserver_artifacts")
    folder = (config.invocation_params.dir if option else config.rootpath) / (option or ini)
    if (option or ini) and folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"the folder for artifacts of the mail server must not be a file: {folder}")
    return str(folder) if option or ini else ""


def _marked(node: Any, name: str) -> Any:
    """Return an argument of the closest marker that has it; None if there is none."""
    return next((each.kwargs[name] for each in node.iter_markers("mailserver") if name in each.kwargs), None)


def _set_strict(item: pytest.Item, server: MailServer) -> None:
    """Set the strict checks of a test: those of the marker, the option, the ini file or the settings, in this order."""
    marked = _marked(item, "strict")
    strict = item.config.stash[_STRICT] if marked is None else _strict("the marker mailserver", marked)
    if strict is not None and strict != server.settings.strict:
        server.configure(strict=strict)
    checks = server.settings.strict
    if isinstance(checks, tuple) and "late" in checks:
        item.config.stash[_STRICT_LATE].add(item.nodeid)


def _strict(setting: str, given: Any) -> tuple[StrictCheck, ...]:
    """Return the names of strict checks. Raises ``UsageError`` if ``given`` is not valid."""
    from sirrchat_testkit.settings import STRICT

    try:
        checks: tuple[Any, ...] = (
            STRICT.parse("strict", given) if isinstance(given, str) else STRICT.check("strict", given)
        )
    except ValueError as error:
        raise pytest.UsageError(f"{setting}: {error}") from None
    return checks


def _is_time(seconds: Any) -> bool:
    return type(seconds) in {int, float} and seconds >= 0


def _seconds(setting: str, given: str) -> float:
    """Return the value of ``setting``. Raises ``UsageError`` if it is not valid."""
    if given == "0":  # the usual default, which needs no import
        return 0.0
    from sirrchat_testkit.durations import read_duration

    try:
        return read_duration(given)
    except ValueError:
        raise pytest.UsageError(f"{setting} must be a duration such as 500ms, 10s or 1m, not {given!r}") from None
