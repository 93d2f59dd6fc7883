"""What is to be attempted, and when: numbers of records, never the records themselves.

1. A lane is one webhook's: what is ready waits in order, and at most ``FLYING`` attempts are under way.
2. Lanes take turns, so that none with much to do keeps another waiting.
3. What is due later waits in one heap for all, and one timer of the clock wakes it.
4. Whoever takes a number reads its record then: one that was cancelled or deleted meanwhile is nobody's work.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final

FLYING: Final = 8
"""Attempts of one webhook that may be under way at once."""


class Lane:
    """One webhook's deliveries that are due, and how many of them are under way; ``held`` ones wait for another."""

    def __init__(self) -> None:
        self.ready: deque[int] = deque()
        self.flying = 0
        self.held: deque[int] = deque()


class Queue:
    """The deliveries of all webhooks."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._later: list[tuple[int, int, str]] = []

    def lane(self, webhook: str) -> Lane:
        """Return the lane of ``webhook``."""
        return self._lanes.setdefault(webhook, Lane())

    def put(self, webhook: str, seq: int) -> None:
        """Let the delivery at ``seq`` be attempted as soon as it is its turn."""
        self.lane(webhook).ready.append(seq)

    def put_later(self, webhook: str, seq: int, due_at: int) -> None:
        """Let it be attempted at ``due_at``."""
        heapq.heappush(self._later, (due_at, seq, webhook))

    def ripen(self, now: int) -> None:
        """Make ready what is due."""
        while self._later and self._later[0][0] <= now:
            _, seq, webhook = heapq.heappop(self._later)
            self.put(webhook, seq)

    @property
    def next_due(self) -> int | None:
        """When the next of what waits is due."""
        return self._later[0][0] if self._later else None

    def take(self) -> tuple[str, int] | None:
        """Return a webhook and what is to be attempted there next, None where nothing can begin; lanes take turns."""
        for webhook, lane in self._lanes.items():
            if lane.ready and lane.flying < FLYING:
                lane.flying += 1
                self._lanes[webhook] = self._lanes.pop(webhook)
                return webhook, lane.ready.popleft()
        return None

    def landed(self, webhook: str) -> None:
        """Note that an attempt is over."""
        lane = self.lane(webhook)
        lane.flying -= 1
        if not (lane.ready or lane.flying or lane.held):
            del self._lanes[webhook]

    def busy(self) -> dict[str, int]:
        """Return how many deliveries are due or under way, by webhook."""
        found = {webhook: len(lane.ready) + lane.flying for webhook, lane in self._lanes.items()}
        return {webhook: count for webhook, count in found.items() if count}

    @property
    def idle(self) -> bool:
        """Whether nothing is due or under way."""
        return not any(lane.ready or lane.flying for lane in self._lanes.values())

    def clear(self) -> None:
        """Forget everything but what is under way."""
        self._later.clear()
        for lane in self._lanes.values():
            lane.ready.clear()
            lane.held.clear()
