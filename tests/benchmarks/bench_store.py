"""What the store costs, against plain TinyDB and against itself with more in it.

    python tests/benchmarks/bench_store.py [--most 100000] [--only operations,open] [--gate]

Trust the ratios, which are measured side by side in one run, more than the times. ``--gate`` fails where a ratio is
beyond its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinydb import JSONStorage, TinyDB, where
from tinydb.storages import MemoryStorage, Storage

from sirrchat_testkit.domain.models import Account, Envelope, Message
from sirrchat_testkit.domain.store import Delete, Patch, Put
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage.journal import JournalStorage

OPERATIONS = ("insert", "get", "find", "update", "remove")
ADDRESSES = 200
PAGE = 20
Row = dict[str, float]

missed: list[str] = []


def goal(name: str, value: float, *, most: float | None = None, least: float | None = None) -> None:
    """Say how a ratio stands to its goal."""
    right = (most is None or value <= most) and (least is None or value >= least)
    limit = f"<= {most:g}" if most is not None else f">= {least:g}"
    say(f"    {'ok  ' if right else 'MISS'} {name}: {value:,.2f} (goal {limit})")
    if not right:
        missed.append(name)


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def message(number: int, addresses: int = ADDRESSES) -> Message:
    digest = f"{number:064x}"
    return Message(
        id=f"6f1c2d3e-0000-4000-8000-{number:012x}",
        account=f"acc00000-0000-4000-8000-{number % 50:012x}",
        address=f"adr00000-0000-4000-8000-{number % addresses:012x}",
        recipient=f"Recipient.{number % addresses}@example.com",
        recipient_key=f"recipient.{number % addresses}@example.com",
        envelope=f"env00000-0000-4000-8000-{number:012x}",
        blob=digest,
        size=2048,
        received_at=1_780_000_000_000 + number,
        mail_from="bounces@newsletter.example.org",
        sender="Newsletter <news@newsletter.example.org>",
        to=(f"Recipient.{number % addresses}@example.com",),
        subject=f"Your order number {number} has been shipped",
        message_id=f"<{number:012x}.news@newsletter.example.org>",
    )


def envelope(number: int) -> Envelope:
    return Envelope(
        id=f"env00000-0000-4000-8000-{number:012x}",
        sender="bounces@newsletter.example.org",
        recipients=(f"Recipient.{number % ADDRESSES}@example.com",),
        received_at=1_780_000_000_000 + number,
        blob=f"{number:064x}",
        size=2048,
        parameters={"": ["SIZE=2048"]},
        ehlo="mx1.newsletter.example.org",
        peer="127.0.0.1:54321",
    )


class Ours:
    """The five operations on a TinyStore, as the domain asks for them."""

    def __init__(self, folder: Path | None) -> None:
        self.store = TinyStore(folder)
        self.next = 0

    async def fill(self, count: int) -> None:
        self.addresses = addresses(count)
        while self.next < count:
            upto = min(count, self.next + 500)
            await self.store.commit([Put(message(number, self.addresses)) for number in range(self.next, upto)])
            self.next = upto

    async def insert(self, _: int) -> None:
        self.next += 1
        await self.store.commit([Put(message(self.next, self.addresses))])

    async def get(self, number: int) -> None:
        await self.store.get(Message, id=message_id(number))

    async def find(self, number: int) -> None:
        await self.store.find(Message, {"address": address_id(number % self.addresses)}, newest=True, limit=PAGE)

    async def update(self, number: int) -> None:
        await self.store.commit([Patch(Message, number, flags=(str(time.perf_counter_ns()),))])

    async def remove(self, number: int) -> None:
        await self.store.commit([Delete(Message, number)])

    async def close(self) -> None:
        await self.store.close()


class Stock:
    """The same on plain TinyDB."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.storage: Callable[..., Storage] = MemoryStorage if path is None else JSONStorage
        self.next = 0

    async def fill(self, count: int) -> None:
        self.addresses = addresses(count)
        table = {str(number): message(number - 1, self.addresses).to_doc() for number in range(1, count + 1)}
        if self.path is None:
            self.db = TinyDB(storage=self.storage)
            self.db.storage.write({"_default": table})
        else:
            self.path.write_text(json.dumps({"_default": table}))
            self.db = TinyDB(self.path, storage=self.storage)
        self.next = count

    async def insert(self, _: int) -> None:
        self.next += 1
        self.db.insert(message(self.next, self.addresses).to_doc())

    async def get(self, number: int) -> None:
        self.db.get(where("id") == message_id(number))

    async def find(self, number: int) -> None:
        self.db.table("_default").clear_cache()
        self.db.search(where("address") == address_id(number % self.addresses))[-PAGE:]

    async def update(self, number: int) -> None:
        self.db.update({"flags": [str(time.perf_counter_ns())]}, doc_ids=[number])

    async def remove(self, number: int) -> None:
        self.db.remove(doc_ids=[number])

    async def close(self) -> None:
        self.db.close()


