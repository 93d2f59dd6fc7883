"""Statistics, read from stored counters and totals: nothing is counted here.

1. What has happened (received, sent, rejected) only rises: deleting mail or restarting a durable server lowers nothing.
2. What is (users, storage, sessions) is read from indexes and live connections when it is asked for.
3. Today is the day in UTC on the kit's clock; uptime too is by the kit's clock. Both can be moved by a test.
4. There is no IMAP here yet, so its figures are 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.counters import DAY, Counters
from sirrchat_testkit.domain.models import Account, Message
from sirrchat_testkit.domain.sessions import Sessions
from sirrchat_testkit.domain.store import Store
from sirrchat_testkit.records import record


@dataclass(frozen=True, slots=True)
class SmtpStats:
    """Copies sent elsewhere and received here, and recipients that were refused."""

    sent: int
    received: int
    rejected: int


@record
class ImapStats:
    """Zeros: no IMAP is served."""

    connections: int = 0
    commands: int = 0


@record
class ServerStats:
    """The whole server: ``uptime`` in seconds, ``storage_used`` in bytes, ``messages_today`` received and sent."""

    uptime: int
    users_total: int
    sessions_active: int
    messages_today: int
    storage_used: int
    smtp: SmtpStats
    imap: ImapStats = field(default_factory=ImapStats)


@record
class AccountStats:
    """One account, disposable addresses included; ``last_received_at`` in milliseconds, 0 for never."""

    messages_total: int
    messages_unseen: int
    received: int
    sent: int
    rejected: int
    storage_used: int
    quota: int
    last_received_at: int


class Stats:
    """Reads the statistics of one server."""

    def __init__(self, store: Store, clock: Clock, sessions: Sessions, counters: Counters) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._counters = counters
        self._began = clock.now()

    def begin(self) -> None:
        """Count uptime from now on."""
        self._began = self._clock.now()

    async def server(self) -> ServerStats:
        """Return the statistics of the whole server."""
        now = self._clock.now()
        tally = await self._counters.read()
        return ServerStats(
            uptime=max(now - self._began, 0) // 1000,
            users_total=await self._store.count(Account, listed=True),
            sessions_active=len(self._sessions),
            messages_today=tally.today if tally.day == now // DAY else 0,
            storage_used=(await self._store.usage()).size,
            smtp=SmtpStats(tally.sent, tally.received, tally.rejected),
        )

    async def account(self, account: Account) -> AccountStats:
        """Return the statistics of ``account``."""
        tally = await self._counters.read(account.id)
        usage = await self._store.usage(account.id)
        return AccountStats(
            messages_total=usage.count,
            messages_unseen=await self._store.count(Message, account=account.id, seen=False),
            received=tally.received,
            sent=tally.sent,
            rejected=tally.rejected,
            storage_used=usage.size,
            quota=account.quota,
            last_received_at=tally.last_received_at,
        )
