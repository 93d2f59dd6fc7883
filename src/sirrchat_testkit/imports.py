"""Imports that take long, made in a thread so that the event loop goes on."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_importing = threading.RLock()
# A fork waits until the imports are done: a child would inherit their locks, and has no thread to release them.
os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)


async def import_in_thread(imports: Callable[[], T]) -> T:
    """Return what ``imports``, a function that imports modules, returns in a thread. Raises what it raises."""
    return await asyncio.to_thread(_locked, imports)


def _locked(imports: Callable[[], T]) -> T:
    with _importing:
        return imports()
