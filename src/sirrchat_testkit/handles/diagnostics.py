"""Diagnostics: what a server knows about mail that did not arrive.

1. The server's thread only copies data: the events since the scope began, its connections, one slice of records at a
   time. Sorting and wording happen in the thread that asked.
2. A snapshot belongs to one scope: it begins after the scope's first event and connection.
3. A connection that brought no mail is summarized in one line: the decisive command and its reply. If every command
   from some point on was refused, the first of them is decisive, because the others were refused for the same reason.
   Otherwise it is the last command. QUIT is never decisive.
4. A reply of several lines is shown as one line. Long texts are cut.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, NamedTuple, TypeVar

from sirrchat_testkit.domain.events import (
    Crashed,
    DeliveryAttempted,
    Event,
    FaultFired,
    LoginRefused,
    RecipientRefused,
    TlsFailed,
)
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.transcript import Transcript
from sirrchat_testkit.errors import NoSuchAddress, Refused
from sirrchat_testkit.formatting import counted, expired
from sirrchat_testkit.handles.failures import SHOWN, Section, join, listed
from sirrchat_testkit.handles.feed import MOST, Steps
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.matching import summary

__tracebackhide__ = True

E = TypeVar("E", bound=Event)

_SCOPES_KEPT: Final = 1000
_SUGGESTED_AMONG: Final = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient that was refused.

    Attributes:
        recipient: As the client wrote it.
        sender: The envelope's sender.
        code: The stable code of the error, such as ``no_such_address``.
        reason: Why, in words.
        scope: The ended test (its id) that the address belonged to; empty if it belonged to none.
        nearest: The existing address that was probably meant, if the recipient does not exist.
    """

    recipient: str
    sender: str
    code: str
    reason: str
    scope: str
    nearest: str | None

    def __str__(self) -> str:
        nearest = f"; the nearest address is {self.nearest}" if self.nearest else ""
        scope = f"; it belonged to {self.scope}, which is over" if self.scope else ""
        return f"{self.recipient} from {self.sender or '<>'}: {self.reason}{scope or nearest}"


class Past(NamedTuple):
    """A scope that is over: the event before its first one, and its last one."""

    name: str
    before: int
    last: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What happened in a server since a scope began.

    ``absence`` says why mail for the recipient in question is refused; it is empty if mail is accepted. ``idle`` are
    the connections that delivered nothing and are not in a transaction.
    """

    address: str
    first: int
    events: Sequence[Event]
    past: Sequence[Past]
    connections: int
    live: int
    busy: Sequence[Session]
    idle: Sequence[Session]
    faults: Sequence[str]
    absence: str = ""
    has_address: bool = False

    def of(self, kind: type[E], after: int) -> Iterator[E]:
        """Return the events of ``kind`` that came after the event ``after``, oldest first."""
        for number, event in enumerate(self.events, self.first):
            if number > after and isinstance(event, kind):
                yield event


class Diagnostics:
    """Answers what happened in one server, and why a recipient is refused."""

    def __init__(self, backend: Backend, smtp_address: str) -> None:
        self._backend = backend
        self._smtp_address = smtp_address
        self._past: deque[Past] = deque(maxlen=_SCOPES_KEPT)

    def note_past(self, name: str, event: int) -> None:
        """Note that the scope ``name``, which began after the event ``event``, ends now."""
        self._past.append(Past(name, event, self._backend.events.last))

    async def snapshot(self, connection: int, recipient: str | None) -> Snapshot:
        """Copy what is known, with the connections after number ``connection``; on the server's loop."""
        sessions = self._backend.sessions
        busy = [each for each in sessions if each.busy]
        events = self._backend.events.held()
        return Snapshot(
            address=self._smtp_address,
            first=self._backend.events.last - len(events) + 1,
            events=events,
            past=tuple(self._past),
            connections=sessions.opened - connection,
            live=len(sessions),
            busy=busy,
            idle=[each for each in sessions.known(connection) if not each.delivered and not each.busy],
            faults=[f"{each}: {each.count()}" for each in self._backend.faults.all()],
            absence=await self._absence(recipient) if recipient else "",
            has_address=recipient is not None and await self._has_address(recipient),
        )

    def refusals(self, events: Sequence[RecipientRefused]) -> Steps[list[Refusal]]:
        """Explain ``events``: which addresses had expired, and which existing one is nearest to an unknown one."""
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
        """Return why ``recipient`` does not exist: that it had expired by the time ``at``, or ``reason``."""
        expired_at = await self._backend.directory.expired_at(recipient, at)
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
            found, before = yield self._backend.directory.latest(before, MOST)
            known += found
            if before is None:
                break
        return known

    async def _absence(self, recipient: str) -> str:
        directory = self._backend.directory
        if await directory.find_address(recipient) is None:
            try:
                await directory.route(recipient)
            except Refused as refusal:
                return await self.reason(recipient, self._backend.clock.now(), str(refusal))
        return ""

    async def _has_address(self, recipient: str) -> bool:
        """Return whether ``recipient`` exists and is not an address that was made again after another scope's."""
        directory = self._backend.directory
        return not directory.former_scope(recipient) and await directory.find_address(recipient) is not None


