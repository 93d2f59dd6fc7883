"""A server that runs, or does not: what every part of ``MailServer`` stands on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

from sirrchat_testkit.assembly import Assembly, assemble, netloc
from sirrchat_testkit.handles.control import Desk
from sirrchat_testkit.handles.findings import Findings
from sirrchat_testkit.handles.service import RUNNING, Service
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.threads import LoopThread

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.setting_types import SettingsChanges

__tracebackhide__ = True


class Running(Service):
    """Starts and stops; the other parts ask ``_thread``, ``_now`` and ``_desk``, and hold nothing themselves."""

    settings: Settings

    def __init__(self, settings: Settings | None = None, **changes: Unpack[SettingsChanges]) -> None:
        self.settings = Settings.of(settings, **changes)
        self._thread = LoopThread("sirrchat-testkit")
        self._running: Assembly | None = None
        self._findings: Findings | None = None
        self._shared_by = ""  # who else uses it, such as the other tests of a session: then stop() raises

    def start(self) -> Self:
        """Bind both ports and serve; return the server.

        Raises:
            OSError: A port is taken, or the host is not of this machine.
            RuntimeError: The server runs already.
        """
        if self._running is not None:
            raise RuntimeError(f"{self!r} runs already")
        self._thread.start()
        try:
            self._running = self._thread.call(assemble(self.settings, self._thread))
        except BaseException:
            self._thread.stop()
            raise
        self._thread.owner = f"the mail server {netloc(self._running.smtp.address)}"
        self._findings = self._running.findings
        RUNNING.add(self)
        return self

    def stop(self) -> None:
        """Finish the transactions in progress (for a second at most), then stop serving. Twice does nothing.

        Raises:
            RuntimeError: It is the server of the fixtures, which all tests of the session use.
        """
        if self._shared_by:
            raise RuntimeError(
                f"Cannot stop {self!r}: {self._shared_by} use it. For a server that is down, plan "
                'mailserver.faults.reject(stage="connect", code=421) or mailserver.faults.drop(stage="connect"), '
                "or start and stop a MailServer() of your own"
            )
        running, self._running = self._running, None
        RUNNING.discard(self)
        if running is not None and self._thread.running:
            try:
                self._thread.call(running.close())
            finally:
                self._thread.stop()

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._findings is not None:
            self._findings.check()

    @property
    def _desk(self) -> Desk:
        return self._now.desk

    @property
    def _now(self) -> Assembly:
        if self._running is None:
            name = repr(self) if self._findings is None else self._thread.owner
            raise RuntimeError(f"{name} is not running: use it in a with block, or call start()")
        return self._running

    def _abandon(self) -> None:
        if self._running is not None:
            self._running.abandon()

    def __del__(self) -> None:
        if getattr(self, "_running", None) is not None and self._thread.running:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if self._running is None:
            return "<MailServer stopped>"
        return f"<MailServer smtp={netloc(self._running.smtp.address)} http={netloc(self._running.http.address)}>"
