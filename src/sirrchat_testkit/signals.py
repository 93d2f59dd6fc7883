"""A flag that any thread sets and one waiter waits for: a plain thread, an asyncio task, or a trio task.

1. The waiter's kind is found once, where the signal is made: in the thread and task that will wait.
2. Setting never blocks and never raises, also when the waiter's loop is long gone.
3. There are no timeouts here: whoever sets the flag also sets it when time is up.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import Protocol


class AsyncSignal(Protocol):
    """What an async waiter waits for."""

    def set(self) -> None:
        """Wake the waiter; from any thread."""

    async def wait(self) -> None:
        """Return as soon as the flag is set, and lower it."""


class ThreadSignal:
    """The flag of a plain thread."""

    def __init__(self) -> None:
        self._lowered = threading.Lock()
        self._lowered.acquire()

    def set(self) -> None:
        """Wake the waiter; from any thread."""
        with contextlib.suppress(RuntimeError):  # it is set already
            self._lowered.release()

    def wait(self) -> None:
        """Return as soon as the flag is set, and lower it."""
        self._lowered.acquire()


class AsyncioSignal:
    """The flag of an asyncio task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiter; from any thread."""
        with contextlib.suppress(RuntimeError):  # the waiter's loop is closed
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return as soon as the flag is set, and lower it."""
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
        """Wake the waiter; from any thread."""
        with contextlib.suppress(self._finished):
            self._token.run_sync_soon(self._raise)

    async def wait(self) -> None:
        """Return as soon as the flag is set, and lower it."""
        await self._event.wait()
        self._event = self._new_event()

    def _raise(self) -> None:
        self._event.set()


def async_signal() -> AsyncSignal:
    """Return a flag for the task that runs now. Raises ``RuntimeError`` where no asyncio or trio task runs."""
    if runs_asyncio():
        return AsyncioSignal()
    if "trio" in sys.modules:
        with contextlib.suppress(RuntimeError):  # imported, but not what runs here
            return TrioSignal()
    raise RuntimeError("this is no asyncio or trio task; the verb without the leading a waits in plain threads")


def runs_asyncio() -> bool:
    """Return whether an asyncio loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
