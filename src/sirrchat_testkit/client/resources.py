"""A resource is a group of routes, such as ``client.users``. Its methods describe exchanges; a client sends them.

1. ``@call`` makes a method of a function that returns a ``Call``, ``@listing`` of one that returns ``Pages``, and
   ``@streaming`` of one that returns an ``EventSource``.
2. In a ``SyncDriver``, the method returns the answer, or an iterator; in an ``AsyncDriver`` an awaitable of the answer,
   or an asynchronous iterator. Type checkers know which: ``Users[Client]`` and ``Users[AsyncClient]``.
3. At run time a method is a plain function with the signature and docstring of the original.
4. A client may have such methods too, for routes that are no group.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from sirrchat_testkit.client.calls import Call, Pages
from sirrchat_testkit.client.driver import AsyncDriver, SyncDriver

if TYPE_CHECKING:
    from sirrchat_testkit.client.events import AsyncEventStream, EventSource, EventStream

__tracebackhide__ = True

P = ParamSpec("P")
T = TypeVar("T")
C_co = TypeVar("C_co", bound=SyncDriver | AsyncDriver, covariant=True)


class Resource(Generic[C_co]):
    """A group of routes; ``C_co`` is the class of the client it belongs to."""

    def __init__(self, _client: C_co) -> None:
        self._client = _client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._client!r}>"


class _Method(Generic[P, T]):
    """The type of a method that ``call`` made."""

    @overload
    def __get__(self, resource: Resource[SyncDriver] | SyncDriver, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncDriver] | AsyncDriver, kind: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Any, kind: type) -> Any:
        raise NotImplementedError  # a type only


class _ListMethod(Generic[P, T]):
    """The type of a method that ``listing`` made."""

    @overload
    def __get__(self, resource: Resource[SyncDriver] | SyncDriver, kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, resource: Resource[AsyncDriver] | AsyncDriver, kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, resource: Any, kind: type) -> Any:
        raise NotImplementedError  # a type only


class _StreamMethod(Generic[P]):
    """The type of a method that ``streaming`` made."""

    @overload
    def __get__(self, client: SyncDriver, kind: type) -> Callable[P, EventStream]: ...
    @overload
    def __get__(self, client: AsyncDriver, kind: type) -> Callable[P, AsyncEventStream]: ...
    def __get__(self, client: Any, kind: type) -> Any:
        raise NotImplementedError  # a type only


def call(describe: Callable[Concatenate[Any, P], Call[T]]) -> _Method[P, T]:
    """Make a method that sends the ``Call`` that ``describe`` returns."""

    @wraps(describe)
    def method(self: Any, *arguments: P.args, **named: P.kwargs) -> Any:
        return self._client._send(describe(self, *arguments, **named))  # noqa: SLF001 - a resource is a part of it

    return cast("_Method[P, T]", _signed(method, "{}"))


def listing(describe: Callable[Concatenate[Any, P], Pages[T]]) -> _ListMethod[P, T]:
    """Make a method that returns an iterator over the ``Pages`` that ``describe`` returns."""

    @wraps(describe)
    def method(self: Any, *arguments: P.args, **named: P.kwargs) -> Any:
        return self._client._iterate(describe(self, *arguments, **named))  # noqa: SLF001

    return cast("_ListMethod[P, T]", _signed(method, "Iterator[{}]"))


def streaming(describe: Callable[Concatenate[Any, P], EventSource]) -> _StreamMethod[P]:
    """Make a method that returns the stream of the ``EventSource`` that ``describe`` returns."""

    @wraps(describe)
    def method(self: Any, *arguments: P.args, **named: P.kwargs) -> Any:
        return self._client._stream(describe(self, *arguments, **named))  # noqa: SLF001

    return cast("_StreamMethod[P]", _signed(method, "EventStream"))


def _signed(method: Any, returned: str) -> Any:
    """Return ``method`` with a signature that names the answer: ``User`` for ``Call[User]``."""
    signature = inspect.signature(method)
    answer = signature.return_annotation.partition("[")[2].removesuffix("]")
    method.__signature__ = signature.replace(return_annotation=returned.format(answer))
    return method
