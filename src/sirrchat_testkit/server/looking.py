"""What happened in the server: figures, envelopes, refusals, connections, failures."""

from __future__ import annotations

from sirrchat_testkit.core.models import Envelope
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.core.stats import ServerStats
from sirrchat_testkit.server.running import Running
from sirrchat_testkit.testing import report
from sirrchat_testkit.testing.diagnostics import Refusal
from sirrchat_testkit.testing.feed import arun, run
from sirrchat_testkit.testing.service import raise_all
from sirrchat_testkit.testing.wait import settle

__tracebackhide__ = True


class Looking(Running):
    """Shows what happened, and raises what went wrong."""

    @property
    def stats(self) -> ServerStats:
        """What the server did and holds: the figures of ``GET /api/v1/stats``."""
        return self._thread.call(self._now.backend.stats.server())

    @property
    def envelopes(self) -> list[Envelope]:
        """Every stored envelope, oldest first."""
        return self._thread.call(self._now.backend.postoffice.envelopes())

    @property
    def refusals(self) -> list[Refusal]:
        """The recipients that were refused since the scope began, each with the nearest existing address."""
        return self._desk.refusals()

    @property
    def sessions(self) -> list[Session]:
        """The SMTP connections that are open or were closed lately, of this scope, oldest first.

        Each has ``peer``, ``ehlo``, ``login``, ``tls`` (version and cipher) and ``transcript``.
        """
        return self._desk.sessions()

    def settle(self) -> None:
        """Wait until every connection is between transactions. Raises ``NotSettled`` after a second."""
        run(self._thread, lambda _: settle(self._desk.source(None)))

    async def asettle(self) -> None:
        """Do as ``settle`` does without blocking the loop that this task runs on."""
        await arun(self._thread, lambda _: settle(self._desk.source(None)))

    def check(self) -> None:
        """Raise what failed in the server since the scope began: as itself, or several as a group.

        Raises:
            FaultNeverFired: Nothing failed, and planned faults never struck; the text lists all of them.
        """
        raise_all("several things failed in the mail server", [crash.error for crash in self._desk.crashes()])
        if unfired := self._desk.unfired():
            raise report.never_fired(unfired)

    def overview(self, told: str = "") -> str:
        """Return what happened since the scope began: mail, refusals, connections, errors, webhooks' attempts.

        Args:
            told: A text, such as that of a failure; what it has already is left out.
        """
        return self._desk.overview(told)
