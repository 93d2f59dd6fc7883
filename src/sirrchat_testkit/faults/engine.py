"""Planned faults: at which stage, under which conditions, what they do, how many times.

1. The engine knows no protocol. Each protocol brings a ``FaultProtocol``: its stages, and which conditions each of them
   can decide. Its actions return decisions, which are data; its adapter carries them out.
2. Faults are tried in the order in which they were planned. A final decision ends the search; a delay before it is
   combined with it. A used-up fault is skipped, so faults planned one after another are a sequence.
3. ``ProtocolFaults.planned`` is a plain attribute. While it is False, the adapter does not call the engine, and faults
   of one protocol cost the others nothing.
4. Conditions that run the user's code run in a worker thread. What they raise reaches the caller.
5. A deferred decision counts when the adapter calls its ``strike``.
6. What an action remembers is a plain value that ``snapshot`` returns and ``restore`` puts back, so a scope can end.
7. A fault that never struck is a mistake in the test: ``fired`` is then 0.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from sirrchat_testkit.formatting import counted
from sirrchat_testkit.matching import Match

__tracebackhide__ = True

C = TypeVar("C", bound="FaultContext")
D = TypeVar("D", bound="Decision")


class FaultContext(Protocol):
    """The state of a session or call at one stage. Conditions read its attributes."""

    @property
    def stage(self) -> str:
        """The stage that was reached."""
        ...

    def fired(self, at: int, text: str) -> Any:
        """Return the event that a fault struck here: ``at`` is the kit's time, ``text`` what the fault did."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the adapter does at one stage. Each protocol adds its own fields.

    Attributes:
        strike: Set for a deferred decision. The adapter calls it when the fault takes effect; it counts the fault, and
            returns False if the fault may not strike any more.
    """

    strike: Callable[[], bool] | None = None

    @property
    def final(self) -> bool:
        """Whether no further fault may strike at this stage."""
        return True

    @property
    def deferred(self) -> bool:
        """Whether the fault takes effect later than it is decided."""
        return False

    def combine(self, later: Self) -> Self | None:
        """Return this decision together with a later fault's, or None if only one of them can be carried out."""
        return later


