"""Statistics: exact, the same after a restart, and cheap under a flood of refusals."""

import asyncio
import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.domain import counters
from sirrchat_testkit.domain.counters import Counters, SmtpStats, _Count
from sirrchat_testkit.domain.models import Message, Tally
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.store import Change, Patch, Update
from sirrchat_testkit.errors import NoSuchAddress, OverQuota, StoreFull
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage.store import TinyStore
from tests.support import deliver

pytestmark = pytest.mark.asyncio
DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2
_MESSAGE: dict[str, Any] = {"id": "m", "account": "", "address": "", "recipient": "a@b.c", "recipient_key": "a@b.c"}
_MESSAGE |= {"envelope": "e", "blob": "0" * 64, "size": 1, "received_at": 1}


async def refuse(backend: Backend, recipient: str = "nobody@example.com") -> None:
    with pytest.raises(NoSuchAddress):
        await backend.postoffice.admit(recipient, "a@shop.example")


async def test_a_new_server_has_zeros(backend: Backend) -> None:
    backend.clock.freeze()
    backend.stats.begin()
    stats = await backend.stats.server()
    assert (stats.uptime, stats.users_total, stats.sessions_active, stats.messages_today, stats.storage_used) == (
        0,
    ) * 5
    assert stats.smtp == SmtpStats(0, 0, 0)
    assert (stats.imap.connections, stats.imap.commands) == (0, 0)


