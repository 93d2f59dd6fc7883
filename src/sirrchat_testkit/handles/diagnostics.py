"""Diagnostics: why mail did not arrive, as far as the server knows.

1. The server's thread only copies data: the events since the scope began, its connections, one slice of records at a
   time. Sorting and formatting happen in the caller's thread.
2. A snapshot belongs to one scope. It begins after the last event and connection before that scope.
3. If a refused address only needs to be made, the failure says so, in the words of ``remedies.py``.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Final, NamedTuple, TypeVar

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import (
    ClockMoved,
    Crashed,
    DeliveryAttempted,
    Event,
    FaultFired,
    LoginRefused,
    MessageReceived,
    RecipientRefused,
    SessionClosed,
    SessionOpened,
    TlsFailed,
)
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import FaultRefused, NoSuchAddress, Refused
from sirrchat_testkit.faults.engine import Fault
from sirrchat_testkit.formatting import expired, moment
from sirrchat_testkit.handles.endings import ending
from sirrchat_testkit.handles.failures import SHOWN, Section, listed
from sirrchat_testkit.handles.feed import MOST, Steps
from sirrchat_testkit.handles.remedies import FOR_TESTS, Remedies
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True

E = TypeVar("E", bound=Event)

_SCOPES_KEPT: Final = 1000
_SUGGESTED_AMONG: Final = 1000


@dataclass(frozen=True, slots=True)
class Refusal(Hints):
    """A recipient that the server refused; an entry of ``mailserver.refusals`` and ``mailserver.late_mail``.

    Attributes:
        recipient: The address as the client sent it.
        sender: The sender of the envelope; empty for ``<>``.
        code: The stable code of the error, such as ``no_such_address``.
        reason: Why it was refused.
        scope: The name of the ended scope, such as a test's id, that the address belonged to; empty if there is none.
        nearest: The existing address that was probably meant; None if there is none, or the recipient exists.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("address", "to", "rcpt_to"), "recipient"),
        **dict.fromkeys(("mail_from", "from_"), "sender"),
        **dict.fromkeys(("message", "text", "error"), "reason"),
    }

    recipient: str
    sender: str
    code: str
    reason: str
    scope: str
    nearest: str | None

    def __str__(self) -> str:
        scope = f"; it belonged to {self.scope}, which has ended" if self.scope else ""
        return f"{self.recipient} from {self.sender or '<>'}: {self.reason}{scope or _nearest_to(self)}"


def _nearest_to(refusal: Refusal) -> str:
    """Return the end of a sentence about ``refusal`` that names the nearest address, or "" if there is none."""
    return f"; the nearest address is {refusal.nearest}" if refusal.nearest else ""


class Past(NamedTuple):
    """A scope that has ended, with the numbers of the event before its first and of its last, and of connections."""

    name: str
    before: int
    last: int
    connection_before: int
    last_connection: int


