"""Requests and responses of the control API.

1. Names are those of the Python handles, in snake_case. Times are ISO 8601 in UTC, with milliseconds.
2. The errors are those of the SirrChat API, with the near misses of a timeout in addition.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, JsonValue, StrictBool, StrictStr

from sirrchat_testkit.schemas import sirrchat
from sirrchat_testkit.schemas.fields import Shape, Time, whole_number
from sirrchat_testkit.schemas.sirrchat import Email, Lifetime, Password, Quota
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus


class Body(Shape):
    """The body of a request. An unknown field is refused, since it is probably misspelt."""

    model_config = ConfigDict(extra="forbid")


class NearMiss(Shape):
    """A message that misses conditions of a wait; ``misses`` has an explanation for each."""

    id: str
    sender: str = Field(alias="from")
    recipient: str
    subject: str
    misses: list[str]


class Details(sirrchat.Details):
    """The invalid field and its value; for the code ``timeout``, the nearest messages, the nearest first."""

    near_misses: list[NearMiss] = Field(default_factory=list)


class Error(sirrchat.Error):
    """The reason why a request was refused."""

    details: Details


class Problem(sirrchat.Problem):
    """The response to a refused request."""

    error: Error


class Link(Shape):
    """A link of a message; ``purpose`` is ``unsubscribe``, ``social``, ``legal``, ``image``, ``tracking`` or empty."""

    url: str
    text: str
    purpose: Literal["", "unsubscribe", "social", "legal", "image", "tracking"]


class FoundMessage(Shape):
    """A message as a search, a wait and the command line show it.

    ``from`` and ``to`` are addresses from the header, ``recipient`` is the one of the envelope whose copy this is.
    ``link`` is the URL of the only link that the message can have been sent for, and ``code`` its only one-time code;
    each is null if there is none, or more than one.
    """

    id: str
    sender: str = Field(alias="from")
    to: list[str]
    recipient: str
    subject: str
    text: str
    html: str
    link: str | None
    code: str | None
    links: list[Link]
    codes: list[str]
    received_at: AwareDatetime
    seen: bool


class FoundMessages(Shape):
    """Messages, newest first; ``next_cursor`` continues the search, or is null if nothing is left to search."""

    data: list[FoundMessage]
    next_cursor: str | None


class Messages(Shape):
    """The messages that were waited for, or stored, oldest first."""

    data: list[FoundMessage]


class File(Shape):
    """A file in a message: ``/attachments/{number}`` of the message has its bytes; ``size`` counts them."""

    number: int
    name: str
    type: str
    size: int
    cid: str


class Unsubscribe(Shape):
    """The URLs of List-Unsubscribe; ``one_click`` tells whether a POST suffices (RFC 8058)."""

    urls: list[str]
    one_click: bool


class Envelope(Shape):
    """An SMTP envelope: the accepted recipients, and the refused ones with the replies that they got.

    ``parameters`` has the ESMTP parameters as sent, by recipient, those of the sender under an empty string.
    """

    id: str
    sender: str
    recipients: list[str]
    received_at: AwareDatetime
    size: int
    refused: dict[str, str]
    parameters: dict[str, list[str]]
    login: str
    tls: str
    ehlo: str
    peer: str


class Message(FoundMessage):
    """A whole message. ``headers`` are names and values in order; ``inline`` are the files that the HTML refers to.

    ``problems`` tell which parts were not read, and why.
    """

    uid: int
    message_id: str
    mail_from: str
    cc: list[str]
    reply_to: list[str]
    date: AwareDatetime | None
    size: int
    flags: list[str]
    headers: list[tuple[str, str]]
    attachments: list[File]
    inline: list[File]
    unsubscribe: Unsubscribe
    problems: list[str]
    envelope: Envelope


class MessageChanges(Body):
    r"""Changes of a message; ``seen`` sets or removes the flag ``\Seen``."""

    seen: StrictBool


class TranscriptLine(Shape):
    """A line of a dialogue, ``at`` seconds after it began.

    ``who`` is ``C`` for the client, ``S`` for the server, ``-`` for a remark.
    """

    at: float
    who: str
    text: str


class Transcript(Shape):
    """An SMTP dialogue without credentials; ``text`` shows it as ``print`` does in Python."""

    lines: list[TranscriptLine]
    text: str


class Deleted(Shape):
    """The ids of the deleted messages."""

    deleted: list[str]


class NewAccount(Body):
    """``POST /accounts``: an account for a test of its own; what is missing is generated."""

    email: Email | None = None
    password: Password | None = None
    quota: Quota | None = None


class MadeAccount(Shape):
    """A new account with its password and a user key, which no later answer shows."""

    id: str
    email: str
    password: str
    api_key: str
    quota: int


class NewAddress(Body):
    """``POST /addresses``: without ``expires_in_ms`` the address never expires. ``account`` is the id of its owner."""

    name: Annotated[StrictStr, Field(min_length=1)] | None = None
    domain: StrictStr | None = None
    expires_in_ms: Lifetime | None = None
    account: StrictStr | None = None


class MadeAddress(Shape):
    """A new address; ``account`` is the id of its owner, ``expires_at`` is null if it never expires."""

    id: str
    email: str
    account: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None


class Server(Shape):
    """The version of a server and its SMTP ports; ``smtps_port`` begins with TLS, and is null if there is none.

    ``certificate`` is what clients must trust, as PEM; null without TLS. The host is the one of this API.
    """

    version: str
    smtp_port: int
    smtps_port: int | None
    certificate: str | None


class Session(Shape):
    """An SMTP connection: ``sender`` is that of the transaction in progress, or null, ``transcript`` the dialogue.

    ``recipients`` are those that the client named, of the latest transactions; ``delivered`` tells whether a message of
    it was stored.
    """

    number: int
    peer: str
    ehlo: str
    login: str
    tls: str
    sender: str | None
    recipients: list[str]
    busy: bool
    delivered: bool
    closed: bool
    transcript: str


class Sessions(Shape):
    """The SMTP connections that are open or were closed recently, oldest first."""

    data: list[Session]


class Envelopes(Shape):
    """The envelopes of stored messages, newest first."""

    data: list[Envelope]
    next_cursor: str | None


class Refusal(Shape):
    """A refused recipient. ``nearest`` is the existing address that was probably meant, or null."""

    id: int
    at: AwareDatetime
    recipient: str
    sender: str
    code: str
    reason: str
    scope: str
    nearest: str | None


class Refusals(Shape):
    """The recipients that were refused, oldest first, as far as the event log holds them."""

    data: list[Refusal]


class Attempt(Shape):
    """One call of a webhook. ``duration`` is in seconds; ``request`` and ``response`` have the headers as text.

    ``status`` is null without a response, ``error`` without an error; ``reason`` is the error in words.
    """

    at: AwareDatetime
    status: int | None
    error: str | None
    reason: str
    duration: float
    request: str
    response: str


class Delivery(Shape):
    """One event for one webhook of either API; ``body`` is null once its message was deleted."""

    id: str
    webhook: str
    url: str
    event: str
    message: str
    status: DeliveryStatus
    body: str | None
    due_at: AwareDatetime | None
    attempts: list[Attempt]


class Deliveries(Shape):
    """Webhook deliveries, newest first."""

    data: list[Delivery]
    next_cursor: str | None


class Clock(Shape):
    """The server's clock."""

    now: AwareDatetime
    frozen: bool


