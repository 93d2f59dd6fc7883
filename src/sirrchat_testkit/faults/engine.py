"""The engine of planned faults: where a fault fires, under which conditions, what it does, and how many times.

1. The engine knows no protocol. Each protocol has a ``FaultProtocol``: its stages, and the conditions that are known
   at each. Its actions return decisions, which are data; its adapter carries them out.
2. Faults are tried in the order in which they were planned. A final decision ends the search; a delay before it is
   combined with it. A used-up fault is skipped, so faults planned one after another form a sequence.
3. ``ProtocolFaults.planned`` is a plain attribute. While it is False, the adapter does not call the engine, and faults
   of one protocol cost the others nothing.
4. Conditions that run the user's code, or read a large message, run in a worker thread. Their exceptions
   reach the caller.
5. A deferred decision is counted when the adapter calls its ``fire``.
6. The state of an action is a plain value that ``snapshot`` returns and ``restore`` puts back, so that a scope can end.
7. A fault that never fired is a mistake in the test, which fails.
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

    @property
    def large(self) -> bool:
        """Whether its conditions may parse large content, so that they run in a thread."""
        ...

    def fired(self, at: int, fault: int, text: str) -> Any:
        """Return the event of a fault that fired here.

        Args:
            at: The server's time in milliseconds.
            fault: The number of the fault.
            text: What the fault did.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the adapter must do at one stage. Each protocol adds its own fields.

    Attributes:
        fire: Set if the decision is deferred. The adapter calls it when the fault takes effect. It counts the fault,
            or returns False if the fault was used up or removed in the meantime.
    """

    fire: Callable[[], bool] | None = None

    @property
    def final(self) -> bool:
        """Whether the search ends with this decision."""
        return True

    @property
    def deferred(self) -> bool:
        """Whether the fault takes effect after the decision."""
        return False

    def combine(self, later: Self) -> Self | None:
        """Return this decision combined with that of a later fault, or None if only one of them can be carried out."""
        return later


class FaultAction(Generic[C, D]):
    """What a fault does. Its ``str`` is shown in failure texts."""

    __slots__ = ()

    def decide(self, context: C, now: int) -> D | None:
        """Return the decision, or None to do nothing; ``now`` is the server's time in milliseconds."""
        raise NotImplementedError

    def wait(self, now: int) -> int:  # noqa: ARG002 - most actions do not depend on the time
        """Return in how many milliseconds after ``now`` every client that was refused is accepted; 0 if unknown."""
        return 0

    def snapshot(self) -> Any:
        """Return the state of the action."""
        return None

    def restore(self, state: Any) -> None:
        """Restore a state that ``snapshot`` returned."""


class Always(FaultAction[Any, D]):
    """An action with one decision. ``text`` describes it in failure texts."""

    __slots__ = ("decision", "text")

    def __init__(self, decision: D, text: str) -> None:
        self.decision = decision
        self.text = text

    def decide(self, context: Any, now: int) -> D | None:  # noqa: ARG002 - the decision is always the same
        """Return the decision."""
        return self.decision

    def __str__(self) -> str:
        return self.text


class Stage(NamedTuple):
    """A stage: its name in texts, and the conditions that can be decided there."""

    title: str
    conditions: frozenset[str]


