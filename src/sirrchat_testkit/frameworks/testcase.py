"""``MailServerTestCase``: the fixtures and their reports for unittest, also in Django's ``manage.py test``.

1. All test cases of a process with the same settings share a server, which starts with the first test and stops when
   the process ends. A forked worker, as of ``manage.py test --parallel``, starts its own.
2. Each test has a scope, from before ``setUp`` until after the cleanups. A test that passed is checked last.
3. The report of the server is a note of the exception (PEP 678), so every test runner shows it.
4. In pytest all of this is the plugin's work, as for its fixtures, so that its options and reports are the same.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import unittest
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, ClassVar

from sirrchat_testkit.durations import read_duration
from sirrchat_testkit.errors import LateMailWarning, NotSettled
from sirrchat_testkit.frameworks.django import connect_django
from sirrchat_testkit.handles.inbox import Inbox
from sirrchat_testkit.server import MailServer
from sirrchat_testkit.settings import Settings

__tracebackhide__ = True

_VARIABLE = "SIRRCHAT_TESTKIT_TIMEOUT"
_TIMEOUT = 10.0
_ATTACH = "SIRRCHAT_TESTKIT_ATTACH"

_Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_servers: dict[tuple[int, Settings], MailServer] = {}
"""The running servers by process and settings."""


class MailServerTestCase(unittest.TestCase):
    """A test case with a mail server: ``self.mailserver``, and ``self.inbox``, the inbox of a new address.

    It reports what the fixtures of pytest report: errors in the server, faults that never fired and what the setting
    ``strict`` names fail a test that passed otherwise; late mail is a ``LateMailWarning``; and the traceback of a
    failure ends with the mail, refusals and connections of the test. In pytest, options, reports and files are those of
    the fixtures. Combined with a test case of Django, it sends Django's mail to the server: ``class
    SignUpTest(MailServerTestCase, django.test.TestCase)``; it comes first in the list of bases.

    Example:
        class SignUpTest(MailServerTestCase):
            def test_sign_up_sends_a_code(self):
                shop = make_shop(self.mailserver.env())
                shop.register(self.inbox.address)
                self.assertEqual(self.inbox.receive().subject, "Welcome")

    Attributes:
        mailserver_settings: The settings of the server. Default: ``Settings()``.
        mailserver_timeout: How long ``receive`` waits by default, in seconds. Default: the variable
            ``SIRRCHAT_TESTKIT_TIMEOUT``, or 10.

    The variable ``SIRRCHAT_TESTKIT_ATTACH`` is the URL of a running server to use instead of starting one, and
    ``SIRRCHAT_TESTKIT_API_KEY`` its key.
    """

    mailserver_settings: ClassVar[Settings | None] = None
    mailserver_timeout: ClassVar[float | None] = None
    _mailserver: MailServer | None = None

    @property
    def mailserver(self) -> MailServer:
        """The mail server, in a scope of this test: everything that changes is undone when the test ends."""
        if self._mailserver is None:
            raise RuntimeError("mailserver exists while a test runs: use it from setUp() on, not in setUpClass()")
        return self._mailserver

    @functools.cached_property
    def inbox(self) -> Inbox:
        """The inbox of a new address; ``self.mailserver.make_inbox()`` makes more."""
        return self.mailserver.make_inbox()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test in a scope of the server."""
        if self._mailserver is not None:  # the plugin of pytest has begun a scope
            return super().run(result)
        with contextlib.ExitStack() as exits:
            try:
                server = exits.enter_context(self._scope())
            except Exception:  # the error of a server that cannot start belongs to this test, not to the whole run
                if result is None:
                    raise
                result.startTest(self)
                result.addError(self, sys.exc_info())
                result.stopTest(self)
                return result
            noting = _Noting(result, server) if result is not None else None
            self.addCleanup(_finish, self, server, noting)  # the first cleanup runs last
            super().run(noting)  # type: ignore[arg-type]  # it has every attribute of a result
        return result

    def debug(self) -> None:
        """Run the test in a scope of the server, without collecting errors."""
        with self._scope() as server:
            self.addCleanup(_finish, self, server, None)
            super().debug()

    @contextlib.contextmanager
    def _scope(self) -> Iterator[MailServer]:
        server = _server(self.mailserver_settings or Settings())
        server.timeout = _timeout() if self.mailserver_timeout is None else self.mailserver_timeout
        with server.scope(self.id(), check=False), self._connected(server):
            yield server

    @contextlib.contextmanager
    def _connected(self, server: MailServer) -> Iterator[None]:
        """Have the test use ``server``, in which a scope has begun."""
        self.__dict__.pop("inbox", None)
        django = sys.modules.get("django.test")
        with contextlib.ExitStack() as exits:
            if django is not None and isinstance(self, django.SimpleTestCase):
                exits.enter_context(connect_django(server))
            self._mailserver = server
            try:
                yield
            finally:
                self._mailserver = None