class FaultAction(Generic[C, D]):
    """What a fault does. Failure texts show it as ``str`` does."""

    __slots__ = ()

    def decide(self, context: C, now: int) -> D | None:
        """Return what to do, or None to let it pass; ``now`` is the kit's time in milliseconds."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """Return what the action remembers."""
        return None

    def restore(self, state: Any) -> None:
        """Go back to what ``snapshot`` returned."""


class Always(FaultAction[Any, D]):
    """An action that decides the same every time."""

    __slots__ = ("decision", "text")

    def __init__(self, decision: D, text: str) -> None:
        self.decision = decision
        self.text = text

    def decide(self, context: Any, now: int) -> D | None:  # noqa: ARG002 - it depends on nothing
        """Return the decision."""
        return self.decision

    def __str__(self) -> str:
        return self.text


class Stage(NamedTuple):
    """Where a fault may strike: its name in texts, and the conditions that can be decided there."""

    title: str
    conditions: frozenset[str]


class FaultProtocol(Generic[C, D]):
    """The table of one protocol.

    Args:
        name: The protocol's name.
        stages: Every stage, in the order in which a session reaches them.
        match: The conditions on a context.
        nothing: The decision to misbehave in no way.
        aliases: Other names of stages.
    """

    def __init__(
        self,
        name: str,
        stages: Mapping[str, Stage],
        match: type[Match],
        nothing: D,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.stages = stages
        self.match = match
        self.nothing = nothing
        self._aliases = aliases or {}

    def stage(self, name: str) -> str:
        """Return the stage ``name``, given in any case or by an alias. Raises ``ValueError`` with the nearest one."""
        word = str(name).lower()
        word = self._aliases.get(word, word)
        if word not in self.stages:
            near = difflib.get_close_matches(word, self.stages, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"stage takes one of {', '.join(map(repr, self.stages))}, not {name!r}{hint}")
        return word

    def matching(self, stages: Iterable[str], conditions: Mapping[str, Any]) -> Match:
        """Return a match for ``conditions``.

        Raises:
            ValueError: One of ``stages`` cannot decide a condition.
            TypeError: A condition is unknown; the text names the nearest.
        """
        match = self.match(**conditions)
        for stage in stages:
            for name in match.conditions:
                if name not in self.stages[stage].conditions:
                    first = next(each for each, known in self.stages.items() if name in known.conditions)
                    raise ValueError(f"{name!r} is not known at stage {stage!r} yet; it is from stage {first!r} on")
        return match


class Fault:
    """One planned fault.

    Attributes:
        times: How often it may strike; None for any number.
        fired: How often it has struck.
    """

    __slots__ = ("action", "asks_user_code", "fired", "match", "protocol", "stages", "times")

    protocol: FaultProtocol[Any, Any]
    stages: tuple[str, ...]
    action: FaultAction[Any, Any]
    match: Match
    asks_user_code: bool
    times: int | None
    fired: int

    def __init__(
        self,
        protocol: FaultProtocol[C, D],
        stages: tuple[str, ...],
        action: FaultAction[C, D],
        conditions: Mapping[str, Any],
        times: int | None = None,
    ) -> None:
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(f"times takes a whole number, 1 or more, or None for any number, not {times!r}")
        self.protocol = protocol
        self.stages = stages
        self.action = action
        self.match = protocol.matching(stages, conditions)
        self.asks_user_code = self.match.runs_code
        self.times = times
        self.fired = 0

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.times is not None and self.fired >= self.times

    def count(self) -> str:
        """Return how often it struck, in words."""
        times = f"{self.fired} of {counted(self.times, 'time')}" if self.times else counted(self.fired, "time")
        return f"struck {times}"

    def __str__(self) -> str:
        where = " and ".join(self.protocol.stages[stage].title for stage in self.stages)
        whom = f" for {self.match}" if self.match.conditions else ""
        return f"{self.action} at {where}{whom}"

    def __repr__(self) -> str:
        return f"<Fault {self}, {self.count()}>"


class ProtocolFaults(Generic[C, D]):
    """The planned faults of one protocol, as its adapter uses them, on the server's thread."""

    def __init__(self, protocol: FaultProtocol[C, D], now: Callable[[], int], append: Callable[[Any], None]) -> None:
        self.planned = False
        self._nothing = protocol.nothing
        self._now = now
        self._append = append
        self._faults: tuple[Fault, ...] = ()

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace the planned faults. Only the registry calls this."""
        self._faults = tuple(faults)
        self.planned = bool(self._faults)

    async def decide(self, context: C) -> D:
        """Return what to do at the stage of ``context``, and count each fault that strikes.

        Raises whatever a user's condition raises.
        """
        found = self._nothing
        for fault in self._faults:
            if context.stage in fault.stages and not fault.spent and await self._meets(fault, context):
                found = self._decide(fault, context, found)
                if found.final:
                    break
        return found

    async def _meets(self, fault: Fault, context: C) -> bool:
        if not fault.asks_user_code:
            return fault.match.accepts(context)
        return await asyncio.get_running_loop().run_in_executor(None, fault.match.accepts, context)

    def _decide(self, fault: Fault, context: C, found: D) -> D:
        wanted: D | None = fault.action.decide(context, self._now())
        combined = None if wanted is None else found.combine(wanted)
        if combined is None:
            return found
        if combined.deferred:
            return replace(combined, strike=functools.partial(self._count, fault, context))
        return combined if self._count(fault, context) else found

    def _count(self, fault: Fault, context: C) -> bool:
        """Count that ``fault`` strikes; return False if it was used up or cancelled while its conditions ran."""
        if fault.spent or fault not in self._faults:
            return False
        fault.fired += 1
        self._append(context.fired(self._now(), str(fault.action)))
        return True


FaultsMark: TypeAlias = tuple[tuple[Fault, int, Any], ...]
"""Which faults are planned, how often each has struck, and what its action remembers."""


class FaultRegistry:
    """Every planned fault of one server.

    Args:
        now: Returns the kit's time in milliseconds.
        append: Takes the event that a fault struck.
    """

    def __init__(self, now: Callable[[], int], append: Callable[[Any], None]) -> None:
        self._now = now
        self._append = append
        self._faults: tuple[Fault, ...] = ()
        self._protocols: dict[FaultProtocol[Any, Any], ProtocolFaults[Any, Any]] = {}

    def of(self, protocol: FaultProtocol[C, D]) -> ProtocolFaults[C, D]:
        """Return the faults of ``protocol``, kept up to date."""
        if protocol not in self._protocols:
            self._protocols[protocol] = ProtocolFaults(protocol, self._now, self._append)
            self._set(self._faults)
        return self._protocols[protocol]

    def plan(self, fault: Fault) -> Fault:
        """Add ``fault`` after those that were planned before it."""
        self._set((*self._faults, fault))
        return fault

    def cancel(self, *faults: Fault) -> None:
        """Remove ``faults``."""
        self._set(each for each in self._faults if each not in faults)

    def all(self, protocol: FaultProtocol[Any, Any] | None = None) -> tuple[Fault, ...]:
        """Return the planned faults in order, used-up ones included; those of ``protocol``, or every one."""
        return tuple(each for each in self._faults if protocol in {None, each.protocol})

    def mark(self) -> FaultsMark:
        """Return the present state."""
        return tuple((each, each.fired, each.action.snapshot()) for each in self._faults)

    def rewind(self, mark: FaultsMark) -> None:
        """Go back to ``mark``: remove what was planned since, and undo what has struck since."""
        for fault, fired, state in mark:
            fault.fired = fired
            fault.action.restore(state)
        self._set(fault for fault, _, _ in mark)

    def _set(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        for protocol, each in self._protocols.items():
            each.set(self.all(protocol))
