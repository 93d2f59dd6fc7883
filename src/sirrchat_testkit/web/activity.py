"""The activity page: everything that happens, newest first, and the conversation of a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.domain.models import ApiKey, Delivery
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.formatting import counted, iso_milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.pages import PREFIX
from sirrchat_testkit.web.inbox import InboxPages
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.render import read_number, size

LISTED: Final = 100
"""Events on a page."""

KINDS: Final[Mapping[str, tuple[str, tuple[type[Event], ...]]]] = {
    "": (
        "All",
        (
            domain.MessageReceived,
            domain.MessageSent,
            domain.RecipientRefused,
            domain.LoginAccepted,
            domain.LoginRefused,
            domain.TlsFailed,
            domain.SessionClosed,
            domain.FaultFired,
            domain.DeliveryAttempted,
            domain.MessagesRemoved,
            domain.ClockMoved,
            domain.Crashed,
        ),
    ),
    "mail": ("Mail", (domain.MessageReceived, domain.MessageSent, domain.MessagesRemoved)),
    "refused": ("Refused", (domain.RecipientRefused,)),
    "logins": ("Logins", (domain.LoginAccepted, domain.LoginRefused, domain.TlsFailed)),
    "webhooks": ("Webhooks", (domain.DeliveryAttempted,)),
    "faults": ("Faults", (domain.FaultFired, domain.ClockMoved)),
    "connections": ("Connections", (domain.SessionClosed,)),
}
"""The filters: their names, and the events that they show."""


class Entry(NamedTuple):
    """A line of the page.

    Attributes:
        number: The number of the event.
        at: When it happened, on the server's clock.
        kind: What it is, in a word.
        tone: ``good``, ``bad``, ``warn``, ``muted`` or empty.
        what: What happened.
        why: More about it; may be empty.
        link: The page that has more; empty if there is none.
        make: The address that can be made, for a recipient that does not exist; else empty.
        subject: The subject of a message, which may be written from right to left.
    """

    number: int
    at: int
    kind: str
    tone: str
    what: str
    why: str = ""
    link: str = ""
    make: str = ""
    subject: str = ""


class ActivityPages:
    """The views of what happens."""

    def __init__(self, control: ServerControl, layout: Layout, inbox: InboxPages) -> None:
        self._services = control.services
        self._layout = layout
        self._inbox = inbox

    async def show(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show the latest events."""
        kind, before = request.query.get("kind", ""), request.query.get("before", "")
        if kind not in KINDS:
            raise NotFound(f"there is no kind {kind!r} of activity")
        log = self._services.events
        end = read_number(before) or log.last + 1
        events = [
            (number, each) for number, each in log.numbered() if number < end and isinstance(each, KINDS[kind][1])
        ]
        data: dict[str, Any] = {
            "kinds": {each: name for each, (name, _) in KINDS.items()},
            "kind": kind,
            "entries": await self.entries(events[-LISTED:]),
            "before": before,
            "older": events[-LISTED][0] if len(events) > LISTED else None,
        }
        return await self._layout.page("activity", request, visitor, at="activity", **data)

    async def show_connection(self, request: web.Request, visitor: ApiKey, number: str) -> web.Response:
        """Show the conversation of an SMTP connection."""
        sessions = {str(each.number): each for each in self._services.sessions.known()}
        session = sessions.get(number)
        if session is None:
            raise NotFound(f"There is no connection {number}, or it is no longer kept: the latest 200 are")
        data: dict[str, Any] = {"session": session, "transcript": session.transcript}
        return await self._layout.page("connection", request, visitor, at="activity", **data)

    async def entries(self, events: Sequence[tuple[int, Event]]) -> list[Entry]:
        """Return the lines of ``events``, the latest first."""
        refused = [(number, each) for number, each in events if isinstance(each, domain.RecipientRefused)]
        rows = {row.number: row for row in await self._inbox.refused(refused)}
        sessions = {each.number: each for each in self._services.sessions.known()}
        made = []
        for number, event in reversed(events):
            if isinstance(event, domain.RecipientRefused):
                row = rows[number]
                nearest = f"; nearest is {row.refusal.nearest}" if row.refusal.nearest else ""
                of = f"; it belonged to {event.scope}, which has ended" if event.scope else ""
                link = f"{PREFIX}/connections/{row.connection}" if row.connection is not None else ""
                made.append(
                    Entry(
                        number,
                        event.at,
                        "Refused",
                        "bad",
                        f"{_named(event.recipient, row.refusal.reason)}{nearest}{of}",
                        f"{row.reply}{', ' if row.reply else ''}from {event.sender or '<>'}",
                        link,
                        event.recipient if row.can_be_made else "",
                    )
                )
            elif isinstance(event, domain.SessionClosed):
                made.append(_closed(number, event, sessions.get(event.number)))
            elif isinstance(event, domain.DeliveryAttempted):
                delivery = await self._services.store.get(Delivery, id=event.delivery)
                link = f"{PREFIX}/mail/{delivery.message}/webhooks" if delivery is not None and delivery.message else ""
                made.append(Entry(number, event.at, *_attempt(event), link))
            else:
                made.append(Entry(number, event.at, *_ENTRIES[type(event)](event)))
        return made


