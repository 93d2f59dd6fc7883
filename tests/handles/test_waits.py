"""The engine of waits, on a source of words: no server, no mail."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from sirrchat_testkit.handles.failures import Evidence, FailedWait, Kind
from sirrchat_testkit.handles.feed import (
    MOST,
    End,
    Feed,
    Feeds,
    Removed,
    Slice,
    Steps,
    Taken,
    arun,
    pull,
    pull_recent,
    run,
)
from sirrchat_testkit.handles.wait import Wait
from sirrchat_testkit.matching import Condition, Match
from sirrchat_testkit.threads import LoopThread
from tests.support import auntil, until


@dataclass(frozen=True)
class Word:
    position: int
    text: str


class WordMatch(Match):
    table = {"text": Condition(lambda word: word.text)}  # noqa: RUF012


class WordKind(Kind[Word]):
    noun = "word"
    place = "in the list"
    stopped = "the list ended"
    twin = "await words.areceive()"
    not_received = AssertionError
    unexpected = AssertionError

    def line(self, item: Word) -> str:
        return item.text


class Words:
    """A source whose words are added by ``add``; ``on_read`` runs on the loop before each read."""

    kind = WordKind()
    timeout = 10.0
    within = 0.0
    topic: str | None = None

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self.feeds: Feeds[Word] = Feeds()
        self.taken = Taken()
        self.words: list[Word] = []
        self.slices: list[int] = []
        self.on_read: Callable[[], None] = lambda: None

    def store(self, text: str) -> None:
        """Add a word and push it, on the loop."""
        self.words.append(Word(len(self.words) + 1, text))
        self.feeds.push((None,), self.words[-1])

    def add(self, *texts: str) -> None:
        async def work() -> None:
            for text in texts:
                self.store(text)

        self.thread.call(work())

    def match(self, conditions: Mapping[str, Any]) -> Match:
        return WordMatch(**conditions)

    def position(self, item: Word) -> int:
        return item.position

    def key(self, item: Word) -> Hashable:
        return item.position

    def hold(self, item: Word) -> None:
        pass

    async def load(self, items: Sequence[Word]) -> None:
        pass

    async def read(self, after: int, limit: int) -> Slice[Word]:
        self.on_read()
        found = self.words[after : after + limit]
        self.slices.append(len(found))
        return Slice(found, after + len(found), len(found) < limit)

    async def recent(self, before: int | None, limit: int) -> Slice[Word]:
        end = len(self.words) if before is None else before - 1
        found = self.words[max(end - limit, 0) : end][::-1]
        self.slices.append(len(found))
        return Slice(found, end - len(found) + 1, len(found) < limit)

    async def settled(self, seconds: float) -> Sequence[Any]:  # noqa: ARG002
        return ()

    def elsewhere(self, match: Match) -> str:  # noqa: ARG002 - nothing is left elsewhere
        return ""

    def evidence(self, wait: FailedWait[Word]) -> Steps[Evidence[Word]]:  # noqa: ARG002
        return Evidence((yield from pull_recent(self, 200)))


@pytest.fixture
def words() -> Iterator[Words]:
    thread = LoopThread("words")
    thread.start()
    yield Words(thread)
    thread.stop()


def receive(words: Words, timeout: float = 10, **match: Any) -> str:
    return run(words.thread, Wait(words, words.match(match), timeout).receive).text


def wait_for(words: Words, wanted: int, **match: Any) -> tuple[threading.Thread, list[str]]:
    """Wait for so many words in a thread; return when it listens."""
    found: list[str] = []
    wait = Wait(words, words.match(match), 60)
    thread = threading.Thread(
        target=lambda: found.extend(
            each.text for each in run(words.thread, lambda signal: wait.receive_all(signal, wanted))
        )
    )
    thread.start()
    until(words.thread, words.feeds.all)
    return thread, found


def test_a_wait_reads_no_more_than_it_examines(words: Words) -> None:
    words.add(*map(str, range(10_000)))
    assert receive(words) == "0"
    assert sum(words.slices) < 10


def test_draining_reads_each_item_a_bounded_number_of_times(words: Words) -> None:
    words.add(*map(str, range(1000)))
    for number in range(1000):
        assert receive(words, timeout=0) == str(number)
    assert sum(words.slices) < 5 * 1000


def test_slices_are_bounded(words: Words) -> None:
    words.add(*map(str, range(1000)))
    with pytest.raises(AssertionError):
        receive(words, timeout=0, text="none")
    assert max(words.slices) <= MOST


def test_a_failed_wait_compares_the_latest_200(words: Words) -> None:
    words.add(*map(str, range(1000)))
    words.slices.clear()
    with pytest.raises(AssertionError, match=r"and at least 195 more"):
        receive(words, timeout=0, text="none")
    assert sum(words.slices) == 1000 + 200


def test_what_is_stored_and_pushed_is_seen_once(words: Words) -> None:
    """The subscription and the last look are one step: what comes between them is both read and pushed."""
    words.add("one")
    reads = 0

    def store_between() -> None:
        nonlocal reads
        reads += 1
        if words.feeds.all() and len(words.words) == 1:
            words.store("two")

    words.on_read = store_between
    wait = Wait(words, words.match({}), 60)
    found: list[Word] = []
    thread = threading.Thread(
        target=lambda: found.extend(run(words.thread, lambda signal: wait.receive_all(signal, 3)))
    )
    thread.start()
    while len(words.words) < 2:
        words.thread.call(asyncio.sleep(0))
    words.thread.call(asyncio.sleep(0))
    assert thread.is_alive()  # two words, however often they were handed over
    words.add("three")
    thread.join()
    assert [each.text for each in found] == ["one", "two", "three"]


def test_what_arrives_after_the_first_look_is_not_missed(words: Words) -> None:
    """Nothing is subscribed yet when the first look ends: the look that comes with the subscription finds it."""

    stored = False

    def store_after_first() -> None:
        nonlocal stored
        if words.slices and not stored:
            stored = True
            words.words.append(Word(1, "late"))  # stored, and pushed to nobody

    words.on_read = store_after_first
    assert receive(words) == "late"


def test_what_is_removed_no_longer_counts(words: Words) -> None:
    words.add("removed")
    thread, found = wait_for(words, 2)

    async def remove() -> None:
        words.words[0] = Word(1, "gone")
        words.taken.take(words.taken.scope, 1)
        words.feeds.push((None,), Removed(frozenset({1})))

    words.thread.call(remove())
    words.add("two")
    words.thread.call(asyncio.sleep(0))
    assert thread.is_alive()
    words.add("three")
    thread.join()
    assert found == ["two", "three"]


def test_a_wait_that_was_given_up_leaves_no_feed_open(words: Words) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(arun(words.thread, Wait(words, words.match({}), 60).receive))
        await auntil(words.feeds.all)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert words.feeds.all() == []
    assert words.feeds.wanted((None,))
    words.add("one")  # comes across the closed feed
    assert not words.feeds.wanted((None,))


def test_a_closed_feed_is_forgotten_when_its_time_is_up(words: Words) -> None:
    thread, _ = wait_for(words, 1)
    [feed] = words.feeds.all()
    words.add("one")
    thread.join()
    assert words.feeds.all() == []

    async def expire() -> None:
        words.feeds._time_up(feed)

    words.thread.call(expire())
    assert not words.feeds.wanted((None,))


def test_a_feed_that_is_closed_before_it_opens_stays_closed(words: Words) -> None:
    class Silent:
        def set(self) -> None:
            pass

    async def work() -> None:
        feed: Feed[Word] = Feed(None, Silent(), words.taken.scope)
        feed.closed = True
        words.feeds.open(feed, 60)

    words.thread.call(work())
    assert words.feeds.all() == []


def test_taking_several_is_all_or_none() -> None:
    taken = Taken()
    assert taken.take(taken.scope, "b")
    assert not taken.take(taken.scope, "a", "b", "c")
    assert "a" not in taken
    assert taken.take(taken.scope, "a", "c")


def test_a_rewind_puts_back_what_was_taken_since_and_where_waits_begin() -> None:
    taken = Taken()
    taken.take(taken.scope, 1)
    taken.advance(taken.scope, "ann", 1)
    mark = taken.mark()
    inner = taken.scope
    taken.take(inner, 2, 3)
    taken.advance(inner, "ann", 3)
    taken.advance(inner, "bob", 5)
    taken.rewind(mark)
    assert 1 in taken
    assert 2 not in taken
    assert taken.cursors == {"ann": 1}
    assert inner.over
    assert not taken.scope.over


def test_a_wait_of_an_ended_scope_takes_nothing_and_moves_no_cursor() -> None:
    taken = Taken()
    mark = taken.mark()
    inner = taken.scope
    taken.rewind(mark)
    for late in (lambda: taken.take(inner, 1), lambda: taken.advance(inner, None, 9)):
        with pytest.raises(RuntimeError, match="the scope that this wait began in has ended"):
            late()
    assert 1 not in taken
    assert taken.cursors == {}


def test_a_wait_that_examines_an_item_when_its_scope_ends_ends_too(words: Words) -> None:
    words.add("one")
    mark = words.taken.mark()

    def end_scope(_: str) -> bool:
        words.taken.rewind(mark)
        return True

    with pytest.raises(RuntimeError, match="the scope that this wait began in has ended"):
        receive(words, text=end_scope)
    assert 1 not in words.taken


def test_a_wait_that_subscribes_after_its_scope_has_ended_ends_at_once(words: Words) -> None:
    mark = words.taken.mark()
    words.on_read = lambda: words.taken.rewind(mark) if words.taken._scopes[1:] else None
    with pytest.raises(RuntimeError, match="the scope that this wait began in has ended"):
        receive(words, timeout=60)


def test_a_wait_ends_although_many_items_arrive_while_it_examines_one(words: Words) -> None:
    def slow(text: str) -> bool:
        if text == "first":
            words.add(*(f"more {number}" for number in range(200)))
        return text == "more 3"

    words.add("first")
    assert receive(words, text=slow) == "more 3"
    assert receive(words, timeout=0, text="more 199") == "more 199"


def test_an_item_that_is_read_and_pushed_is_listed_once(words: Words) -> None:
    def store_between() -> None:
        if words.feeds.all() and not words.words:
            words.store("one")

    words.on_read = store_between
    with pytest.raises(AssertionError, match=r"^1 word arrived after"):
        run(words.thread, Wait(words, words.match({}), 60).nothing)


def test_a_failure_does_not_count_what_was_removed(words: Words) -> None:
    words.add("removed", "one")
    errors: list[str] = []
    wait = Wait(words, words.match({}), 60)

    def work() -> None:
        try:
            run(words.thread, lambda signal: wait.receive_all(signal, 3))
        except AssertionError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    until(words.thread, words.feeds.all)

    async def remove_and_end() -> None:
        words.feeds.push((None,), Removed(frozenset({1})))
        words.feeds.push((None,), End.TIME_UP)

    words.thread.call(remove_and_end())
    thread.join()
    assert errors[0].startswith("1 of 3 words arrived")


def test_a_wait_that_ends_because_the_source_stops_says_so(words: Words) -> None:
    errors: list[str] = []

    def wait() -> None:
        try:
            receive(words, timeout=60)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    until(words.thread, words.feeds.all)
    for feed in words.feeds.all():
        feed.push(End.STOPPED)
    thread.join()
    assert errors == ["the list ended; the wait was for a word in the list"]


def test_everything_is_pulled_slice_by_slice(words: Words) -> None:
    words.add(*map(str, range(300)))
    assert [each.text for each in run(words.thread, lambda _: pull(words))] == [*map(str, range(300))]
    assert words.slices == [128, 128, 44]
    assert [each.text for each in run(words.thread, lambda _: pull_recent(words, 200))] == [*map(str, range(100, 300))]
