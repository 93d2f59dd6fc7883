"""The common part of the handles that plan faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic

from sirrchat_testkit.faults.engine import C, D, Fault, FaultAction, FaultProtocol, FaultRegistry
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

_WILD = re.compile(r"[*?]")


class PlannedFaults(Hints, Generic[C, D]):
    """The planned faults of one protocol. ``thread`` is the server's thread, or None if the caller runs in it."""

    _protocol: ClassVar[FaultProtocol[Any, Any]]
    _kind: ClassVar[Callable[..., Fault]] = Fault
    _owners: ClassVar[tuple[str, ...]]
    """The conditions that limit a fault to one owner, so that it does not affect others."""

    def __init__(self, registry: FaultRegistry, thread: LoopThread | None = None) -> None:
        self._registry = registry
        self._thread = thread

    def clear(self, *faults: Fault) -> None:
        """Remove ``faults``, or all. A removed fault does not fail the test if it never fired."""
        self._do(lambda: self._registry.cancel(*(faults or self._registry.all(self._protocol))))

    @classmethod
    def owners(cls, match: Mapping[str, Any]) -> dict[str, str]:
        """Return the conditions in ``match`` that name whom a fault is for, without wildcards."""
        named = {each: str(match[each]) for each in cls._owners if isinstance(match.get(each), str)}
        return {name: text for name, text in named.items() if not _WILD.search(text)}

    @classmethod
    def stages(cls) -> list[str]:
        """Return the names of the stages at which a fault can fire."""
        return [*cls._protocol.stages]

    @classmethod
    def remedy(cls) -> str:
        """Return how to limit a fault, so that it does not affect others."""
        return f"limit it by {' or '.join(cls._owners)}, without wildcards"

    @property
    def planned(self) -> list[Fault]:
        """The planned faults, in order; ``fired`` counts how often each has fired."""
        return list(self._registry.all(self._protocol))

    def _plan(
        self,
        verb: Callable[..., Fault],
        stages: tuple[str, ...],
        action: FaultAction[C, D],
        times: int | None,
        conditions: Mapping[str, Any],
    ) -> Fault:
        self._protocol.match.check(verb, conditions)
        fault = self._kind(self._protocol, stages, action, conditions, times)
        self._do(lambda: self._registry.plan(fault))
        return fault

    def _do(self, what: Callable[[], object]) -> None:
        if self._thread is None:
            what()
            return

        async def work() -> None:
            what()

        self._thread.call(work())

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.planned)

    def __len__(self) -> int:
        return len(self.planned)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        planned = "; ".join(f"{each}, {each.count()}" for each in self.planned)
        return f"<{type(self).__name__} {planned or 'none'}>"


_LONGEST: Final = 10**10
"""Seconds, more than 300 years: as far as the clock can be moved."""


def seconds_of(name: str, seconds: float, *, zero: bool = True) -> float:
    """Return ``seconds``, the argument ``name``.

    Raises ``ValueError`` unless it is above 0, or 0 if ``zero``, and at most 10 000 000 000.
    """
    if type(seconds) not in {int, float} or not (seconds > 0 or (zero and seconds == 0)):
        raise ValueError(
            f"{name} must be a number of seconds, {'0 or more' if zero else 'more than 0'}, not {seconds!r}"
        )
    if seconds > _LONGEST:
        raise ValueError(f"{name} must be at most {_LONGEST} seconds, not {seconds!r}")
    return seconds


def whole_number(name: str, number: int, least: int) -> int:
    """Return ``number``, the argument ``name``. Raises ``ValueError`` unless it is an integer of at least ``least``."""
    if type(number) is not int or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {number!r}")
    return number
