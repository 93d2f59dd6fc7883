"""The calls of one sink, as a source for waits.

1. Waits see a call after its answer has been written, and only if it was 2xx. So calls are in the order of their
   answers.
2. Calls are added on the sink's loop. The lists only grow, so any thread may copy them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.faults.webhook import CallMatch
from sirrchat_testkit.handles.failures import COMPARED, Evidence, FailedWait, Kind, Section
from sirrchat_testkit.handles.feed import End, Feeds, Slice, Steps, Taken
from sirrchat_testkit.matching import Match
from sirrchat_testkit.sink.call import WebhookCall
from sirrchat_testkit.sink.host import Host

__tracebackhide__ = True


class WebhookNotReceived(AssertionError):
    """The expected webhook call did not arrive in time; the error lists the calls that arrived, and the deliveries."""

    __module__ = "sirrchat_testkit"


class UnexpectedWebhook(AssertionError):
    """A webhook call arrived that was not expected; the error lists it."""

    __module__ = "sirrchat_testkit"


class CallKind(Kind[WebhookCall]):
    """The words of failures about webhook calls."""

    noun = "call"
    stopped = "the webhook sink stopped"
    rejected = "not answered with 2xx"
    twin = "await sink.areceive(...)"
    not_received = WebhookNotReceived
    unexpected = UnexpectedWebhook

    def __init__(self, url: str) -> None:
        self.place = f"to {url or 'a sink that was not started'}"

    def is_rejected(self, item: WebhookCall) -> bool:
        """Return whether the call was not answered with 2xx."""
        return not item.accepted

    def line(self, item: WebhookCall) -> str:
        """Return a one-line summary of the call: event, subject, answer, and why its signature is invalid."""
        answer = f"answered {item.answered}" if item.answered is not None else "not answered"
        doubt = "" if item.verified or "webhook-signature" not in item.headers else f", not verified: {item.reason}"
        return f"{item}, {answer}{doubt}"


class SinkSource:
    """The calls of a sink that runs in ``host``."""

    topic: str | None = None

    def __init__(self, host: Host) -> None:
        self.url = ""
        self.host = host
        self.thread = host.thread
        self.feeds: Feeds[WebhookCall] = Feeds()
        self.taken = Taken()
        self.calls: list[WebhookCall] = []
        self._accepted: list[WebhookCall] = []
        self._positions: dict[int, int] = {}
        self._attempts: Counter[str] = Counter()

    @property
    def kind(self) -> CallKind:
        """The words of failures about these calls."""
        return CallKind(self.url)

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits by default."""
        return self.host.timeout

    @property
    def within(self) -> float:
        """Seconds of real time that ``assert_nothing`` watches by default."""
        return self.host.within

    def match(self, verb: Callable[..., Any], conditions: Mapping[str, Any]) -> Match:
        """Return the conditions given to ``verb`` as a ``Match``."""
        CallMatch.check(verb, conditions)
        return CallMatch(**conditions)

    def position(self, item: WebhookCall) -> int:
        """Return the number of ``item`` among the accepted calls, from 1; 0 if it was not accepted."""
        return self._positions.get(id(item), 0)

    def key(self, item: WebhookCall) -> int:
        """Return what identifies ``item``: its address in memory, since ``calls`` keeps every call."""
        return id(item)

    def hold(self, item: WebhookCall) -> None:
        """Do nothing: a call always has its contents."""

    async def load(self, items: Sequence[WebhookCall]) -> None:
        """Do nothing: calls always have their contents."""

    async def read(self, after: int, limit: int) -> Slice[WebhookCall]:
        """Return a slice of accepted calls after the position ``after``."""
        found = self._accepted[after : after + limit]
        return Slice(found, after + len(found), len(found) < limit)

    async def recent(self, before: int | None, limit: int) -> Slice[WebhookCall]:
        """Return a slice of accepted calls before the position ``before``, the latest first."""
        end = len(self._accepted) if before is None else before - 1
        found = self._accepted[max(end - limit, 0) : end][::-1]
        return Slice(found, end - len(found) + 1, len(found) < limit)

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait until no due delivery is left; return what is still in progress after ``seconds``."""
        return await self.host.settled(seconds)

    def elsewhere(self, match: Match) -> str:  # noqa: ARG002 - calls are never left elsewhere
        """Return "": calls are never left elsewhere."""
        return ""

    def evidence(self, wait: FailedWait[WebhookCall]) -> Steps[Evidence[WebhookCall]]:
        """Return the latest calls, accepted or not, and the host's explanation of deliveries."""
        hint, sections = yield self.host.deliveries(self.url, called=bool(self.calls))
        if hint and wait.wanted > 1:  # or else it is the finding
            sections = [Section(f"{hint}."), *sections]
        return Evidence(self.calls[-COMPARED:], otherwise=hint, sections=sections)

    def count_attempt(self, webhook_id: str) -> int:
        """Return how many calls with ``webhook_id`` have arrived, this one included; 1 if it has no id."""
        if not webhook_id:
            return 1
        self._attempts[webhook_id] += 1
        return self._attempts[webhook_id]

    def show(self, call: WebhookCall) -> None:
        """Show an answered call to waits, if it was accepted."""
        if call.accepted:
            self._accepted.append(call)
            self._positions[id(call)] = len(self._accepted)
            self.feeds.push((None,), call)

    def end_waits(self, reason: End) -> None:
        """End every wait for ``reason``."""
        for feed in self.feeds.all():
            feed.push(reason)