def _named(recipient: str, reason: str) -> str:
    """Return the reason of a refusal with the recipient, which it may name already."""
    return reason if recipient in reason else f"{recipient}: {reason}"


def _closed(number: int, event: domain.SessionClosed, session: Session | None) -> Entry:
    if session is None:
        return Entry(number, event.at, "Connection", "muted", f"{event.peer} closed")
    login = f", logged in as {session.login}" if session.login else ""
    tls = f", {session.tls}" if session.tls else ""
    messages = counted(session.log.messages, "message") if session.log.messages else "no message"
    what = f"{event.peer}{f' ({session.ehlo})' if session.ehlo else ''}{login}: {messages}"
    link = f"{PREFIX}/connections/{event.number}"
    return Entry(number, event.at, "Connection", "muted", what, f"Closed{tls}", link)


def _message(event: domain.MessageReceived | domain.MessageSent) -> tuple[str, str, str, str, str, str, str]:
    message = event.message
    word = "Sent" if isinstance(event, domain.MessageSent) else "Mail"
    outgoing = "" if message.address else ", outgoing: kept here and sent nowhere"
    why = f"from {message.sender or message.mail_from or '<>'}, {size(message.size)}{outgoing}"
    subject = message.subject or "(no subject)"
    return word, "", f"to {message.recipient}", why, f"{PREFIX}/mail/{message.id}", "", subject


def _attempt(event: domain.DeliveryAttempted) -> tuple[str, str, str, str]:
    answer = str(event.status) if event.status else event.reason or event.error or "no answer"
    what = f"{event.event} to {event.url}: {answer}, try {event.number}"
    return (
        "Webhook",
        "good" if event.outcome == "delivered" else "bad",
        what,
        f"{event.outcome}, {event.duration_ms} ms",
    )


_ENTRIES: Final[Mapping[type[Event], Any]] = {
    domain.MessageReceived: _message,
    domain.MessageSent: _message,
    domain.MessagesRemoved: lambda event: ("Mail", "muted", f"{counted(len(event.ids), 'message')} deleted"),
    domain.LoginAccepted: lambda event: ("Login", "", f"{event.login} by {event.mechanism}"),
    domain.LoginRefused: lambda event: ("Login", "bad", f"{event.login} by {event.mechanism}: {event.reason}"),
    domain.TlsFailed: lambda event: ("TLS", "bad", f"{event.peer}: {event.alert or 'the client hung up'}"),
    domain.FaultFired: lambda event: (
        "Fault",
        "warn",
        f"{event.text} at {event.stage}",
        ", ".join(filter(None, [event.peer, event.sender and f"from {event.sender}", *event.recipients])),
    ),
    domain.ClockMoved: lambda event: (
        "Clock",
        "warn",
        f"{'stands still at' if event.frozen else 'runs from'} {iso_milliseconds(event.at)}",
    ),
    domain.Crashed: lambda event: (
        "Error",
        "bad",
        f"The server failed in {event.where}",
        f"{type(event.error).__name__}: {event.error}",
    ),
}
"""What the page shows of each event: kind, tone, what, why and a link."""
