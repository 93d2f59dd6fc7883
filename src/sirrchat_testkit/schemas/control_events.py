"""The events of the control API, as its stream has them: a model for each name.

1. ``id`` rises, also over restarts of the server; ``at`` is the time of the server's clock.
2. A message, a delivery and a webhook are named by their ids.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from pydantic import AwareDatetime, Field

from sirrchat_testkit.schemas.fields import Shape
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus, WebhookEvent


class _Event(Shape):
    id: int
    at: AwareDatetime


class Gap(_Event):
    """Events may be missing before this one: ``oldest`` is the id of the oldest event that the server holds.

    The client was away for too long, or the server was restarted.
    """

    name: Literal["gap"] = "gap"
    oldest: int


class _OfMessage(_Event):
    message: str
    uid: int
    recipient: str
    sender: str = Field(alias="from")
    subject: str
    size: int
    envelope: str


class MessageReceived(_OfMessage):
    """A message was stored for one recipient; ``sender`` is the address of From, or the sender of the envelope."""

    name: Literal["message.received"] = "message.received"


class MessageSent(_OfMessage):
    """An account sent mail; ``message`` is the copy in its Sent folder."""

    name: Literal["message.sent"] = "message.sent"


class ChangedMessage(Shape):
    """A message whose flags changed, and whether it is read now."""

    message: str
    seen: bool


class MessagesChanged(_Event):
    """The flags of messages changed."""

    name: Literal["messages.changed"] = "messages.changed"
    messages: list[ChangedMessage]


class MessagesRemoved(_Event):
    """Messages were deleted; ``messages`` are their ids."""

    name: Literal["messages.removed"] = "messages.removed"
    messages: list[str]


class RecipientRefused(_Event):
    """A recipient was refused.

    ``code`` is a stable name of the reason, such as ``no_such_address``. ``scope`` is the ended scope that the address
    belonged to, such as the id of a test, or empty. ``login`` is the user name of the client's login, or empty.
    """

    name: Literal["recipient.refused"] = "recipient.refused"
    recipient: str
    sender: str
    code: str
    reason: str
    scope: str
    login: str


class LoginAccepted(_Event):
    """A client logged in; ``login`` is the address of the account, or the user of a token."""

    name: Literal["login.accepted"] = "login.accepted"
    mechanism: str
    login: str


class LoginRefused(_Event):
    """A login failed; the client did not get the ``reason``."""

    name: Literal["login.refused"] = "login.refused"
    mechanism: str
    login: str
    reason: str


class TlsFailed(_Event):
    """A TLS handshake failed; ``alert`` is the reason, or empty if the client hung up."""

    name: Literal["tls.failed"] = "tls.failed"
    peer: str
    alert: str


class SessionOpened(_Event):
    """A client opened an SMTP connection, number ``session``."""

    name: Literal["session.opened"] = "session.opened"
    session: int
    peer: str


class SessionClosed(_Event):
    """An SMTP connection was closed."""

    name: Literal["session.closed"] = "session.closed"
    session: int
    peer: str


class FaultStruck(_Event):
    """The planned fault with the id ``fault`` fired; ``effect`` says what it did.

    ``recipients`` are those known at the ``stage``.
    """

    name: Literal["fault.struck"] = "fault.struck"
    fault: int
    stage: str
    effect: str
    peer: str
    sender: str
    recipients: list[str]


class DeliveryAttempted(_Event):
    """A webhook was called: an attempt of a delivery, from 1. ``duration`` is in seconds.

    ``status`` is null without a response, ``error`` without an error; ``reason`` is the error in words. ``request`` and
    ``response`` have the headers as text. ``outcome`` is the status of the delivery now.
    """

    name: Literal["delivery.attempted"] = "delivery.attempted"
    delivery: str
    webhook: str
    url: str
    event: WebhookEvent
    attempt: int
    status: int | None
    error: str | None
    reason: str
    duration: float
    request: str
    response: str
    outcome: DeliveryStatus


class ClockMoved(_Event):
    """The server's clock was moved, stopped or started again."""

    name: Literal["clock.moved"] = "clock.moved"
    now: AwareDatetime
    frozen: bool


class StreamDropped(_Event):
    """A client did not read its event stream, which was closed; ``peer`` is its address."""

    name: Literal["stream.dropped"] = "stream.dropped"
    peer: str


class Crashed(_Event):
    """The server failed unexpectedly; ``where`` names the work that failed."""

    name: Literal["crashed"] = "crashed"
    where: str
    error: str


Event: TypeAlias = (
    Gap
    | MessageReceived
    | MessageSent
    | MessagesChanged
    | MessagesRemoved
    | RecipientRefused
    | LoginAccepted
    | LoginRefused
    | TlsFailed
    | SessionOpened
    | SessionClosed
    | FaultStruck
    | DeliveryAttempted
    | ClockMoved
    | StreamDropped
    | Crashed
)
"""Any event of the stream; ``name`` tells which, and so does its class."""

KINDS: Final[dict[str, type[Event]]] = {each.model_fields["name"].default: each for each in get_args(Event)}
"""The model of each event, by name."""
