"""The clock: the order of due work, and freezing, moving and following."""

import asyncio
import time

import freezegun
import pytest
import time_machine

from sirrchat_testkit.domain.clock import Clock, Work
from tests.support import auntil

pytestmark = pytest.mark.asyncio
START = 1_700_000_000_000


def frozen() -> Clock:
    clock = Clock(asyncio.get_running_loop())
    clock.freeze(START)
    return clock


class Diary:
    """Records when work ran."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lines: list[tuple[str, int]] = []

    def work(self, name: str, then: int | None = None) -> Work:
        async def work() -> None:
            await asyncio.sleep(0)
            self.lines.append((name, self.clock.now() - START))
            if then is not None:
                self.clock.at(self.clock.now() + then, self.work(f"{name}+"))

        return work


async def test_a_clock_that_starts_at_a_time_runs_from_there() -> None:
    clock = Clock(asyncio.get_running_loop())
    assert abs(clock.offset) < 5
    clock.start_at(START)
    first = clock.now()
    assert START <= first < START + 5000
    assert clock.offset < -1000
    await auntil(lambda: clock.now() > first)


async def test_a_frozen_clock_stands_still() -> None:
    clock = frozen()
    assert clock.now() == START
    assert clock.frozen


async def test_advance_goes_from_due_time_to_due_time() -> None:
    clock = frozen()
    diary = Diary(clock)
    for name, due in (("late", 300), ("early", 100), ("never", 1001), ("middle", 200)):
        clock.at(START + due, diary.work(name))

    await clock.advance(1000)

    assert diary.lines == [("early", 100), ("middle", 200), ("late", 300)]
    assert clock.now() == START + 1000


async def test_work_due_at_the_same_time_runs_in_the_order_it_was_scheduled() -> None:
    clock = frozen()
    diary = Diary(clock)
    for name in "abc":
        clock.at(START + 5, diary.work(name))

    await clock.advance(5)

    assert [name for name, _ in diary.lines] == ["a", "b", "c"]


async def test_work_scheduled_by_work_counts_from_the_due_time() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.at(START + 100, diary.work("a", then=50))

    await clock.advance(150)

    assert diary.lines == [("a", 100), ("a+", 150)]


async def test_cancelled_work_does_not_run() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.at(START + 1, diary.work("a")).cancel()

    await clock.advance(10)

    assert diary.lines == []


async def test_going_back_runs_nothing() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.at(START + 1, diary.work("a"))

    await clock.move_to(START - 1000)

    assert (clock.now(), diary.lines) == (START - 1000, [])


async def test_real_time_runs_due_work() -> None:
    clock = Clock(asyncio.get_running_loop())
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    clock.at(clock.now() + 1, work)  # real time is the subject

    await done.wait()


async def test_freezing_holds_back_due_work_until_it_resumes() -> None:
    clock = Clock(asyncio.get_running_loop())
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    clock.at(clock.now(), work)
    clock.freeze()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0, later.set)  # after the timer that the clock would have
    await later.wait()
    assert not done.is_set()

    clock.resume()

    await done.wait()


async def test_resume_continues_from_the_current_time() -> None:
    clock = frozen()
    clock.resume()
    assert 0 <= clock.now() - START < 5000


async def test_rewind_restores_time_and_schedule() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.at(START + 100, diary.work("before"))
    state = clock.mark()
    clock.at(START + 50, diary.work("since"))
    await clock.advance(120)
    diary.lines.clear()

    clock.rewind(state)
    assert clock.now() == START
    await clock.advance(200)

    assert diary.lines == [("before", 100)]


async def test_hourly_work_runs_once_for_a_long_move() -> None:
    clock = frozen()
    diary = Diary(clock)
    hour = 3_600_000
    clock.every(hour, diary.work("hourly"))
    clock.at(START + 10 * hour, diary.work("between"))

    await clock.move_to(START + 8000 * 365 * 24 * hour)

    names = [name for name, _ in diary.lines]
    assert names == ["hourly", "between", "hourly"]
    assert [at + START for name, at in diary.lines if name == "hourly"] == [
        (START + 10 * hour) // hour * hour,
        (START + 8000 * 365 * 24 * hour) // hour * hour,
    ]


async def test_hourly_work_runs_every_hour() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.every(1000, diary.work("again"))
    await clock.advance(1000)
    await clock.advance(1000)
    await clock.advance(500)
    assert [at for _, at in diary.lines] == [1000, 2000]


@pytest.mark.parametrize("back", ["freeze", "move_to"])
async def test_hourly_work_runs_at_the_next_full_hour_after_the_clock_went_back(back: str) -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.every(1000, diary.work("again"))
    if back == "freeze":
        clock.freeze(START - 50_500)
    else:
        await clock.move_to(START - 50_500)
    await clock.advance(1000)
    assert [at for _, at in diary.lines] == [-50_000]


async def test_hourly_work_runs_at_the_next_full_hour_after_the_clock_returned_to_the_process_s_time() -> None:
    clock = Clock(asyncio.get_running_loop())
    diary = Diary(clock)
    hour = 3_600_000
    clock.freeze(clock.now() // hour * hour + 100 * hour)
    clock.every(hour, diary.work("hourly"))
    clock.follow()
    await clock.advance(hour)
    assert len(diary.lines) == 1


async def test_freezegun_does_not_move_it() -> None:
    clock = Clock(asyncio.get_running_loop())
    before = clock.now()
    with freezegun.freeze_time("2001-01-01"):
        assert abs(clock.now() - before) < 60_000


async def test_time_machine_does_not_move_it() -> None:
    clock = Clock(asyncio.get_running_loop())
    before = clock.now()
    with time_machine.travel("2001-01-01"):
        assert abs(clock.now() - before) < 60_000


async def test_follow_reads_the_time_that_the_process_sees() -> None:
    clock = Clock(asyncio.get_running_loop())
    clock.follow()
    with time_machine.travel(START / 1000, tick=False):
        assert clock.now() == START
    assert abs(clock.now() - time.time() * 1000) < 60_000


async def test_a_move_ends_after_a_rewind() -> None:
    clock = frozen()
    diary = Diary(clock)
    clock.at(START + 500, diary.work("due"))
    calm = asyncio.Event()

    async def until_calm() -> None:
        await calm.wait()

    clock.hold(until_calm)
    around = asyncio.create_task(clock.advance(600))
    await asyncio.sleep(0)
    mark = clock.mark()
    inner = asyncio.create_task(clock.advance(1000))
    await asyncio.sleep(0)
    clock.rewind(mark)
    calm.set()
    with pytest.raises(RuntimeError, match="went back while it was being moved"):
        await inner
    await around
    assert diary.lines == [("due", 500)]
    assert clock.now() == START + 600


async def test_a_move_ends_when_its_work_returns_after_a_rewind() -> None:
    clock = frozen()
    diary = Diary(clock)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    mark = clock.mark()
    clock.at(START + 100, slow)
    move = asyncio.create_task(clock.advance(1000))
    await begun.wait()
    clock.rewind(mark)
    clock.at(START + 500, diary.work("of the next test"))
    go_on.set()
    with pytest.raises(RuntimeError, match="the test that moved it has ended"):
        await move
    assert diary.lines == []
    assert clock.now() == START
