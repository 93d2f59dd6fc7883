"""What happened in the server: figures, envelopes, refusals, connections, failures."""

from __future__ import annotations

from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.stats import ServerStats
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.feed import arun, pull_records, run
from sirrchat_testkit.handles.wait import settle
from sirrchat_testkit.server.running import Running

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
        return run(self._thread, lambda _: pull_records(self._now.backend.postoffice.envelopes))

    @property
    def refusals(self) -> list[Refusal]:
        """The recipients that were refused since the scope began, each with the nearest existing address."""
        return self._desk.refusals()

    @property
    def late_mail(self) -> list[Refusal]:
        """The mail that was refused because the scope of its recipient had ended, since the server started.

        Each has ``recipient``, ``sender`` and ``scope``: the test that caused it. The first 1000 are kept.
        """
        return [
            Refusal(each.recipient, each.sender, each.code, each.reason, each.scope, None)
            for each in self._now.findings.late
        ]

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
        """Raise the errors of the server since the scope began: one as itself, several as a group.

        What was raised once is not raised again. Leaving a scope, or the server's ``with`` block, checks as well.

        Raises:
            FaultNeverFired: There was no error, and a fault that was planned since never struck.
        """
        self._now.findings.check()

    def overview(self, told: str = "") -> str:
        """Return what happened since the scope began: mail, refusals, connections, errors, webhooks' attempts.

        Args:
            told: A text, such as that of a failure; what it has already is left out.
        """
        return self._desk.overview(told)
