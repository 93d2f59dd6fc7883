"""Where the waits of a sink ask: which calls came, which of them were taken, and who waits for more.

1. Everything is kept on the sink's loop; ``feed``, ``take``, ``untaken`` and ``situation`` may be used in any thread.
2. A call says what it was answered before the answer is written; it is shown to waits once that is done, and only if
   it was answered 2xx.
3. Taking is one call with nothing to wait for after it: two waits never take the same webhook call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from sirrchat_testkit.testing import sinkreport
from sirrchat_testkit.testing.feed import End, Signal
from sirrchat_testkit.testing.sinkhost import Host
from sirrchat_testkit.testing.webhookcall import WebhookCall


class CallFeed:
    """Calls for one waiter; the sink's thread puts, the waiter drains."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._items: deque[WebhookCall | End] = deque()
        self._seen: set[int] = set()

    def put(self, item: WebhookCall | End) -> None:
        """Add ``item`` and wake the waiter; a call that it has seen already is passed over."""
        if isinstance(item, WebhookCall):
            if item.number in self._seen:
                return
            self._seen.add(item.number)
        self._items.append(item)
        self._signal.set()

    def drain(self) -> Iterator[WebhookCall | End]:
        """Return the items that wait, in order."""
        while self._items:
            yield self._items.popleft()


class SinkDesk:
    """The calls of one sink, which lives in ``host``."""

    def __init__(self, host: Host) -> None:
        self.url = ""
        self.host = host
        self.calls: list[WebhookCall] = []
        self._attempts: Counter[str] = Counter()
        self._shown: list[WebhookCall] = []
        self._taken: set[int] = set()
        self._feeds: list[CallFeed] = []

    @contextlib.contextmanager
    def feed(self, signal: Signal, seconds: float) -> Iterator[CallFeed]:
        """Open a feed that ends after ``seconds`` of real time: what a wait reads."""
        feed = CallFeed(signal)
        timer = self.host.thread.call(self._open(feed, seconds))
        try:
            yield feed
        finally:
            with contextlib.suppress(RuntimeError):  # stopped meanwhile
                self.host.thread.post(self._close, feed, timer)

    def take(self, calls: Sequence[WebhookCall]) -> bool:
        """Take all ``calls``, or none if an earlier wait has taken one of them."""
        return self.host.thread.call(self._take({each.number for each in calls}))

    def is_taken(self, call: WebhookCall) -> bool:
        """Return whether a wait has taken ``call``."""
        return call.number in self._taken

    def untaken(self) -> list[WebhookCall]:
        """Return the calls that were answered 2xx and that no wait has taken, oldest first."""
        shown = self.host.thread.call(self._all_shown())
        return [each for each in shown if not self.is_taken(each)]

    def situation(self) -> sinkreport.Situation:
        """Return what a failure text tells."""
        attempts = self.host.thread.call(self.host.attempts(self.url, called=bool(self.calls)))
        return sinkreport.Situation(self.url, list(self.calls), frozenset(self._taken), attempts)

    def count(self, name: str) -> tuple[int, int]:
        """Return which call with the ``webhook-id`` ``name`` the next one is, and which of all calls, both from 1."""
        if name:
            self._attempts[name] += 1
        return self._attempts[name] or 1, len(self.calls) + 1

    def show(self, call: WebhookCall) -> None:
        """Let waits see a call that has been answered."""
        if call.accepted:
            self._shown.append(call)
            for feed in self._feeds:
                feed.put(call)

    def stop(self) -> None:
        """Tell every waiter that the sink stops."""
        for feed in self._feeds:
            feed.put(End.STOPPED)

    async def _open(self, feed: CallFeed, seconds: float) -> asyncio.TimerHandle:
        self._feeds.append(feed)
        for call in await self._all_shown():
            feed.put(call)
        return asyncio.get_running_loop().call_later(max(seconds, 0), feed.put, End.TIME_UP)

    def _close(self, feed: CallFeed, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._feeds.remove(feed)

    async def _all_shown(self) -> list[WebhookCall]:
        return sorted(self._shown, key=lambda each: each.number)

    async def _take(self, numbers: set[int]) -> bool:
        if self._taken & numbers:
            return False
        self._taken |= numbers
        return True
