"""The mail of one address, or of every recipient, as a source for waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sirrchat_testkit.comparing import holds
from sirrchat_testkit.domain.events import MessageReceived, MessagesRemoved, RecipientRefused
from sirrchat_testkit.domain.models import SENT, Message
from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.errors import MailNotReceived, NotFound
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.handles import diagnostics
from sirrchat_testkit.handles.failures import COMPARED, SHOWN, Evidence, FailedWait, Kind, Section, listed, near_misses
from sirrchat_testkit.handles.feed import Slice, Steps, pull_recent
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.outboxes import Kept
from sirrchat_testkit.handles.remedies import FOR_TESTS
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.matching import Match, summary

if TYPE_CHECKING:
    from sirrchat_testkit.handles.control import ServerControl

__tracebackhide__ = True


class UnexpectedMail(AssertionError):
    """Mail arrived that was not expected; the error lists it."""

    __module__ = "sirrchat_testkit"


class MailKind(Kind[ReceivedMessage]):
    """The words of failures about mail."""

    noun = "message"
    stopped = "the mail server stopped"
    twin = "await inbox.areceive(...)"
    not_received = MailNotReceived
    unexpected = UnexpectedMail

    def __init__(self, recipient: str | None) -> None:
        self.place = f"for {recipient or 'any recipient'}"

    def line(self, item: ReceivedMessage) -> str:
        """Return the message in one line."""
        return summary(item)


class MailSource:
    """The messages whose recipient is ``recipient``, or all messages if that is None.

    ``remedies`` are the words in which a failure gives remedies. With ``since_address``, a failure leaves out what
    happened before the address was made.
    """

    remedies = FOR_TESTS
    since_address = False

    def __init__(self, control: ServerControl, recipient: str | None, topic: str | None) -> None:
        self.kind = MailKind(recipient)
        self.thread = control.thread
        self.feeds = control.feeds
        self.taken = control.taken
        self.topic = topic
        self.observe = control.services.waits.observe
        self._recipient = recipient
        self._control = control

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits by default."""
        return self._control.timeout

    @property
    def within(self) -> float:
        """Seconds of real time that ``assert_nothing`` watches by default."""
        return self._control.within

    def match(self, verb: Callable[..., Any], conditions: Mapping[str, Any]) -> Match:
        """Return the conditions given to ``verb`` as a ``Match``."""
        Match.check(verb, conditions)
        return Match(**conditions)

    def position(self, item: ReceivedMessage) -> int:
        """Return the message's place in the order of arrival."""
        return item.uid

    def key(self, item: ReceivedMessage) -> str:
        """Return the message's id."""
        return item.id

    def hold(self, item: ReceivedMessage) -> None:
        """Begin to load the contents of a taken message, so that it outlives its deletion."""
        self._control.prefetch(item)

    async def load(self, items: Sequence[ReceivedMessage]) -> None:
        """Load the contents of ``items``, except those that have been deleted."""
        await self._control.load(items)

    async def read(self, after: int, limit: int) -> Slice[ReceivedMessage]:
        """Return a slice of the messages after the position ``after``."""
        found = await self._control.services.delivery.messages(self.topic, after=after, limit=limit)
        return await self._slice(found, limit)

    async def recent(self, before: int | None, limit: int) -> Slice[ReceivedMessage]:
        """Return a slice of the messages before the position ``before``, the latest first."""
        found = await self._control.services.delivery.messages(self.topic, before=before, newest=True, limit=limit)
        return await self._slice(found, limit)

    async def _slice(self, found: list[Message], limit: int) -> Slice[ReceivedMessage]:
        """Return the messages ``found`` without those that are being deleted and the copies in Sent folders."""
        deleted = await self._control.services.deletion.in_progress()
        items = [
            self._control.received(each)
            for each in found
            if each.folder != SENT and deleted.isdisjoint((each.account, each.address))
        ]
        return Slice(items, found[-1].seq if found else 0, len(found) < limit)

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait until the server has settled."""
        return await self._control.settled(seconds)

    def elsewhere(self, match: Match) -> str:
        """Return that a framework kept or dropped a matching message, or "".

        Only its subject and recipient are compared. Mail of other tests counts only if it is for this address.
        """
        if not {*match.conditions} <= {"subject"}:
            return ""
        for outbox in self._control.outboxes():
            known = outbox.mail if outbox.is_cleared or self.topic is not None else ()
            mine = [each for each in known if each.is_for(self.topic)]
            mail = [each for each in mine if all(holds(subject, each.subject) for subject in match.conditions.values())]
            if mail:
                return outbox.finding(len(mail), self._recipient)
        return ""

    def evidence(self, wait: FailedWait[ReceivedMessage]) -> Steps[Evidence[ReceivedMessage]]:
        """Return the latest messages, and the reasons why one may be missing."""
        control, match = self._control, wait.match
        snapshot: diagnostics.Snapshot = yield control.snapshot(self._recipient)
        if self.since_address:
            snapshot = snapshot.since_address()
        recent = yield from pull_recent(self, COMPARED)
        refused = diagnostics.to_explain(snapshot, control.since, self.topic)
        refusals = yield from control.diagnostics.refusals(refused)
        explanation = diagnostics.explain(
            snapshot, refusals, control.since, self.topic, awaited=not recent, remedies=self.remedies
        )
        sections: list[Section] = []
        others: list[ReceivedMessage] = []
        if self.topic is not None:
            sections += listed(_REMOVED, self._removed(snapshot, match))
            received = (each.message for each in snapshot.of(MessageReceived, control.since))
            others = [control.received(each) for each in received if each.recipient_key != self.topic]
            sections += near_misses(self.kind, match, "Messages for other recipients:", others[-COMPARED:])
        unconnected = explanation.unconnected
        kept = [] if recent else self._kept_elsewhere(unconnected=bool(unconnected))
        sections += listed("Mail that the application did not send:", (str(mail) for _, mail in kept))
        deleted = self._deleted(snapshot, recent)
        sections += listed("Messages that arrived and were deleted:", deleted)
        sections += explanation.sections
        cause = explanation.cause or next((finding for finding, _ in kept), "")
        otherwise = "" if recent else _for_others(others)
        if unconnected:
            reasons = [] if kept else control.unsent()
            why = "; ".join(reasons) or f"{_QUESTION}{self.remedies.settings}"
            otherwise = f"{unconnected}: {why}"
            if kept or cause or wait.wanted > 1:  # or else it is the finding
                sections.append(Section(f"{unconnected if kept else otherwise}{'.' if kept or reasons else ''}"))
        if deleted:
            otherwise = (
                f"{counted(len(deleted), 'message')} arrived, and {'was' if len(deleted) == 1 else 'were'} deleted"
            )
        missing = self._missing(snapshot, wait) if wait.wanted > 1 else ""
        return Evidence(recent, cause, explanation.hint, otherwise, sections, missing)

    def _kept_elsewhere(self, *, unconnected: bool) -> list[tuple[str, Kept]]:
        """Return mail for this address that a framework kept or dropped, each with the finding.

        If no client connected, all mail of this test counts.
        """
        found: list[tuple[str, Kept]] = []
        for outbox in self._control.outboxes():
            mine = [each for each in outbox.mail if each.is_for(self.topic)]
            shown = mine or (outbox.mail if unconnected and outbox.is_cleared else ())
            finding = outbox.finding(len(shown), self._recipient if mine else None)
            found += [(finding, each) for each in shown]
        return found

    def _missing(self, snapshot: diagnostics.Snapshot, wait: FailedWait[ReceivedMessage]) -> str:
        """Return the inboxes of the test for which a wait on all mail found none, with the reasons of refusals."""
        if self.topic is not None or "recipient" in wait.match.conditions:
            return ""
        found = {addressing.key(each.recipient) for each in wait.found}
        missing = [each for each in self._control.addresses if addressing.key(each) not in found]
        refused = {addressing.key(each.recipient): each for each in snapshot.of(RecipientRefused, self._control.since)}
        shown = [_with_refusal(each, refused.get(addressing.key(each))) for each in missing[:SHOWN]]
        more = [f"{len(missing) - SHOWN} more"] if len(missing) > SHOWN else []
        return f"none for {', '.join([*shown, *more])}" if missing else ""

    def _deleted(self, snapshot: diagnostics.Snapshot, recent: Sequence[ReceivedMessage]) -> list[str]:
        """Return the messages for this address that arrived in the scope and were deleted."""
        deleted = {each for event in snapshot.of(MessagesRemoved, self._control.since) for each in event.ids}
        stored = {each.id for each in recent}
        received = [each.message for each in snapshot.of(MessageReceived, self._control.since)]
        return [
            summary(each)
            for each in received
            if each.id in deleted - stored and self.topic in {None, each.recipient_key}
        ]

    def _removed(self, snapshot: diagnostics.Snapshot, match: Match) -> list[str]:
        """Return the matching messages for this address that were removed when an earlier scope ended."""
        if not snapshot.has_address:
            return []
        found = []
        for number, event in enumerate(snapshot.events, snapshot.first):
            if isinstance(event, MessageReceived) and event.message.recipient_key == self.topic:
                past = next((each for each in snapshot.past if each.before < number <= each.last), None)
                if past is not None and _may_match(match, self._control.received(event.message)):
                    found.append(f"{summary(event.message)}, during {past.name}")
        return found


def _for_others(messages: Sequence[ReceivedMessage]) -> str:
    """Return that messages arrived for other recipients only, or ""."""
    recipients = [*dict.fromkeys(each.recipient for each in messages)]
    whose = recipients[0] if len(recipients) == 1 else "other recipients"
    return f"No message arrived, but {len(messages)} did for {whose}" if messages else ""


def _with_refusal(address: str, refusal: RecipientRefused | None) -> str:
    return address if refusal is None else f"{address} ({refusal.reason})"


_QUESTION = "is the application configured to send its mail there?"

_REMOVED = (
    "Messages that arrived during an earlier test and were removed at its end "
    "(receive them in the fixture that makes the address):"
)


def _may_match(match: Match, message: ReceivedMessage) -> bool:
    """Return whether ``message`` may match; its contents are gone."""
    if match.runs_code:
        return True
    try:
        return match.accepts(message)
    except NotFound:
        return True