class PlannedFault(NamedTuple):
    """A planned fault: a line about it, the text of its action, and the milliseconds until it accepts a retry, or 0."""

    line: str
    action: str
    wait: int

    def retry(self, remedies: Remedies) -> str:
        """Return when it accepts a retry, to follow a text; "" if that does not depend on time."""
        return f"; a retry is accepted {remedies.due(self.wait)}" if self.wait > 0 else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What happened in a server since a scope began.

    Attributes:
        address: Where SMTP listens.
        first: The number of the first event.
        events: The events that the log still holds, oldest first.
        past: The scopes that have ended.
        connections: How many connections were opened in the scope.
        live: How many connections are open.
        busy: The connections in a transaction, and those that have not sent a command yet.
        idle: The other connections of the scope that delivered nothing.
        faults: The planned faults.
        clock: Where the server's clock stands, in a sentence; empty if it shows real time.
        absence: Why mail for the recipient is refused; empty if it is accepted.
        unknown: The recipient, if it only needs to be made; else empty.
        has_address: Whether the recipient exists, and its address was not used by an earlier scope.
        made_at: When the address of the recipient was made, on the server's clock; 0 if it does not exist.
    """

    address: str
    first: int
    events: Sequence[Event]
    past: Sequence[Past]
    connections: int
    live: int
    busy: Sequence[Session]
    idle: Sequence[Session]
    faults: Sequence[PlannedFault]
    clock: str = ""
    absence: str = ""
    unknown: str = ""
    has_address: bool = False
    made_at: int = 0

    def retry(self, fired: FaultFired, remedies: Remedies) -> str:
        """Return when the client that the fault refused is accepted, to follow a text; "" if it is not known."""
        return next((each.retry(remedies) for each in self.faults if each.wait and each.action == fired.text), "")

    def without_mail(self) -> list[Session]:
        """Return the connections of the scope that delivered no mail, oldest first."""
        return sorted([*self.idle, *self.busy], key=lambda each: each.number)

    def of(self, kind: type[E], after: int) -> Iterator[E]:
        """Return the events of ``kind`` that came after the event ``after``, oldest first."""
        for number, event in enumerate(self.events, self.first):
            if number > after and isinstance(event, kind):
                yield event

    def outside_of_scopes(self) -> Snapshot:
        """Return the snapshot without what happened in scopes that have ended."""
        spans = [range(each.connection_before + 1, each.last_connection + 1) for each in self.past]
        idle = [each for each in self.idle if not any(each.number in span for span in spans)]
        return replace(self, first=1, events=[*self.own(Event, 0)], past=(), idle=idle)

    def since_address(self) -> Snapshot:
        """Return the snapshot without what happened before the address of the recipient was made.

        If the clock was set back, it is not known what did.
        """
        times = [each.at for each in self.events]
        if times != sorted(times):
            return self
        before = bisect.bisect_left(times, self.made_at)
        events = self.events[before:]
        seen = {each.number for each in events if isinstance(each, SessionOpened | SessionClosed)}
        idle = [each for each in self.idle if each.number in seen or not each.closed]
        return replace(self, first=self.first + before, events=events, idle=idle)

    def own(self, kind: type[E], after: int) -> Iterator[E]:
        """Return the events of ``kind`` after the event ``after``, without those of nested scopes that have ended."""
        nested = [each for each in self.past if each.before >= after]
        for number, event in enumerate(self.events, self.first):
            is_nested = any(each.before < number <= each.last for each in nested)
            if number > after and not is_nested and isinstance(event, kind):
                yield event


class Diagnostics:
    """Reports what happened in one server, and why a recipient is refused."""

    def __init__(self, services: Services, smtp_address: str) -> None:
        self._services = services
        self._smtp_address = smtp_address
        self._past: deque[Past] = deque(maxlen=_SCOPES_KEPT)

    def note_past(self, name: str, event: int, connection: int) -> None:
        """Note that the scope ``name``, which began after these numbers, ends now."""
        last, opened = self._services.events.last, self._services.sessions.opened
        self._past.append(Past(name, event, last, connection, opened))

    async def snapshot(self, connection: int, recipient: str | None, after: int = 0) -> Snapshot:
        """Return a snapshot, with the events and connections after these numbers. Runs on the server's loop."""
        sessions = self._services.sessions
        busy = [each for each in sessions if each.busy]
        events = self._services.events.held(after)
        absence, is_unknown = await self._absence(recipient) if recipient else ("", False)
        address = await self._services.directory.find_address(recipient) if recipient else None
        return Snapshot(
            address=self._smtp_address,
            first=self._services.events.last - len(events) + 1,
            events=events,
            past=tuple(self._past),
            connections=sessions.opened - connection,
            live=len(sessions),
            busy=busy,
            idle=[each for each in sessions.known(connection) if not each.delivered and not each.busy],
            faults=[*map(self._planned, self._services.faults.all())],
            clock=_clock(self._services.clock),
            absence=absence,
            unknown=recipient if recipient and is_unknown else "",
            has_address=address is not None and not self._services.directory.was_used(address.text),
            made_at=address.created_at if address else 0,
        )

    def refusals(self, events: Sequence[RecipientRefused]) -> Steps[list[Refusal]]:
        """Return the refusals in ``events``, with expiry times, and the addresses nearest to unknown ones."""
        reasons: list[str] = []
        for start in range(0, len(events), MOST):
            reasons += yield self._reasons(events[start : start + MOST])
        nearest: dict[str, str | None] = {}
        unknown = {
            event.recipient
            for event, reason in zip(events, reasons, strict=True)
            if event.code == NoSuchAddress.code and reason == event.reason
        }
        known: list[str] = []
        if unknown:
            known = yield from self._known_addresses()
        for recipient in unknown:
            nearest[recipient] = addressing.nearest(recipient, known)
        return [
            Refusal(each.recipient, each.sender, each.code, reason, each.scope, nearest.get(each.recipient))
            for each, reason in zip(events, reasons, strict=True)
        ]

    async def reason(self, recipient: str, at: int, reason: str) -> str:
        """Return ``reason``, or that ``recipient`` had expired by the time ``at``."""
        expired_at = await self._services.directory.expired_at(recipient, at)
        return expired(recipient, expired_at, at) if expired_at else reason

    async def _reasons(self, events: Sequence[RecipientRefused]) -> list[str]:
        return [
            await self.reason(each.recipient, each.at, each.reason) if each.code == NoSuchAddress.code else each.reason
            for each in events
        ]

    def _known_addresses(self) -> Steps[list[str]]:
        known: list[str] = []
        before: int | None = None
        for _ in range(0, _SUGGESTED_AMONG, MOST):
            found, before = yield self._services.directory.latest(before, MOST)
            known += found
            if before is None:
                break
        return known

    def _planned(self, fault: Fault) -> PlannedFault:
        return PlannedFault(f"{fault}: {fault.count()}", str(fault.action), fault.wait(self._services.clock.now()))

    async def _absence(self, recipient: str) -> tuple[str, bool]:
        """Return why mail for ``recipient`` is refused, or "", and whether it only needs to be made."""
        directory = self._services.directory
        if await directory.find_address(recipient) is None:
            try:
                routed = await directory.route(recipient)
                if routed is not None:
                    return f"Mail for {recipient} goes to {routed.text}, of which it is a sub-address", False
            except NoSuchAddress as refusal:
                return await self._unknown(recipient, str(refusal))
            except Refused as refusal:
                return str(refusal), False
        return "", False

    async def unknown(self, recipient: str, refusal: str) -> str:
        """Return why ``recipient``, just refused as unknown, does not exist, and the remedy if there is one."""
        reason, is_unknown = await self._unknown(recipient, refusal)
        return f"{reason}; {FOR_TESTS.make(recipient)}" if is_unknown else reason

    async def _unknown(self, recipient: str, refusal: str) -> tuple[str, bool]:
        reason = await self.reason(recipient, self._services.clock.now(), refusal)
        if scope := self._services.directory.former_scope(recipient):
            return f"{reason}; it belonged to {scope}, which has ended: make the inbox in the test that uses it", False
        return reason, reason == refusal


