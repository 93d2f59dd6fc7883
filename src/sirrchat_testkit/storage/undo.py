"""Scopes: from a mark to its rewind, over the undo list of a storage.

The list is recorded only while a scope is open, so going back costs what was changed since, and not going back nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from sirrchat_testkit.storage.live import Batch, LiveStorage


class _Mark(NamedTuple):
    place: int
    next_ids: dict[str, int]


class Scopes:
    """The open marks of one storage. Ids go back with a mark only if ``reuse_ids``."""

    def __init__(self, storage: LiveStorage, *, reuse_ids: bool) -> None:
        self._storage = storage
        self._reuse_ids = reuse_ids
        self._marks: dict[int, _Mark] = {}
        self._made = 0

    def __bool__(self) -> bool:
        return bool(self._marks)

    def mark(self) -> int:
        """Open a scope and return its number."""
        self._made += 1
        self._marks[self._made] = _Mark(len(self._storage.undo), dict(self._storage.next_ids))
        self._pin()
        return self._made

    def changed_since(self, mark: int) -> Batch:
        """Return the batch that goes back to ``mark``. Raises ``ValueError`` if it is not open."""
        if mark not in self._marks:
            raise ValueError(f"scope {mark} is not open")
        return self._storage.before(self._marks[mark].place)

    def close(self, mark: int) -> None:
        """Close the scope, whose changes have just been put back, and those opened within it."""
        note = self._marks[mark]
        self._marks = {number: each for number, each in self._marks.items() if number < mark}
        self._storage.forget(note.place)
        if self._reuse_ids:
            self._storage.next_ids = note.next_ids
        self._pin()

    def _pin(self) -> None:
        self._storage.pin(min((each.place for each in self._marks.values()), default=None))
