"""A daemon thread with an event loop, calls into it, and flags that wake waiters in other threads.

1. The thread owns all state of a server. Other threads enter through ``LoopThread.call``, so there are no locks.
2. ``start`` returns when the loop is ready, or raises its start-up error. It does not poll.
3. ``call`` raises, and never hangs, in the loop's own thread, after the stop, and in a forked child.
4. The loop reads the real monotonic clock itself, so libraries that fake time cannot delay a timeout.
5. An error of this package is raised in the calling thread without the frames of the server's thread.
6. A signal is made in the thread or task that will wait for it. Setting it never blocks and never raises, even if the
   waiter's loop is closed. Signals have no timeout: the setter also sets them when the time is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Final, Protocol, TypeVar

from sirrchat_testkit.awaiting import Calls
from sirrchat_testkit.errors import TestkitError

__tracebackhide__ = True

C = TypeVar("C")
T = TypeVar("T")

_monotonic = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that reads the kernel's monotonic clock."""

    time = staticmethod(_monotonic)


class LoopThread:
    """A thread with a loop of its own that runs coroutines for other threads.

    Attributes:
        name: The name of the thread.
        owner: The name used in errors.
        calls: The calls of asynchronous verbs that use this thread.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner = name
        self.calls = Calls()
        self._loop: _Loop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._pending: set[Future[Any]] = set()

    @property
    def running(self) -> bool:
        """Whether ``call`` can be used."""
        return self._loop is not None and self._pid == os.getpid()

    def start(self) -> None:
        """Start the thread and its loop. Raises the error of creating the loop."""
        ready: Future[_Loop] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=self.name, daemon=True)
        self._thread.start()
        self._loop = ready.result()
        self._pid = os.getpid()

    def call(self, work: Coroutine[Any, Any, T], *, directly: bool = False) -> T:
        """Run ``work`` on the loop, block until it is done, and return its result or raise its error.

        ``directly`` leaves out what a subclass does before each call.

        Raises:
            RuntimeError: The caller is the loop's own thread, a forked child, or the thread has stopped.
        """
        future = self._submit(work, waits=True, directly=directly)
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
        """Run ``work`` on the loop without waiting; return its future, which is cancelled if the loop stops first.

        The loop's own thread may call it too. Raises ``RuntimeError`` if the thread has stopped, or in a forked child.
        """
        future = self._submit(work)
        future.add_done_callback(self._pending.discard)
        return future

    async def acall(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the same as ``call`` without blocking the caller's event loop (asyncio or trio).

        If the caller is cancelled, ``work`` still completes, so it is never left half done.
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
        """Cancel the running coroutines, stop the loop, and wait for the thread. A second call does nothing."""
        if not self.running or self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        for future in tuple(self._pending):
            future.cancel()

    def _submit(
        self,
        work: Coroutine[Any, Any, T],
        *,
        waits: bool = False,
        directly: bool = False,  # noqa: ARG002 - for subclasses
    ) -> Future[T]:
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
    """Wait for ``future`` and return its result or raise its error, without the frames of this package's errors."""
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
    with contextlib.suppress(RuntimeError):  # the process ends: no thread can start, and the executor has ended
        loop.run_until_complete(loop.shutdown_default_executor())


class AsyncSignal(Protocol):
    """A flag that a task waits for."""

    def set(self) -> None:
        """Wake the waiter. Can be called from any thread."""

    async def wait(self) -> None:
        """Wait until the flag is set, and clear it."""


class ThreadSignal:
    """The flag of a plain thread."""

    def __init__(self) -> None:
        self._lowered = threading.Lock()
        self._lowered.acquire()

    def set(self) -> None:
        """Wake the waiter. Can be called from any thread."""
        with contextlib.suppress(RuntimeError):  # it is set already
            self._lowered.release()

    def wait(self) -> None:
        """Wait until the flag is set, and clear it."""
        self._lowered.acquire()


class AsyncioSignal:
    """The flag of an asyncio task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiter. Can be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the waiter's loop is closed
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Wait until the flag is set, and clear it."""
        await self._event.wait()
        self._event.clear()


class TrioSignal:
    """The flag of a trio task."""

    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()
        self._new_event = trio.Event
        self._finished = trio.RunFinishedError

    def set(self) -> None:
        """Wake the waiter. Can be called from any thread."""
        with contextlib.suppress(self._finished):
            self._token.run_sync_soon(self._raise)

    async def wait(self) -> None:
        """Wait until the flag is set, and clear it."""
        await self._event.wait()
        self._event = self._new_event()

    def _raise(self) -> None:
        self._event.set()


def async_signal() -> AsyncSignal:
    """Return a flag for the current task. Raises ``RuntimeError`` outside of an asyncio or trio task."""
    if _runs_asyncio():
        return AsyncioSignal()
    if "trio" in sys.modules:
        with contextlib.suppress(RuntimeError):  # imported, but not running here
            return TrioSignal()
    raise RuntimeError("not in an asyncio or trio task; in a plain thread, use the verb without the leading 'a'")


def in_task() -> bool:
    """Return whether a task of asyncio or trio runs in this thread."""
    if _runs_asyncio():
        return asyncio.current_task() is not None  # Playwright's synchronous API has a loop whose task is elsewhere
    try:
        async_signal()
    except RuntimeError:
        return False
    return True


def _runs_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_importing = threading.RLock()
# A fork waits until the imports are done: a child would inherit their locks, and has no thread to release them.
os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)


LARGE: Final = 4096
"""Bytes of content from which on it is parsed in a thread: hostile content may take milliseconds for a few thousand."""


async def apply(function: Callable[[C], T], content: C, size: int) -> T:
    """Return ``function(content)``. If the content's ``size`` is large, it runs in a thread and the loop goes on."""
    if size < LARGE:
        return function(content)
    return await asyncio.get_running_loop().run_in_executor(None, function, content)


async def import_in_thread(imports: Callable[[], T]) -> T:
    """Run ``imports``, a function that imports modules, in a thread; return its result or raise its error."""
    return await asyncio.to_thread(_locked, imports)


def _locked(imports: Callable[[], T]) -> T:
    with _importing:
        return imports()
