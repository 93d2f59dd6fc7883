"""Processes that share, fork and die."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.errors import StoreError, StoreLocked
from sirrchat_testkit.storage import TinyStore

WRITER = Path(__file__).with_name("writer.py")
ROUNDS = 40


class Model:
    """What must be stored: all that was acknowledged, and perhaps the one step that was not."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Any]] = {}
        self.acknowledged = 0
        self.trying: list[str] | None = None

    def after(self, step: list[str], seq: int) -> dict[str, list[Any]]:
        what, subject, number = step
        changed = dict(self.messages)
        if what == "drop":
            del changed[subject]
        else:
            changed[subject] = [seq, [number] if what == "flag" else []]
        return changed

    def done(self, seq: int) -> None:
        assert self.trying is not None
        self.messages = self.after(self.trying, seq)
        self.acknowledged += 1
        self.trying = None

    def check(self, found: dict[str, list[Any]]) -> None:
        """Compare with what a new process found, and go on from there."""
        allowed = [self.messages]
        if self.trying is not None:
            seq = found.get(self.trying[1], [0])[0]
            allowed.append(self.after(self.trying, seq))
        assert found in allowed
        self.messages = found
        self.trying = None


def run_round(writer: subprocess.Popen[str], model: Model, number: int, choose: random.Random) -> bool:
    """Let a child write and be killed; return whether a compaction was under way."""
    itself = number % 2 == 0
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(f"{number} {choose.randrange(1, 60) if itself else 0}\n")
    writer.stdin.flush()
    steps_left = choose.randrange(150)
    pid = 0
    for line in writer.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "pid":
            pid = int(rest)
        elif word == "state":
            model.check(json.loads(rest))
        elif word == "try":
            model.trying = rest.split(" ")
        elif word == "done":
            model.done(int(rest))
            steps_left -= 1
            if steps_left == 0 and not itself:
                os.kill(pid, signal.SIGKILL)
        elif word == "dead":
            return itself
    raise AssertionError("the writer ended by itself")


@pytest.mark.parametrize("mode", ["journal", "fsync"])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, mode: str) -> None:
    model, choose = Model(), random.Random(3)
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(tmp_path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        compacting = sum(run_round(writer, model, number, choose) for number in range(ROUNDS))
        writer.kill()
    assert compacting == ROUNDS // 2
    assert model.acknowledged > 20 * ROUNDS


def run(code: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_store_at_a_time_in_this_process(tmp_path: Path) -> None:
    storage = TinyStore(tmp_path)._storage
    with pytest.raises(StoreLocked, match="already open in this process") as caught:
        TinyStore(tmp_path / "." / "")
    assert str(tmp_path) in str(caught.value)
    # The failed attempt has not let go of the first one's lock.
    assert "in use by another process" in run(OPEN, str(tmp_path))
    storage.close()
    TinyStore(tmp_path)._storage.close()


OPEN = """
import sys
from pathlib import Path
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.storage import TinyStore
try:
    TinyStore(Path(sys.argv[1]))
except StoreError as error:
    print(type(error).__name__, error)
else:
    print("opened")
"""


def test_a_second_process_is_told_which_folder_is_taken(tmp_path: Path) -> None:
    storage = TinyStore(tmp_path)._storage
    assert run(OPEN, str(tmp_path)) == f"StoreLocked the data folder {tmp_path} is in use by another process\n"
    storage.close()
    assert run(OPEN, str(tmp_path)) == "opened\n"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open the data folder"):
        TinyStore(tmp_path / "file" / "data")


FORK = """
import asyncio, os, signal, sys
from pathlib import Path
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.domain.models import Domain
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.storage import TinyStore

folder = Path(sys.argv[1])
store = TinyStore(folder)
put = lambda name: asyncio.run(store.commit([Put(Domain(id=name, name=name, created_at=1))]))
put("before")
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    open_files = [os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd") if each.isdigit()
                  and os.path.exists(f"/proc/self/fd/{each}")]
    assert not [each for each in open_files if each.startswith(str(folder))], open_files
    try:
        put("child")
    except StoreError as error:
        os.write(tell, str(error).encode())
    asyncio.run(store.close())
    signal.pause()
told = os.read(ready, 1000).decode()
put("after")
print(told, child, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_forked_child_has_nothing_of_the_store(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", FORK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told, _, child = parent.stdout.readline().strip().rpartition(" ")
        parent.wait()
    try:
        assert "a forked child cannot use it" in told
        # The parent is dead, its child lives: the folder is free, and has what the parent put there.
        storage = TinyStore(tmp_path)._storage
        assert [doc["name"] for doc in storage.tables["domains"].values()] == ["before", "after"]
        storage.close()
    finally:
        os.kill(int(child), signal.SIGKILL)
