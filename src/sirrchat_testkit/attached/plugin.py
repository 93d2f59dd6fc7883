"""The part of the pytest plugin that is loaded only if tests use a server that others use too."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest

from sirrchat_testkit.attached.connection import describe
from sirrchat_testkit.attached.server import AttachedServer, differences
from sirrchat_testkit.attached.sharing import Place, Sharing, join
from sirrchat_testkit.client.errors import Unreachable
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.server import MailServer
from sirrchat_testkit.settings import Settings

__tracebackhide__ = True

_INVITATION: Final = "mailserver_shared"
"""What the controller gives to each worker."""


class Attaching:
    """Decides which server the tests use: the one at ``url``, or the one that the controller of pytest-xdist has."""

    findings = (Unreachable,)
    """Errors outside of a test that fail it with their text."""

    def __init__(self, config: pytest.Config, url: str) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._invitation: str = getattr(config, "workerinput", {}).get(_INVITATION, "")
        self._sharing: Sharing | None = None
        self._place: Place | None = None
        self._seed: str = config.getoption("--mailserver-seed") or ""
        if url:
            key = config.getoption("--mailserver-key") or os.environ.get("SIRRCHAT_TESTKIT_API_KEY")
            self._place = Place(url, key or config.getini("mailserver_key"))
        self._moves_clock = bool(config.getini("mailserver_clock"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Check that the server can be used, before any test runs."""
        if self._place is None or self._is_worker:
            return
        self._check_clock()
        if not self._place.key:
            raise pytest.UsageError("--mailserver-url needs --mailserver-key, the API key of an admin of the server")
        try:
            describe(*self._place)
        except (ConnectionError, InvalidValue) as error:
            raise pytest.UsageError(f"--mailserver-url: {error}") from None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass to a worker of pytest-xdist where to ask for the server."""
        if self._place is None:
            self._check_clock()
            self._sharing = self._sharing or Sharing()
            node.workerinput[_INVITATION] = self._sharing.invitation

    def _check_clock(self) -> None:
        """Raise ``UsageError`` if tests would move the clock. A worker cannot end the run; the controller can."""
        if self._moves_clock:
            text = "the ini setting mailserver_clock would move the clock of a server that others use; remove it"
            raise pytest.UsageError(text)

    def pytest_unconfigure(self) -> None:
        """Stop the server of the controller."""
        if self._sharing is not None:
            self._sharing.close()

    def server(self, settings: Settings, seed: str) -> MailServer:
        """Return the server for tests with ``settings``, which is started by ``with``.

        Raises:
            ConnectionError: No server can be reached.
            ValueError: The server has other settings.
        """
        place = self._place or (join(self._invitation, settings) if self._invitation else None)
        if place is None:
            return MailServer(settings, seed=seed)
        server = AttachedServer(*place, settings.replace(seed=seed), self._seed)
        if different := differences(settings, server.find_settings()):
            raise ValueError(f"the server at {place.url} has other settings than mailserver_settings: {different}")
        return server
