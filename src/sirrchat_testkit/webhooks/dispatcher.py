"""The sender of webhooks: it follows the event log and attempts due deliveries.

1. Pending deliveries are records; only attempts in progress are tasks. One task starts them, and one timer of the
   server's clock wakes it for deliveries that are due later.
2. The first attempts of a webhook start in the order of arrival, up to eight at once. Webhooks take turns.
3. While mail arrives, receiving has priority: after ``AT_ONCE`` attempts, one starts every ``SPACING`` seconds.
4. An attempt reads its delivery and its webhook when it starts. So it notices if they were cancelled, disabled,
   deleted or changed, and the dispatcher need not be notified.
5. Moving the clock waits until no delivery is due, and so does ``settle``. Deliveries that are due later do not count.
6. The end of a scope removes its deliveries: their attempts are cancelled, and the remaining deliveries are read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from sirrchat_testkit.domain.clock import Due
from sirrchat_testkit.domain.events import DeliveryRequested, Event, MessageReceived, MessageSent, WebhookAdded
from sirrchat_testkit.domain.models import Delivery
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.schemas.webhook_events import PENDING
from sirrchat_testkit.webhooks.attempts import Attempts, Queue
from sirrchat_testkit.webhooks.outbox import Outbox

STEP: Final = 8
"""The maximum number of messages to hand over, and of attempts to start, in one step."""

SPACING: Final = 0.005
"""Seconds of real time between attempts while mail arrives; an attempt occupies the loop for a fifth of that."""

AT_ONCE: Final = 40
"""Attempts that may start without spacing while mail arrives."""

QUIET: Final = 0.1
"""Seconds of real time without mail after which attempts are no longer spaced."""

STORE_PAUSE: Final = 1.0
"""Seconds of real time until the next step after an error of the store."""

STORE_RETRY: Final = 1000
"""Milliseconds of the server's clock until an attempt is repeated because its outcome could not be stored."""

_PENDING_AT_ONCE: Final = 500

_monotonic = time.clock_gettime


@dataclass(frozen=True, slots=True)
class _Running:
    delivery: str
    task: asyncio.Task[None]


_MAIL = (MessageReceived, MessageSent)