class _Noting:
    """A test result that adds a report of the server to each error, and passes everything on to another result."""

    def __init__(self, result: unittest.TestResult, server: MailServer) -> None:
        self._result = result
        self._server = server
        self.passed = True

    def addError(self, test: unittest.TestCase, err: _Error) -> None:  # noqa: N802 - the name that unittest calls
        self._note(err)
        self._result.addError(test, err)

    def addFailure(self, test: unittest.TestCase, err: _Error) -> None:  # noqa: N802 - same
        self._note(err)
        self._result.addFailure(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: _Error | None) -> None:  # noqa: N802 - same
        if err is not None:
            self._note(err)
        self._result.addSubTest(test, subtest, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - same
        self.passed = False
        self._result.addSkip(test, reason)

    def _note(self, err: _Error) -> None:
        first, self.passed = self.passed, False
        error = err[1]
        if error is not None:
            _hide_own_frames(error)
            if first:
                error.add_note(_overview(self._server, str(error)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)


def _server(settings: Settings) -> MailServer:
    """Return the running server of this process with ``settings``, or start one."""
    key = (os.getpid(), settings)
    if key not in _servers:
        server = _chosen(settings).start()
        server._shared_by = "all tests with these settings"  # noqa: SLF001 - stop() must explain itself
        server._checks_strictly = False  # noqa: SLF001 - each test does
        server._control.runner = "unittest"  # noqa: SLF001 - for the remedies in failures
        _servers[key] = server
    return _servers[key]


def _chosen(settings: Settings) -> MailServer:
    """Return the server that the environment names, or one of this process."""
    url = os.environ.get(_ATTACH)
    if not url:
        return MailServer(settings)
    from sirrchat_testkit.attached.server import AttachedServer

    return AttachedServer(url, os.environ.get("SIRRCHAT_TESTKIT_API_KEY", ""), settings)


def _finish(test: unittest.TestCase, server: MailServer, noting: _Noting | None) -> None:
    """Raise what the server found during a test that passed, and warn about late mail."""
    failed_as_expected = getattr(test._outcome, "expectedFailure", None)  # type: ignore[attr-defined] # noqa: SLF001
    if failed_as_expected is None and (noting is None or noting.passed):
        server._check_at_end()  # noqa: SLF001 - the end of a test is that of its scope
    _warn_of_late_mail(server)


def _warn_of_late_mail(server: MailServer) -> None:
    late = server._now.findings.take_late()  # noqa: SLF001 - counted for the report alone
    if late:
        lines = [f"{each}{f' ({times} times)' if times > 1 else ''}" for each, times in late.items()]
        warnings.warn("\n".join(lines), LateMailWarning, stacklevel=1)


def _overview(server: MailServer, shown: str) -> str:
    """Return what happened in the server, without what ``shown`` contains. An error here must not hide the failure."""
    try:
        return f"Mail server {server._title}\n{server.overview(shown)}".rstrip()  # noqa: SLF001
    except Exception as error:  # noqa: BLE001
        return f"Mail server: no report: {type(error).__name__}: {error}".partition("\n")[0]


def _hide_own_frames(error: BaseException) -> None:
    """Cut the frames of this package from the end of the traceback of ``error``, if it is one of its own."""
    if not type(error).__module__.startswith("sirrchat_testkit"):
        return
    last, trace = None, error.__traceback__
    while trace is not None:
        if "__tracebackhide__" not in trace.tb_frame.f_globals:
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


def _timeout() -> float:
    given = os.environ.get(_VARIABLE)
    try:
        return read_duration(given) if given else _TIMEOUT
    except ValueError:
        text = f"the environment variable {_VARIABLE} must be a duration such as 500ms, 10s or 1m, not {given!r}"
        raise ValueError(text) from None


def _stop_all() -> None:
    """Stop the servers of this process, and report mail that arrived after its test had ended."""
    for (process, _), server in tuple(_servers.items()):
        if process == os.getpid():
            with contextlib.suppress(NotSettled):
                server.settle()
            try:
                _warn_of_late_mail(server)
            finally:
                server._shared_by = ""  # noqa: SLF001 - nothing uses it any more
                server.stop()
    _servers.clear()


atexit.register(_stop_all)