class Explanation(NamedTuple):
    """A snapshot as text; ``cause``, ``hint`` and ``sections`` are those of ``failures.Evidence``.

    ``unconnected`` says that no client connected, if no client did.
    """

    cause: str
    hint: str
    unconnected: str
    sections: list[Section]


def to_explain(snapshot: Snapshot, after: int, recipient: str | None = None) -> list[RecipientRefused]:
    """Return the refusals that ``explain`` shows: the latest ones, and the latest of ``recipient``."""
    refused = [*snapshot.of(RecipientRefused, after)]
    about = [each for each in refused if recipient and addressing.key(each.recipient) == recipient]
    distinct = [*{(each.recipient, each.sender, each.reason): each for each in refused}.values()]
    return [*distinct[-SHOWN:], *about[-1:]]


def explain(
    snapshot: Snapshot,
    refusals: Sequence[Refusal],
    after: int,
    recipient: str | None = None,
    *,
    awaited: bool = True,
    remedies: Remedies = FOR_TESTS,
) -> Explanation:
    """Return ``snapshot`` as text: what happened since the event ``after``.

    Args:
        snapshot: The snapshot.
        refusals: What ``Diagnostics.refusals`` returns for the events of ``to_explain``.
        after: The number of the last event before the scope.
        recipient: The key of the address whose mail is missing; None for any.
        awaited: Whether no mail has been received yet. If some has, it does not matter that no client connected.
        remedies: The words in which remedies are given.
    """
    absence = snapshot.absence
    if snapshot.unknown:
        absence += f"; {remedies.make(snapshot.unknown)}"
    refused = [*snapshot.of(RecipientRefused, after)]
    latest = to_explain(snapshot, after, recipient)
    about = [each for each in refused if recipient and addressing.key(each.recipient) == recipient]
    explained = {(each.recipient, each.sender): each for each in refusals}
    crashes = [f"{each.where}: {type(each.error).__name__}: {each.error}" for each in snapshot.of(Crashed, after)]
    logins = [*map(_login, snapshot.of(LoginRefused, after))]
    known = {each.recipient for each in refused}
    ended = [(each.peer, ending(each, known)) for each in snapshot.idle]
    idle = [f"{peer} {how}" for peer, how in ended if how]
    own = [each for each in explained.values() if not each.scope]
    mine = [each for each in own if recipient and addressing.key(each.recipient) == recipient]
    misspelt = [each for each in own if recipient and each.nearest and addressing.key(each.nearest) == recipient]
    unmade = _unmade(snapshot, after)
    missing = [
        each.recipient
        for each in latest
        if is_missing(each, explained[each.recipient, each.sender])
        and each not in about
        and addressing.key(each.recipient) in unmade
    ]
    busy = [f"{each.activity}{'' if each.fresh else f'; it {ending(each)}'}" for each in snapshot.busy]
    happened = any(not isinstance(each, ClockMoved) for each in snapshot.of(Event, after))
    unconnected = awaited and not (snapshot.connections or snapshot.live or happened)
    shown = [str(explained.get((each.recipient, each.sender)) or _plain(each)) for each in refused]
    faults = [*snapshot.of(FaultFired, after)]
    struck = [*map(fired, faults)]
    handshakes = [f"{each.peer}: {_tls_failure(each.alert, remedies)}" for each in snapshot.of(TlsFailed, after)]
    sections = [
        *listed("Refused:", shown),
        *(Section(remedies.accept(each)) for each in missing[-1:] if not misspelt),
        *listed("TLS handshakes that failed:", handshakes),
        *listed("Refused logins:", logins),
        *listed("Planned faults:", (f"{each.line}{each.retry(remedies)}" for each in snapshot.faults)),
        *listed("Faults that fired:", struck),
        *listed("Connections that delivered no mail:", idle),
        *listed("In progress:", busy),
        *listed("Errors in the server:", crashes),
    ]
    causes = [
        *(f"The server failed in {each}" for each in crashes[-1:]),
        *(_refused(each, absence) + _retry(each, faults, snapshot, remedies) for each in mine[-1:]),
        absence,
    ]
    hints = [
        *(_refused(each) for each in (misspelt or own)[-1:]),
        *(f"A TLS handshake failed with {each}" for each in handshakes[-1:]),
        *logins[-1:],
        *(f"A planned fault fired: {fired(each)}{snapshot.retry(each, remedies)}" for each in faults[-1:]),
        *idle[-1:],
        *(f"Still in progress: {each}" for each in busy[-1:]),
    ]
    none = f"No client connected to {snapshot.address}" if unconnected else ""
    return Explanation(next(filter(None, causes), ""), next(filter(None, hints), ""), none, sections)


