"""The queue of deliveries, and their attempts: call the webhook, store the outcome, schedule the next attempt.

1. Each webhook has a ``WebhookQueue`` of delivery ids, with at most ``IN_FLIGHT`` attempts at a time. Queues take
   turns. Deliveries that are due later wait in one heap, and one timer of the clock wakes it.
2. A delivery is read when its turn comes. It is skipped if it was cancelled or deleted in the meantime.
3. The outcome is one commit and one event.
4. A failed attempt is repeated 1, 5 and 25 seconds after its end, on the server's clock; then the delivery has failed.
   A target that is not allowed is not called again.
5. Planned faults apply at stage ``queue``, once for each delivery, and at stage ``send``, for each attempt.
6. ``client``, and aiohttp with it, is imported for the first attempt: a server without webhooks never loads it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Patch
from sirrchat_testkit.faults.webhook import WEBHOOK, CallContext, CallDecision
from sirrchat_testkit.schemas.webhook_events import CANCELLED, DELIVERED, FAILED, PENDING
from sirrchat_testkit.threads import import_in_thread
from sirrchat_testkit.webhooks.calls import EVENT, call

if TYPE_CHECKING:
    from sirrchat_testkit.webhooks.client import Outcome, Sender

IN_FLIGHT: Final = 8
"""Attempts of one webhook in progress at once, at most."""


class WebhookQueue:
    """One webhook's due deliveries, and how many are in progress. Those in ``held`` wait until another one is sent."""

    def __init__(self) -> None:
        self.ready: deque[int] = deque()
        self.in_flight = 0
        self.held: deque[int] = deque()


class Queue:
    """The pending deliveries of all webhooks."""

    def __init__(self) -> None:
        self._queues: dict[str, WebhookQueue] = {}
        self._later: list[tuple[int, int, str]] = []

    def of(self, webhook: str) -> WebhookQueue:
        """Return the queue of ``webhook``."""
        return self._queues.setdefault(webhook, WebhookQueue())

    def put(self, webhook: str, seq: int) -> None:
        """Add the delivery at ``seq``; it is due now."""
        self.of(webhook).ready.append(seq)

    def put_later(self, webhook: str, seq: int, due_at: int) -> None:
        """Add the delivery at ``seq``; it is due at ``due_at``."""
        heapq.heappush(self._later, (due_at, seq, webhook))

    def promote_due(self, now: int) -> None:
        """Move deliveries that are due by ``now`` to the queues of their webhooks."""
        while self._later and self._later[0][0] <= now:
            _, seq, webhook = heapq.heappop(self._later)
            self.put(webhook, seq)

    @property
    def next_due(self) -> int | None:
        """The time at which the next delivery is due, or None."""
        return self._later[0][0] if self._later else None

    def take(self) -> tuple[str, int] | None:
        """Remove and return the next delivery to attempt, with its webhook, or None. Webhooks take turns."""
        for webhook, queue in self._queues.items():
            if queue.ready and queue.in_flight < IN_FLIGHT:
                queue.in_flight += 1
                self._queues[webhook] = self._queues.pop(webhook)
                return webhook, queue.ready.popleft()
        return None

    def finished(self, webhook: str) -> None:
        """Note that an attempt has ended."""
        queue = self.of(webhook)
        queue.in_flight -= 1
        if not (queue.ready or queue.in_flight or queue.held):
            del self._queues[webhook]

    def busy(self) -> dict[str, int]:
        """Return the number of deliveries that are due or in progress for each webhook."""
        found = {webhook: len(queue.ready) + queue.in_flight for webhook, queue in self._queues.items()}
        return {webhook: count for webhook, count in found.items() if count}

    @property
    def idle(self) -> bool:
        """Whether no delivery is due or in progress."""
        return not any(queue.ready or queue.in_flight for queue in self._queues.values())

    def clear(self) -> None:
        """Remove all deliveries except those in progress."""
        self._later.clear()
        for queue in self._queues.values():
            queue.ready.clear()
            queue.held.clear()


RETRIES: Final = (1000, 5000, 25_000)
"""Milliseconds of the server's clock from the end of a failed attempt to the next one."""


