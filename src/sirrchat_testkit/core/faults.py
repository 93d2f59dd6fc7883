"""Planned misbehaviour: what the server does wrong, where, for whom, how many times.

1. Core decides, the adapter acts: ``next_for`` is asked at each stage and answers with a ``Ruling``.
2. Faults are tried in the order they were planned. Of those that match, the first one that refuses, drops or loses
   strikes; the first delay and the first slow reply go along with it. One that is used up is passed over, so faults
   planned one after the other are a sequence.
3. Planning changes ``planned``; where it is False nobody needs to ask.
4. Conditions that run the user's code run in a thread of their own. What they raise is the caller's to report.
5. One that breaks a message off is chosen before the message comes, and strikes when enough of it has come.
6. A fault that never struck is a mistake in the test: ``unfired`` tells which those are.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sirrchat_testkit.core.clock import Clock
from sirrchat_testkit.core.effects import Effect, Ruling
from sirrchat_testkit.core.events import EventLog, FaultFired
from sirrchat_testkit.core.moments import STAGES, FaultMatch, Moment
from sirrchat_testkit.core.wording import counted

_NO_RULING: Final = Ruling()


@dataclass(slots=True, eq=False)
class Fault:
    """One planned misbehaviour; ``times`` is None for any number. ``fired`` is how often it struck."""

    stages: tuple[str, ...]
    match: FaultMatch
    effect: Effect
    times: int | None = None
    fired: int = 0
    number: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise ValueError(f"stage takes one of {', '.join(map(repr, STAGES))}, not {stage!r}")
            self.match.check(stage)
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError(f"times takes a whole number, 1 or more, or None for any number, not {self.times!r}")

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.times is not None and self.fired >= self.times

    def __str__(self) -> str:
        where = " and ".join(stage.upper() for stage in self.stages)
        who = f" for {self.match}" if self.match.conditions else ""
        return f"{self.effect} at {where}{who}"

    def count(self) -> str:
        """Return how often it struck, in words."""
        return (
            f"struck {self.fired} of {counted(self.times, 'time')}"
            if self.times
            else f"struck {counted(self.fired, 'time')}"
        )


@dataclass(frozen=True, slots=True)
class FaultsMark:
    """Which faults are planned, and how far each has got."""

    entries: tuple[tuple[Fault, int, Any], ...]


class Faults:
    """The faults of one server."""

    def __init__(self, clock: Clock, events: EventLog) -> None:
        self.planned = False
        self.last = 0
        self._clock = clock
        self._events = events
        self._faults: tuple[Fault, ...] = ()

    def plan(self, fault: Fault) -> Fault:
        """Let ``fault`` strike from now on, after those planned before it."""
        self.last += 1
        fault.number = self.last
        self._set((*self._faults, fault))
        return fault

    def cancel(self, *faults: Fault) -> None:
        """Let ``faults`` strike no more."""
        self._set(each for each in self._faults if each not in faults)

    def all(self) -> tuple[Fault, ...]:
        """Return every planned fault, used up or not, in order."""
        return self._faults

    def unfired(self, after: int = 0) -> list[Fault]:
        """Return the faults planned after number ``after`` that never struck."""
        return [fault for fault in self._faults if fault.number > after and not fault.fired]

    async def next_for(self, stage: str, moment: Moment) -> Ruling:
        """Return what is to be done at ``stage``; each fault that strikes is counted, a ``cut`` by ``Ruling.strike``.

        Raises whatever a user's condition raises.
        """
        found = _NO_RULING
        for fault in self._faults:
            if stage in fault.stages and not fault.spent and await self._meets(fault, moment):
                found = self._strike(fault, moment, found)
        return found

    def mark(self) -> FaultsMark:
        """Return where the faults stand."""
        return FaultsMark(tuple((each, each.fired, each.effect.remember()) for each in self._faults))

    def rewind(self, mark: FaultsMark) -> None:
        """Go back to ``mark``: what was planned since is gone, and what struck since may strike again."""
        for fault, fired, memory in mark.entries:
            fault.fired = fired
            fault.effect.recall(memory)
        self._set(fault for fault, _, _ in mark.entries)

    async def _meets(self, fault: Fault, moment: Moment) -> bool:
        if not fault.match.asks_user_code:
            return fault.match.accepts(moment)
        met = await asyncio.get_running_loop().run_in_executor(None, fault.match.accepts, moment)
        return met and not fault.spent and fault in self._faults  # another session may have been faster

    def _strike(self, fault: Fault, moment: Moment, found: Ruling) -> Ruling:
        decided = found.refusal or found.drop or found.lose or found.cut
        wanted = None if decided else fault.effect.rule(moment, self._clock.now())
        if wanted is None or (found.delay and wanted.delay) or (found.pause and wanted.pause):
            return found
        if wanted.cut:
            wanted = replace(wanted, strike=functools.partial(self._count, fault, moment))
        else:
            self._count(fault, moment)
        return replace(wanted, delay=found.delay or wanted.delay, pause=found.pause or wanted.pause)

    def _count(self, fault: Fault, moment: Moment) -> bool:
        """Note that ``fault`` strikes; False if it was used up or cancelled in the meantime."""
        if fault.spent or fault not in self._faults:
            return False
        fault.fired += 1
        self._events.append(
            FaultFired(
                at=self._clock.now(),
                stage=moment.stage,
                text=str(fault.effect),
                peer=moment.peer,
                sender=moment.mail_from,
                recipients=moment.recipients,
            )
        )
        return True

    def _set(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self.planned = bool(self._faults)
