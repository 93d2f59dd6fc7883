"""Eager execution: a coroutine runs at once, in the current step of the loop, until it suspends.

So a command that does not have to wait is answered in the step in which its bytes arrive, without waking a task. If it
suspends, the rest runs inside the connection's task. That is the current task from the first step on, so timeouts and
cancellation work as usual (https://docs.python.org/3/library/asyncio-extending.html).
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import tasks
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

R = TypeVar("R")


class Suspended(Generic[R]):
    """A coroutine that has run until its first suspension. Await it to run the rest and get its result."""

    __slots__ = ("_driven",)

    def __init__(self, driven: Generator[Any, Any, R]) -> None:
        self._driven = driven

    def __await__(self) -> Generator[Any, Any, R]:
        return self._driven


class EagerRunner:
    """Runs coroutines until they suspend; ``run_deferred`` runs the rest of them, one after the other.

    ``flush`` is called in the same step before each suspension, and at the end of deferred work.

    Attributes:
        waiting: Whether deferred work is in progress.
        deferred: The deferred work.
    """

    __slots__ = ("_flush", "_loop", "_wake_up", "deferred", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._loop = loop
        self._flush = flush
        self.waiting = False
        self.deferred: Suspended[None] | None = None
        self._wake_up: asyncio.Future[None] | None = None

    def start(self, work: Coroutine[Any, Any, R], task: asyncio.Task[Any]) -> R | Suspended[R]:
        """Run ``work`` as part of ``task`` until it ends or suspends; return its result, or the ``Suspended`` rest."""
        tasks._enter_task(self._loop, task)  # noqa: SLF001 - documented for code that runs coroutines
        try:
            awaited = work.send(None)
        except StopIteration as end:
            result: R = end.value
            return result
        finally:
            tasks._leave_task(self._loop, task)  # noqa: SLF001 - same
        self._flush()
        return Suspended(self._drive(work, lambda: awaited))

    def defer(self, work: Awaitable[None]) -> None:
        """Run ``work`` in ``run_deferred``."""
        generator = work.__await__()
        self.deferred = Suspended(self._drive(generator, functools.partial(generator.send, None)))
        self.waiting = True
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)

    async def run_deferred(self) -> None:
        """Wait for deferred work and run it to its end. Only the task given to ``start`` may call this."""
        while self.deferred is None:
            self._wake_up = self._loop.create_future()
            try:
                await self._wake_up
            except asyncio.CancelledError:
                if self.deferred is None:
                    raise
                # Work was deferred in the same step: the next await cancels it, so that it unwinds.
                cast("asyncio.Task[None]", asyncio.current_task()).cancel()
        try:
            await self.deferred
        finally:
            self.deferred = None
            self.waiting = False

    def _drive(self, work: Any, resume: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Run ``work`` to its end, beginning with ``resume``; flush before each suspension."""
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
            except BaseException as error:  # noqa: BLE001 - it is thrown into the coroutine
                resume = functools.partial(work.throw, error)
            else:
                resume = functools.partial(work.send, sent)