class Explanation(NamedTuple):
    """What a snapshot says in words: see ``failures.Evidence``."""

    cause: str
    hint: str
    otherwise: str
    sections: list[Section]


def explain(
    diagnostics: Diagnostics, snapshot: Snapshot, after: int, recipient: str | None = None, *, awaited: bool = True
) -> Steps[Explanation]:
    """Put ``snapshot`` in words: what happened since the event ``after``.

    Args:
        diagnostics: The server's.
        snapshot: What is known.
        after: The event that the scope began with.
        recipient: Whose mail is missing.
        awaited: Whether nothing has been received at all; otherwise it does not matter that nobody connected.
    """
    refused = [*snapshot.of(RecipientRefused, after)]
    about = [each for each in refused if recipient and addressing.key(each.recipient) == recipient]
    distinct = [*{(each.recipient, each.sender, each.reason): each for each in refused}.values()]
    latest = [*distinct[-SHOWN:], *about[-1:]]
    explained = {(each.recipient, each.sender): each for each in (yield from diagnostics.refusals(latest))}
    crashes = [f"{each.where}: {type(each.error).__name__}: {each.error}" for each in snapshot.of(Crashed, after)]
    logins = [*map(_login, snapshot.of(LoginRefused, after))]
    known = {each.recipient for each in refused}
    ended = [(each.peer, ending(each, known)) for each in snapshot.idle]
    idle = [f"{peer} {how}" for peer, how in ended if how]
    busy = [f"{each.activity}{'' if each.fresh else f'; it {ending(each)}'}" for each in snapshot.busy]
    nobody = awaited and not (snapshot.connections or snapshot.live or any(snapshot.of(Event, after)))
    refusals = [str(explained.get((each.recipient, each.sender)) or _plain(each)) for each in refused]
    struck = [*map(_strike, snapshot.of(FaultFired, after))]
    handshakes = [f"{each.peer}: {_tls_failure(each.alert)}" for each in snapshot.of(TlsFailed, after)]
    sections = [
        *listed("Refused:", refusals),
        *listed("TLS handshakes that failed:", handshakes),
        *listed("Logins:", logins),
        *listed("Planned faults:", snapshot.faults),
        *listed("Faults that struck:", struck),
        *listed("Connections that brought no mail:", idle),
        *listed("Under way:", busy),
        *listed("Failed in the server:", crashes),
    ]
    if nobody:
        title = f"Nobody connected to {snapshot.address}: is the application set to send its mail there?"
        sections.append(Section(title))
    own = [each for each in explained.values() if not each.scope]
    mine = [each for each in own if recipient and addressing.key(each.recipient) == recipient]
    causes = [
        *(f"The server failed in {each}" for each in crashes[-1:]),
        *map(_refused, mine[-1:]),
        snapshot.absence,
    ]
    hints = [
        *map(_refused, own[-1:]),
        *(f"A TLS handshake failed with {each}" for each in handshakes[-1:]),
        *logins[-1:],
        *(f"A planned fault struck: {each}" for each in struck[-1:]),
        *idle[-1:],
        *(f"Still under way: {each}" for each in busy[-1:]),
    ]
    otherwise = f"Nobody connected to {snapshot.address}" if nobody else ""
    return Explanation(next(filter(None, causes), ""), next(filter(None, hints), ""), otherwise, sections)


def overview(explanation: Explanation, messages: Sequence[object], attempts: Sequence[str], told: str) -> str:
    """Return what happened since the scope began, without the sections that the text ``told`` has already."""
    mail = Section("Messages:" if messages else "No mail was received.", [*map(summary, messages)], 20)
    return join([mail, *explanation.sections, *listed("Webhook attempts:", attempts, 20)], told)


def attempts(snapshot: Snapshot, after: int) -> list[str]:
    """Return each call of a webhook since the event ``after`` in one line."""
    return [*map(attempted, snapshot.of(DeliveryAttempted, after))]