class ClockMove(Body):
    """``POST /clock``: ``advance`` needs ``seconds``, ``move_to`` needs ``at``, ``freeze`` may have ``at``."""

    action: Literal["freeze", "advance", "move_to", "resume"]
    at: Time | None = None
    seconds: Annotated[float, Field(ge=0, le=10**10, strict=True)] | None = None


class Settings(Shape):
    """The settings in force, by name; the documentation ("Settings") describes them."""

    model_config = ConfigDict(extra="allow")

    host: str
    domains: list[str]


class SettingsChanges(Shape):
    """``PATCH /settings``: settings that can change while the server runs, by name."""

    model_config = ConfigDict(extra="allow")


class Activity(Shape):
    """Work in progress: the client's address or the webhook's URL, and what it is, in words."""

    where: str
    what: str


class Settled(Shape):
    """Whether the server settled in time, and otherwise what is still in progress."""

    settled: bool
    busy: list[Activity]


class Crash(Shape):
    """An unexpected error of the server."""

    id: int
    at: AwareDatetime
    where: str
    error: str


class Crashes(Shape):
    """The unexpected errors of the server, oldest first, as far as the event log holds them."""

    data: list[Crash]


class Effect(Shape):
    """What a fault does: the name of a verb and its parameters, such as ``{"name": "reject", "code": 451}``."""

    model_config = ConfigDict(extra="allow")

    name: StrictStr


def _verb_or_object(value: object) -> object:
    if not isinstance(value.get("name") if isinstance(value, dict) else value, str):
        raise ValueError('must be the name of a verb, or an object such as {"name": "reject", "code": 451}')
    return value


class NewFault(Body):
    """``POST /faults``. ``effect`` is the name of a verb, or an object with its parameters too.

    The documentation ("Faults") has the verbs of each protocol, their stages, and the conditions of ``match``. Without
    ``times``, the verb decides how often it fires.
    """

    protocol: Literal["smtp", "webhook", "rest"] = "smtp"
    stage: StrictStr | None = None
    effect: Annotated[StrictStr | Effect, BeforeValidator(_verb_or_object)]
    times: Annotated[int, Field(ge=1), BeforeValidator(whole_number)] | None = None
    match: dict[str, JsonValue] = Field(default_factory=dict)


class Fault(Shape):
    """A planned fault; ``text`` describes it. ``times`` is null for any number; ``fired`` counts."""

    id: int
    protocol: Literal["smtp", "webhook", "rest"]
    stages: list[str]
    effect: str
    match: dict[str, str]
    times: int | None
    fired: int
    spent: bool
    text: str


class Faults(Shape):
    """The planned faults, in the order in which they are tried."""

    data: list[Fault]


EventName: TypeAlias = Literal[
    "gap",
    "message.received",
    "message.sent",
    "messages.changed",
    "messages.removed",
    "recipient.refused",
    "login.accepted",
    "login.refused",
    "tls.failed",
    "session.opened",
    "session.closed",
    "fault.struck",
    "delivery.attempted",
    "clock.moved",
    "stream.dropped",
    "crashed",
]
"""The name of an event in the stream."""

_EVENT_DATA: JsonValue = {
    "type": "object",
    "required": ["id", "at"],
    "properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}},
}


class StreamedEvent(Shape):
    """A Server-Sent Event. ``id`` rises, also over restarts; ``data`` is JSON with ``id``, ``at`` and further ids."""

    id: str
    event: EventName
    data: str = Field(json_schema_extra={"contentMediaType": "application/json", "contentSchema": _EVENT_DATA})
