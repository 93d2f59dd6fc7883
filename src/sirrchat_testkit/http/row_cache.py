"""Rows of lists as JSON, kept for a while: most of a page's cost is to make the same rows again.

1. A row is kept with the record it was made from, and counts for that very record alone: a record is replaced when it
   changes, never changed. What else a row shows is compared.
2. What is kept is bounded, in number and in size; a row that is too long is made each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from aiohttp import web

from sirrchat_testkit.http.style import encode, ready
from sirrchat_testkit.records import Record

R = TypeVar("R", bound=Record)

KEPT = 4096
"""Rows that are kept at most."""

LONGEST = 1024
"""Bytes of a row that is kept at most."""


class Rows(Generic[R]):
    """Makes rows by ``shape``, which is given a record and whatever else the row shows."""

    def __init__(self, shape: Callable[..., Any]) -> None:
        self._shape = shape
        self._kept: dict[int, tuple[R, Any, bytes]] = {}

    def of(self, record: R, *more: Any) -> bytes:
        """Return the row of ``record``, as JSON."""
        kept = self._kept.get(record.seq)
        if kept is not None and kept[0] is record and kept[1] == more:
            return kept[2]
        row = encode(self._shape(record, *more))
        if len(row) <= LONGEST:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[record.seq] = record, more, row
        return row


def paged(rows: Sequence[bytes], **rest: Any) -> web.Response:
    """Return the answer whose ``data`` are ``rows``, followed by ``rest``."""
    return ready(b'{"data":[%b],%b' % (b",".join(rows), encode(rest)[1:]))
