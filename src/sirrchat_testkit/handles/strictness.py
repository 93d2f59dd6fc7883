"""Strict checks: what else fails a test or a scope when it ends, if the setting ``strict`` names it.

1. A check covers its scope alone: what happened in nested scopes was checked when they ended.
2. A test has dealt with a message if it received it, deleted it, or read it over the SirrChat API, which flags it as
   seen. Messages from ``inbox.deliver`` do not count: the test itself made them.
3. A test has dealt with a refusal if it read ``mailserver.refusals`` after it. A refusal by a planned fault or by a
   simulator does not count: the test asked for it.
4. Two messages for one recipient are duplicates if sender and subject are equal, and the Message-ID or the contents.
5. Late mail is reported by the scope that is open when it arrives. The plugin reports it by itself, with the test that
   caused it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sirrchat_testkit.domain.events import MessageReceived, RecipientRefused
from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import FaultRefused, Simulated
from sirrchat_testkit.formatting import counted, printable
from sirrchat_testkit.handles.diagnostics import Refusal, Snapshot, is_missing
from sirrchat_testkit.handles.failures import Section
from sirrchat_testkit.handles.feed import LOADED, Steps
from sirrchat_testkit.handles.message import ReceivedMessage, is_loaded
from sirrchat_testkit.handles.remedies import FOR_TESTS
from sirrchat_testkit.handles.webhooks import WebhookControl, WebhookDelivery, reported_message
from sirrchat_testkit.matching import summary
from sirrchat_testkit.schemas.webhook_events import PENDING

if TYPE_CHECKING:
    from sirrchat_testkit.handles.control import ServerControl

__tracebackhide__ = True

CALM: Final = 1.0
"""Seconds of real time for which the checks wait until nothing is in progress."""

CLOSING: Final = 0.25
"""Seconds of real time in which a connection that the client has closed is noticed."""

SHOWN: Final = 10
"""Lines of a check that the error shows, the latest ones."""


_PLANNED: Final = frozenset({FaultRefused.code, Simulated.code})
"""The codes of refusals that the test asked for."""


class StrictCheckFailed(AssertionError):
    """A strict check failed at the end of a test or a scope; the error names each message, recipient or connection."""

    __module__ = "sirrchat_testkit"


def check(
    control: ServerControl, strict: Collection[str], *, in_force: Iterable[str]
) -> Steps[StrictCheckFailed | None]:
    """Return the error of the ``strict`` checks of the open scope, or None if there is nothing to report.

    ``in_force`` are all checks that the error names; late mail is checked elsewhere.
    """
    yield control.settled(CALM)
    snapshot: Snapshot = yield control.snapshot()
    messages = [each.message for each in snapshot.own(MessageReceived, control.since)]
    found: list[str] = []
    if "unread" in strict:
        unread = yield from _unread(control, messages)
        found += _report("unread", _were(unread, "message"), "never received", map(summary, unread))
    if "refused" in strict:
        found += yield from _refused(control, snapshot)
    if "late" in strict:
        late = yield from _late(control, snapshot)
        found += _report("late", _were(late, "late message"), "refused", map(str, late))
    if "duplicate" in strict:
        twice = yield from _duplicates(control, messages)
        lines = [f"{summary(same[0])} ({len(same)} times)" for same in twice]
        found += _report("duplicate", counted(len(twice), "message"), "arrived more than once", lines)
    if "undelivered" in strict:
        failed = yield from _undelivered(control, messages)
        number = "1 webhook delivery has" if len(failed) == 1 else f"{len(failed)} webhook deliveries have"
        found += _report("undelivered", number, "not succeeded", map(_delivery, failed))
    if "leaks" in strict:
        left: list[Session] = yield control.still_open(CLOSING)
        verb = "is" if len(left) == 1 else "are"
        found += _report("leaks", f"{counted(len(left), 'SMTP connection')} {verb}", "still open", map(_session, left))
    if not found:
        return None
    return StrictCheckFailed(printable("\n".join([*found, f"Strict checks in force: {', '.join(in_force)}."])))


def _report(name: str, subject: str, verb: str, lines: Iterable[str]) -> list[str]:
    """Return the text of one check, on one line if it found one thing; an empty list if it found nothing."""
    lines = [*lines]
    head = f"{subject} {verb} ({name}):"
    if len(lines) == 1:
        return [f"{head} {lines[0]}"]
    return [str(Section(head, lines, SHOWN))] if lines else []


def _were(items: Sequence[object], noun: str) -> str:
    return f"{counted(len(items), noun)} {'was' if len(items) == 1 else 'were'}"


def _unread(control: ServerControl, messages: Sequence[Message]) -> Steps[list[Message]]:
    """Return the messages that the test has not dealt with."""
    found: list[Message] = []
    left = [each for each in messages if each.id not in control.taken]
    for start in range(0, len(left), LOADED):
        found += yield _unseen(control, left[start : start + LOADED])
    return found


async def _unseen(control: ServerControl, messages: Sequence[Message]) -> list[Message]:
    stored = [await control.services.store.get(Message, id=each.id) for each in messages]
    return [each for each in stored if each and not each.seen and await _came_by_smtp(control, each)]


async def _came_by_smtp(control: ServerControl, message: Message) -> bool:
    envelope = await control.services.store.get(Envelope, id=message.envelope)
    return envelope is not None and bool(envelope.peer)


def _refused(control: ServerControl, snapshot: Snapshot) -> Steps[list[str]]:
    """Return the text about the refusals that the test has not dealt with, and what to do about the last one."""
    unread = snapshot.own(RecipientRefused, control.refusals_read)
    events = [each for each in unread if each.code not in _PLANNED and not each.scope]
    refusals = yield from control.diagnostics.refusals(events)
    if not refusals:
        return []
    found = _report("refused", _were(refusals, "recipient"), "refused", map(str, refusals))
    if is_missing(events[-1], refusals[-1]):
        found.append(FOR_TESTS.accept(refusals[-1].recipient))
    check = f"assert mailserver.refusals[-1].recipient == {refusals[-1].recipient!r}"
    return [*found, f"If the test expects the refusal: {check}"]


def _late(control: ServerControl, snapshot: Snapshot) -> Steps[list[Refusal]]:
    """Return the mail for addresses of scopes that have ended."""
    refused = snapshot.own(RecipientRefused, control.since)
    events = [each for each in refused if each.scope and each.code not in _PLANNED]
    return (yield from control.diagnostics.refusals(events))


def _duplicates(control: ServerControl, messages: Sequence[Message]) -> Steps[list[list[ReceivedMessage]]]:
    """Return the groups of messages that are the same."""
    alike: defaultdict[tuple[str, str, str], list[Message]] = defaultdict(list)
    for each in messages:
        alike[each.recipient_key, each.sender, each.subject].append(each)
    found: list[list[ReceivedMessage]] = []
    for group in alike.values():
        if len(group) > 1:
            handles: list[ReceivedMessage] = []
            for start in range(0, len(group), LOADED):
                handles += yield _loaded(control, group[start : start + LOADED])
            found += _same(handles)
    return found


async def _loaded(control: ServerControl, messages: Sequence[Message]) -> list[ReceivedMessage]:
    """Return the messages that came by SMTP and were not deleted, with their contents."""
    handles = [control.received(each) for each in messages if await _came_by_smtp(control, each)]
    await control.load(handles)
    return [each for each in handles if is_loaded(each)]


def _same(messages: Sequence[ReceivedMessage]) -> list[list[ReceivedMessage]]:
    """Return the groups of ``messages`` with the same contents, or else with the same Message-ID."""
    for key in (lambda each: (each.text, each.html), lambda each: each.message_id or each.id):
        groups: defaultdict[object, list[ReceivedMessage]] = defaultdict(list)
        for each in messages:
            groups[key(each)].append(each)
        if same := [group for group in groups.values() if len(group) > 1]:
            return same
    return []


def _undelivered(control: ServerControl, messages: Sequence[Message]) -> Steps[list[WebhookDelivery]]:
    """Return the deliveries about ``messages`` that are pending or were given up."""
    ids = {each.id for each in messages}
    deliveries = yield from WebhookControl(control.thread, control.services, control.api_key, control.api_key).read()
    return [each for each in deliveries if reported_message(each) in ids and each.status in {PENDING, "failed"}]


def _delivery(delivery: WebhookDelivery) -> str:
    attempts = delivery.attempts
    what = f"{delivery.event} to {delivery.url}: {delivery.status} after {counted(len(attempts), 'attempt')}"
    if not attempts:
        return what
    last = attempts[-1]
    return f"{what}, the last of which {f'failed: {last.reason}' if last.error else f'was answered {last.status}'}"


def _session(session: Session) -> str:
    return f"{session.peer}{f' (EHLO {session.ehlo})' if session.ehlo else ''}"
