"""Waiting for webhook calls: what a wait reads, and how it ends.

1. A feed is opened on the sink's loop: calls that are there, calls that come, then that the time is up.
2. Conditions are applied by the waiting side, in its own thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sirrchat_testkit.core.callmatch import CallMatch
from sirrchat_testkit.signals import ThreadSignal, async_signal
from sirrchat_testkit.testing import sinkreport
from sirrchat_testkit.testing.feed import End
from sirrchat_testkit.testing.sinkdesk import CallFeed, SinkDesk
from sirrchat_testkit.testing.webhookcall import WebhookCall

_monotonic = time.clock_gettime


@dataclass
class CallWait:
    """A wait for ``wanted`` calls that were answered 2xx; each is taken if ``taking``."""

    desk: SinkDesk
    match: CallMatch
    seconds: float
    wanted: int = 1
    taking: bool = True
    found: list[WebhookCall] = field(default_factory=list)
    blocked: bool = False

    def run(self) -> None:
        """Block until it is over. Raises ``WebhookNotReceived``."""
        __tracebackhide__ = True
        self.blocked = True
        signal = ThreadSignal()
        with self.desk.feed(signal, self.seconds) as feed:
            while not self._is_over(feed):
                signal.wait()

    async def arun(self) -> None:
        """Do as ``run`` does without blocking the caller's loop."""
        __tracebackhide__ = True
        signal = async_signal()
        with self.desk.feed(signal, self.seconds) as feed:
            while not self._is_over(feed):
                await signal.wait()

    def look(self, call: WebhookCall) -> bool:
        """Take the call if it fits; return whether there are enough."""
        if not self.desk.is_taken(call) and self.match.accepts(call) and (not self.taking or self.desk.take([call])):
            self.found.append(call)
        return len(self.found) >= self.wanted

    def time_up(self) -> None:
        """Raise ``WebhookNotReceived``, which tells why."""
        __tracebackhide__ = True
        raise sinkreport.not_received(self.desk.situation(), self)

    def _is_over(self, feed: CallFeed) -> bool:
        __tracebackhide__ = True
        for item in feed.drain():
            if isinstance(item, WebhookCall):
                if self.look(item):
                    return True
            elif item is End.TIME_UP:
                self.time_up()
                return True
            else:
                raise RuntimeError(f"the sink stopped while a wait for calls to {self.desk.url} was under way")
        return False


@dataclass
class CallWatch(CallWait):
    """A watch of ``seconds`` in which no call that matches may be there or come."""

    began: float = field(default_factory=lambda: _monotonic(time.CLOCK_MONOTONIC))

    def look(self, call: WebhookCall) -> bool:
        """Raise ``UnexpectedWebhook`` if the call should not be there."""
        __tracebackhide__ = True
        if not self.desk.is_taken(call) and self.match.accepts(call):
            after = _monotonic(time.CLOCK_MONOTONIC) - self.began
            raise sinkreport.unexpected(self.desk.url, self.match, call, within=self.seconds, after=after)
        return False

    def time_up(self) -> None:
        """Nothing came: that is what was wanted."""
