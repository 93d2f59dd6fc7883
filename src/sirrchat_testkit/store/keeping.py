"""Keeping: which raw bytes may go, and when.

Bytes stay while at least one of these holds:

1. A stored record names them.
2. A scope is open in which they were named: a rewind may bring the record back.
3. A task kept them and may still commit the record that names them: it is alive, and it kept them not long ago.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable
from itertools import islice

PATIENCE = 60.0
"""Seconds of the loop after which a task that kept bytes is taken to have given up on them."""

_Keeper = tuple["weakref.ref[asyncio.Task[object]]", float]


class Keeping:
    """Who still needs which raw bytes. ``named`` tells whether a stored record names a digest."""

    def __init__(self, named: Callable[[str], bool]) -> None:
        self.named = named
        self._keepers: dict[str, list[_Keeper]] = {}
        self._doomed: set[str] = set()
        self._scoped: set[str] = set()

    def keep(self, digest: str) -> None:
        """Note that the running task is about to name ``digest``."""
        task = asyncio.current_task()
        assert task is not None
        self._keepers.setdefault(digest, []).append((weakref.ref(task), asyncio.get_running_loop().time()))

    def name(self, digest: str) -> None:
        """Note that a commit has named ``digest``: one who kept it needs to wait no longer."""
        keepers = self._keepers.get(digest)
        if keepers is None:
            return
        task = asyncio.current_task()
        place = next((place for place, (ref, _) in enumerate(keepers) if ref() is task), 0)
        del keepers[place]
        if not keepers:
            del self._keepers[digest]

    def doom(self, digests: Iterable[str], *, scoped: bool) -> None:
        """Note that a record stopped naming ``digests``; if ``scoped``, they stay until ``end_scopes``."""
        (self._scoped if scoped else self._doomed).update(digests)

    def end_scopes(self) -> None:
        """Note that no scope is open any more."""
        self._doomed |= self._scoped
        self._scoped.clear()
        self._give_up(len(self._keepers))

    def release(self) -> list[str]:
        """Return the bytes that nobody needs any more, and forget them."""
        # Two of those kept are looked at for each one that comes, so this does not fall behind.
        self._give_up(2)
        if not self._doomed:
            return []
        gone = self.still_free(self._doomed - self._scoped)
        self._doomed.clear()
        return gone

    def still_free(self, digests: Iterable[str]) -> list[str]:
        """Return those of ``digests`` that nobody names, or is about to."""
        return [each for each in digests if each not in self._keepers and not self.named(each)]

    def _give_up(self, most: int) -> None:
        if not self._keepers:
            return
        now = asyncio.get_running_loop().time()
        for digest in list(islice(self._keepers, most)):
            waiting = [keeper for keeper in self._keepers.pop(digest) if _may_commit(keeper, now)]
            if waiting:
                self._keepers[digest] = waiting
            else:
                self._doomed.add(digest)


def _may_commit(keeper: _Keeper, now: float) -> bool:
    ref, since = keeper
    task = ref()
    return task is not None and not task.done() and now - since < PATIENCE
