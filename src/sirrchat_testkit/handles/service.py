"""What listens in a thread of the kit, started and stopped by hand, by ``with`` or by ``async with``.

1. Starting and stopping block, so the async twins do both beside the caller's loop; a cancelled stop still stops.
2. A forked child lets go of every listener that it inherits, and of nothing else; its parent goes on with them.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Self

__tracebackhide__ = True


class Service:
    """Is started and stopped; whatever is in ``RUNNING`` is abandoned in a forked child."""

    def start(self) -> Self:
        """Listen; return the service."""
        raise NotImplementedError

    def stop(self) -> None:
        """Listen no more. Twice does nothing."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Close what a forked child has inherited. To be called there, and nowhere else."""
        raise NotImplementedError

    def _leave(self) -> None:
        """Check the stopped service; called when a ``with`` block ends without an error."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self.stop()
        if error is None:
            self._leave()

    async def __aenter__(self) -> Self:
        import anyio.to_thread

        return await anyio.to_thread.run_sync(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import anyio.to_thread

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)
        if error is None:
            self._leave()


RUNNING: weakref.WeakSet[Service] = weakref.WeakSet()
"""The services of this process that run."""


def raise_all(what: str, errors: Sequence[BaseException]) -> None:
    """Raise ``errors``: none not at all, one as itself, several as a group that is named ``what``."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(what, errors)


def _abandon_all() -> None:
    for service in tuple(RUNNING):
        service._abandon()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_abandon_all)
