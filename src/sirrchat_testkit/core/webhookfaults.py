"""Planned misbehaviour of the sender of webhooks: what it does wrong, with which calls, how many times.

1. Faults are asked for once for each attempt, in the order they were planned; the first that matches and is not used
   up strikes. Two of the same kind are a sequence.
2. Core decides, the sender acts. What an effect means is said where it is planned.
3. A fault that never struck is a mistake in the test: ``unfired`` tells which those are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sirrchat_testkit.core.callmatch import CallMatch

EFFECTS: Final = (
    "duplicate",
    "reorder",
    "delay",
    "signature",
    "timestamp",
    "json",
    "content_type",
    "huge",
)

TIMING: Final = frozenset({"reorder", "delay"})
"""Effects that put an attempt off; the attempt asks again when it is made."""


@dataclass(slots=True, eq=False)
class WebhookFault:
    """One planned misbehaviour; ``times`` is None for any number. ``fired`` is how often it struck."""

    effect: str
    match: CallMatch
    times: int | None = 1
    seconds: float = 0.0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"effect takes one of {', '.join(map(repr, EFFECTS))}, not {self.effect!r}")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError(f"times takes a whole number, 1 or more, or None for any number, not {self.times!r}")

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.times is not None and self.fired >= self.times

    def __str__(self) -> str:
        whom = f" for {self.match}" if self.match.conditions else ""
        return f"webhook fault {self.effect!r}{whom}"


class WebhookFaults:
    """The faults of one server's webhooks."""

    def __init__(self) -> None:
        self._faults: tuple[WebhookFault, ...] = ()

    def plan(self, fault: WebhookFault) -> WebhookFault:
        """Let ``fault`` strike from now on, after those planned before it."""
        self._faults = (*self._faults, fault)
        return fault

    def cancel(self) -> None:
        """Misbehave no more."""
        self._faults = ()

    def all(self) -> tuple[WebhookFault, ...]:
        """Return every planned fault, used up or not, in order."""
        return self._faults

    def unfired(self) -> list[WebhookFault]:
        """Return the planned faults that never struck."""
        return [fault for fault in self._faults if not fault.fired]

    def next_for(self, call: Any, *, timing: bool) -> WebhookFault | None:
        """Return the fault that strikes ``call``, and count it; those that put off, or those that do not."""
        for fault in self._faults:
            if (fault.effect in TIMING) is timing and not fault.spent and fault.match.accepts(call):
                fault.fired += 1
                return fault
        return None

    def mark(self) -> tuple[tuple[WebhookFault, int], ...]:
        """Return which faults are planned, and how far each has got."""
        return tuple((each, each.fired) for each in self._faults)

    def rewind(self, mark: tuple[tuple[WebhookFault, int], ...]) -> None:
        """Go back to ``mark``."""
        for fault, fired in mark:
            fault.fired = fired
        self._faults = tuple(fault for fault, _ in mark)
