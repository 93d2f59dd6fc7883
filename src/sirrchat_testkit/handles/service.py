"""Services: servers with their own thread, started and stopped by methods, ``with`` or ``async with``.

1. Starting and stopping block, so ``async with`` runs both in a worker thread. A cancelled stop still completes.
2. A forked child closes the listeners that it inherits. The parent keeps them.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Self

__tracebackhide__ = True


class Service:
    """A server that can be started and stopped. A forked child abandons the services in ``RUNNING``."""

    def start(self) -> Self:
        """Start listening; return the service."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop listening. A second call does nothing."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Close the inherited listeners. Call it in a forked child only."""
        raise NotImplementedError

    def _before_stop(self) -> None:
        """Check the running service; called when a ``with`` block ends without an error."""

    def _explain(self, error: BaseException) -> None:
        """Add to ``error`` what it may come from; called when it leaves a ``with`` block, while the service runs."""

    def _leave(self) -> None:
        """Check the stopped service; called when a ``with`` block ends without an error."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                self._before_stop()
            else:
                self._explain(error)
        finally:
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
            try:
                if error is None:
                    await anyio.to_thread.run_sync(self._before_stop)
                else:
                    await anyio.to_thread.run_sync(self._explain, error)
            finally:
                await anyio.to_thread.run_sync(self.stop)
        if error is None:
            self._leave()


RUNNING: weakref.WeakSet[Service] = weakref.WeakSet()
"""The running services of this process."""


def raise_all(what: str, errors: Sequence[BaseException]) -> None:
    """Raise a single error as itself, several as a group with the message ``what``; do nothing if there are none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(what, errors)


def _abandon_all() -> None:
    for service in tuple(RUNNING):
        service._abandon()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_abandon_all)