def message_id(number: int) -> str:
    return f"6f1c2d3e-0000-4000-8000-{number:012x}"


def address_id(number: int) -> str:
    return f"adr00000-0000-4000-8000-{number:012x}"


def addresses(count: int) -> int:
    """Return how many addresses share ``count`` messages, so that the newest page of each is full."""
    return min(ADDRESSES, count // PAGE)


async def median(work: Callable[[int], Awaitable[None]], count: int, *, seconds: float = 0.4) -> float:
    """Return the median time of ``work`` on different numbers below ``count``, in microseconds."""
    times: list[float] = []
    begin = time.perf_counter()
    # At most a tenth of what is stored changes, so that the size stays what the column says.
    for number in random.Random(7).sample(range(1, count + 1), min(max(20, count // 10), 3000, count)):
        start = time.perf_counter()
        await work(number)
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begin > seconds:
            break
    return statistics.median(times) * 1e6


async def measure(side: Ours | Stock, count: int) -> Row:
    await side.fill(count)
    gc.collect()
    row = {name: await median(getattr(side, name), count) for name in OPERATIONS}
    await side.close()
    return row


def sizes(most: int) -> list[int]:
    return [size for size in (100, 1_000, 10_000, 100_000) if size <= most]


async def operations(most: int, folder: Path) -> None:
    say("operation, median us       " + "".join(f"{size:>12,}" for size in sizes(most)) + "   most/100")
    sides: dict[str, Callable[[], Ours | Stock]] = {
        "memory": lambda: Ours(None),
        "journal": lambda: Ours(Path(tempfile.mkdtemp(dir=folder))),
        "TinyDB memory": lambda: Stock(None),
        "TinyDB JSON": lambda: Stock(Path(tempfile.mkdtemp(dir=folder)) / "db.json"),
    }
    found = {name: [await measure(make(), size) for size in sizes(most)] for name, make in sides.items()}
    for operation in OPERATIONS:
        for name, rows in found.items():
            cells = "".join(f"{row[operation]:12,.1f}" for row in rows)
            say(f"  {operation:8} {name:15} {cells} {rows[-1][operation] / rows[0][operation]:10,.1f}")
    for name in ("memory", "journal"):
        first, last = found[name][0], found[name][-1]
        goal(f"{name} insert, most/100", last["insert"] / first["insert"], most=2)
        for operation in OPERATIONS[1:]:
            goal(f"{name} {operation}, most/100", last[operation] / first[operation], most=5)
    ours, stock = found["memory"], found["TinyDB memory"]
    goal("journal insert / memory insert", found["journal"][-1]["insert"] / ours[-1]["insert"], most=3)
    goal("TinyDB memory / memory, insert", stock[-1]["insert"] / ours[-1]["insert"], least=500 * most / 100_000)
    ratio = found["TinyDB JSON"][-1]["insert"] / found["journal"][-1]["insert"]
    goal("TinyDB JSON / journal, insert", ratio, least=10_000 * most / 100_000)
    for operation in OPERATIONS:
        goal(f"TinyDB memory / memory at 100, {operation}", stock[0][operation] / ours[0][operation], least=0.9)


async def table(most: int, folder: Path) -> None:
    say("mappings for mappings: a page of 20 by address in a table of 100, us")
    stock, live = Stock(None), Ours(None)
    await stock.fill(100)
    await live.fill(100)

    async def ours(number: int) -> None:
        live.store._tables[Message].walk(where("address") == address_id(number % 5), newest=True, limit=PAGE)

    rounds = [(await median(ours, 100), await median(stock.find, 100)) for _ in range(9)]
    say(f"  LiveTable {rounds[0][0]:.1f}, TinyDB {rounds[0][1]:.1f}")
    goal("TinyDB / LiveTable", statistics.median(theirs / ours for ours, theirs in rounds), least=0.9)


async def scan(most: int, folder: Path) -> None:
    say("unindexed scan, ms")
    stock = Stock(None)
    await stock.fill(most)
    live = Ours(None)
    await live.fill(most)
    table = live.store._tables[Message]
    query = where("subject") == "nobody has this subject"

    async def ours(_: int) -> None:
        table.search(query)

    async def theirs(_: int) -> None:
        stock.db.table("_default").clear_cache()
        stock.db.search(query)

    rounds = [(await median(ours, 20), await median(theirs, 20)) for _ in range(5)]
    say(f"  LiveTable {rounds[0][0] / 1e3:.1f}, TinyDB {rounds[0][1] / 1e3:.1f}, at {most:,}")
    goal("TinyDB / LiveTable", statistics.median(theirs / ours for ours, theirs in rounds), least=0.9)


async def paging(most: int, folder: Path) -> None:
    say("a page of 20 accounts by offset, us")
    found: list[float] = []
    for size in (100, most):
        store = TinyStore()
        accounts = (Account(id=str(each), email=f"{each}@example.com", created_at=1, quota=1) for each in range(size))
        await store.commit([Put(each) for each in accounts])

        async def last_page(_: int, store: TinyStore = store, offset: int = size - 20) -> None:
            assert len(await store.find(Account, {"hidden": False}, offset=offset, limit=20)) == 20

        found.append(await median(last_page, size))
    say(f"  {found[0]:.1f} at 100, {found[1]:.1f} at {most:,}")
    goal("most/100", found[1] / found[0], most=2)


async def fill_folder(folder: Path, count: int, raw: int = 0) -> TinyStore:
    """Fill a folder with messages and their envelopes; each has ``raw`` bytes, or none at all."""
    store = TinyStore(folder, compact_at=1 << 40)
    for start in range(0, count, 500):
        made: list[Any] = []
        for number in range(start, min(count, start + 500)):
            blob = await store.put_blob(f"{number:0{raw}}".encode()) if raw else f"{number:064x}"
            made += [replace(envelope(number), blob=blob), replace(message(number), blob=blob)]
        await store.commit([*map(Put, made)])
        for each in made[::2] if raw else ():
            store.release_blob(each.blob)
    return store


async def opening(most: int, folder: Path) -> None:
    say(f"open {most:,} messages of 1 KiB with their envelopes, s of CPU")
    store = await fill_folder(folder / "open", most, 1024)
    await store.flush()
    shutil.copytree(folder / "open", folder / "killed")
    await store.close()
    del store
    for name, path, most_seconds in (("after a kill", folder / "killed", 3), ("after a stop", folder / "open", 2)):
        gc.collect()
        start = time.process_time()
        store = TinyStore(path)
        took = time.process_time() - start
        say(f"  {name}: {took:.2f}")
        goal(name, took, most=most_seconds)
        await store.close()
        del store


async def stopping(most: int, folder: Path) -> None:
    count = 3 * most
    store = await fill_folder(folder / "stop", count, 1024)
    await store.flush()
    start, cpu = time.perf_counter(), time.process_time()
    await store.close()
    took = time.process_time() - cpu
    say(f"stop with {count:,} messages with their envelopes: {took:.2f} s of CPU, {time.perf_counter() - start:.2f} s")
    goal("stop", took, most=3)


async def memory(most: int, folder: Path) -> None:
    count = min(most, 20_000)
    say("memory per message with its envelope, bytes; the raw bytes are beside it")
    gc.collect()
    tracemalloc.start()
    store = TinyStore()
    for number in range(count):
        await store.commit([Put(envelope(number)), Put(message(number))])
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    say(f"  delivered: {taken:,.0f}")
    goal("delivered", taken, most=3072)
    await (await fill_folder(folder / "memory", count)).close()
    tracemalloc.start()
    again = TinyStore(folder / "memory")
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    await again.close()
    say(f"  opened again: {taken:,.0f}")
    goal("opened again", taken, most=3072)


async def group(most: int, folder: Path) -> None:
    say("200 clients, 10 commits each, commits/s")

    async def client(store: TinyStore, number: int) -> None:
        for step in range(10):
            await store.commit([Put(message(number * 10 + step))])
            if each:
                storage = store._storage
                assert isinstance(storage, JournalStorage)
                storage.journal.sync()

    rates: dict[str, list[float]] = {"fsync per commit": [], "group commit": [], "no fsync": []}
    for round_ in range(3):
        for name, rate in rates.items():
            each = name == "fsync per commit"
            store = TinyStore(folder / f"group-{name}-{round_}", fsync=name == "group commit")
            start = time.perf_counter()
            await asyncio.gather(*(client(store, number) for number in range(200)))
            rate.append(2000 / (time.perf_counter() - start))
            await store.close()
    for name, rate in rates.items():
        say(f"  {name}: {statistics.median(rate):,.0f}")
    ratios = [one / other for one, other in zip(rates["group commit"], rates["fsync per commit"], strict=True)]
    goal("group commit / fsync per commit", statistics.median(ratios), least=5)


async def rewind(most: int, folder: Path) -> None:
    say("rewind of 30 changes, us")
    found: list[float] = []
    for size in sizes(most):
        side = Ours(None)
        await side.fill(size)
        times: list[float] = []
        for _ in range(50):
            mark = side.store.mark()
            await side.store.commit([Put(message(size + each)) for each in range(10)])
            await side.store.commit([Patch(Message, each, size=1) for each in range(1, 11)])
            await side.store.commit([Delete(Message, each) for each in range(20, 30)])
            start = time.perf_counter()
            await side.store.rewind(mark)
            times.append(time.perf_counter() - start)
        found.append(statistics.median(times) * 1e6)
        say(f"  {found[-1]:8.1f} at {size:,}")
    goal("most/100", found[-1] / found[0], most=5)


async def longest_gap(stop: Callable[[], bool]) -> float:
    """Return how long the loop was held at most, in ms, until ``stop``.

    Of a gap, only as much counts as this process used the CPU, since on a busy machine it has to wait for a core.
    """
    longest, last, cpu = 0.0, time.perf_counter(), time.process_time()
    while not stop():
        await asyncio.sleep(0.0005)  # real time is the subject
        now, used = time.perf_counter(), time.process_time()
        longest, last, cpu = max(longest, min(now - last, used - cpu)), now, used
    return longest * 1e3


async def compaction(most: int, folder: Path) -> None:
    say(f"longest hold of the loop, {most:,} messages with their envelopes, ms")
    store = await fill_folder(folder / "compaction", most)
    await store.flush()
    gc.collect()
    end = time.perf_counter() + 1
    say(f"  at rest: {await longest_gap(lambda: time.perf_counter() > end):.1f}")
    disk = store._disk
    assert disk is not None
    holds: list[float] = []
    for _ in range(3):
        task = asyncio.create_task(disk._compact())
        start = time.perf_counter()
        holds.append(await longest_gap(task.done))
        say(f"  compacting for {time.perf_counter() - start:.2f} s: {holds[-1]:.1f}")
    await store.close()
    goal("longest hold, ms", statistics.median(holds), most=10)


async def thinning(most: int, folder: Path) -> None:
    count = most // 4
    say(f"longest hold of the loop while segments are compacted, {count:,} messages of 10 KiB, ms")
    store = await fill_folder(folder / "segments", count, 10_240)
    await store.flush()
    gc.collect()
    disk = store._disk
    assert disk is not None
    await store.commit([Delete(kind, seq) for seq in range(1, count) if seq % 3 for kind in (Message, Envelope)])
    await disk.flush()
    before = len(disk.folder.segments())
    start = time.perf_counter()
    hold = await longest_gap(lambda: disk._thinning is None and disk._syncing is None)
    say(f"  {before} segments became {len(disk.folder.segments())} in {time.perf_counter() - start:.2f} s: {hold:.1f}")
    goal("longest hold, ms", hold, most=10)
    await store.close()


BENCHMARKS: dict[str, Callable[[int, Path], Coroutine[Any, Any, None]]] = {
    "operations": operations,
    "table": table,
    "scan": scan,
    "paging": paging,
    "open": opening,
    "stop": stopping,
    "memory": memory,
    "group": group,
    "rewind": rewind,
    "compaction": compaction,
    "segments": thinning,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=100_000, choices=[1_000, 10_000, 100_000])
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--gate", action="store_true")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(BENCHMARKS[name](options.most, Path(folder)))
            say()
    say(f"missed: {', '.join(missed) or 'nothing'}")
    return int(bool(missed) and options.gate)


if __name__ == "__main__":
    sys.exit(main())
