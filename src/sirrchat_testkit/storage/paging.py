"""Pages of rising ids: bounded by a cursor with a bisection, cut by a slice, tested only where something is to test."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence


def span(ids: Sequence[int], after: int = 0, before: int | None = None) -> tuple[int, int]:
    """Return the places of the ``ids`` between ``after`` (0 for all) and ``before``, both exclusive."""
    start = bisect_right(ids, after) if after else 0
    stop = len(ids) if before is None else bisect_left(ids, before)
    return start, max(start, stop)


def cut(places: tuple[int, int], ids: Sequence[int], *, newest: bool, offset: int, limit: int | None) -> Sequence[int]:
    """Return the page of ``ids`` within ``places`` that skips ``offset`` and holds at most ``limit``."""
    start, stop = places
    if newest:
        stop = max(start, stop - offset)
        if limit is not None:
            start = max(start, stop - limit)
        return ids[start:stop][::-1]
    start = min(stop, start + offset)
    return ids[start : stop if limit is None else min(stop, start + limit)]


def page(
    ids: Sequence[int],
    places: tuple[int, int],
    test: Callable[[int], bool],
    *,
    newest: bool,
    offset: int,
    limit: int | None,
) -> list[int]:
    """Return the ids within ``places`` that pass ``test``, skipping ``offset`` of them and taking at most ``limit``."""
    found: list[int] = []
    if limit is not None and limit <= 0:
        return found
    order = range(*places)
    for place in reversed(order) if newest else order:
        if test(ids[place]):
            if offset > 0:
                offset -= 1
                continue
            found.append(ids[place])
            if len(found) == limit:
                break
    return found