class Dispatcher:
    """Sends the webhooks of one server."""

    def __init__(self, services: Services) -> None:
        self.outbox = Outbox(services)
        self._services = services
        self._queue = Queue()
        self._attempts = Attempts(services, self._queue)
        self._last_mail = self._next_start = 0.0
        self._wake = asyncio.Event()
        self._changes: set[asyncio.Future[None]] = set()
        self._in_flight: dict[int, _Running] = {}
        self._timer: Due | None = None
        self._resuming = True
        self._stuck = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        """Send until the context is left. Deliveries still pending then continue when the store is opened again."""
        unsubscribe = self._services.events.subscribe(self._on_event, self._concerns_webhooks)
        self._services.clock.hold(self.wait_until_idle)
        self._services.sessions.watch(self.busy)
        self._services.scopes.join(self)
        runner = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            unsubscribe()
            await _end([runner, *(each.task for each in self._in_flight.values())])
            await self._attempts.close()

    async def wait_until_idle(self) -> None:
        """Wait until no delivery is due or in progress."""
        while self._is_busy():
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changes.add(change)
            await change

    async def finished(self, delivery: str) -> None:
        """Wait until no attempt of ``delivery`` is in progress."""
        if tasks := [each.task for each in self._in_flight.values() if each.delivery == delivery]:
            await asyncio.wait(tasks)

    def busy(self) -> list[Activity]:
        """Return the work that is due or in progress."""
        if not self._is_busy():
            return []
        waiting = self._queue.busy() or {"": 0}
        return [Activity(self._attempts.url_of(each), _work(count)) for each, count in waiting.items()]

    def mark(self) -> None:
        """Do nothing: all state is in the store."""

    def end(self, mark: None) -> None:
        """Do nothing: ``rewind`` cancels attempts, once the store was rewound."""

    async def rewind(self, mark: None) -> None:  # noqa: ARG002 - all state is in the store
        """Cancel attempts of deliveries that are gone, and read the others from the store."""
        self._attempts.forget()
        gone = []
        for seq, running in self._in_flight.items():
            found = await self._services.store.get(Delivery, seq=seq)
            if found is None or found.id != running.delivery:
                gone.append(running.task)
        await _end(gone)
        if self._timer is not None:  # the clock has dropped it
            self._timer.cancel()
            self._timer = None
        await self._resume()
        self._wake.set()

    def _concerns_webhooks(self, event: Event) -> bool:
        if isinstance(event, _MAIL):
            self.outbox.note_stored(event.message)
            return self.outbox.behind
        if isinstance(event, WebhookAdded):
            self.outbox.no_webhooks = False
        return isinstance(event, DeliveryRequested)

    def _on_event(self, _number: int, event: Event) -> None:
        if isinstance(event, _MAIL):
            self._last_mail = _now()
            self._wake.set()
        elif isinstance(event, DeliveryRequested):
            self._attempts.request(event.delivery, in_flight=event.delivery.seq in self._in_flight)
            self._wake.set()

    async def _run(self) -> None:
        await self._resume()
        with contextlib.suppress(StoreError):  # then the next message applies the limits
            await self._services.delivery.apply_limits()
        while True:
            try:
                await self._step()
                self._stuck = False
            except StoreError:
                self._stuck = True
                self._notify_if_idle()
                await asyncio.sleep(STORE_PAUSE)
            except Exception as error:  # noqa: BLE001 - a bug must not end all webhooks
                self._services.crashed("making webhook deliveries of mail", error)

    async def _step(self) -> None:
        now = _now()
        if (pause := self._next_start - AT_ONCE * SPACING - now) > 0:
            await asyncio.sleep(pause)
            return
        if self.outbox.behind:
            for made in await self.outbox.step(STEP):
                self._queue.put(made.webhook, made.seq)
        started = await self._start()
        if now - self._last_mail < QUIET:
            self._next_start = max(self._next_start, now) + started * SPACING
        if started or self.outbox.behind:
            await asyncio.sleep(0)
            return
        self._set_timer()
        self._notify_if_idle()
        self._wake.clear()
        await self._wake.wait()

    async def _start(self) -> int:
        self._queue.promote_due(self._services.clock.now())
        for count in range(STEP):
            taken = self._queue.take()
            if taken is None:
                return count
            webhook, seq = taken
            delivery = await self._services.store.get(Delivery, seq=seq)
            if delivery is None or seq in self._in_flight or not self._attempts.is_due(delivery):
                self._queue.finished(webhook)
                continue
            task = asyncio.create_task(self._attempt(delivery))
            task.add_done_callback(functools.partial(self._attempt_ended, delivery))
            self._in_flight[seq] = _Running(delivery.id, task)
        return STEP

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            await self._attempts.make(delivery)
        except StoreError:  # it stays pending and is attempted again
            self._queue.put_later(delivery.webhook, delivery.seq, self._services.clock.now() + STORE_RETRY)
        except Exception as error:  # noqa: BLE001 - a bug must not end all webhooks
            self._services.crashed("calling a webhook", error)

    def _attempt_ended(self, delivery: Delivery, _: asyncio.Task[None]) -> None:
        """Note the end of an attempt, even if it was cancelled before its first step."""
        self._in_flight.pop(delivery.seq, None)
        self._queue.finished(delivery.webhook)
        self._set_timer()
        self._wake.set()

    async def _resume(self) -> None:
        """Read pending deliveries from the store, then the messages that were not handed over yet."""
        self._resuming = True
        self._queue.clear()
        after = 0
        now = self._services.clock.now()
        while found := await self._services.store.find(
            Delivery, {"status": PENDING}, after=after, limit=_PENDING_AT_ONCE
        ):
            for each in found:
                if each.due_at <= now:
                    self._queue.put(each.webhook, each.seq)
                else:
                    self._queue.put_later(each.webhook, each.seq, each.due_at)
            after = found[-1].seq
        await self.outbox.resume()
        self._resuming = False
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer to the next due delivery."""
        due = self._queue.next_due
        if self._timer is not None:
            if self._timer.at == due and not self._timer.cancelled:
                return
            self._timer.cancel()
        self._timer = None if due is None else self._services.clock.at(due, self._on_timer)

    async def _on_timer(self) -> None:
        self._timer = None
        self._queue.promote_due(self._services.clock.now())
        self._set_timer()
        self._wake.set()

    def _is_busy(self) -> bool:
        if self._stuck:
            return False
        return self._resuming or self.outbox.behind or bool(self._in_flight) or not self._queue.idle

    def _notify_if_idle(self) -> None:
        if not self._is_busy():
            self._services.sessions.changed()
            for change in self._changes:
                if not change.done():
                    change.set_result(None)
            self._changes.clear()


def _now() -> float:
    return _monotonic(time.CLOCK_MONOTONIC)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _work(count: int) -> str:
    if not count:
        return "webhook deliveries are being made of mail"
    return f"{count} webhook {'delivery is' if count == 1 else 'deliveries are'} due or in progress"
