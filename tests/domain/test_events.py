"""The event log: order, bounds, subscribers, and when a server has settled."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sirrchat_testkit.domain.events import KEPT, Crashed, Event, EventLog
from sirrchat_testkit.domain.sessions import FRESH, Sessions
from tests.support import auntil

pytestmark = pytest.mark.asyncio


def log() -> EventLog:
    return EventLog(asyncio.get_running_loop().call_soon)


async def test_subscribers_are_called_in_order_in_the_next_step() -> None:
    events, received = log(), []
    events.subscribe(lambda number, event: received.append((number, event.at)))
    events.append(Event(at=1))
    events.append(Event(at=2))
    assert received == []
    await asyncio.sleep(0)
    assert received == [(1, 1), (2, 2)]


async def test_a_subscriber_that_has_unsubscribed_is_not_called() -> None:
    events, received = log(), []
    events.subscribe(lambda _, event: received.append(event))()
    leave = events.subscribe(lambda _, event: received.append(event))
    events.append(Event(at=1))
    leave()
    await asyncio.sleep(0)
    assert received == []


async def test_a_filter_sees_each_event_at_once_and_an_unwanted_one_schedules_nothing() -> None:
    seen: list[int] = []
    received: list[int] = []
    steps: list[Callable[[], None]] = []
    events = EventLog(steps.append)

    def wants(event: Event) -> bool:
        seen.append(event.at)
        return event.at % 2 == 0

    events.subscribe(lambda _, event: received.append(event.at), wants)
    events.append(Event(at=1))
    assert (seen, steps) == ([1], [])
    events.append(Event(at=2))
    events.append(Event(at=3))
    [notify] = steps
    notify()
    assert (seen, received) == ([1, 2, 3], [2])


async def test_the_log_is_bounded_and_its_numbers_continue() -> None:
    events = log()
    for at in range(KEPT + 5):
        events.append(Event(at=at))
    assert events.last == KEPT + 5
    assert next(events.after()).at == 5
    assert [event.at for event in events.after(KEPT + 4)] == [KEPT + 4]
    for number in (0, 4, 5, 6, KEPT, KEPT + 4, KEPT + 5):
        assert [event.at for event in events.held(number)] == [*range(max(number, 5), KEPT + 5)], number


async def test_an_error_in_a_subscriber_is_an_event_and_the_others_are_still_called() -> None:
    events, received = log(), []

    def bad(_number: int, event: Event) -> None:
        if not isinstance(event, Crashed):
            raise ValueError("mine")

    events.subscribe(bad)
    events.subscribe(lambda _, event: received.append(type(event)))
    events.append(Event(at=1))
    await asyncio.sleep(0)
    assert received == [Event, Crashed]


async def test_an_idle_server_is_settled_at_once() -> None:
    assert await Sessions().settled(0) == []


async def test_a_transaction_is_waited_for() -> None:
    sessions = Sessions()
    session = sessions.open("127.0.0.1:1")
    session.begin("a@b")
    waiting = asyncio.ensure_future(sessions.settled(30))
    await auntil(lambda: sessions._waiting or waiting.done())
    assert not waiting.done()
    session.end()
    assert await waiting == []


async def test_activities_left_at_the_timeout_are_returned() -> None:
    sessions = Sessions()
    sessions.open("127.0.0.1:1").begin("a@b")
    assert [str(each) for each in await sessions.settled(0)] == ["127.0.0.1:1: MAIL FROM:<a@b>"]


async def test_a_fresh_connection_counts_as_busy_until_it_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions()
    timers: list[tuple[Any, ...]] = []
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_later", lambda *timer: timers.append(timer))
        sessions.open("127.0.0.1:1")
    assert len(await sessions.settled(0)) == 1
    [(seconds, age, *arguments)] = timers
    assert seconds == FRESH == 0.25
    waiting = asyncio.ensure_future(sessions.settled(30))
    await auntil(lambda: sessions._waiting)
    age(*arguments)
    assert await waiting == []


async def test_a_connection_that_closes_is_no_longer_waited_for() -> None:
    sessions = Sessions()
    session = sessions.open("127.0.0.1:1")
    waiting = asyncio.ensure_future(sessions.settled(30))
    await auntil(lambda: sessions._waiting)
    sessions.close(session)
    assert await waiting == []
    assert (len(sessions), sessions.opened) == (0, 1)


async def test_a_subscriber_that_fails_on_every_event_causes_one_crash_each_and_none_of_a_crash() -> None:
    events, seen = log(), []

    def fail(_number: int, _event: Event) -> None:
        raise ValueError("at every event")

    events.subscribe(fail)
    events.subscribe(lambda number, _: seen.append(number))
    events.append(Event(at=1))
    events.append(Event(at=2))
    await asyncio.sleep(0)
    events.append(Event(at=3))
    await asyncio.sleep(0)
    assert [type(event) for event in events.after()] == [Event, Event, Crashed, Crashed, Event, Crashed]
    assert seen == [1, 2, 3, 4, 5, 6]
