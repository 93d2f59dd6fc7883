"""A process to be killed: it says what it finds in a folder, then changes it and says so, one line for each step.

``python writer.py FOLDER fsync|journal`` reads lines from its standard input. For each, it forks a child that opens the
store; a line ``NUMBER POINT`` makes the child count the steps of its compactions, of the journal and of segments (a
chunk written, a slice read, a message copied, a file renamed, synced or deleted), and kill itself at the step ``POINT``
if that is not 0. The child's lines: ``pid``; ``state`` and what it found; ``try`` and what it is about to do; ``done``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put
from sirrchat_testkit.storage import TinyStore, segments
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.segments import Place, Segments
from sirrchat_testkit.storage.snapshot import Draft


def say(*words: Any) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def die_while_compacting(point: int) -> None:
    """Kill this process at the step ``point`` of its compactions, counted over all of them."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: type, name: str) -> None:
        real = getattr(owner, name)

        def stepped(*args: Any, **kwargs: Any) -> Any:
            step()
            found = real(*args, **kwargs)
            step()
            return found

        setattr(owner, name, stepped)

    def chunks(draft: Draft) -> Iterator[bytes]:
        for chunk in real_chunks(draft):
            yield chunk[: len(chunk) // 2]
            step()
            yield chunk[len(chunk) // 2 :]

    async def copy(segments: Segments, digest: str, raw: bytes, instead_of: Place | None = None) -> None:
        if instead_of is not None:
            step()
        await real_write(segments, digest, raw, instead_of)

    real_chunks, real_write = Draft._chunks, Segments._write
    Draft._chunks = chunks  # type: ignore[method-assign, assignment]
    Segments._write = copy  # type: ignore[method-assign, assignment]
    around(Segments, "_read_slice")
    for name in ("rename", "unlink", "sync"):
        around(Folder, name)


async def state(store: TinyStore) -> dict[str, Any]:
    found: dict[str, Any] = {}
    uids = set()
    for message in await store.find(Message):
        assert await store.raw(message.blob) == message.subject.encode()
        uids.add(message.uid)
        found[message.subject] = [message.seq, message.flags]
    assert len(uids) == len(found)
    return found


async def write(folder: Path, mode: str, number: int) -> None:
    store = TinyStore(folder, fsync=mode == "fsync", compact_at=6000)
    found = await state(store)
    say("state", json.dumps(found))
    choose = random.Random(number)
    seqs = {subject: seq for subject, (seq, _) in found.items()}
    for step in range(100_000):
        subject = f"{number}-{step}"
        what = choose.choice(["flag", "drop"] if len(seqs) > 40 else ["put", "put", "flag", "drop"]) if seqs else "put"
        change: Change
        blob = ""
        if what == "put":
            blob = await store.put_blob(subject.encode())
            change = Put(
                Message(
                    id=subject, account="a", address="x", recipient="r", recipient_key="r", envelope="e",
                    blob=blob, size=1, received_at=1, subject=subject,
                )
            )  # fmt: skip
        else:
            subject = choose.choice(list(seqs))
            seq = seqs[subject]
            change = Patch(Message, seq, flags=(str(step),)) if what == "flag" else Delete(Message, seq)
        say("try", what, subject, step)
        [seq] = await store.commit([change])
        if blob:
            store.release_blob(blob)
        say("done", seq)
        if what == "drop":
            del seqs[subject]
        else:
            seqs[subject] = seq
        if step % 3 == 0:
            await asyncio.sleep(0)


def main() -> None:
    segments.SEGMENT = 2_000  # type: ignore[misc]  # so that a few dozen messages fill one
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    for line in sys.stdin:
        number, point = map(int, line.split())
        child = os.fork()
        if child == 0:
            say("pid", os.getpid())
            die_while_compacting(point)
            asyncio.run(write(folder, mode, number))
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
