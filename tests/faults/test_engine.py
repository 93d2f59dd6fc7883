"""The engine on a protocol of the test's own: which fault fires, when it counts, and what a scope puts back."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pytest

from sirrchat_testkit.faults.engine import Always, Decision, Fault, FaultProtocol, FaultRegistry, ProtocolFaults, Stage
from sirrchat_testkit.matching import Condition, Match

Log = list[tuple[str, int, int, str]]


@dataclass(frozen=True)
class Page:
    """A context."""

    stage: str
    data: dict[str, Any]
    large: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.data.get(name)

    def fired(self, at: int, fault: int, text: str) -> tuple[str, int, int, str]:
        return (self.stage, at, fault, text)


@dataclass(frozen=True, slots=True)
class Spoil(Decision):
    """A decision."""

    how: str = ""

    @property
    def final(self) -> bool:
        return bool(self.how)

    @property
    def deferred(self) -> bool:
        return self.how == "late"


class PageMatch(Match):
    """Conditions."""

    table = {"path": Condition(itemgetter("path")), "title": Condition(itemgetter("title"))}  # noqa: RUF012


def protocol(name: str) -> FaultProtocol[Page, Spoil]:
    stages = {"ask": Stage("ASK", frozenset({"path"})), "answer": Stage("ANSWER", frozenset({"path", "title"}))}
    return FaultProtocol(name, stages, PageMatch, Spoil(), {"request": "ask"})


PAGES, OTHER = protocol("pages"), protocol("other")
ASK = Page("ask", {"path": "/a"})


def fault(how: str = "it", *stages: str, times: int | None = None, of: Any = PAGES, **conditions: Any) -> Fault:
    return Fault(of, stages or ("ask",), Always(Spoil(how=how), how), conditions, times)


@pytest.fixture
def log() -> Log:
    return []


@pytest.fixture
def registry(log: Log) -> FaultRegistry:
    return FaultRegistry(lambda: 7, log.append)


@pytest.fixture
def pages(registry: FaultRegistry) -> ProtocolFaults[Page, Spoil]:
    return registry.of(PAGES)


async def decided(pages: ProtocolFaults[Page, Spoil], times: int = 1, context: Page = ASK) -> list[str]:
    return [(await pages.decide(context)).how for _ in range(times)]


@pytest.mark.asyncio
async def test_faults_fire_one_after_the_other_and_each_is_an_event(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil], log: Log
) -> None:
    first, second = registry.plan(fault("one", times=2)), registry.plan(fault("two", times=1))
    assert await decided(pages, 4) == ["one", "one", "two", ""]
    assert (first.fired, second.fired) == (2, 1)
    assert log == [("ask", 7, 1, "one"), ("ask", 7, 1, "one"), ("ask", 7, 2, "two")]


@pytest.mark.asyncio
async def test_a_stage_and_conditions_say_where(registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]) -> None:
    registry.plan(fault("x", "answer"))
    registry.plan(fault("y", path="/b"))
    assert await decided(pages) == [""]
    assert await decided(pages, context=Page("answer", {})) == ["x"]
    assert await decided(pages, context=Page("ask", {"path": "/b"})) == ["y"]


@pytest.mark.asyncio
async def test_protocols_do_not_see_each_others_faults(registry: FaultRegistry) -> None:
    planned = registry.plan(fault("x", of=OTHER))  # before anything asks for its protocol
    pages, other = registry.of(PAGES), registry.of(OTHER)
    assert registry.of(PAGES) is pages
    assert (pages.planned, other.planned) == (False, True)
    assert await decided(pages) == [""]
    assert await decided(other) == ["x"]
    assert (registry.all(), registry.all(PAGES), registry.all(OTHER)) == ((planned,), (), (planned,))
    registry.cancel(planned)
    assert not other.planned


@pytest.mark.asyncio
async def test_a_deferred_fault_counts_when_it_takes_effect(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil], log: Log
) -> None:
    late = registry.plan(fault("late", times=1))
    one, other = await pages.decide(ASK), await pages.decide(ASK)
    assert one.fire
    assert other.fire
    assert (late.fired, log) == (0, [])
    assert one.fire()
    assert not other.fire()
    assert (late.fired, len(log)) == (1, 1)


@pytest.mark.asyncio
async def test_a_cancelled_fault_takes_no_effect_later(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    late = registry.plan(fault("late"))
    decision = await pages.decide(ASK)
    registry.cancel(late)
    assert decision.fire
    assert not decision.fire()


@pytest.mark.asyncio
async def test_conditions_on_large_content_are_decided_in_another_thread(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    class Watched(dict[str, Any]):
        def get(self, name: str, _: Any = None) -> Any:
            ran.append(threading.current_thread())
            return self[name]

    ran: list[threading.Thread] = []
    registry.plan(fault("x", path="/a"))
    for large in (False, True):
        assert await decided(pages, context=Page("ask", Watched(path="/a"), large=large)) == ["x"]
    assert [each is threading.current_thread() for each in ran] == [True, False]


@pytest.mark.asyncio
async def test_the_users_code_runs_in_another_thread(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    ran: list[threading.Thread] = []

    def path(_: str) -> bool:
        ran.append(threading.current_thread())
        return True

    registry.plan(fault("x", path=path))
    assert await decided(pages) == ["x"]
    assert ran != [threading.current_thread()]


@pytest.mark.asyncio
async def test_what_the_users_code_raises_reaches_the_adapter(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    registry.plan(fault("x", path=lambda path: path / 0))
    with pytest.raises(TypeError, match="unsupported operand"):
        await pages.decide(ASK)


@pytest.mark.asyncio
async def test_a_fault_does_not_fire_more_often_than_planned_while_conditions_run(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    both = threading.Barrier(2)
    planned = registry.plan(fault("x", times=1, path=lambda _: both.wait(10) >= 0))
    found = await asyncio.gather(pages.decide(ASK), pages.decide(ASK))
    assert sorted(each.how for each in found) == ["", "x"]
    assert planned.fired == 1


@pytest.mark.asyncio
async def test_a_fault_that_is_cancelled_while_its_conditions_run_does_not_fire(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    def cancelling(_: str) -> bool:
        registry.cancel(*registry.all())
        return True

    planned = registry.plan(fault("x", path=cancelling))
    assert await decided(pages) == [""]
    assert planned.fired == 0


@pytest.mark.asyncio
async def test_conditions_of_a_later_fault_are_not_evaluated(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    ran: list[str] = []
    registry.plan(fault("x"))
    registry.plan(fault("y", path=ran.append))
    assert await decided(pages) == ["x"]
    assert ran == []


@pytest.mark.asyncio
async def test_rewinding_puts_faults_of_every_protocol_back(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    kept, removed = registry.plan(fault("x", times=1)), registry.plan(fault("y", of=OTHER))
    mark = registry.mark()
    assert await decided(pages, 2) == ["x", ""]
    registry.cancel(removed)
    registry.plan(fault("z"))
    registry.rewind(mark)
    assert registry.all() == (kept, removed)
    assert kept.fired == 0
    assert await decided(pages, 2) == ["x", ""]


@pytest.mark.asyncio
async def test_faults_that_never_fired_are_found_for_each_scope(
    registry: FaultRegistry, pages: ProtocolFaults[Page, Spoil]
) -> None:
    outer, fired, inner = [registry.plan(fault(how, times=1)) for how in ("x", "y", "z")]
    outer.fired = 1
    await decided(pages)
    outer.fired = 0
    assert fired.fired
    assert [each for each in registry.all() if not each.fired] == [outer, inner]


def test_a_fault_says_what_it_does_and_how_often_it_fired() -> None:
    planned = fault("spoil", "ask", "answer", times=2, path="/a")
    assert str(planned) == "spoil at ASK and ANSWER for path='/a'"
    assert planned.count() == "never fired"
    assert repr(planned) == "<Fault spoil at ASK and ANSWER for path='/a', never fired>"
    assert fault("spoil").count() == "never fired"


@pytest.mark.parametrize("times", [0, -1, 1.0, True, "2"])
def test_times_is_a_positive_number_or_none(times: Any) -> None:
    with pytest.raises(ValueError, match="times must be a whole number of at least 1, or None for any number, not"):
        fault(times=times)


@pytest.mark.parametrize(
    ("conditions", "error", "text"),
    [
        ({"title": "x"}, ValueError, "'title' is not known at stage 'ask' yet, only from stage 'answer' on"),
        ({"pth": "x"}, TypeError, "did you mean 'path'"),
    ],
)
def test_a_condition_that_cannot_be_decided_is_refused(
    conditions: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        fault(**conditions)


def test_a_stage_is_found_by_its_name_in_any_case_or_by_an_alias() -> None:
    assert [PAGES.stage(name) for name in ("answer", "ASK", "Request")] == ["answer", "ask", "ask"]
    with pytest.raises(ValueError, match="stage must be one of 'ask', 'answer', not 'anwser'; did you mean 'answer'"):
        PAGES.stage("anwser")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [("x", False), (5, False), ({"X": None}, False), (str.isupper, True), ({"X": bool}, True), (Page("", {}), True)],
)
def test_only_the_users_code_leaves_the_servers_thread(wanted: Any, code: bool) -> None:  # noqa: FBT001
    assert fault(path=wanted).runs_user_code is code
