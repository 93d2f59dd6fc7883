"""How much of the loop webhooks may take: all of it when it is idle, a share of it while mail arrives.

1. Work is paid for from a purse, in seconds of the loop's time. The purse is small, so that a single message is told
   of at once, and fills by ``SHARE`` of the time that passes.
2. While no mail has arrived for ``QUIET`` seconds nothing needs to be paid.
3. Times are real.
"""

from __future__ import annotations

import time
from typing import Final

SHARE: Final = 0.2
"""Of the loop's time, while mail arrives."""

PURSE: Final = 0.04
"""Seconds of the loop's time that may be spent at once."""

QUIET: Final = 0.1
"""Seconds without mail after which nothing is held back."""

_monotonic = time.clock_gettime


class Pace:
    """What work may cost at the moment."""

    def __init__(self) -> None:
        self._last_mail = -QUIET
        self._held = PURSE
        self._counted = self._now()

    def mail(self) -> None:
        """Note that mail has arrived."""
        self._last_mail = self._now()

    def pay(self, seconds: float) -> None:
        """Note that work has cost ``seconds`` of the loop's time, or is going to."""
        self._fill()
        self._held -= seconds

    def wait(self) -> float:
        """Return in how many seconds there is room for more work; 0 for now."""
        now = self._now()
        if now - self._last_mail >= QUIET:
            return 0.0
        self._fill()
        return min(max(-self._held / SHARE, 0.0), QUIET)

    def _fill(self) -> None:
        now = self._now()
        self._held = min(self._held + (now - self._counted) * SHARE, PURSE)
        self._counted = now

    def _now(self) -> float:
        return _monotonic(time.CLOCK_MONOTONIC)