class FaultProtocol(Generic[C, D]):
    """The stages, conditions and decisions of one protocol.

    Args:
        name: The name of the protocol.
        stages: Every stage, in the order in which a session reaches them.
        match: The conditions on a context.
        nothing: The decision to do nothing.
        aliases: Other names of the stages.
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
        """Return the name of the stage ``name``, which may be an alias, in upper or lower case.

        Raises:
            ValueError: There is no such stage. The error suggests the nearest one.
        """
        word = str(name).lower()
        word = self._aliases.get(word, word)
        if word not in self.stages:
            near = difflib.get_close_matches(word, self.stages, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"stage must be one of {', '.join(map(repr, self.stages))}, not {name!r}{hint}")
        return word

    def matching(self, stages: Iterable[str], conditions: Mapping[str, Any]) -> Match:
        """Return a match for ``conditions``.

        Raises:
            ValueError: A condition cannot be decided at one of ``stages`` yet.
            TypeError: A condition is unknown. The error suggests the nearest one.
        """
        match = self.match(**conditions)
        for stage in stages:
            for name in match.conditions:
                if name not in self.stages[stage].conditions:
                    first = next(each for each, known in self.stages.items() if name in known.conditions)
                    raise ValueError(f"{name!r} is not known at stage {stage!r} yet, only from stage {first!r} on")
        return match


class Fault:
    """A planned fault, returned by the methods of ``mailserver.faults``, ``rest_faults`` and ``webhook_faults``.

    Its ``str`` describes it: ``reject 451 at RCPT for recipient='ann@example.com'``. A fault that never fired fails
    the test, unless ``mailserver.faults.clear(fault)`` removes it.

    Example:
        fault = mailserver.faults.reject(stage="rcpt", code=451, times=1)
        send_the_mail()
        assert fault.spent

    Attributes:
        stages: The names of the stages at which it can fire.
        times: How often it can fire; None for any number.
        fired: How often it has fired.
        runs_user_code: Whether its conditions call functions of the test.
        number: The number of the fault, from 1 in the order in which faults were planned; its id in the control API.
    """

    __slots__ = ("action", "call", "fired", "match", "number", "protocol", "runs_user_code", "stages", "times")

    protocol: FaultProtocol[Any, Any]
    stages: tuple[str, ...]
    action: FaultAction[Any, Any]
    match: Match
    runs_user_code: bool
    times: int | None
    fired: int
    number: int
    call: str
    """The Python that plans it, if it was planned by the control API or in the web inbox; else empty."""

    def __init__(
        self,
        protocol: FaultProtocol[C, D],
        stages: tuple[str, ...],
        action: FaultAction[C, D],
        conditions: Mapping[str, Any],
        times: int | None = None,
    ) -> None:
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(f"times must be a whole number of at least 1, or None for any number, not {times!r}")
        self.protocol = protocol
        self.stages = stages
        self.action = action
        self.match = protocol.matching(stages, conditions)
        self.runs_user_code = self.match.runs_code
        self.times = times
        self.fired = 0
        self.number = 0
        self.call = ""

    @property
    def spent(self) -> bool:
        """Whether it has fired ``times`` times and cannot fire again. Always False if ``times`` is None."""
        return self.times is not None and self.fired >= self.times

    def count(self) -> str:
        """Return how often it has fired: ``fired 1 of 2 times``, or ``never fired``."""
        if not self.fired:
            return "never fired"
        times = f"{self.fired} of {counted(self.times, 'time')}" if self.times else counted(self.fired, "time")
        return f"fired {times}"

    def wait(self, now: int) -> int:
        """Return the milliseconds until clients that it refused are accepted; 0 if that does not depend on time."""
        return 0 if self.spent else self.action.wait(now)

    def __str__(self) -> str:
        stages = " and ".join(self.protocol.stages[stage].title for stage in self.stages)
        conditions = f" for {self.match}" if self.match.conditions else ""
        return f"{self.action} at {stages}{conditions}"

    def __repr__(self) -> str:
        return f"<Fault {self}, {self.count()}>"


class ProtocolFaults(Generic[C, D]):
    """The planned faults of one protocol, for its adapter, on the server's thread.

    Attributes:
        planned: Whether any fault is planned, even if it is used up.
    """

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
        """Return the decision at the stage of ``context``, and count each fault that fires.

        An exception from a user's condition is not caught.
        """
        decision = self._nothing
        for fault in self._faults:
            if context.stage in fault.stages and not fault.spent and await self._matches(fault, context):
                decision = self._add(fault, context, decision)
                if decision.final:
                    break
        return decision

    async def _matches(self, fault: Fault, context: C) -> bool:
        if not fault.runs_user_code and not context.large:
            return fault.match.accepts(context)
        return await asyncio.get_running_loop().run_in_executor(None, fault.match.accepts, context)

    def _add(self, fault: Fault, context: C, earlier: D) -> D:
        """Return ``earlier`` combined with the decision of ``fault``, if that has one and the fault fires."""
        decision: D | None = fault.action.decide(context, self._now())
        combined = None if decision is None else earlier.combine(decision)
        if combined is None:
            return earlier
        if combined.deferred:
            return replace(combined, fire=functools.partial(self._count, fault, context))
        return combined if self._count(fault, context) else earlier

    def _count(self, fault: Fault, context: C) -> bool:
        """Count that ``fault`` fired; return False if it was used up or removed in the meantime."""
        if fault.spent or fault not in self._faults:
            return False
        fault.fired += 1
        self._append(context.fired(self._now(), fault.number, str(fault.action)))
        return True


FaultsMark: TypeAlias = tuple[tuple[Fault, int, Any], ...]
"""The planned faults, how often each has fired, and the state of its action."""


class FaultRegistry:
    """Every planned fault of one server.

    Args:
        now: Returns the server's time in milliseconds.
        append: Receives the event of each fault that fires.
    """

    def __init__(self, now: Callable[[], int], append: Callable[[Any], None]) -> None:
        self._now = now
        self._append = append
        self._faults: tuple[Fault, ...] = ()
        self._planned = 0
        self._protocols: dict[FaultProtocol[Any, Any], ProtocolFaults[Any, Any]] = {}

    def of(self, protocol: FaultProtocol[C, D]) -> ProtocolFaults[C, D]:
        """Return the faults of ``protocol``. The object follows later changes."""
        if protocol not in self._protocols:
            self._protocols[protocol] = ProtocolFaults(protocol, self._now, self._append)
            self._set(self._faults)
        return self._protocols[protocol]

    def plan(self, fault: Fault) -> Fault:
        """Add ``fault`` after the others, and number it; return it."""
        self._planned += 1
        fault.number = self._planned
        self._set((*self._faults, fault))
        return fault

    def cancel(self, *faults: Fault) -> None:
        """Remove ``faults``."""
        self._set(each for each in self._faults if each not in faults)

    def all(self, protocol: FaultProtocol[Any, Any] | None = None) -> tuple[Fault, ...]:
        """Return the planned faults in order, used-up ones included: those of ``protocol``, or of every protocol."""
        return tuple(each for each in self._faults if protocol in {None, each.protocol})

    def mark(self) -> FaultsMark:
        """Return the current state, for ``rewind``."""
        return tuple((each, each.fired, each.action.snapshot()) for each in self._faults)

    def rewind(self, mark: FaultsMark) -> None:
        """Restore the state ``mark``: remove the faults planned since, and reset the counts of the others."""
        for fault, fired, state in mark:
            fault.fired = fired
            fault.action.restore(state)
        self._set(fault for fault, _, _ in mark)

    def _set(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        for protocol, each in self._protocols.items():
            each.set(self.all(protocol))
