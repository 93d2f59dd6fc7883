"""Retention: which messages and webhook deliveries are dropped, so that the limits of the settings hold.

1. ``max_messages`` limits the number of messages, and that of webhook deliveries. ``max_bytes`` limits the bytes of
   both together: of each copy of a message, and of the text of each delivery. ``max_age`` limits the age of messages.
2. The oldest are dropped first, in the commit that would exceed a limit. A message is dropped with its deliveries.
3. Some are kept beyond the limits: the copies of the latest message, unless they are too old; messages until their
   webhook deliveries are made; and pending deliveries.
4. Dropping many at once is cheaper. So once a limit is exceeded, up to ``MORE`` more records are dropped, down to 99 %
   of the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, NamedTuple, TypeVar

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.deletion import Deletion
from sirrchat_testkit.domain.models import Delivery, Message
from sirrchat_testkit.domain.store import Change, Delete, Store
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas.webhook_events import CANCELLED, DELIVERED, FAILED, PENDING
from sirrchat_testkit.settings import CurrentSettings

MORE: Final = 64
"""Records that are dropped beyond those that exceed a limit, at most."""

_READ = 64  # records that are read at once

R = TypeVar("R", bound=Record)


class Dropped(NamedTuple):
    """The messages to drop, and the changes that drop them and the webhook deliveries."""

    messages: Sequence[Message] = ()
    changes: Sequence[Change] = ()


@dataclass(slots=True)
class _Load:
    """Numbers and bytes of records: of the stored ones, or a limit."""

    messages: float
    deliveries: float
    size: float

    def fits(self, limit: _Load) -> bool:
        """Return whether no number exceeds that of ``limit``."""
        return self.messages <= limit.messages and self.deliveries <= limit.deliveries and self.size <= limit.size


class _Oldest(Generic[R]):
    """Reads records one by one, the oldest first. ``read`` takes the ``seq`` before them and their number."""

    def __init__(self, read: Callable[[int, int], Awaitable[list[R]]]) -> None:
        self._read = read
        self._records: deque[R] = deque()
        self._after = 0
        self._limit = 1  # the oldest record is enough if it stays

    async def first(self) -> R | None:
        """Return the first record that was not removed, or None."""
        if not self._records:
            self._records.extend(await self._read(self._after, self._limit))
            self._limit = _READ
        return self._records[0] if self._records else None

    def remove(self) -> None:
        """Remove the first record."""
        self._after = self._records.popleft().seq


class Retention:
    """Selects the records to drop.

    ``handed_over`` returns the ``seq`` of the last message whose webhook deliveries are made, or None if there is no
    webhook. The sender of webhooks sets it.
    """

    def __init__(self, store: Store, clock: Clock, settings: CurrentSettings, deletion: Deletion) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._deletion = deletion
        self.handed_over: Callable[[], int | None] = lambda: None

    @property
    def bounded(self) -> bool:
        """Whether the settings limit messages, bytes or age."""
        settings = self._settings.value
        return bool(settings.max_messages or settings.max_bytes or settings.max_age)

    async def make_room(
        self, *, messages: int = 0, deliveries: int = 0, size: int = 0, handed_over: int | None = None
    ) -> Dropped:
        """Select what to drop so that new records fit the limits. The caller commits the changes.

        Args:
            messages: The number of new messages.
            deliveries: The number of new webhook deliveries.
            size: The bytes of all new records together.
            handed_over: The ``seq`` of the last message whose webhook deliveries this commit makes.
        """
        settings = self._settings.value
        if not self.bounded:
            return Dropped()
        usage = await self._store.usage()
        load = _Load(
            usage.count + messages,
            await self._store.count(Delivery) + deliveries,
            usage.size + await self._store.delivery_bytes() + size,
        )
        limit = _limit(settings.max_messages, settings.max_bytes)
        if load.fits(limit) and not settings.max_age:
            return Dropped()
        horizon = self._clock.now() - settings.max_age * 1000 if settings.max_age else -1
        last = self.handed_over() if handed_over is None else handed_over
        newest = [] if messages else await self._store.find(Message, newest=True, limit=1)
        selection = _Selection(self._store, load, horizon, last, newest[0].envelope if newest else "")
        exceeded = not load.fits(limit)
        await selection.reach(limit)
        if exceeded:
            lower = _limit(*(each - each // 100 for each in (settings.max_messages, settings.max_bytes)))
            await selection.reach(lower, most=MORE)
        changes = await self._deletion.removal(selection.messages)
        return Dropped(selection.messages, [*changes, *[Delete(Delivery, seq) for seq in selection.deliveries]])


def _limit(messages: int, size: int) -> _Load:
    """Return the greatest load that is allowed. 0 stands for no limit."""
    return _Load(messages or inf, messages or inf, size or inf)


class _Selection:
    """The records to drop, selected one after the other, and the load without them.

    Messages received up to ``horizon`` are too old. Those after ``last``, if it is not None, are kept, and those of the
    envelope ``latest`` unless they are too old.
    """

    def __init__(self, store: Store, load: _Load, horizon: int, last: int | None, latest: str) -> None:
        self.messages: list[Message] = []
        self.deliveries: set[int] = set()
        self._store = store
        self._load = load
        self._horizon = horizon
        self._last = last
        self._latest = latest
        self._stored = _Oldest(lambda after, limit: store.find(Message, after=after, limit=limit))
        self._finished = _Oldest(self._read_finished)

    async def reach(self, limit: _Load, most: float = inf) -> None:
        """Select records until ``limit`` is reached, at most ``most``."""
        count = 0
        while count < most and (record := await self._next(limit)) is not None:
            count += 1
            if isinstance(record, Delivery):
                self._drop(record)
                continue
            self.messages.append(record)
            self._stored.remove()
            self._load.messages -= 1
            self._load.size -= record.size
            if self._load.deliveries:
                for each in await self._store.find(Delivery, {"message": record.id}):
                    if each.status != PENDING and each.seq not in self.deliveries:
                        self._drop(each)

    async def _next(self, limit: _Load) -> Message | Delivery | None:
        """Return the next record to drop, or None."""
        load, message, delivery = self._load, await self._stored.first(), None
        too_old = message is not None and message.received_at <= self._horizon
        if message is not None and not self._may_drop(message, too_old=too_old):
            message = None
        if message is not None and (too_old or load.messages > limit.messages):
            return message
        if load.deliveries > limit.deliveries or load.size > limit.size:
            delivery = await self._first_finished()
        if delivery is not None and load.deliveries > limit.deliveries:
            return delivery
        if load.size <= limit.size:
            return None
        if message is None or delivery is None:
            return message or delivery
        return delivery if delivery.created_at < message.received_at else message

    def _may_drop(self, message: Message, *, too_old: bool) -> bool:
        if self._last is not None and message.seq > self._last:
            return False
        return too_old or message.envelope != self._latest

    def _drop(self, delivery: Delivery) -> None:
        self.deliveries.add(delivery.seq)
        self._load.deliveries -= 1
        self._load.size -= len((delivery.request_body or "").encode())

    async def _first_finished(self) -> Delivery | None:
        while (first := await self._finished.first()) is not None and first.seq in self.deliveries:
            self._finished.remove()
        return first

    async def _read_finished(self, after: int, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        for status in (DELIVERED, FAILED, CANCELLED):
            found += await self._store.find(Delivery, {"status": status}, after=after, limit=limit)
        return sorted(found, key=lambda each: each.seq)[:limit]
