"""Work runs at once, and what has to wait goes on in its own task."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sirrchat_testkit.smtp.eager import EagerRunner
from tests.support import auntil

pytestmark = pytest.mark.asyncio


class Bench:
    """Steps, the task that carries them, and a note of every flush; ``run`` is done from a callback, as by a loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.notes: list[str] = []
        self.steps = EagerRunner(self.loop, self._flush)
        self.task = self.loop.create_task(self._carry())

    def _flush(self) -> None:
        if self.notes[-1:] != ["flush"]:  # twice in a row is as good as once
            self.notes.append("flush")

    async def _carry(self) -> None:
        while True:
            await self.steps.run_deferred()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        rest = self.steps.start(work, self.task)
        if rest is not None:
            self.steps.defer(rest)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, and note what happens in the loop's next step."""

        def start() -> None:
            self.start(work)
            self.loop.call_soon(self.notes.append, "next step")

        self.loop.call_soon(start)
        await auntil(lambda: "next step" in self.notes and not self.steps.waiting)
        self.task.cancel()


async def test_work_that_need_not_wait_is_done_in_the_same_step() -> None:
    bench = Bench()

    async def work() -> None:
        bench.notes.append("work")

    await bench.run(work())
    assert bench.notes == ["work", "next step"]


async def test_replies_are_flushed_before_each_wait_and_at_the_end_in_the_same_step() -> None:
    bench = Bench()

    async def work() -> None:
        await asyncio.sleep(0)
        bench.loop.call_soon(bench.notes.append, "observer")
        bench.notes.append("second part")
        await asyncio.sleep(0)
        bench.loop.call_soon(bench.notes.append, "observer")
        bench.notes.append("end")

    await bench.run(work())
    await asyncio.sleep(0)
    notes = [note for note in bench.notes if note != "next step"]
    assert notes == ["flush", "second part", "flush", "observer", "end", "flush", "observer"]


async def test_the_current_task_is_the_same_before_and_after_a_wait() -> None:
    bench = Bench()
    seen: list[Any] = []

    async def work() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    await bench.run(work())
    assert seen == [bench.task, bench.task]


async def test_a_time_limit_that_was_set_before_the_first_wait_holds() -> None:
    bench = Bench()

    async def work() -> None:
        try:
            async with asyncio.timeout(0.001):  # real time is the subject
                await asyncio.Event().wait()
        except TimeoutError:
            bench.notes.append("timed out")

    await bench.run(work())
    assert bench.notes == ["flush", "next step", "timed out", "flush"]


async def test_cancelling_the_task_reaches_the_work() -> None:
    bench = Bench()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            bench.notes.append("cancelled")

    bench.loop.call_soon(lambda: bench.start(work()))
    await auntil(lambda: bench.steps.waiting)
    await asyncio.sleep(0)
    bench.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bench.task
    assert bench.notes == ["flush", "cancelled", "flush"]
    assert not bench.steps.waiting


async def test_work_that_arrives_in_the_step_of_its_cancelling_is_unwound() -> None:
    """Else the connection would count as waiting for ever, and be forgotten never."""
    bench = Bench()
    await asyncio.sleep(0)  # the task is parked

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            bench.notes.append("unwound")

    def start() -> None:
        bench.start(work())
        bench.task.cancel()

    bench.loop.call_soon(start)
    await asyncio.wait([bench.task])
    assert bench.notes == ["flush", "unwound", "flush"]
    assert not bench.steps.waiting
