"""Work that is done in the very step of the loop in which it is asked for.

A command that need not wait is answered where its bytes arrived: no task is woken for it, which saves a turn of the
loop for each. What does wait goes on in the connection's own task, and is that task to everybody who asks from its
first step on, so time limits and cancelling work as ever (https://docs.python.org/3/library/asyncio-extending.html).
"""

from __future__ import annotations

import asyncio
import functools
import types
from asyncio import tasks
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any


class Steps:
    """Runs coroutines one after the other; calls ``flush`` in the same step before each suspension and at each end.

    ``waiting`` says that one is under way that had to wait.
    """

    __slots__ = ("_flush", "_loop", "_parked", "_rest", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._loop = loop
        self._flush = flush
        self.waiting = False
        self._rest: Awaitable[None] | None = None
        self._parked: asyncio.Future[None] | None = None

    def run(self, work: Coroutine[Any, Any, None], task: asyncio.Task[Any]) -> None:
        """Run ``work`` as far as it gets without waiting; the rest is for ``carry_on``, which runs in ``task``."""
        tasks._enter_task(self._loop, task)  # noqa: SLF001 - documented for whoever runs coroutines
        try:
            awaited = work.send(None)
        except StopIteration:
            return
        finally:
            tasks._leave_task(self._loop, task)  # noqa: SLF001 - same
            self._flush()
        self._rest = self._go_on(work, awaited)
        self.waiting = True
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    async def carry_on(self) -> None:
        """Wait for something that has to wait, and run it to its end."""
        while self._rest is None:
            self._parked = self._loop.create_future()
            await self._parked
        try:
            await self._rest
        finally:
            self._rest = None
            self.waiting = False

    @types.coroutine
    def _go_on(self, work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
        """Drive ``work``, which has been driven until it awaited ``awaited``."""
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                resume: Callable[[], Any] = functools.partial(work.throw, error)
            else:
                resume = functools.partial(work.send, sent)
            try:
                awaited = resume()
            except StopIteration:
                return
            finally:
                self._flush()
