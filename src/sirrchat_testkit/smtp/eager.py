"""Eager execution: a coroutine runs at once, in the current step of the loop, until it suspends.

So a command that need not wait is answered in the step in which its bytes arrive; no task is woken for it. If it
suspends, the rest runs inside the connection's task. That is the current task from the first step on, so timeouts and
cancellation work as usual (https://docs.python.org/3/library/asyncio-extending.html).
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import tasks
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Rest(Generic[R]):
    """What is left of a coroutine that has been run until it had to wait; to be awaited."""

    __slots__ = ("_driven",)

    def __init__(self, driven: Generator[Any, Any, R]) -> None:
        self._driven = driven

    def __await__(self) -> Generator[Any, Any, R]:
        return self._driven


class EagerRunner:
    """Runs coroutines at once; what of them has to wait, one after the other, is for ``carry_on``.

    ``flush`` is called in the same step, before each suspension and at the end of what had to wait. ``waiting`` says
    that something is under way that had to, and ``rest`` is that.
    """

    __slots__ = ("_flush", "_loop", "_parked", "rest", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._loop = loop
        self._flush = flush
        self.waiting = False
        self.rest: Rest[None] | None = None
        self._parked: asyncio.Future[None] | None = None

    def begin(self, work: Coroutine[Any, Any, R], task: asyncio.Task[Any]) -> R | Rest[R]:
        """Run ``work``, as a part of ``task``, as far as it gets without waiting; return its result, or its rest."""
        tasks._enter_task(self._loop, task)  # noqa: SLF001 - documented for whoever runs coroutines
        try:
            awaited = work.send(None)
        except StopIteration as end:
            result: R = end.value
            return result
        finally:
            tasks._leave_task(self._loop, task)  # noqa: SLF001 - same
        self._flush()
        return Rest(self._driven(work, lambda: awaited))

    def leave(self, rest: Awaitable[None]) -> None:
        """Leave ``rest`` to ``carry_on``."""
        work = rest.__await__()
        self.rest = Rest(self._driven(work, functools.partial(work.send, None)))
        self.waiting = True
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    async def carry_on(self) -> None:
        """Wait for something that has to wait, and run it to its end; for the task that it is a part of."""
        while self.rest is None:
            self._parked = self._loop.create_future()
            try:
                await self._parked
            except asyncio.CancelledError:
                if self.rest is None:
                    raise
                task = asyncio.current_task()
                assert task is not None
                task.cancel()  # work arrived in the same step: it has to unwind, so the next await cancels it
        try:
            await self.rest
        finally:
            self.rest = None
            self.waiting = False

    def _driven(self, work: Any, resume: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Drive ``work``, which ``resume`` lets go on until it awaits something."""
        while True:
            try:
                awaited = resume()
            except StopIteration as end:
                return end.value
            finally:
                self._flush()
            try:
                sent = yield awaited
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                resume = functools.partial(work.throw, error)
            else:
                resume = functools.partial(work.send, sent)
