"""The thread and its door: calls from everywhere, and errors instead of hangs."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import freezegun
import pytest

from sirrchat_testkit.threads import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("kit")
    thread.start()
    yield thread
    thread.stop()


async def add(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


async def never() -> None:
    await asyncio.Event().wait()


def test_a_call_returns_what_the_work_returns(thread: LoopThread) -> None:
    assert thread.call(add(2, 3)) == 5


def test_a_call_raises_what_the_work_raises(thread: LoopThread) -> None:
    async def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        thread.call(fail())


def test_a_call_from_the_thread_itself_raises(thread: LoopThread) -> None:
    async def work() -> None:
        thread.call(add(1, 1))

    with pytest.raises(RuntimeError, match="its own thread"):
        thread.call(work())


def test_a_call_before_the_start_and_after_the_stop_raises(thread: LoopThread) -> None:
    with pytest.raises(RuntimeError, match="kit is not running"):
        LoopThread("kit").call(add(1, 1))
    thread.stop()
    thread.stop()
    with pytest.raises(RuntimeError, match="kit is not running"):
        thread.call(add(1, 1))


def test_a_stop_ends_the_calls_that_are_under_way(thread: LoopThread) -> None:
    errors: list[Exception] = []
    began = threading.Event()

    async def begin() -> None:
        began.set()
        await never()

    def wait() -> None:
        try:
            thread.call(begin())
        except RuntimeError as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    began.wait()
    thread.stop()
    waiter.join(10)
    assert not waiter.is_alive()
    assert "stopped while this call was in progress" in str(errors[0])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_instead_of_hanging(thread: LoopThread) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's side
        try:
            thread.call(add(1, 1))
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "forked child" in pipe.read()
    os.waitpid(child, 0)
    assert thread.call(add(1, 1)) == 2


def test_faked_time_does_not_stop_the_loop_s_timers(thread: LoopThread) -> None:
    with freezegun.freeze_time("2001-01-01"):  # real time is the subject
        assert thread.call(asyncio.wait_for(asyncio.sleep(0.001, "awake"), 30)) == "awake"


def test_the_loop_s_time_is_the_kernel_s(thread: LoopThread) -> None:
    async def now() -> float:
        return asyncio.get_running_loop().time()

    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    with freezegun.freeze_time("2001-01-01"):
        assert thread.call(now()) >= before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_call_leaves_the_caller_s_loop_running(thread: LoopThread, backend: str) -> None:
    import anyio

    released = asyncio.Event()

    async def work() -> str:
        await released.wait()
        return "done"

    async def release() -> None:
        released.set()

    async def main() -> None:
        results: list[str] = []

        async def call() -> None:
            results.append(await thread.acall(work()))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.lowlevel.checkpoint()
            thread.call(release())
        assert results == ["done"]

    anyio.run(main, backend=backend)


def test_an_async_call_outside_a_task_says_what_to_use(thread: LoopThread) -> None:
    coroutine = thread.acall(add(1, 1))
    with pytest.raises(RuntimeError, match="not in an asyncio or trio task"):
        coroutine.send(None)


STOPPED_AT_THE_END = """
import asyncio, atexit
from sirrchat_testkit.threads import LoopThread

thread = LoopThread("kit")
thread.start()
thread.call(asyncio.to_thread(int))
atexit.register(thread.stop)
"""


def test_it_can_be_stopped_when_the_process_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", STOPPED_AT_THE_END], capture_output=True, check=True, timeout=30)
    assert ended.stderr == b""