async def test_today_is_a_day_in_utc_on_the_server_s_clock(backend: Backend) -> None:
    backend.clock.freeze(NOON)
    await backend.accounts.add("ann@example.com")
    await deliver(backend, "ann@example.com", "ops@corp.example")
    assert (await backend.stats.server()).messages_today == 2
    await backend.clock.advance(DAY // 2 - 1)
    assert (await backend.stats.server()).messages_today == 2
    await backend.clock.advance(1)
    assert (await backend.stats.server()).messages_today == 0
    await deliver(backend, "ann@example.com")
    assert (await backend.stats.server()).messages_today == 1


async def test_deleting_lowers_storage_and_not_the_counters(backend: Backend) -> None:
    ann = await backend.accounts.add("ann@example.com")
    messages = await deliver(backend, "ann@example.com", "ops@corp.example")
    await backend.postoffice.delete(messages)
    server, mine = await backend.stats.server(), await backend.stats.account(ann)
    assert (server.storage_used, server.messages_today, server.smtp) == (0, 2, SmtpStats(1, 1, 0))
    assert (mine.messages_total, mine.messages_unseen, mine.storage_used, mine.received) == (0, 0, 0, 1)


async def test_unseen_falls_when_a_message_is_read(backend: Backend) -> None:
    ann = await backend.accounts.add("ann@example.com")
    await backend.directory.add_address(ann.id, "box@example.com")
    await deliver(backend, "ann@example.com", "box@example.com")
    assert (await backend.stats.account(ann)).messages_unseen == 2
    [message], _ = await backend.folders.page(ann, "INBOX", 0, 9)
    read = await backend.folders.see(message)
    assert (read.flags, await backend.folders.see(read)) == (("\\Seen",), read)
    assert await backend.folders.message(ann, message.seq) == read
    assert (await backend.stats.account(ann)).messages_unseen == 1


async def test_a_refusal_counts_at_once_and_for_the_account_of_the_address(backend: Backend) -> None:
    ann = await backend.accounts.add("ann@example.com", quota=1)
    await refuse(backend)
    with pytest.raises(OverQuota) as caught:
        await deliver(backend, "ann@example.com")
    backend.postoffice.note_refusal("ann@example.com", "", caught.value)
    assert (await backend.stats.server()).smtp.rejected == 2
    assert (await backend.stats.account(ann)).rejected == 1
    await backend.counters.flush()
    assert (await backend.stats.server()).smtp.rejected == 2
    assert (await backend.stats.account(ann)).rejected == 1


class Commits:
    """Counts the commits of a backend's store."""

    def __init__(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Sequence[Change]] = []
        self._commit = backend.store.commit
        self.fails = False
        monkeypatch.setattr(backend.store, "commit", self)

    async def __call__(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        if self.fails:
            raise StoreFull("no room")
        self.made.append(changes)
        return await self._commit(changes, applied)


async def test_a_flood_of_refusals_is_one_commit_after_the_pause(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[tuple[float, Any]] = []
    loop = asyncio.get_running_loop()

    def call_later(delay: float, call: Any) -> _Timer:
        later.append((delay, call))
        return _Timer()

    monkeypatch.setattr(loop, "call_later", call_later)
    commits = Commits(backend, monkeypatch)
    for number in range(500):
        await refuse(backend, f"nobody{number}@example.com")
    assert commits.made == []
    [(delay, call)] = later
    assert delay == counters.PAUSE == 1.0
    call()
    await asyncio.sleep(0)
    [[change]] = commits.made
    assert isinstance(change, Update)
    assert change.change({})["rejected"] == 500
    await refuse(backend)
    assert len(later) == 2
    assert (await backend.stats.server()).smtp.rejected == 501


class _Timer:
    def cancel(self) -> None:
        pass


class _Loop:
    """A loop that records scheduled calls."""

    def __init__(self) -> None:
        self.later: list[Any] = []

    def call_later(self, _delay: float, callback: Any, *_args: Any) -> _Timer:
        self.later.append(callback)
        return _Timer()

    def create_task(self, coro: Any) -> Any:
        return asyncio.create_task(coro)


async def test_counts_that_could_not_be_stored_are_stored_after_another_pause(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = _Loop()
    counting = Counters(backend.store, loop)
    counting.reject("nobody@example.com")
    with monkeypatch.context() as patch:
        Commits(backend, patch).fails = True
        await counting.flush()
    [_, again] = loop.later
    again()
    await asyncio.sleep(0)
    server = await backend.store.get(Tally, account="")
    assert server is not None
    assert server.rejected == 1


async def test_counts_from_before_a_scope_are_stored_after_it(backend: Backend) -> None:
    loop = _Loop()
    counting = Counters(backend.store, loop)
    counting.reject("nobody@example.com")
    counting.rewind(counting.mark())
    assert len(loop.later) == 2


async def test_a_mark_can_be_used_again(backend: Backend) -> None:
    message = replace(Message(**_MESSAGE), seq=1)
    counting = Counters(backend.store, _Loop())
    counting.count([message])
    mark = counting.mark()
    for _ in range(2):
        counting.rewind(mark)
        counting.count([message])
        counting.reject("nobody@example.com")
        server = await counting.read()
        assert (server.sent, server.rejected) == (2, 1)


async def test_counts_stored_in_parts_add_up(backend: Backend) -> None:
    def counted(days: Sequence[int], first: int) -> _Count:
        count = _Count()
        for number, day in enumerate(days, first):
            message = replace(Message(**_MESSAGE), received_at=day * DAY + number)
            count.add(message, received=number % 2 == 0)
        return count

    stored = counted([7], 0).apply_to({})
    for days in itertools.product([7, 8], repeat=4):
        whole = counted(days, 1).apply_to(stored)
        for cut in range(4):
            earlier, later = counted(days[:cut], 1), counted(days[cut:], 1 + cut)
            assert later.apply_to(earlier.apply_to(stored)) == whole
            later.merge(earlier)
            assert later.apply_to(stored) == whole


async def test_a_full_store_loses_no_refusal(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(backend, monkeypatch)
    await refuse(backend)
    commits.fails = True
    await backend.counters.flush()
    assert (await backend.stats.server()).smtp.rejected == 1
    commits.fails = False
    await refuse(backend)
    await backend.counters.flush()
    server = await backend.store.get(Tally, account="")
    assert server is not None
    assert server.rejected == 2


async def test_a_full_store_loses_no_count(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = await backend.accounts.add("ann@example.com")
    backend.clock.freeze(NOON)
    await deliver(backend, "ann@example.com", "ops@corp.example")
    count = backend.counters.count

    async def fail(_changes: Sequence[Change]) -> list[int]:
        count([late])
        raise StoreFull("no room")

    [late] = await deliver(backend, "ann@example.com")
    with monkeypatch.context() as failing:
        failing.setattr(backend.store, "commit", fail)
        await backend.counters.flush()
    for _ in range(2):
        server, mine = await backend.counters.read(), await backend.counters.read(ann.id)
        assert (server.received, server.sent, server.today, server.newest) == (3, 1, 4, late.seq)
        assert (mine.received, mine.today, mine.last_received_at) == (3, 3, NOON)
        await backend.counters.flush()


async def test_pending_counts_of_two_days_set_today_to_the_last(backend: Backend) -> None:
    backend.clock.freeze(NOON)
    await backend.accounts.add("ann@example.com")
    await deliver(backend, "ann@example.com")
    await backend.counters.flush()
    await deliver(backend, "ann@example.com")
    backend.clock.freeze(NOON + DAY)
    await deliver(backend, "ann@example.com", "ops@corp.example")
    for _ in range(2):
        tally = await backend.counters.read()
        assert (tally.received, tally.sent, tally.today, tally.day) == (3, 1, 2, NOON // DAY + 1)
        await backend.counters.flush()


async def test_the_next_process_counts_what_a_killed_one_had_not(tmp_path: Path) -> None:
    async def open_backend(folder: Path) -> Backend:
        backend = Backend.build(Settings(password_cost=4), TinyStore(folder), asyncio.get_running_loop())
        await backend.set_up()
        return backend

    first = await open_backend(tmp_path / "first")
    ann = await first.accounts.add("ann@example.com", password="x")
    await deliver(first, "ann@example.com")
    await first.counters.flush()
    await deliver(first, "ann@example.com", "ops@corp.example", login="ann@example.com")
    said = await first.stats.server(), await first.stats.account(ann)
    assert (said[0].smtp, said[1].received, said[1].sent) == (SmtpStats(1, 2, 0), 2, 1)
    shutil.copytree(tmp_path / "first", tmp_path / "second")

    second = await open_backend(tmp_path / "second")
    assert (await second.stats.server(), await second.stats.account(ann)) == said
    await second.counters.recover()
    assert await second.stats.server() == said[0]
    for each in (first, second):
        await each.close()
        await each.store.close()


async def test_the_next_process_counts_what_one_killed_before_its_first_count_received(backend: Backend) -> None:
    await backend.accounts.add("ann@example.com")
    await deliver(backend, "ann@example.com")
    after = Counters(backend.store, _Loop())  # of the next process
    await after.recover()
    for _ in range(2):
        server = await after.read()
        assert (server.received, server.today) == (1, 1)
        await after.recover()


async def test_a_folder_of_an_older_version_is_not_counted_again(backend: Backend) -> None:
    await backend.accounts.add("ann@example.com")
    await deliver(backend, "ann@example.com", "ops@corp.example")
    await backend.counters.flush()
    server = await backend.counters.read()
    await backend.store.commit([Patch(Tally, server.seq, newest=0)])
    for _ in range(2):
        await backend.counters.recover()
        assert await backend.counters.read() == server


async def test_counts_after_a_clock_went_back_do_not_depend_on_when_they_are_stored(backend: Backend) -> None:
    await backend.accounts.add("ann@example.com")
    said = []
    for flushes in (True, False):
        backend.clock.freeze(NOON + 5 * DAY)
        for days in (0, 0, -1, 0):
            backend.clock.freeze(NOON + days * DAY)
            await deliver(backend, "ann@example.com")
            if flushes or days == 0:
                await backend.counters.flush()
        tally = await backend.counters.read()
        said.append((tally.today, tally.day))
    assert said == [(1, NOON // DAY)] * 2


async def opened(folder: Path, *, fsync: bool = True) -> Backend:
    backend = Backend.build(
        Settings(data=str(folder), password_cost=4), TinyStore(folder, fsync=fsync), asyncio.get_running_loop()
    )
    await backend.set_up()
    await backend.accounts.add("ann@example.com")
    return backend


async def counted(backend: Backend) -> tuple[int, int]:
    """Return the number of stored messages, and of counted ones."""
    return await backend.store.count(Message), (await backend.counters.read()).received


async def delivering(backend: Backend, *, after: int = 0) -> asyncio.Task[list[Message]]:
    """Return the task of a delivery that is stored and waits for the disk."""
    task = asyncio.create_task(deliver(backend, "ann@example.com"))
    while await backend.store.count(Message) == after:  # noqa: ASYNC110 - it is a matter of steps of the loop
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_a_delivery_cancelled_while_the_disk_writes_counts(tmp_path: Path) -> None:
    backend = await opened(tmp_path)
    task = await delivering(backend)
    task.cancel()
    await asyncio.wait([task])
    await deliver(backend, "ann@example.com")
    assert await counted(backend) == (2, 2)
    await backend.close()
    await backend.store.close()


async def test_a_delivery_undone_by_a_scope_while_the_disk_writes_does_not_count(tmp_path: Path) -> None:
    backend = await opened(tmp_path)
    scope = await backend.scopes.open("a test")
    task = await delivering(backend)
    await backend.scopes.close(scope)
    await asyncio.wait([task])
    assert await counted(backend) == (0, 0)
    await backend.close()
    await backend.store.close()


async def test_a_delivery_while_a_scope_opens_counts_where_it_is_stored(tmp_path: Path) -> None:
    backend = await opened(tmp_path)
    await deliver(backend, "ann@example.com")
    opening = asyncio.create_task(backend.scopes.open("a test"))
    await asyncio.sleep(0)
    second = asyncio.create_task(deliver(backend, "ann@example.com"))
    scope = await opening
    await second
    await backend.scopes.close(scope)
    await deliver(backend, "ann@example.com")
    stored, received = await counted(backend)
    assert stored == received
    await backend.close()
    await backend.store.close()


async def test_a_scope_that_opened_on_a_full_store_keeps_earlier_counts(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.accounts.add("ann@example.com")
    await deliver(backend, "ann@example.com")
    commits = Commits(backend, monkeypatch)
    commits.fails = True
    scope = await backend.scopes.open("a test")
    await backend.scopes.close(scope)
    assert await counted(backend) == (1, 1)
    commits.fails = False
    await backend.counters.flush()
    assert await counted(backend) == (1, 1)


async def test_a_scope_that_cannot_end_keeps_its_counts(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    await backend.accounts.add("ann@example.com")
    scope = await backend.scopes.open("a test")
    await deliver(backend, "ann@example.com")

    async def fail(_mark: int) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as failing:
        failing.setattr(backend.store, "rewind", fail)
        with pytest.raises(StoreFull):
            await backend.scopes.close(scope)
    assert await counted(backend) == (1, 1)


async def test_a_scope_drops_its_refusals_and_keeps_earlier_ones(backend: Backend) -> None:
    await refuse(backend)
    scope = await backend.scopes.open("a test")
    await refuse(backend)
    await backend.counters.flush()
    await refuse(backend)
    assert (await backend.stats.server()).smtp.rejected == 3
    await backend.scopes.close(scope)
    assert (await backend.stats.server()).smtp.rejected == 1


async def test_a_durable_server_has_the_same_statistics_after_a_restart(tmp_path: Path) -> None:
    async def open_backend() -> Backend:
        store = TinyStore(tmp_path / "data")
        backend = Backend.build(Settings(data=str(tmp_path), password_cost=4), store, asyncio.get_running_loop())
        backend.clock.freeze(NOON)
        await backend.set_up()
        return backend

    first = await open_backend()
    ann = await first.accounts.add("ann@example.com", password="x")
    await deliver(first, "ann@example.com", "ops@corp.example")
    await first.postoffice.delete(await deliver(first, "ann@example.com"))
    await refuse(first)
    said = await first.stats.server(), await first.stats.account(ann)
    assert said[0].smtp == SmtpStats(1, 2, 1)
    await first.close()
    await first.store.close()

    second = await open_backend()
    assert (await second.stats.server(), await second.stats.account(ann)) == said
    await second.close()
    await second.store.close()
