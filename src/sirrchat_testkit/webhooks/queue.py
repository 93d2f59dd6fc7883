"""What is to be attempted, and when: numbers of records, never the records themselves.

1. A ``WebhookQueue`` is one webhook's: what is ready waits in order, and at most ``IN_FLIGHT`` attempts are under way.
2. Queues take turns, so that none with much to do keeps another waiting.
3. What is due later waits in one heap for all, and one timer of the clock wakes it.
4. Whoever takes a number reads its record then: one that was cancelled or deleted meanwhile is nobody's work.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final

IN_FLIGHT: Final = 8
"""Attempts of one webhook that may be under way at once."""


class WebhookQueue:
    """One webhook's deliveries that are due, and how many of them are under way; ``held`` ones wait for another."""

    def __init__(self) -> None:
        self.ready: deque[int] = deque()
        self.in_flight = 0
        self.held: deque[int] = deque()


class Queue:
    """The deliveries of all webhooks."""

    def __init__(self) -> None:
        self._queues: dict[str, WebhookQueue] = {}
        self._later: list[tuple[int, int, str]] = []

    def of(self, webhook: str) -> WebhookQueue:
        """Return the queue of ``webhook``."""
        return self._queues.setdefault(webhook, WebhookQueue())

    def put(self, webhook: str, seq: int) -> None:
        """Let the delivery at ``seq`` be attempted as soon as it is its turn."""
        self.of(webhook).ready.append(seq)

    def put_later(self, webhook: str, seq: int, due_at: int) -> None:
        """Let it be attempted at ``due_at``."""
        heapq.heappush(self._later, (due_at, seq, webhook))

    def promote_due(self, now: int) -> None:
        """Make ready what is due."""
        while self._later and self._later[0][0] <= now:
            _, seq, webhook = heapq.heappop(self._later)
            self.put(webhook, seq)

    @property
    def next_due(self) -> int | None:
        """When the next of what waits is due."""
        return self._later[0][0] if self._later else None

    def take(self) -> tuple[str, int] | None:
        """Return a webhook and what is to be attempted there next, None where nothing can begin; queues take turns."""
        for webhook, queue in self._queues.items():
            if queue.ready and queue.in_flight < IN_FLIGHT:
                queue.in_flight += 1
                self._queues[webhook] = self._queues.pop(webhook)
                return webhook, queue.ready.popleft()
        return None

    def finished(self, webhook: str) -> None:
        """Note that an attempt is over."""
        queue = self.of(webhook)
        queue.in_flight -= 1
        if not (queue.ready or queue.in_flight or queue.held):
            del self._queues[webhook]

    def busy(self) -> dict[str, int]:
        """Return how many deliveries are due or under way, by webhook."""
        found = {webhook: len(queue.ready) + queue.in_flight for webhook, queue in self._queues.items()}
        return {webhook: count for webhook, count in found.items() if count}

    @property
    def idle(self) -> bool:
        """Whether nothing is due or under way."""
        return not any(queue.ready or queue.in_flight for queue in self._queues.values())

    def clear(self) -> None:
        """Forget everything but what is under way."""
        self._later.clear()
        for queue in self._queues.values():
            queue.ready.clear()
            queue.held.clear()
