"""What happened, in order: one bounded log that every observer reads.

1. An event is a fact in the past tense and never changes. Events of stored changes are appended after their commit, in
   the order of the commits.
2. Subscribers are called in the loop's next step, so the client that caused an event gets its reply first. The
   ``glance`` of a subscriber runs at once and decides whether the subscriber is called, so mail without a waiting test
   costs no wake-up.
3. A subscriber cannot change or prevent what happened. An exception that it raises is appended as ``Crashed``, which
   ``MailServer.check`` and the end of a scope raise in the test. An exception that it raises on ``Crashed`` is dropped.
4. The log is never stored; what outlives the process is in the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from sirrchat_testkit.domain.models import Delivery, Message
from sirrchat_testkit.records import record
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus, WebhookEvent

KEPT = 10_000


@record
class Event:
    """Something that happened, ``at`` a time of the kit's clock (milliseconds)."""

    at: int


@record
class MessageReceived(Event):
    """A copy was stored for one recipient, local or foreign."""

    message: Message


@record
class MessageSent(Event):
    """A user sent mail; ``message`` is the copy in its Sent folder."""

    message: Message


@record
class MessagesRemoved(Event):
    """Messages were deleted: by a client, with their address or account, or because there were too many.

    ``ids`` are theirs, ``recipients`` the compared form of their recipients' addresses.
    """

    ids: tuple[str, ...]
    recipients: frozenset[str]


@record
class MessagesChanged(Event):
    """The flags of messages changed; ``messages`` are as they are now."""

    messages: tuple[Message, ...]


@record
class RecipientRefused(Event):
    """Mail for ``recipient`` was not taken. ``scope`` names the ended scope whose address it was, if it was one."""

    recipient: str
    sender: str
    code: str
    reason: str
    scope: str = ""


@record
class LoginRefused(Event):
    """Somebody could not log in; ``reason`` says why, as its client is not told."""

    mechanism: str
    login: str
    reason: str


@record
class TlsFailed(Event):
    """A TLS handshake failed; ``alert`` is the client's alert or OpenSSL's reason, empty if the client just left."""

    peer: str
    alert: str


@record
class FaultFired(Event):
    """A planned fault struck; ``text`` says what it did, ``recipients`` are those known at ``stage``."""

    stage: str
    text: str
    peer: str
    sender: str = ""
    recipients: tuple[str, ...] = ()


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
    """A webhook was called; ``at`` is when the attempt began, ``number`` which one it was of its delivery.

    ``status`` is None without an answer, ``error`` where there was none; ``reason`` says in words what was wrong.
    ``request`` and ``response`` are the heads as text. ``outcome`` is the delivery's status from now on.
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
class Crashed(Event):
    """Something in the server failed in a way that nobody asked for; ``where`` says what was under way."""

    where: str
    error: BaseException


Subscriber = Callable[[int, Event], None]
Glance = Callable[[Event], bool]


def _always(_event: Event) -> bool:
    return True


class EventLog:
    """The latest events, numbered from 1."""

    def __init__(self, call_soon: Callable[..., Any]) -> None:
        self._call_soon = call_soon
        self._entries: deque[Event] = deque(maxlen=KEPT)
        self._subscribers: list[tuple[Subscriber, Glance]] = []
        self._untold: deque[tuple[int, Event, list[tuple[Subscriber, Glance]]]] = deque()
        self.last = 0

    def append(self, event: Event) -> None:
        """Add ``event``; subscribers hear of it in the loop's next step."""
        self.last += 1
        self._entries.append(event)
        wanted = [entry for entry in self._subscribers if entry[1](event)]
        if wanted:
            if not self._untold:
                self._call_soon(self._tell)
            self._untold.append((self.last, event, wanted))

    def held(self) -> tuple[Event, ...]:
        """Return the events that are still held, oldest first; the last one has the number ``last``."""
        return tuple(self._entries)

    def after(self, number: int = 0) -> Iterator[Event]:
        """Return the events after ``number`` that are still held, oldest first."""
        held = self.held()
        return (event for at, event in enumerate(held, self.last - len(held) + 1) if at > number)

    def subscribe(self, subscriber: Subscriber, glance: Glance = _always) -> Callable[[], None]:
        """Call ``subscriber(number, event)`` for every later event that ``glance`` wants; return what ends that.

        ``glance`` sees each event in the step in which it is appended. It is quick, and never raises.
        """
        entry = (subscriber, glance)
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry)

    def _tell(self) -> None:
        while self._untold:
            number, event, wanted = self._untold.popleft()
            for subscriber, _ in [entry for entry in wanted if entry in self._subscribers]:
                try:
                    subscriber(number, event)
                except Exception as error:  # noqa: BLE001 - it becomes an event
                    if not isinstance(event, Crashed):  # or each crash would cause the next
                        self.append(Crashed(at=event.at, where=f"telling {subscriber!r}", error=error))
