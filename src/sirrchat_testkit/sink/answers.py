"""The answers of a sink: 200 unless another one is planned. Plans are used up in the order they were made."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__tracebackhide__ = True

RECEIVED: Final = b'{"received":true}'

Answerer: TypeAlias = Callable[[Any], Any]
"""A function of the call that returns a status, a body, a pair of both, or None for 200."""


@dataclass(slots=True)
class Plan:
    """An answer for the next ``left`` calls; None for all."""

    left: int | None = 1
    status: int = 200
    drop: bool = False
    seconds: float = 0.0
    answerer: Answerer | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body with its media type."""

    status: int = 200
    body: bytes = RECEIVED
    kind: str = "application/json"


class Plans:
    """The planned answers, and the delays in a queue of their own: a delayed call uses up an answer too."""

    def __init__(self) -> None:
        self._answers: deque[Plan] = deque()
        self._delays: deque[Plan] = deque()

    def add(self, plan: Plan) -> None:
        """Add ``plan`` after the plans before it. Raises ``ValueError`` if its number of calls is invalid."""
        if plan.left is not None and (type(plan.left) is not int or plan.left < 1):
            raise ValueError(f"times must be a whole number of at least 1, or None for any number, not {plan.left!r}")
        (self._delays if plan.seconds else self._answers).append(plan)

    def next_answer(self) -> Plan:
        """Return the plan for the next call."""
        return _use(self._answers) or Plan()

    def next_delay(self) -> float:
        """Return the delay of the next call in seconds."""
        plan = _use(self._delays)
        return plan.seconds if plan else 0.0


def _use(plans: deque[Plan]) -> Plan | None:
    if not plans:
        return None
    plan = plans[0]
    if plan.left is not None:
        plan.left -= 1
        if not plan.left:
            plans.popleft()
    return plan


def answer_of(value: Any) -> Answer:
    """Return the answer for the result of a user's function: a status, a body, ``(status, body)``, or None.

    Raises:
        TypeError: The result is not one of these.
    """
    status, body = value if isinstance(value, tuple) and len(value) == 2 else (200, value)  # noqa: PLR2004 - a pair
    if type(body) is int and not isinstance(value, tuple):
        return Answer(body, b"")
    if type(status) is not int:
        raise TypeError(f"the function for answer() must return a status, a body or (status, body), not {value!r}")
    if body is None:
        return Answer(status)
    if isinstance(body, bytes | str):
        return Answer(status, body.encode() if isinstance(body, str) else body, "text/plain; charset=utf-8")
    return Answer(status, json.dumps(body).encode())