def attempted(event: DeliveryAttempted) -> str:
    """Return one call of a webhook and its result in one line."""
    result = f"{event.error}: {event.reason}" if event.error else f"answered {event.status}"
    what = f"{event.event}, attempt {event.number}: {result} after {event.duration_ms} ms"
    return f"{event.url}: {what}; now {event.outcome}"


def _plain(event: RecipientRefused) -> Refusal:
    return Refusal(event.recipient, event.sender, event.code, event.reason, event.scope, None)


def _login(event: LoginRefused) -> str:
    code = "" if event.reason.startswith("refused") else "refused 535: "
    return f"AUTH {event.mechanism} as {event.login!r} {code}{event.reason}"


def _tls_failure(alert: str) -> str:
    """Return why a TLS handshake failed, and the remedy."""
    if "unknown ca" in alert:
        return f"{alert}: the client does not trust the certificate; have it trust mailserver.tls.ca_file"
    if "certificate" in alert:
        return (
            f"{alert}: the client rejected the certificate; have it trust mailserver.tls.ca_file, "
            "and connect to a name that the certificate has, such as localhost or 127.0.0.1"
        )
    if "http request" in alert or "wrong version number" in alert:
        return f"{alert}: the client does not speak TLS; this port begins with TLS, smtp_port does not"
    if "protocol" in alert or "cipher" in alert or "version" in alert:
        return f"{alert}: client and server have no TLS version or cipher in common"
    return alert or "the client closed the connection before TLS was established"


def _refused(refusal: Refusal) -> str:
    reason = refusal.reason
    return f"Refused{reason.removeprefix('refused')}" if reason.startswith("refused ") else f"Refused: {reason}"


def _strike(event: FaultFired) -> str:
    whom = ", ".join(event.recipients) or event.sender or event.peer
    return f"{event.text} at {event.stage.upper()}: {whom}"


WIDTH: Final = 160
"""Characters of a command or a reply that are shown."""

_LEAVE = re.compile(r"(?:QUIT|RSET|NOOP)\b", re.IGNORECASE)
_NO_COMMAND = "(no command)"
_TLS = "; does the client begin with TLS?"


@dataclass(slots=True, eq=False, repr=False)
class _Exchange:
    """A command and the lines of the reply to it; the greeting answers an empty one."""

    command: str = ""
    replies: list[str] = field(default_factory=list)

    @property
    def is_asked_more(self) -> bool:
        """Whether what the client says next belongs to this command: a response of AUTH, a message."""
        return bool(self.replies) and self.replies[-1][:1] == "3"

    @property
    def is_refused(self) -> bool:
        return bool(self.replies) and self.replies[-1][:1] in {"4", "5"}

    def add(self, line: str) -> None:
        """Add a line of the reply; one behind its last begins another, which tells more."""
        if self.replies and self.replies[-1][3:4] != "-":
            self.replies.clear()
        self.replies.append(line)

    def __str__(self) -> str:
        first, *more = self.replies or ["(no reply)"]
        reply = ", ".join([f"{first[:3]} {first[4:]}" if more else first, *(each[4:] for each in more)])
        said = f"C: {_cut(self.command)}  " if self.command else ""
        return f"{said}S: {_cut(reply)}"


def ending(session: Session, refused: Collection[str] = ()) -> str:
    """Return how far ``session`` came; empty if it was not greeted, or ended with the refusal of ``refused``."""
    exchanges = _exchanges(session.transcript)
    others = 0
    while _LEAVE.match(exchanges[-1].command):
        exchanges.pop()
    if exchanges[-1].is_refused:
        last = [*takewhile(lambda each: each.is_refused, reversed(exchanges))]
        if any(each in exchange.command for exchange in last for each in refused):
            return ""
        telling, others = last[-1], len(last) - 1
    else:
        telling = exchanges[-1]
    if not exchanges[0].replies:
        return ""
    if not telling.command and not telling.is_refused:
        return f"sent no command{'' if session.tls else _TLS}"
    doubt = _TLS if telling.command == _NO_COMMAND and not session.ehlo else ""
    if telling.is_refused:
        more = f", and {counted(others, 'more command')} behind it" if others else ""
        return f"was refused at {telling}{more}{doubt}{'' if session.closed else '; it is still connected'}"
    return f"{'ended with' if session.closed else 'is still connected after'} {telling}{doubt}"


def _exchanges(transcript: Transcript) -> list[_Exchange]:
    exchanges = [_Exchange()]
    for line in transcript:
        if line.who == "C" and exchanges[-1].is_asked_more:
            exchanges[-1].replies.clear()
        elif line.who == "C":
            exchanges.append(_Exchange(line.text))
        elif line.who == "S":
            exchanges[-1].add(line.text)
    return exchanges


def _cut(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."
