"""The event log: the latest events of a server, in order, for every observer to read.

1. An event is a fact in the past tense and never changes. Events of stored changes are appended after their commit, in
   the order of the commits.
2. Subscribers are called in the loop's next step, so the client that caused an event gets its reply first. The filter
   of a subscriber runs at once and decides whether the subscriber is called, so mail without a waiting test costs no
   wake-up.
3. A subscriber cannot change or prevent what happened. An exception that it raises is appended as ``Crashed``, which
   ``MailServer.check`` and the end of a scope raise in the test. An exception that it raises on ``Crashed`` is dropped.
4. The log is never stored; only the store outlives the process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from sirrchat_testkit.domain.models import Delivery, Message
from sirrchat_testkit.records import record
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus, WebhookEvent

KEPT = 10_000


@record
class Event:
    """Something that happened ``at`` a time of the server's clock, in milliseconds since the epoch."""

    at: int


@record
class MessageReceived(Event):
    """A copy was stored for one recipient, at a served domain or elsewhere."""

    message: Message


@record
class MessageSent(Event):
    """An account sent mail; ``message`` is the copy in its Sent folder."""

    message: Message


@record
class MessagesRemoved(Event):
    """Messages were deleted: by a client, with their address or account, or because a limit was exceeded.

    ``ids`` are their ids, ``recipients`` the recipients' addresses in normalized form.
    """

    ids: tuple[str, ...]
    recipients: frozenset[str]


@record
class MessagesChanged(Event):
    """The flags of messages changed; ``messages`` are the records after the change."""

    messages: tuple[Message, ...]


@record
class RecipientRefused(Event):
    """Mail for ``recipient`` was refused. ``scope`` is the ended scope that the address belonged to, or empty.

    ``session`` is the number of the SMTP connection, ``login`` the user name of its login; empty without one.
    """

    recipient: str
    sender: str
    code: str
    reason: str
    scope: str = ""
    session: int = 0
    login: str = ""


@record
class LoginAccepted(Event):
    """A client logged in as ``login``."""

    mechanism: str
    login: str


@record
class LoginRefused(Event):
    """A login failed. ``reason`` is not sent to the client."""

    mechanism: str
    login: str
    reason: str


@record
class TlsFailed(Event):
    """A TLS handshake failed. ``alert`` is the client's alert or OpenSSL's reason, or empty if the client hung up."""

    peer: str
    alert: str


@record
class FaultFired(Event):
    """The planned fault number ``fault`` fired.

    ``text`` describes what it did, ``recipients`` are those known at ``stage``.
    """

    stage: str
    text: str
    peer: str
    sender: str = ""
    recipients: tuple[str, ...] = ()
    fault: int = 0


@record
class WebhookAdded(Event):
    """A webhook was added."""

    webhook: str


@record
class DeliveryRequested(Event):
    """Another attempt of a delivery was requested."""

    delivery: Delivery


@record
class DeliveryAttempted(Event):
    """A webhook was called: attempt ``number`` of a delivery. ``at`` is when the attempt began.

    ``status`` is None without a response, ``error`` is None if there was no error; ``reason`` is a description.
    ``request`` and ``response`` are the start lines and headers as text. ``outcome`` is the new status of the delivery.
    """

    delivery: str
    webhook: str
    url: str
    event: WebhookEvent
    number: int
    status: int | None
    error: str | None
    reason: str
    duration_ms: int
    request: str
    response: str
    outcome: DeliveryStatus
    due_at: int = 0


@record
class SessionOpened(Event):
    """A client opened the SMTP connection ``number``; ``peer`` is its address."""

    number: int
    peer: str


@record
class SessionClosed(Event):
    """The SMTP connection ``number`` was closed."""

    number: int
    peer: str


@record
class ClockMoved(Event):
    """The server's clock was moved, stopped or started again; ``at`` is its time now."""

    frozen: bool


@record
class StreamDropped(Event):
    """A client did not read its event stream, which was closed; ``peer`` is its address."""

    peer: str


@record
class Crashed(Event):
    """The server failed unexpectedly; ``where`` names the work that failed."""

    where: str
    error: BaseException


Subscriber = Callable[[int, Event], None]
Filter = Callable[[Event], bool]


def _always(_event: Event) -> bool:
    return True


class EventLog:
    """The latest events, numbered from ``first`` + 1. ``last`` is the number of the last event."""

    def __init__(self, call_soon: Callable[..., Any], first: int = 0) -> None:
        self._call_soon = call_soon
        self._entries: deque[Event] = deque(maxlen=KEPT)
        self._subscribers: list[tuple[Subscriber, Filter]] = []
        self._undelivered: deque[tuple[int, Event, list[tuple[Subscriber, Filter]]]] = deque()
        self.first = self.last = first

    def append(self, event: Event) -> None:
        """Add ``event``; subscribers are called in the next step of the loop."""
        self.last += 1
        self._entries.append(event)
        wanted = [entry for entry in self._subscribers if entry[1](event)]
        if wanted:
            if not self._undelivered:
                self._call_soon(self._notify)
            self._undelivered.append((self.last, event, wanted))

    def held(self, after: int = 0) -> tuple[Event, ...]:
        """Return the events after number ``after`` that the log still holds, oldest first; the last is number ``last``.

        The cost depends on the number of returned events.
        """
        if after <= self.last - len(self._entries):
            return tuple(self._entries)
        return tuple(islice(reversed(self._entries), max(0, self.last - after)))[::-1]

    def numbered(self, after: int = 0, most: int | None = None) -> list[tuple[int, Event]]:
        """Return what ``held`` does, each event with its number; the first ``most`` of them."""
        held = self.held(after)
        return [*enumerate(held[:most], self.last - len(held) + 1)]

    def after(self, number: int = 0) -> Iterator[Event]:
        """Return the events after ``number`` that the log still holds, oldest first."""
        return iter(self.held(number))

    def misses(self, after: int) -> bool:
        """Return whether events after number ``after`` are no longer held, or are from before a restart."""
        oldest = self.last - len(self._entries) + 1
        whole = after == 0 and oldest == self.first + 1
        return not (whole or oldest - 1 <= after <= self.last)

    def subscribe(self, subscriber: Subscriber, wants: Filter = _always) -> Callable[[], None]:
        """Call ``subscriber(number, event)`` for each later event that ``wants`` accepts; return a function to stop.

        ``wants(event)`` is called in the step in which the event is appended. It must be quick and must not raise.
        """
        entry = (subscriber, wants)
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry)

    def _notify(self) -> None:
        while self._undelivered:
            number, event, wanted = self._undelivered.popleft()
            for subscriber, _ in [entry for entry in wanted if entry in self._subscribers]:
                try:
                    subscriber(number, event)
                except Exception as error:  # noqa: BLE001 - it becomes an event
                    if not isinstance(event, Crashed):  # or each crash would cause the next
                        self.append(Crashed(at=event.at, where=f"calling the subscriber {subscriber!r}", error=error))
