"""Asynchronous verbs that a test called without ``await``: they have done nothing, so the test must not pass.

1. ``asynchronous`` marks such a verb. Each call is noted, with the line of the caller.
2. A call counts as awaited when its coroutine has begun to run, was closed, or was cancelled.
3. Coroutines are kept until they are awaited or reported. Python's own warning about them, which fails no test, appears
   only if nothing reports them.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

__tracebackhide__ = True

P = ParamSpec("P")
R = TypeVar("R")

_MANY = 64


class NeverAwaited(AssertionError):
    """An asynchronous verb was called without ``await``, so it did nothing; the error names the verb and the line."""

    __module__ = "sirrchat_testkit"


class Call(NamedTuple):
    """A call of an asynchronous verb: its number, its coroutine, and the verb and the line in words."""

    number: int
    coroutine: Coroutine[Any, Any, Any]
    text: str

    @property
    def is_pending(self) -> bool:
        """Whether the coroutine has not begun."""
        return inspect.getcoroutinestate(self.coroutine) == inspect.CORO_CREATED


class Calls:
    """The calls of the asynchronous verbs of one server or sink; ``last`` is the number of the last one."""

    def __init__(self) -> None:
        self.last = 0
        self._calls: list[Call] = []
        self._most = _MANY
        self._lock = threading.Lock()

    def note(self, coroutine: Coroutine[Any, Any, Any], text: str) -> None:
        """Note a call."""
        with self._lock:
            self.last += 1
            self._calls.append(Call(self.last, coroutine, text))
            if len(self._calls) > self._most:
                self._calls = [each for each in self._calls if each.is_pending]
                self._most = max(_MANY, 2 * len(self._calls))

    def pending(self) -> list[str]:
        """Return the verbs and lines of the calls whose coroutines have not begun."""
        with self._lock:
            return [each.text for each in self._calls if each.is_pending]

    def forget(self, after: int) -> list[Call]:
        """Forget the calls after the number ``after``; return those whose coroutines have not begun."""
        with self._lock:
            found = [each for each in self._calls if each.number > after]
            self._calls = [each for each in self._calls if each.number <= after]
        return [each for each in found if each.is_pending]

    def check(self, after: int = 0) -> None:
        """Raise ``NeverAwaited`` if the coroutine of a call after the number ``after`` has not begun. It never will."""
        pending = self.forget(after)
        for each in pending:
            each.coroutine.close()
        if len(pending) == 1:
            raise NeverAwaited(f"{pending[0].text} was called without await, so it did nothing")
        if pending:
            lines = "\n".join(f"  {each.text}" for each in pending)
            raise NeverAwaited(f"{len(pending)} verbs were called without await, so they did nothing:\n{lines}")


class HasCalls(Protocol):
    """A handle with asynchronous verbs."""

    @property
    def _calls(self) -> Calls: ...


H = TypeVar("H", bound=HasCalls)


def asynchronous(
    verb: Callable[Concatenate[H, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[H, P], Coroutine[Any, Any, R]]:
    """Note each call of ``verb``, so that one without ``await`` is reported."""

    @functools.wraps(verb)
    def call(self: H, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        coroutine = verb(self, *args, **kwargs)
        caller = sys._getframe(1)  # noqa: SLF001 - faster than inspect
        file = caller.f_code.co_filename.rpartition("/")[2]
        self._calls.note(coroutine, f"{type(self).__name__}.{verb.__name__}() at {file}:{caller.f_lineno}")
        return coroutine

    return call
