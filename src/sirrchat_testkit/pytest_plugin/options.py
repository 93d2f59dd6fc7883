"""The options of the command line, the settings of the ini file, and the marker: declared, checked and read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from sirrchat_testkit.pytest_plugin.tracebacks import hide

if TYPE_CHECKING:
    from sirrchat_testkit.settings import StrictCheck

__tracebackhide__ = hide

_ARTIFACTS_HELP = "a folder for the mail, transcripts and webhook calls of each failed test"
_STRICT_HELP = "what else fails a test: unread, refused, late, duplicate, undelivered, leaks; true: all but leaks"
_URL_HELP = "the URL of a running mail server to use instead of starting one, such as http://127.0.0.1:8080"
_KEY_HELP = "an admin's API key of the mail server at this URL"
_SHARED_HELP = "with pytest-xdist, all workers use one mail server"
_KEEP_OPEN_HELP = "wait for Enter after a failed test, while its mail server runs, to look at its web inbox"
_TIMEOUT_HELP = "how long receive() waits by default"

_ATTACH = "SIRRCHAT_TESTKIT_ATTACH"
"""The environment variable that has the URL of a running server for tests. The one of the clients has no effect."""

_TIMEOUT = "SIRRCHAT_TESTKIT_TIMEOUT"

MARKER = f"mailserver(timeout, strict): for this test, how many seconds receive() waits by default, and {_STRICT_HELP}"


class Options(NamedTuple):
    """The options of a run, from the command line, else the environment, else the ini file."""

    timeout: float
    """How many seconds ``receive()`` waits by default."""
    within: float
    """How many seconds ``assert_nothing()`` watches by default."""
    strict: tuple[StrictCheck, ...] | None
    """The strict checks; None leaves them to the settings of the server."""
    artifacts: str
    """The folder for artifacts, or an empty string."""
    follows_time: bool
    """Whether the clock of the server follows ``time.time()``."""
    seed: str
    """The seed for addresses and ids; an empty string leaves it to the settings of the server."""
    url: str
    """Where the server that the tests use runs; an empty string means that they start one."""
    is_shared: bool
    """Whether the workers of pytest-xdist use one server."""
    keeps_open: bool
    """Whether the run waits after a failed test."""


OPTIONS = pytest.StashKey[Options]()
"""The options of a run, in the stash of its config."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the settings of the ini file."""
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


def read_options(config: pytest.Config) -> Options:
    """Return the options of a run. Raises ``UsageError`` if one is not valid."""
    clock = config.getini("mailserver_clock")
    if clock not in {"", "follow"}:
        raise pytest.UsageError(f"the ini setting mailserver_clock must be follow, not {clock!r}")
    url = config.getoption("--mailserver-url") or os.environ.get(_ATTACH) or config.getini("mailserver_url")
    is_shared = config.getoption("--mailserver-shared") or config.getini("mailserver_shared")
    return Options(
        timeout=_timeout(config),
        within=_seconds("the ini setting mailserver_within", config.getini("mailserver_within") or "0"),
        strict=_strict(config),
        artifacts=_artifacts(config),
        follows_time=clock == "follow",
        seed=config.getoption("--mailserver-seed") or "",
        url=url,
        is_shared=is_shared or "mailserver_shared" in getattr(config, "workerinput", {}),
        keeps_open=config.getoption("--mailserver-keep-open"),
    )


def _timeout(config: pytest.Config) -> float:
    timeouts = {
        "the option --mailserver-timeout": config.getoption("--mailserver-timeout"),
        f"the environment variable {_TIMEOUT}": os.environ.get(_TIMEOUT) or None,
        "the ini setting mailserver_timeout": config.getini("mailserver_timeout") or None,
    }
    given = [_seconds(setting, value) for setting, value in timeouts.items() if value is not None]
    return given[0] if given else 10.0


def _seconds(setting: str, given: str) -> float:
    """Return the value of ``setting``. Raises ``UsageError`` if it is not valid."""
    if given == "0":  # the usual default, which needs no import
        return 0.0
    from sirrchat_testkit.durations import read_duration

    try:
        return read_duration(given)
    except ValueError:
        raise pytest.UsageError(f"{setting} must be a duration such as 500ms, 10s or 1m, not {given!r}") from None


def _strict(config: pytest.Config) -> tuple[StrictCheck, ...] | None:
    option, ini = config.getoption("--mailserver-strict"), config.getini("mailserver_strict")
    if option is not None:
        return _checks("the option --mailserver-strict", option)
    return _checks("the ini setting mailserver_strict", ini) if ini else None


def _checks(setting: str, given: Any) -> tuple[StrictCheck, ...]:
    """Return the names of strict checks. Raises ``UsageError`` if ``given`` is not valid."""
    from sirrchat_testkit.settings import STRICT

    try:
        checks: tuple[Any, ...] = (
            STRICT.parse("strict", given) if isinstance(given, str) else STRICT.check("strict", given)
        )
    except ValueError as error:
        raise pytest.UsageError(f"{setting}: {error}") from None
    return checks


def _artifacts(config: pytest.Config) -> str:
    """Return the folder for artifacts: the option is relative to the current folder, the ini setting to rootdir."""
    option, ini = config.getoption("--mailserver-artifacts"), config.getini("mailserver_artifacts")
    folder = (config.invocation_params.dir if option else config.rootpath) / (option or ini)
    if (option or ini) and folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"the folder for artifacts of the mail server must not be a file: {folder}")
    return str(folder) if option or ini else ""


def check_markers(item: pytest.Item) -> None:
    """Fail the test if one of its markers is wrong."""
    for marker in item.iter_markers("mailserver"):
        named = marker.kwargs.keys() & {"timeout", "strict"}
        if marker.args or not named or named != marker.kwargs.keys() or not _is_time(marker.kwargs.get("timeout", 0)):
            given = ", ".join([*map(repr, marker.args), *(f"{name}={each!r}" for name, each in marker.kwargs.items())])
            expected = "mailserver(timeout=SECONDS, strict=CHECKS)"
            pytest.fail(f"the marker must be {expected}, not mailserver({given})", pytrace=False)
        if "strict" in named:
            try:
                _checks("the marker mailserver", marker.kwargs["strict"])
            except pytest.UsageError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None


def _is_time(seconds: Any) -> bool:
    return type(seconds) in {int, float} and seconds >= 0


def timeout_of(node: Any) -> float:
    """Return the timeout of a test, a class, a module or the session: of its marker, its test case, or the run."""
    seconds: float | None = _marked(node, "timeout")
    if seconds is None:
        seconds = getattr(getattr(node, "cls", None), "mailserver_timeout", None)
    options: Options = node.config.stash[OPTIONS]
    return options.timeout if seconds is None else seconds


def strict_of(item: pytest.Item) -> tuple[StrictCheck, ...] | None:
    """Return the strict checks of a test: of its marker, or of the run; None leaves them to the settings."""
    marked = _marked(item, "strict")
    return item.config.stash[OPTIONS].strict if marked is None else _checks("the marker mailserver", marked)


def _marked(node: Any, name: str) -> Any:
    """Return an argument of the closest marker that has it; None if there is none."""
    return next((each.kwargs[name] for each in node.iter_markers("mailserver") if name in each.kwargs), None)
