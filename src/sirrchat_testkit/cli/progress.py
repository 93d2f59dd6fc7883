"""A progress bar on the terminal, for work that takes a while; there is none if stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import Final, Self

from sirrchat_testkit.formatting import counted

_WIDTH: Final = 30
_INTERVAL: Final = 0.1
"""Seconds between two pictures of the bar."""


class Progress:
    """Shows how much of ``total`` is done, until the end of a ``with`` block.

    Args:
        total: The size of the work, in any unit.
        what: What is counted beside the bar, in the singular.
    """

    def __init__(self, total: int, what: str) -> None:
        self._total = max(total, 1)
        self._what = what
        self._shown = sys.stderr.isatty()
        self._next = 0.0
        self._last = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw(*self._last)
            sys.stderr.write("\n")

    def update(self, done: int, count: int) -> None:
        """Show that ``done`` of the total is done, which was ``count`` messages or the like."""
        self._last = done, count
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._draw(done, count)

    def line(self, text: str) -> None:
        """Print a line to stderr, above the bar."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._next = 0.0
        print(text, file=sys.stderr)

    def _draw(self, done: int, count: int) -> None:
        part = min(done / self._total, 1.0)
        bar = "#" * int(part * _WIDTH)
        sys.stderr.write(f"\r\x1b[K{part:4.0%} [{bar:{_WIDTH}}] {counted(count, self._what)}")
        sys.stderr.flush()