class Attempts:
    """Makes attempts and stores their outcomes."""

    def __init__(self, services: Services, queue: Queue) -> None:
        self._store = services.store
        self._clock = services.clock
        self._events = services.events
        self._delivery = services.delivery
        self._faults = services.faults.of(WEBHOOK)
        self._queue = queue
        self._settings = services.settings
        self._sender: Sender | None = None
        self._loading = asyncio.Lock()
        self._urls: dict[str, str] = {}
        self._put_off: set[int] = set()
        self._requested_again: set[int] = set()

    def is_due(self, delivery: Delivery) -> bool:
        """Return whether ``delivery`` is pending and due."""
        return delivery.status == PENDING and delivery.due_at <= self._clock.now()

    def url_of(self, webhook: str) -> str:
        """Return the URL that ``webhook`` was last called at, or the word ``webhooks`` if it is unknown."""
        return self._urls.get(webhook, "webhooks")

    def request(self, delivery: Delivery, *, in_flight: bool) -> None:
        """Attempt ``delivery`` again, after the attempt in progress if there is one."""
        if in_flight:
            self._requested_again.add(delivery.seq)
        else:
            self._queue.put(delivery.webhook, delivery.seq)

    def forget(self) -> None:
        """Forget which deliveries were postponed or requested again, and the URLs."""
        self._urls.clear()
        self._put_off.clear()
        self._requested_again.clear()

    async def close(self) -> None:
        """Close the connections."""
        if self._sender is not None:
            await self._sender.close()

    async def make(self, delivery: Delivery) -> None:
        """Attempt ``delivery`` once, or twice if a fault duplicates it."""
        webhook = await self._store.get(Webhook, id=delivery.webhook)
        if webhook is None or not webhook.enabled:
            await self._store.commit([Patch(Delivery, delivery.seq, status=CANCELLED, due_at=0)])
            return
        self._urls[webhook.id] = webhook.url
        if await self._put_off_by_fault(webhook, delivery):
            return
        decision = await self._decide("send", webhook, delivery)
        await self._attempt(webhook, delivery, decision.tampering)
        if decision.duplicate:
            await self._attempt(webhook, delivery, "")
        self._release(webhook.id)

    async def _attempt(self, webhook: Webhook, delivery: Delivery, tampering: str) -> None:
        sender = await self._ready_sender()
        began = self._clock.now()
        outgoing = call(
            delivery.event,
            delivery.id,
            _text(delivery),
            secret=webhook.secret,
            tampering=tampering,
        )
        outcome = await sender.send(webhook.url, outgoing)
        current = await self._store.get(Delivery, seq=delivery.seq)
        if current is None or current.id != delivery.id:
            return
        changed = self._after(current, outcome, began)
        await self._store.commit(
            [
                Patch(
                    Delivery,
                    current.seq,
                    status=changed.status,
                    attempts=changed.attempts,
                    due_at=changed.due_at,
                    tries=changed.tries,
                )
            ]
        )
        self._report(webhook, changed, outcome, began)
        if changed.status == PENDING:
            self._queue.put_later(webhook.id, changed.seq, changed.due_at)
        else:
            await self._delivery.apply_limits()

    async def _ready_sender(self) -> Sender:
        async with self._loading:  # keeps the order of the attempts
            if self._sender is None:
                self._sender = (await import_in_thread(_sender_class))(self._settings)
            return self._sender

    def _after(self, delivery: Delivery, outcome: Outcome, began: int) -> Delivery:
        """Return ``delivery`` updated with the ``outcome`` of an attempt."""
        entry: dict[str, Any] = {
            "at": began,
            "http_status": outcome.status,
            "error": outcome.error,
            "duration_ms": outcome.duration_ms,
        }
        delivery = replace(delivery, attempts=(*delivery.attempts, entry), tries=delivery.tries + 1, due_at=0)
        if delivery.seq in self._requested_again:
            self._requested_again.discard(delivery.seq)
            if delivery.request_body is None:
                return delivery
            return replace(delivery, status=PENDING, tries=0, due_at=self._clock.now())
        if delivery.status in {CANCELLED, DELIVERED}:
            return delivery
        if outcome.success:
            return replace(delivery, status=DELIVERED)
        if outcome.final or delivery.tries > len(RETRIES):
            return replace(delivery, status=FAILED)
        return replace(delivery, due_at=self._clock.now() + RETRIES[delivery.tries - 1])

    def _report(self, webhook: Webhook, delivery: Delivery, outcome: Outcome, began: int) -> None:
        self._events.append(
            DeliveryAttempted(
                at=began,
                delivery=delivery.id,
                webhook=webhook.id,
                url=webhook.url,
                event=delivery.event,
                number=len(delivery.attempts),
                status=outcome.status,
                error=outcome.error,
                reason=outcome.reason,
                duration_ms=outcome.duration_ms,
                request=outcome.request,
                response=outcome.response,
                outcome=delivery.status,
                due_at=delivery.due_at,
            )
        )

    async def _put_off_by_fault(self, webhook: Webhook, delivery: Delivery) -> bool:
        """Postpone ``delivery`` if a fault requires it: until another one is sent, or to a later time."""
        if delivery.tries or delivery.due_at or delivery.seq in self._put_off:
            self._put_off.discard(delivery.seq)
            return False
        decision = await self._decide("queue", webhook, delivery)
        if not (decision.hold or decision.delay):
            return False
        self._put_off.add(delivery.seq)
        if decision.hold:
            self._queue.of(webhook.id).held.append(delivery.seq)
            return True
        due_at = self._clock.now() + round(decision.delay * 1000)
        await self._store.commit([Patch(Delivery, delivery.seq, due_at=due_at)])
        self._queue.put_later(webhook.id, delivery.seq, due_at)
        return True

    def _release(self, webhook: str) -> None:
        queue = self._queue.of(webhook)
        while queue.held:
            queue.ready.appendleft(queue.held.pop())

    async def _decide(self, stage: str, webhook: Webhook, delivery: Delivery) -> CallDecision:
        headers = {EVENT: delivery.event}
        body = _text(delivery).encode()
        return await self._faults.decide(CallContext(stage, webhook.url, headers, body, len(delivery.attempts) + 1))


def _text(delivery: Delivery) -> str:
    assert delivery.request_body is not None, "a pending delivery has a text"
    return delivery.request_body


def _sender_class() -> type[Sender]:
    from sirrchat_testkit.webhooks.client import Sender

    return Sender
