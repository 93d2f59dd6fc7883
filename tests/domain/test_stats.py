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
from sirrchat_testkit.domain.events import RecipientRefused
from sirrchat_testkit.domain.models import Message, Tally
from sirrchat_testkit.domain.services import Services
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


async def refuse(services: Services, recipient: str = "nobody@example.com") -> None:
    with pytest.raises(NoSuchAddress):
        await services.delivery.admit(recipient, "a@shop.example")


async def test_a_new_server_has_zeros(services: Services) -> None:
    services.clock.freeze()
    services.stats.begin()
    stats = await services.stats.server()
    assert (stats.uptime, stats.users_total, stats.sessions_active, stats.messages_today, stats.storage_used) == (
        0,
    ) * 5
    assert stats.smtp == SmtpStats(0, 0, 0)
    assert (stats.imap.connections, stats.imap.commands) == (0, 0)


async def test_today_is_a_day_in_utc_on_the_server_s_clock(services: Services) -> None:
    services.clock.freeze(NOON)
    await services.accounts.add("ann@example.com")
    await deliver(services, "ann@example.com", "ops@corp.example")
    assert (await services.stats.server()).messages_today == 2
    await services.clock.advance(DAY // 2 - 1)
    assert (await services.stats.server()).messages_today == 2
    await services.clock.advance(1)
    assert (await services.stats.server()).messages_today == 0
    await deliver(services, "ann@example.com")
    assert (await services.stats.server()).messages_today == 1


async def test_deleting_lowers_storage_and_not_the_counters(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    messages = await deliver(services, "ann@example.com", "ops@corp.example")
    await services.delivery.delete(messages)
    server, mine = await services.stats.server(), await services.stats.account(ann)
    assert (server.storage_used, server.messages_today, server.smtp) == (0, 2, SmtpStats(1, 1, 0))
    assert (mine.messages_total, mine.messages_unseen, mine.storage_used, mine.received) == (0, 0, 0, 1)


async def test_unseen_falls_when_a_message_is_read(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    await services.directory.add_address(ann.id, "box@example.com")
    await deliver(services, "ann@example.com", "box@example.com")
    assert (await services.stats.account(ann)).messages_unseen == 2
    [message], _ = await services.folders.page(ann, "INBOX", 0, 9)
    read = await services.folders.see(message)
    assert (read.flags, await services.folders.see(read)) == (("\\Seen",), read)
    assert await services.folders.message(ann, message.seq) == read
    assert (await services.stats.account(ann)).messages_unseen == 1


async def test_a_refusal_counts_at_once_and_for_the_account_of_the_address(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com", quota=1)
    await refuse(services)
    with pytest.raises(OverQuota) as caught:
        await deliver(services, "ann@example.com")
    await services.delivery.note_refusal("ann@example.com", "", caught.value)
    assert (await services.stats.server()).smtp.rejected == 2
    assert (await services.stats.account(ann)).rejected == 1
    await services.counters.flush()
    assert (await services.stats.server()).smtp.rejected == 2
    assert (await services.stats.account(ann)).rejected == 1


async def test_a_refusal_counts_for_the_account_that_had_the_address_then(services: Services) -> None:
    ann = await services.accounts.add("ann@example.com")
    box = await services.directory.add_address(ann.id, "box@example.com", expires_in=1)
    await services.clock.advance(1)
    await refuse(services, "box@example.com")  # it has expired
    await refuse(services, "box+news@example.com")
    await refuse(services, "bob@example.com")
    await services.delivery.delete_address(box)
    await refuse(services, "box@example.com")
    bob = await services.accounts.add("bob@example.com")
    for _ in range(2):
        assert (await services.stats.server()).smtp.rejected == 4
        assert [(await services.stats.account(each)).rejected for each in (ann, bob)] == [2, 0]
        await services.counters.flush()


async def test_a_refusal_for_an_address_that_exists_again_is_not_late(services: Services) -> None:
    scope = await services.scopes.open("earlier")
    await services.accounts.add("ann@example.com")
    await services.scopes.close(scope)
    await services.accounts.add("ann@example.com")
    await services.delivery.note_refusal("ann@example.com", "", OverQuota("full"))
    [event] = [each for each in services.events.after() if isinstance(each, RecipientRefused)]
    assert event.scope == ""


class Commits:
    """Counts the commits of the store of a server."""

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Sequence[Change]] = []
        self._commit = services.store.commit
        self.fails = False
        monkeypatch.setattr(services.store, "commit", self)

    async def __call__(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        if self.fails:
            raise StoreFull("no room")
        self.made.append(changes)
        return await self._commit(changes, applied)


async def test_a_flood_of_refusals_is_one_commit_after_the_pause(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[tuple[float, Any]] = []
    loop = asyncio.get_running_loop()

    def call_later(delay: float, call: Any) -> _Timer:
        later.append((delay, call))
        return _Timer()

    monkeypatch.setattr(loop, "call_later", call_later)
    commits = Commits(services, monkeypatch)
    for number in range(500):
        await refuse(services, f"nobody{number}@example.com")
    assert commits.made == []
    [(delay, call)] = later
    assert delay == counters.PAUSE == 1.0
    call()
    await asyncio.sleep(0)
    [[change]] = commits.made
    assert isinstance(change, Update)
    assert change.change({})["rejected"] == 500
    await refuse(services)
    assert len(later) == 2
    assert (await services.stats.server()).smtp.rejected == 501


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
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = _Loop()
    counting = Counters(services.store, loop)
    counting.reject("")
    with monkeypatch.context() as patch:
        Commits(services, patch).fails = True
        await counting.flush()
    [_, again] = loop.later
    again()
    await asyncio.sleep(0)
    server = await services.store.get(Tally, account="")
    assert server is not None
    assert server.rejected == 1


async def test_counts_from_before_a_scope_are_stored_after_it(services: Services) -> None:
    loop = _Loop()
    counting = Counters(services.store, loop)
    counting.reject("")
    counting.rewind(counting.mark())
    assert len(loop.later) == 2


async def test_a_mark_can_be_used_again(services: Services) -> None:
    message = replace(Message(**_MESSAGE), seq=1)
    counting = Counters(services.store, _Loop())
    counting.count([message], {message.recipient_key})
    mark = counting.mark()
    for _ in range(2):
        counting.rewind(mark)
        counting.count([message], {message.recipient_key})
        counting.reject("")
        server = await counting.read()
        assert (server.sent, server.rejected) == (2, 1)


async def test_counts_stored_in_parts_add_up(services: Services) -> None:
    def counted(days: Sequence[int], first: int) -> _Count:
        count = _Count()
        for number, day in enumerate(days, first):
            count.add(day * DAY + number, received=number % 2 == 0)
            count.rejected += 1
        return count

    stored = counted([7], 0).apply_to({})
    for days in itertools.product([7, 8], repeat=4):
        whole = counted(days, 1).apply_to(stored)
        for cut in range(4):
            earlier, later = counted(days[:cut], 1), counted(days[cut:], 1 + cut)
            assert later.apply_to(earlier.apply_to(stored)) == whole
            later.merge(earlier)
            assert later.apply_to(stored) == whole


async def test_a_full_store_loses_no_refusal(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(services, monkeypatch)
    await refuse(services)
    commits.fails = True
    await services.counters.flush()
    assert (await services.stats.server()).smtp.rejected == 1
    commits.fails = False
    await refuse(services)
    await services.counters.flush()
    server = await services.store.get(Tally, account="")
    assert server is not None
    assert server.rejected == 2


async def test_a_full_store_loses_no_count(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = await services.accounts.add("ann@example.com")
    services.clock.freeze(NOON)
    await deliver(services, "ann@example.com", "ops@corp.example")
    count = services.counters.count

    async def fail(_changes: Sequence[Change]) -> list[int]:
        count([late], ())
        raise StoreFull("no room")

    [late] = await deliver(services, "ann@example.com")
    with monkeypatch.context() as failing:
        failing.setattr(services.store, "commit", fail)
        await services.counters.flush()
    for _ in range(2):
        server, mine = await services.counters.read(), await services.counters.read(ann.id)
        assert (server.received, server.sent, server.today, server.newest) == (3, 1, 4, late.seq)
        assert (mine.received, mine.today, mine.last_received_at) == (3, 3, NOON)
        await services.counters.flush()


async def test_pending_counts_of_two_days_set_today_to_the_last(services: Services) -> None:
    services.clock.freeze(NOON)
    await services.accounts.add("ann@example.com")
    await deliver(services, "ann@example.com")
    await services.counters.flush()
    await deliver(services, "ann@example.com")
    services.clock.freeze(NOON + DAY)
    await deliver(services, "ann@example.com", "ops@corp.example")
    for _ in range(2):
        tally = await services.counters.read()
        assert (tally.received, tally.sent, tally.today, tally.day) == (3, 1, 2, NOON // DAY + 1)
        await services.counters.flush()


async def test_the_next_process_counts_what_a_killed_one_had_not(tmp_path: Path) -> None:
    async def open_services(folder: Path) -> Services:
        services = Services.build(Settings(password_cost=4), TinyStore(folder), asyncio.get_running_loop())
        await services.set_up()
        return services

    first = await open_services(tmp_path / "first")
    ann = await first.accounts.add("ann@example.com", password="x")
    await deliver(first, "ann@example.com")
    await first.counters.flush()
    first.settings.value = first.settings.value.replace(unknown_recipients="keep")
    others = ("ops@corp.example", "dev@corp.example", "nobody@example.com")
    await deliver(first, "ann@example.com", *others, login="ann@example.com")
    await deliver(first, *others)
    said = await first.stats.server(), await first.stats.account(ann)
    assert (said[0].smtp, said[1].received, said[1].sent) == (SmtpStats(2, 4, 0), 2, 1)
    shutil.copytree(tmp_path / "first", tmp_path / "second")

    second = await open_services(tmp_path / "second")
    assert (await second.stats.server(), await second.stats.account(ann)) == said
    await second.counters.recover()
    assert await second.stats.server() == said[0]
    for each in (first, second):
        await each.close()
        await each.store.close()


async def test_the_next_process_counts_what_one_killed_before_its_first_count_received(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    await deliver(services, "ann@example.com")
    after = Counters(services.store, _Loop())  # of the next process
    await after.recover()
    for _ in range(2):
        server = await after.read()
        assert (server.received, server.today) == (1, 1)
        await after.recover()


async def test_a_folder_of_an_older_version_is_not_counted_again(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    await deliver(services, "ann@example.com", "ops@corp.example")
    await services.counters.flush()
    server = await services.counters.read()
    await services.store.commit([Patch(Tally, server.seq, newest=0)])
    for _ in range(2):
        await services.counters.recover()
        assert await services.counters.read() == server


async def test_counts_after_a_clock_went_back_do_not_depend_on_when_they_are_stored(services: Services) -> None:
    await services.accounts.add("ann@example.com")
    said = []
    for flushes in (True, False):
        services.clock.freeze(NOON + 5 * DAY)
        for days in (0, 0, -1, 0):
            services.clock.freeze(NOON + days * DAY)
            await deliver(services, "ann@example.com")
            if flushes or days == 0:
                await services.counters.flush()
        tally = await services.counters.read()
        said.append((tally.today, tally.day))
    assert said == [(1, NOON // DAY)] * 2


async def opened(folder: Path, *, fsync: bool = True) -> Services:
    services = Services.build(
        Settings(data=str(folder), password_cost=4), TinyStore(folder, fsync=fsync), asyncio.get_running_loop()
    )
    await services.set_up()
    await services.accounts.add("ann@example.com")
    return services


async def counted(services: Services) -> tuple[int, int]:
    """Return the number of stored messages, and of counted ones."""
    return await services.store.count(Message), (await services.counters.read()).received


async def delivering(services: Services, *, after: int = 0) -> asyncio.Task[list[Message]]:
    """Return the task of a delivery that is stored and waits for the disk."""
    task = asyncio.create_task(deliver(services, "ann@example.com"))
    while await services.store.count(Message) == after:  # noqa: ASYNC110 - it is a matter of steps of the loop
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_a_delivery_cancelled_while_the_disk_writes_counts(tmp_path: Path) -> None:
    services = await opened(tmp_path)
    task = await delivering(services)
    task.cancel()
    await asyncio.wait([task])
    await deliver(services, "ann@example.com")
    assert await counted(services) == (2, 2)
    await services.close()
    await services.store.close()


async def test_a_delivery_undone_by_a_scope_while_the_disk_writes_does_not_count(tmp_path: Path) -> None:
    services = await opened(tmp_path)
    scope = await services.scopes.open("a test")
    task = await delivering(services)
    await services.scopes.close(scope)
    await asyncio.wait([task])
    assert await counted(services) == (0, 0)
    await services.close()
    await services.store.close()


async def test_a_delivery_while_a_scope_opens_counts_where_it_is_stored(tmp_path: Path) -> None:
    services = await opened(tmp_path)
    await deliver(services, "ann@example.com")
    opening = asyncio.create_task(services.scopes.open("a test"))
    await asyncio.sleep(0)
    second = asyncio.create_task(deliver(services, "ann@example.com"))
    scope = await opening
    await second
    await services.scopes.close(scope)
    await deliver(services, "ann@example.com")
    stored, received = await counted(services)
    assert stored == received
    await services.close()
    await services.store.close()


async def test_a_scope_that_opened_on_a_full_store_keeps_earlier_counts(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.accounts.add("ann@example.com")
    await deliver(services, "ann@example.com")
    commits = Commits(services, monkeypatch)
    commits.fails = True
    scope = await services.scopes.open("a test")
    await services.scopes.close(scope)
    assert await counted(services) == (1, 1)
    commits.fails = False
    await services.counters.flush()
    assert await counted(services) == (1, 1)


async def test_a_scope_that_cannot_end_keeps_its_counts(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    await services.accounts.add("ann@example.com")
    scope = await services.scopes.open("a test")
    await deliver(services, "ann@example.com")

    async def fail(_mark: int) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as failing:
        failing.setattr(services.store, "rewind", fail)
        with pytest.raises(StoreFull):
            await services.scopes.close(scope)
    assert await counted(services) == (1, 1)


async def test_a_scope_drops_its_refusals_and_keeps_earlier_ones(services: Services) -> None:
    await refuse(services)
    scope = await services.scopes.open("a test")
    await refuse(services)
    await services.counters.flush()
    await refuse(services)
    assert (await services.stats.server()).smtp.rejected == 3
    await services.scopes.close(scope)
    assert (await services.stats.server()).smtp.rejected == 1


async def test_a_durable_server_has_the_same_statistics_after_a_restart(tmp_path: Path) -> None:
    async def open_services() -> Services:
        store = TinyStore(tmp_path / "data")
        services = Services.build(Settings(data=str(tmp_path), password_cost=4), store, asyncio.get_running_loop())
        services.clock.freeze(NOON)
        await services.set_up()
        return services

    first = await open_services()
    ann = await first.accounts.add("ann@example.com", password="x")
    await deliver(first, "ann@example.com", "ops@corp.example")
    await first.delivery.delete(await deliver(first, "ann@example.com"))
    await refuse(first)
    said = await first.stats.server(), await first.stats.account(ann)
    assert said[0].smtp == SmtpStats(1, 2, 1)
    await first.close()
    await first.store.close()

    second = await open_services()
    assert (await second.stats.server(), await second.stats.account(ann)) == said
    await second.close()
    await second.store.close()
