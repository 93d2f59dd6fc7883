"""What happened in a scope: the report of a failed test, and the files that are saved for it.

1. An overview is complete when it is made: it needs neither the server nor the scope, so it can be read after both have
   ended. It is made in the server's thread, which only copies data. Formatting happens in the thread of the reader.
2. The text leaves out what the failure already shows.
3. The text shows the first lines of each message, so that the mail of a failed test can be read in the log of a CI job.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.formatting import printable
from sirrchat_testkit.handles.diagnostics import Refusal, Snapshot, attempts, explain
from sirrchat_testkit.handles.failures import Section, join, listed
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.outboxes import Runner, django_outbox
from sirrchat_testkit.handles.webhooks import WebhookDelivery
from sirrchat_testkit.matching import summary

__tracebackhide__ = True

LINES: Final = 3
"""Lines of a message that the text shows."""

WIDTH: Final = 100
"""Characters of each of them."""

MESSAGES: Final = 20
"""Messages and webhook attempts that the text shows, the latest ones."""

LARGE: Final = 1_048_576
"""Bytes of a message from which on its lines are not shown: reading it would take too long."""


NOTHING: Final = "No mail was received."
"""The whole text, if nothing happened."""


class ScopeMark(NamedTuple):
    """Where a scope began: the last event and the number of connections before it; and what its waits have taken.

    ``test`` is the last event before the test began, whose setup may have received mail before the scope. If the mark
    ``is_outermost``, no scope is open, and its overview leaves out those that have ended.
    """

    event: int
    connections: int
    taken: frozenset[Hashable]
    test: int
    is_outermost: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """What happened in a scope.

    Attributes:
        snapshot: The events, connections and faults of the scope.
        mark: Where the scope began.
        refusals: The latest refused recipients, with the nearest addresses.
        messages: The latest messages that the test received, or that came since it began, oldest first. Their contents
            are loaded.
        deliveries: The webhook deliveries, oldest first.
        pending: The calls of asynchronous verbs that have not begun to run.
        runner: How the server is used.
    """

    snapshot: Snapshot
    mark: ScopeMark
    refusals: Sequence[Refusal]
    messages: Sequence[ReceivedMessage]
    deliveries: Sequence[WebhookDelivery]
    pending: Sequence[str]
    runner: Runner

    @property
    def is_unconnected(self) -> bool:
        """Whether no client connected, and nothing was received."""
        return not (self.messages or self.snapshot.connections)

    def text(self, shown: str = "") -> str:
        """Return a report, without the sections that ``shown`` already contains."""
        explanation = explain(self.snapshot, self.refusals, self.mark.event, awaited=False)
        attempted = attempts(self.snapshot, self.mark.event)
        sections = [
            *self._mail(shown),
            *listed("Not awaited:", self.pending),
            *explanation.sections,
            *listed("Webhook attempts:", attempted, MESSAGES),
            *([Section(self.snapshot.clock)] if self.snapshot.clock else []),
        ]
        return printable(join(sections, shown))

    def _mail(self, shown: str) -> Iterator[Section]:
        if not self.messages:
            yield Section(NOTHING)
            for outbox in django_outbox(self.runner):
                if outbox.place not in shown:
                    yield Section(f"{outbox.finding(len(outbox.mail), None)}.")
        received = [each for each in self.messages if each.id in self.mark.taken]
        others = [each for each in self.messages if each.id not in self.mark.taken]
        yield from listed("Messages that the test received:", map(_described, received), MESSAGES)
        yield from listed("Messages that the test did not receive:", map(_described, others), MESSAGES)


def _described(message: ReceivedMessage) -> str:
    """Return a message in one line, and its first lines of text below."""
    return "\n".join([summary(message), *(f"      {line}" for line in first_lines(message))])


def first_lines(message: ReceivedMessage) -> list[str]:
    """Return the first lines of the message that are not blank, cut; of its HTML, if it has no plain text."""
    if message.size > LARGE:
        return []
    try:
        text = message.text.strip() or _visible(message.html)
    except NotFound:  # it was deleted
        return []
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    cut = [line if len(line) <= WIDTH else f"{line[:WIDTH]}..." for line in lines[:LINES]]
    return [*cut, "..."] if len(lines) > LINES else cut


def _visible(html: str) -> str:
    if not html:
        return ""
    from sirrchat_testkit.mail.html import visible_text

    return visible_text(html)
