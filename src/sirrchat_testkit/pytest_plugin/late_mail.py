"""Mail that arrived after the test that caused it had ended: a warning, or a failure, and a list in the summary."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.pytest_plugin.tracebacks import hide

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer

__tracebackhide__ = hide


class LateMail:
    """The late mail of a run: the lines that describe it, and how many messages each line stands for."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.failing: set[str] = set()
        """The ids of the tests with the strict check ``late``."""

    def add(self, counts: Mapping[str, int]) -> None:
        """Add ``counts``, the numbers of messages by line."""
        for line, times in counts.items():
            self.counts[line] = self.counts.get(line, 0) + times

    def report(self, server: MailServer) -> None:
        """Warn about late mail that was not reported yet, and keep it for the summary.

        Raises:
            StrictCheckFailed: The test that caused it had the strict check ``late``.
        """
        late: dict[str, int] = {}
        failing: dict[str, int] = {}
        for each, times in server._now.findings.take_late().items():  # noqa: SLF001 - counted for the report alone
            is_strict = each.scope.partition(" > ")[0] in self.failing
            (failing if is_strict else late)[str(each)] = times
        if not (late or failing):
            return
        from sirrchat_testkit import LateMailWarning, StrictCheckFailed

        self.add(late | failing)
        if late:
            warnings.warn("\n".join(_lines(late)), LateMailWarning, stacklevel=1)
        if failing:
            raise StrictCheckFailed("\n".join(_lines(failing)))

    def lines(self) -> list[str]:
        """Return the lines for the summary."""
        return _lines(self.counts)


LATE_MAIL = pytest.StashKey[LateMail]()
"""The late mail of a run, in the stash of its config."""


def _lines(counts: Mapping[str, int]) -> list[str]:
    return [line if times == 1 else f"{line} ({times} times)" for line, times in counts.items()]
