"""Faults on a server that others use too: planned there as here, each for a recipient, webhook or account of the test.

1. A verb first plans the fault in the local domain, which checks its arguments, and then on the server. The local fault
   counts what fires there, and the scope removes both.
2. A fault that could concern others is refused.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from sirrchat_testkit.attached.mirror import Mirror, MirrorThread, catch_up
from sirrchat_testkit.domain.models import Webhook
from sirrchat_testkit.errors import NotFound, SharedServerError
from sirrchat_testkit.faults.engine import Fault, FaultRegistry
from sirrchat_testkit.faults.handle import PlannedFaults
from sirrchat_testkit.handles.inbox import MailAccount
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

F = TypeVar("F", bound=PlannedFaults[Any, Any])

_FIRED: Final[Any] = Fault.__dict__["fired"]
"""The attribute of a fault that counts."""

_OFTEN: Final = 1_000_000
"""How often a fault fires that fires every time: without a number, the verb would decide."""


def on_server(kind: type[F], registry: FaultRegistry, thread: LoopThread) -> F:
    """Return a handle of ``kind`` whose verbs also plan their faults on the server that ``thread`` mirrors."""
    made: F = _remote(cast("Any", kind))(registry, thread)
    return made


@functools.cache
def _remote(kind: Any) -> Any:
    members: dict[str, Any] = {
        name: _planning(kind, name, verb)
        for name, verb in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and "times" in inspect.signature(verb).parameters
    }
    members |= {"clear": _clear, "_kind": MirroredFault, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), members)


class MirroredFault(Fault):
    """A fault that is planned on the server: ``fired`` asks it."""

    __slots__ = ("thread",)

    thread: LoopThread

    @property
    def fired(self) -> int:
        """How often it has fired."""
        if hasattr(self, "thread"):
            catch_up(self.thread)
        count: int = _FIRED.__get__(self)
        return count

    @fired.setter
    def fired(self, count: int) -> None:
        _FIRED.__set__(self, count)


def _planning(kind: type[PlannedFaults[Any, Any]], name: str, verb: Callable[..., Fault]) -> Callable[..., Fault]:
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def plan(self: Any, *arguments: Any, **named: Any) -> Fault:
        given = signature.bind(self, *arguments, **named).arguments
        match = {each: _sent(each, value) for each, value in given.pop("match", {}).items()}
        fault = verb(self, *arguments, **named)
        assert isinstance(fault, MirroredFault)
        fault.thread = self._thread
        parameters = {each: _sent(each, value) for each, value in given.items() if each != "self"}
        try:
            self._thread.call(_plan(_mirror(self._thread), kind, fault, name, parameters, match))
        except BaseException:
            PlannedFaults.clear(self, fault)
            raise
        return fault

    return plan


def _clear(self: Any, *faults: Fault) -> None:
    """Remove ``faults``, or all. A removed fault does not fail the test if it never fired."""
    planned = faults or tuple(self.planned)
    self._thread.call(_remove(_mirror(self._thread), planned))
    PlannedFaults.clear(self, *planned)


def _mirror(thread: LoopThread) -> Mirror:
    found = thread.mirror if isinstance(thread, MirrorThread) else None
    assert found is not None
    return found


async def _plan(
    mirror: Mirror,
    kind: type[PlannedFaults[Any, Any]],
    fault: Fault,
    verb: str,
    parameters: Mapping[str, Any],
    match: Mapping[str, Any],
) -> None:
    """Plan ``fault``, which ``verb`` of ``kind`` made, on the server. Raises ``SharedServerError``."""
    if not await _is_own(mirror, kind.owners(match)):
        raise SharedServerError.refuse("a fault for all users", kind.remedy())
    protocol: Any = fault.protocol.name.lower()
    given = {**parameters, "times": _OFTEN if fault.times is None else fault.times}
    made = await mirror.client.faults.plan(verb, protocol=protocol, match=match, **given)
    mirror.faults[made.id] = fault


async def _remove(mirror: Mirror, faults: tuple[Fault, ...]) -> None:
    for number in [number for number, each in mirror.faults.items() if each in faults]:
        del mirror.faults[number]
        try:
            await mirror.client.faults.remove(number)
        except NotFound:  # another client has removed all faults
            continue


async def _is_own(mirror: Mirror, owners: Mapping[str, str]) -> bool:
    """Return whether one of ``owners`` is an address, an account or a webhook of this process."""
    urls = {each.url for each in await mirror.services.store.find(Webhook)}
    return any([each in urls or each in mirror.keys or await mirror.is_mine(each) for each in owners.values()])


def _sent(name: str, value: Any) -> Any:
    """Return ``value`` as JSON has it."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | MailAccount):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ValueError(f"{name} must be a text or a number for a server in another process, not {value!r}")
