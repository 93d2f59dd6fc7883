"""One daemon thread with one event loop, and the only door into it.

1. The thread owns all state of a server. Other threads enter through ``call``; nobody holds a lock.
2. ``start`` returns when the loop is ready, or raises what went wrong there: a hand-shake, not a poll.
3. ``call`` from the loop's own thread, after the stop, or in a forked child raises; it never hangs.
4. The loop reads the real monotonic clock itself, so libraries that fake time cannot hold up a deadline.
5. An error of the kit's own is raised to the caller without the frames of the server's thread: its text says it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from sirrchat_testkit.errors import TestkitError
from sirrchat_testkit.signals import async_signal

__tracebackhide__ = True

T = TypeVar("T")

_monotonic = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is nobody's but the kernel's."""

    time = staticmethod(_monotonic)


class LoopThread:
    """Runs coroutines of any thread on a loop of its own. ``owner`` is what errors call it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner = name
        self._loop: _Loop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._pending: set[Future[Any]] = set()

    @property
    def running(self) -> bool:
        """Whether ``call`` can be used."""
        return self._loop is not None and self._pid == os.getpid()

    def start(self) -> None:
        """Start the thread and its loop. Raises what the loop's making raised."""
        ready: Future[_Loop] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=self.name, daemon=True)
        self._thread.start()
        self._loop = ready.result()
        self._pid = os.getpid()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop, block until it is done, and return or raise what it did.

        Raises:
            RuntimeError: The caller is the loop's own thread, a forked child, or the thread has stopped.
        """
        future = self._submit(work, waits=True)
        try:
            return result_of(future)
        except CancelledError:
            raise RuntimeError(f"{self.owner} stopped while this call was in progress") from None
        except BaseException:
            future.cancel()
            raise
        finally:
            self._pending.discard(future)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run ``work`` on the loop and go on; the future is done with it, cancelled if the loop stops first.

        The loop's own thread may do so too. Raises ``RuntimeError`` if the thread has stopped, or in a forked child.
        """
        future = self._submit(work)
        future.add_done_callback(self._pending.discard)
        return future

    async def acall(self, work: Coroutine[Any, Any, T]) -> T:
        """Do as ``call`` does without blocking the caller's loop, asyncio's or trio's.

        A cancelled caller leaves ``work`` running, so that what began on the loop also ends there.
        """
        try:
            signal = async_signal()
        except RuntimeError:
            work.close()
            raise
        future = self._submit(work, waits=True)
        future.add_done_callback(lambda _: signal.set())
        try:
            await signal.wait()
            return result_of(future)
        except CancelledError:
            raise RuntimeError(f"{self.owner} stopped while this call was in progress") from None
        finally:
            self._pending.discard(future)

    def stop(self) -> None:
        """Cancel what still runs, end the loop, and wait for the thread. A second stop does nothing."""
        if not self.running or self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        for future in tuple(self._pending):
            future.cancel()

    def _submit(self, work: Coroutine[Any, Any, T], *, waits: bool = False) -> Future[T]:
        try:
            loop = self._enter(waits=waits)
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            raise
        self._pending.add(future)
        return future

    def _enter(self, *, waits: bool) -> _Loop:
        if self._loop is None:
            raise RuntimeError(f"{self.owner} is not running")
        if self._pid != os.getpid():
            raise RuntimeError(f"{self.owner} runs in process {self._pid}; this is a forked child of it")
        if waits and threading.current_thread() is self._thread:
            raise RuntimeError(f"{self.owner} cannot wait for itself: this code runs on its own thread")
        return self._loop

    def _run(self, ready: Future[_Loop]) -> None:
        try:
            loop = _Loop()
        except BaseException as error:  # noqa: BLE001 - raised where start was called
            ready.set_exception(error)
            return
        with contextlib.closing(loop):
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set_result, loop)
            loop.run_forever()
            _cancel_all(loop)


def result_of(future: Future[T]) -> T:
    """Return the result of ``future``, waiting for it; raise its error, one of the kit's own without its frames."""
    try:
        return future.result()
    except (TestkitError, ValueError, OSError) as error:
        raise error.with_traceback(None)  # noqa: B904 - it is the same error


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
