"""Counters that deletion must not lower: what was received, sent and rejected, by account and in all.

1. What was received and sent is counted in the delivery's own commit: there is no mail that is not counted.
2. Rejections are counted in a commit of their own, at most one in ``PAUSE``, and before the server closes; until then
   they are pending, and whoever reads the counters adds them. So a flood of them costs the disk nothing.
3. A rejection is one recipient that was refused. It counts in the account whose address that is, if it is one's.
4. A day is one of UTC, on the kit's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.clock import Clock
from sirrchat_testkit.core.errors import StoreError
from sirrchat_testkit.core.models import SENT, Address, Message, Tally
from sirrchat_testkit.core.store import Change, Patch, Store

PAUSE = 1.0
"""Seconds of real time from a rejection to the commit that counts it."""

DAY = 86_400_000
"""Milliseconds."""


class Loop(Protocol):
    """What counting needs of an event loop."""

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any: ...  # noqa: D102 - asyncio's own

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


class Tallies:
    """The counters of one server, on a store."""

    def __init__(self, store: Store, clock: Clock, loop: Loop) -> None:
        self._store = store
        self._clock = clock
        self._loop = loop
        self._rejected: Counter[str] = Counter()
        self._timer: Any = None
        self._tasks: set[Any] = set()

    async def counting(self, copies: Sequence[Message]) -> list[Change]:
        """Return what counts the delivery of ``copies``, as changes for its commit."""
        now = self._clock.now()
        inbound = Counter(copy.account for copy in copies if copy.account and copy.folder != SENT)
        submitted = {copy.account for copy in copies if copy.folder == SENT}
        received = inbound.total()
        changes = [
            await self._add(account, now, received=inbound[account], sent=account in submitted)
            for account in dict.fromkeys([*inbound, *submitted])
        ]
        changes.append(await self._add("", now, received=received, sent=len(copies) - received - len(submitted)))
        return [change for change in changes if change is not None]

    def reject(self, recipient: str) -> None:
        """Count that mail for ``recipient`` was refused."""
        self._rejected[addressing.key(recipient)] += 1
        if self._timer is None:
            self._timer = self._loop.call_later(PAUSE, self._flush_soon)

    async def read(self, account: str = "") -> Tally:
        """Return the counters of ``account``, or of the whole server, with the rejections that are pending."""
        tally = await self._store.get(Tally, account=account) or Tally(id="", account=account)
        pending = (await self._pending()).get(account, 0)
        return tally if not pending else Tally(**_values(tally) | {"rejected": tally.rejected + pending})

    async def flush(self) -> None:
        """Count the rejections that are pending; where the store cannot, they stay pending."""
        self._disarm()
        if not self._rejected:
            return
        now = self._clock.now()
        changes = [await self._add(who, now, rejected=count) for who, count in (await self._pending()).items()]
        counted, self._rejected = self._rejected, Counter()
        try:
            await self._store.commit([change for change in changes if change is not None])
        except StoreError:
            self._rejected.update(counted)

    def forget(self) -> None:
        """Drop what is pending: the scope that it happened in is over."""
        self._disarm()
        self._rejected.clear()

    async def _pending(self) -> Counter[str]:
        """Return the pending rejections of each account, those of the whole server under ``""``."""
        found: Counter[str] = Counter()
        for key, count in self._rejected.items():
            found[""] += count
            address = await self._store.get(Address, key=key)
            if address is not None:
                found[address.account] += count
        return found

    async def _add(
        self, account: str, now: int, *, received: int = 0, sent: int = 0, rejected: int = 0
    ) -> Change | None:
        tally = await self._store.get(Tally, account=account)
        if tally is None:
            return None
        fields: dict[str, Any] = {}
        if received or sent:
            today = now // DAY
            fields = {
                "received": tally.received + received,
                "sent": tally.sent + sent,
                "day": today,
                "today": received + sent + (tally.today if tally.day == today else 0),
            }
        if received:
            fields["last_received_at"] = now
        if rejected:
            fields["rejected"] = tally.rejected + rejected
        return Patch(Tally, tally.seq, **fields)

    def _flush_soon(self) -> None:
        task = self._loop.create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _values(tally: Tally) -> dict[str, Any]:
    return {"seq": tally.seq, **tally.to_doc()}