def attempts(snapshot: Snapshot, after: int) -> list[str]:
    """Return the webhook attempts since the event ``after``, each in one line."""
    return [*map(attempted, snapshot.of(DeliveryAttempted, after))]


def attempted(event: DeliveryAttempted) -> str:
    """Return a webhook attempt and its result in one line."""
    result = f"{event.error}: {event.reason}" if event.error else f"answered {event.status}"
    what = f"{event.event}, attempt {event.number}: {result} after {event.duration_ms} ms"
    return f"{event.url}: {what}; now {event.outcome}"


def _clock(clock: Clock) -> str:
    """Return where ``clock`` stands, if it was stopped or does not show real time."""
    ahead = clock.offset
    if not clock.frozen and abs(ahead) < _NEAR:
        return ""
    span = timedelta(seconds=round(abs(ahead) / 1000))
    where = f", {span} {'ahead of' if ahead > 0 else 'behind'} real time" if span else ""
    return f"The server's clock {'is stopped at' if clock.frozen else 'says'} {moment(clock.now())}{where}."


_NEAR: Final = 1000
"""Milliseconds by which a clock may differ from real time without being mentioned."""


def _plain(event: RecipientRefused) -> Refusal:
    return Refusal(event.recipient, event.sender, event.code, event.reason, event.scope, None)


