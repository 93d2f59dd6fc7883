"""Faults of the REST APIs: the stages of a request, the conditions known at each, and the decisions.

1. A request passes stage ``request`` before the API sees it. The answer of the API passes stage ``response`` before it
   is sent; by then the request has had its effect.
2. A route outside ``/api``, such as ``/testkit/v1/faults``, is affected only by a fault whose ``path`` begins with its
   first segment. So a fault for every request can still be removed over HTTP.
3. Delays are real time, because the client waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias

from sirrchat_testkit.comparing import LIKE
from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.faults.engine import Always, Decision, FaultProtocol, Stage
from sirrchat_testkit.matching import Condition, Match

__tracebackhide__ = True

RestFaultStage: TypeAlias = Literal["request", "response"]
"""When a REST fault fires: before the API sees the request, or after its effect, before the answer is sent."""

_APIS: Final = "/api/"


@dataclass(frozen=True, slots=True, eq=False)
class RequestContext:
    """A request at one of its stages, for the conditions of faults.

    Attributes:
        stage: The name of the stage.
        method: The HTTP method.
        path: The path, decoded and without the query.
        account: The id and the address of the account of the API key; empty without a valid key.
        has_json: Whether the answer has JSON; False before there is an answer.
    """

    stage: str
    method: str
    path: str
    account: tuple[str, ...] = ()
    has_json: bool = False

    @property
    def large(self) -> bool:
        """False: no condition reads contents."""
        return False

    def fired(self, at: int, fault: int, text: str) -> FaultFired:
        """Return the event of a fault that fired on this request."""
        return FaultFired(at=at, fault=fault, stage=f"rest {self.stage}", text=text, peer=f"{self.method} {self.path}")


class RequestMatch(Match):
    """Conditions on a request: ``method``, ``path`` and ``account``, compared without case, with ``*`` and ``?``."""

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        {
            "method": Condition(attrgetter("method"), LIKE),
            "path": Condition(attrgetter("path"), LIKE),
            "account": Condition(attrgetter("account"), LIKE, many=True),
        }
    )

    __slots__ = ()

    def accepts(self, record: Any) -> bool:
        """Return whether ``record`` meets every condition, and is for an API or a route that ``path`` names."""
        return (record.path.startswith(_APIS) or self._names(record.path)) and super().accepts(record)

    def _names(self, path: str) -> bool:
        wanted = self.conditions.get("path")
        return isinstance(wanted, str) and wanted.startswith("/".join(path.split("/")[:2]))


class RestRefusal(NamedTuple):
    """An error to answer with: its status and text, and the seconds of ``Retry-After``; None for no such header."""

    status: int
    text: str
    retry_after: int | None


@dataclass(frozen=True, slots=True, eq=False)
class RestDecision(Decision):
    """What to do with a request or its answer. Its ``str`` describes it in texts.

    Attributes:
        delay: Seconds of real time to wait before anything else.
        refusal: The error to answer with instead; None for no error.
        drop: Whether to close the connection without an answer: by FIN, or by RST.
        damage: What to damage in the answer: its JSON, or its content type.
    """

    delay: float = 0.0
    refusal: RestRefusal | None = None
    drop: Literal["", "fin", "rst"] = ""
    damage: Literal["", "json", "content_type"] = ""

    @property
    def final(self) -> bool:
        """Whether there is more than a delay."""
        return bool(self.refusal or self.drop or self.damage)

    def combine(self, later: RestDecision) -> RestDecision | None:
        """Return both decisions in one, or None if both are delays."""
        return None if self.delay and later.delay else replace(later, delay=self.delay or later.delay)

    def __str__(self) -> str:
        parts = (
            f"delay of {self.delay:g} s" if self.delay else "",
            f"refuse {self.refusal.status}" if self.refusal else "",
            {"": "", "fin": "drop", "rst": "drop by reset"}[self.drop],
            {"": "", "json": "malformed JSON", "content_type": "wrong content type"}[self.damage],
        )
        return ", ".join(filter(None, parts)) or "nothing"


class Damage(Always[RestDecision]):
    """Damages an answer that has JSON; another one passes."""

    __slots__ = ()

    def decide(self, context: RequestContext, now: int) -> RestDecision | None:
        """Return the decision if there is JSON."""
        return super().decide(context, now) if context.has_json else None


_CONDITIONS: Final = frozenset(RequestMatch.table)

REST: Final[FaultProtocol[RequestContext, RestDecision]] = FaultProtocol(
    "rest",
    {"request": Stage("REST REQUEST", _CONDITIONS), "response": Stage("REST RESPONSE", _CONDITIONS)},
    RequestMatch,
    RestDecision(),
    {"before": "request", "after": "response", "answer": "response", "reply": "response"},
)
"""The stages of a request. Every condition is known at both."""
