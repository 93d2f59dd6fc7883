"""The live connections of one listener: Python's own ``Server.wait_closed`` cannot be asked for an end of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Connections(Generic[C]):
    """A set that can be waited for to be empty; ``stopping`` says that no new transaction may begin."""

    def __init__(self) -> None:
        self.stopping = False
        self._live: set[C] = set()
        self._emptied: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def add(self, connection: C) -> None:
        """Note a new connection."""
        self._live.add(connection)

    def discard(self, connection: C) -> None:
        """Note that a connection is gone."""
        self._live.discard(connection)
        if not self._live and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def emptied(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until every connection is gone; tell whether they are."""
        if self._live:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._emptied], timeout=seconds)
        return not self._live