def _login(event: LoginRefused) -> str:
    code = "" if event.reason.startswith("refused") else "refused with 535: "
    return f"AUTH {event.mechanism} as {event.login!r} {code}{event.reason}"


def _tls_failure(alert: str, remedies: Remedies) -> str:
    """Return why a TLS handshake failed, and the remedy."""
    if "unknown ca" in alert:
        return f"{alert}: the client does not trust the certificate; have it trust {remedies.certificate}"
    if "certificate" in alert:
        return (
            f"{alert}: the client rejected the certificate; have it trust {remedies.certificate}, "
            "and connect to a name that the certificate has, such as localhost or 127.0.0.1"
        )
    if "http request" in alert or "wrong version number" in alert:
        return f"{alert}: the client does not speak TLS; this port begins with TLS, smtp_port does not"
    if "protocol" in alert or "cipher" in alert or "version" in alert:
        return f"{alert}: client and server have no TLS version or cipher in common"
    return alert or "the client closed the connection before TLS was established"


def _unmade(snapshot: Snapshot, after: int) -> set[str]:
    """Return the keys of the recipients that were refused, and got no mail later, as an address that was made would."""
    found: set[str] = set()
    for each in snapshot.of(Event, after):
        if isinstance(each, RecipientRefused):
            found.add(addressing.key(each.recipient))
        elif isinstance(each, MessageReceived):
            found.discard(each.message.recipient_key)
    return found


def is_missing(event: RecipientRefused, refusal: Refusal) -> bool:
    """Return whether the recipient is unknown, belonged to no test, and is not close to any existing address."""
    return event.code == NoSuchAddress.code and refusal.reason == event.reason and not (event.scope or refusal.nearest)


def _refused(refusal: Refusal, absence: str = "") -> str:
    """Return that mail was refused and why; for a recipient that still does not exist, the reason is ``absence``."""
    reason = absence if absence and refusal.code == NoSuchAddress.code else refusal.reason + _nearest_to(refusal)
    return f"Refused{reason.removeprefix('refused')}" if reason.startswith("refused ") else f"Refused: {reason}"


def _retry(refusal: Refusal, fired: Sequence[FaultFired], snapshot: Snapshot, remedies: Remedies) -> str:
    """Return which fault refused the recipient, and when it accepts a retry; "" if that is not known."""
    if refusal.code == FaultRefused.code:
        last = next((each for each in reversed(fired) if refusal.recipient in each.recipients), None)
        if last is not None and (retry := snapshot.retry(last, remedies)):
            return f" ({last.text}){retry}"
    return ""


def fired(event: FaultFired) -> str:
    """Return what a fault did, at which stage and for whom, in one line."""
    whom = ", ".join(event.recipients) or event.sender or event.peer
    return f"{event.text} at {event.stage.upper()}: {whom}"
