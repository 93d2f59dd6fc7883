"""Statistics, and the counters that deletion does not lower (received, sent, rejected), per account and per server.

1. ``received`` counts stored copies: one for each recipient at a served domain. A copy counts for the server, and for
   the account that has the address.
2. ``sent`` counts messages, however many recipients they have. A message that was sent with the login of an account
   counts for the account and the server; any other counts for the server if a recipient's domain is not served.
3. ``rejected`` counts refused recipients: one for each ``RecipientRefused``. A refusal counts for the server, and for
   the account that had the address at that time.
4. Counts are added up in memory and stored in a separate commit: ``PAUSE`` seconds after the first one, when a scope
   opens, and when the server closes. Reading the counters adds the pending counts. So counting a message costs no
   commit, and a flood of rejections does not reach the disk.
5. The stored counters name the newest message that they include. After the process was killed, ``recover`` counts
   later messages from their records. It misses rejections of the last second, and messages that were deleted in it.
6. A day is a day in UTC on the server's clock. Uptime follows the same clock, so a test can move both.
7. Users, storage and sessions are read from indexes and open connections on request. IMAP figures are 0.
8. Wait times are not stored, and a scope does not restore them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from math import inf
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.models import Account, Domain, Message, PendingDeletion, Tally
from sirrchat_testkit.domain.sessions import Sessions
from sirrchat_testkit.domain.store import Patch, Store, Update, Usage
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.records import Doc, record

PAUSE = 1.0
"""Seconds of real time from an event to the commit that counts it."""

DAY = 86_400_000
"""Milliseconds in a day."""


class Loop(Protocol):
    """The methods of an event loop that the counters use."""

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any: ...  # noqa: D102 - asyncio's own

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


@dataclass(slots=True, eq=False)
class _Count:
    """The pending counts of one account.

    ``today`` counts the messages of ``day``. It is added to the stored count of that day, or replaces it if
    ``new_day``. ``newest`` is the ``seq`` of the newest message.
    """

    received: int = 0
    sent: int = 0
    rejected: int = 0
    last_received_at: int = 0
    day: int = 0
    today: int = 0
    new_day: bool = False
    newest: int = 0

    def add(self, at: int, *, received: bool) -> None:
        """Count a copy received, or a message sent, at the time ``at``."""
        if received:
            self.received += 1
            self.last_received_at = at
        else:
            self.sent += 1
        day = at // DAY
        if self.today and day != self.day:
            self.today, self.new_day = 0, True
        self.today += 1
        self.day = day

    def merge(self, earlier: _Count) -> None:
        """Add the counts of ``earlier``."""
        self.received += earlier.received
        self.sent += earlier.sent
        self.rejected += earlier.rejected
        self.last_received_at = self.last_received_at or earlier.last_received_at
        if earlier.today and not self.new_day:
            same = self.day == earlier.day
            self.today, self.new_day = self.today + (earlier.today if same else 0), earlier.new_day or not same

    def apply_to(self, stored: Doc) -> Doc:
        """Return the document ``stored`` with these counts added."""
        new = dict(stored)
        for name in ("received", "sent", "rejected"):
            new[name] = stored.get(name, 0) + getattr(self, name)
        if self.today:
            adds = not self.new_day and stored.get("day", 0) == self.day
            new["today"] = self.today + (stored.get("today", 0) if adds else 0)
            new["day"] = self.day
        for name in ("last_received_at", "newest"):
            new[name] = getattr(self, name) or stored.get(name, 0)
        return new


CountersMark: TypeAlias = dict[str, _Count]
"""The pending counts at one time, by account; those of the whole server are under the empty string."""


class Counters:
    """Counts messages and rejections of one server, and stores the counts."""

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._loop = loop
        self._counts: CountersMark = {}
        self._timer: Any = None
        self._tasks: set[Any] = set()

    async def foreign(self, copies: Iterable[Message]) -> frozenset[str]:
        """Return the recipients of ``copies`` that are at domains not served, in the form that is compared."""
        unknown = {each.recipient_key for each in copies if not each.account}
        if not unknown:
            return frozenset()
        return frozenset(
            [each for each in unknown if not await self._store.count(Domain, name=addressing.split(each)[1])]
        )

    def count(self, copies: Iterable[Message], foreign: Collection[str]) -> None:
        """Count the stored ``copies`` of one message; ``foreign`` are its recipients at domains not served."""
        server = self._pending_of("")
        is_sent = False
        for copy in copies:
            server.newest = copy.seq
            if not copy.recipient_key:  # the copy in a Sent folder
                is_sent = True
                self._pending_of(copy.account).add(copy.received_at, received=False)
            elif copy.recipient_key in foreign:
                is_sent = True
            else:
                server.add(copy.received_at, received=True)
                if copy.account:
                    self._pending_of(copy.account).add(copy.received_at, received=True)
        if is_sent:
            server.add(copy.received_at, received=False)
        self._arm()

    def reject(self, account: str) -> None:
        """Count a refused recipient. ``account`` is the owner of its address; empty if there is no such address."""
        for each in {"", account}:
            self._pending_of(each).rejected += 1
        self._arm()

    async def read(self, account: str = "") -> Tally:
        """Return the counters of ``account``, or of the whole server, with the pending counts."""
        tally = await self._store.get(Tally, account=account) or Tally(id="", account=account)
        pending = self._counts.get(account)
        return tally if pending is None else Tally.from_doc(tally.seq, pending.apply_to(tally.to_doc()))

    async def recover(self) -> None:
        """Count the messages that the previous process stored and had not counted when it was killed."""
        server = await self._store.get(Tally, account="")
        if server is None:
            return
        uncounted = await self._store.find(Message, after=server.newest)
        if server.newest or not (server.received or server.sent):
            foreign = await self.foreign(uncounted)
            for _, copies in groupby(uncounted, lambda each: each.envelope):
                self.count(copies, foreign)
            await self.flush()
        elif uncounted:  # an older version wrote the folder, and counted each message with its delivery
            await self._store.commit([Patch(Tally, server.seq, newest=uncounted[-1].seq)])

    async def flush(self) -> None:
        """Store the pending counts. If the store fails, they stay pending."""
        self._disarm()
        counted, self._counts = self._counts, {}
        if not counted:
            return
        try:
            await self._store.commit([Update(Tally, "account", who, count.apply_to) for who, count in counted.items()])
        except StoreError:
            for account, count in self._counts.items():
                if account in counted:
                    count.merge(counted[account])
            self._counts = counted | self._counts
            self._arm()

    def mark(self) -> CountersMark:
        """Return a copy of the pending counts, for ``rewind``."""
        return {who: replace(count) for who, count in self._counts.items()}

    def rewind(self, mark: CountersMark) -> None:
        """Restore the pending counts of ``mark``. The stored ones go back with the store."""
        self._disarm()
        self._counts = {who: replace(count) for who, count in mark.items()}
        if mark:
            self._arm()

    def _pending_of(self, account: str) -> _Count:
        count = self._counts.get(account)
        if count is None:
            count = self._counts[account] = _Count()
        return count

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(PAUSE, self._flush_soon)

    def _flush_soon(self) -> None:
        task = self._loop.create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


BOUNDS: Final = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, inf)
"""The upper bounds of the buckets of ``Waits``, in seconds."""


class WaitTimes(NamedTuple):
    """How many waits took at most each of ``BOUNDS``, and the sum of their times in seconds."""

    at_most: tuple[int, ...]
    seconds: float


class Waits:
    """Counts the waits of one server by their length: those of tests, and long polls."""

    def __init__(self) -> None:
        self._counts = [0] * len(BOUNDS)
        self._seconds = 0.0
        self._lock = threading.Lock()  # waits end in the threads of tests, without a call into the server's

    def observe(self, seconds: float) -> None:
        """Count a wait that took ``seconds`` of real time. Can be called from any thread."""
        with self._lock:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def read(self) -> WaitTimes:
        """Return the times of the waits that have ended."""
        with self._lock:
            return WaitTimes(tuple(accumulate(self._counts)), self._seconds)


@dataclass(frozen=True, slots=True)
class SmtpStats:
    """Counters of mail. Deletion does not lower them.

    Attributes:
        sent: Messages sent with a login, or to a domain that is not served; one with many recipients counts once.
        received: Copies stored for recipients at the served domains.
        rejected: Refused recipients.
    """

    sent: int
    received: int
    rejected: int


@record
class ImapStats:
    """IMAP statistics: always 0, because the server has no IMAP.

    Attributes:
        connections: 0.
        commands: 0.
    """

    connections: int = 0
    commands: int = 0


@record
class ServerStats:
    """Statistics of the whole server.

    Attributes:
        uptime: Seconds since the server started, on its clock.
        users_total: The number of accounts, without the server's own and the owners of test inboxes.
        sessions_active: Open SMTP connections.
        messages_today: Copies received and messages sent since midnight UTC.
        storage_used: Bytes of all stored copies.
        smtp: Counters of mail.
        imap: Always 0.
    """

    uptime: int
    users_total: int
    sessions_active: int
    messages_today: int
    storage_used: int
    smtp: SmtpStats
    imap: ImapStats = field(default_factory=ImapStats)


@record
class AccountStats:
    """Statistics of one account with all its addresses.

    Attributes:
        messages_total: Stored copies, in all folders.
        messages_unseen: Stored copies that were not read.
        received: Copies stored for its addresses.
        sent: Messages sent with its login.
        rejected: Refused recipients that were its addresses.
        storage_used: Bytes of its stored copies.
        quota: The most bytes that it may store.
        last_received_at: When the last copy was received, in milliseconds since the epoch; 0 for never.
    """

    messages_total: int
    messages_unseen: int
    received: int
    sent: int
    rejected: int
    storage_used: int
    quota: int
    last_received_at: int


class Stats:
    """Computes the statistics of one server."""

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
            storage_used=(await self.stored()).size,
            smtp=SmtpStats(tally.sent, tally.received, tally.rejected),
        )

    async def stored(self) -> Usage:
        """Return the stored copies and their bytes, without those of deleted accounts."""
        stored = await self._store.usage()
        deleted = [await self._store.usage(each.id) for each in await self._store.find(PendingDeletion)]
        return Usage(
            stored.count - sum(each.count for each in deleted), stored.size - sum(each.size for each in deleted)
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
