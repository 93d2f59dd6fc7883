"""Requests and responses of the SirrChat API.

1. Optional fields of a request have their defaults here. A change leaves missing fields as they are.
2. Sizes and quotas are bytes, up to the largest integer that every JSON parser represents exactly.
3. Times are ISO 8601 in UTC, with seconds.
4. For speed, the server makes its responses without these models; tests compare the two.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictBool, StrictStr

from sirrchat_testkit.schemas.fields import Changes, Shape, WebUrl, whole_number
from sirrchat_testkit.schemas.webhook_events import DeliveryStatus, SirrchatEvent

MAX_QUOTA = 2**53 - 1
DEFAULT_QUOTA = 5_368_709_120
MAX_BATCH = 1000
PREFIX = "whsec_"
"""The prefix of a secret in base64 (Standard Webhooks)."""


def _secret(text: str) -> str:
    if text.startswith(PREFIX):
        try:
            known = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except ValueError:
            known = b""
        if not known:
            raise ValueError(f"must be base64 after {PREFIX}")
    return text


Quota: TypeAlias = Annotated[int, Field(ge=0, le=MAX_QUOTA), BeforeValidator(whole_number)]
"""A size in bytes. With the bounds after the validator, pydantic would publish ``ge`` instead of ``minimum``."""

Email: TypeAlias = Annotated[StrictStr, Field(json_schema_extra={"pattern": ".@."})]
"""An e-mail address. Only the schema has the pattern: ``domain`` checks addresses, with the documented error text."""

Lifetime: TypeAlias = Annotated[int, Field(ge=1, le=MAX_QUOTA), BeforeValidator(whole_number)]
"""A time in milliseconds after which something expires."""

DomainName: TypeAlias = Annotated[StrictStr, Field(json_schema_extra={"minLength": 1})]
"""The name of a domain, which ``domain`` checks."""

Password: TypeAlias = Annotated[StrictStr, Field(min_length=1, json_schema_extra={"format": "password"})]
Blockchain: TypeAlias = Annotated[StrictStr, Field(pattern="^0x", max_length=128)]
Events: TypeAlias = Annotated[list[SirrchatEvent], Field(min_length=1)]
Secret: TypeAlias = Annotated[StrictStr, AfterValidator(_secret)]
"""The secret that signs calls; empty for unsigned calls."""


class NewUser(Shape):
    """``POST /users``."""

    email: Email
    password: Password
    quota: Quota = DEFAULT_QUOTA
    blockchain_address: Blockchain | None = None


class UserBatch(Shape):
    """``POST /users/batch``. Each of ``users`` is checked separately as a ``NewUser``."""

    users: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


class UserChanges(Changes):
    """``PUT /users/{id}``."""

    quota: Quota = 0
    password: Password = ""
    blockchain_address: Blockchain | None = None


class NewQuota(Shape):
    """``PUT /users/{id}/quota``."""

    quota: Quota


class NewDomain(Shape):
    """``POST /domains``."""

    name: DomainName


class NewWebhook(Shape):
    """``POST /webhooks``."""

    url: WebUrl
    events: Events
    secret: Secret | None = None


class WebhookChanges(Changes):
    """``PUT /webhooks/{id}``."""

    url: WebUrl = ""
    events: Events = Field(default_factory=list)
    enabled: StrictBool = True
    secret: Secret | None = None


class NewApiKey(Shape):
    """``POST /api-keys``: ``user`` is an e-mail address or an id. Without ``expires_in_ms`` the key never expires."""

    user: StrictStr
    role: Literal["admin", "user"] = "admin"
    expires_in_ms: Lifetime | None = None


class Details(Shape):
    """The invalid field and the value sent in it; empty if no single field is invalid."""

    field: str | None = None
    value: Any = None


class Error(Shape):
    """The reason why a request was refused."""

    code: str
    message: str
    details: Details


class Problem(Shape):
    """The response to a refused request."""

    error: Error


class Meta(Shape):
    """The position of a page, and totals."""

    page: int
    limit: int
    total: int
    total_pages: int


class Links(Shape):
    """Paths of other pages, with their queries."""

    first: str
    last: str
    prev: str | None
    next: str | None


class User(Shape):
    """A user of the SirrChat API.

    Attributes:
        id: The id, a UUID.
        email: The permanent address.
        quota: The quota in bytes.
        used: The bytes of stored mail that count against the quota.
        created_at: The time at which the user was made.
        blockchain_address: The address given for the user, or None.
    """

    id: str
    email: str
    quota: int
    used: int
    created_at: AwareDatetime
    blockchain_address: str | None = None


class UserPage(Shape):
    """``GET /users``: users, oldest first."""

    data: list[User]
    meta: Meta
    links: Links


class BatchItem(Shape):
    """The outcome for one user of a batch; ``status`` is what ``POST /users`` would respond for it."""

    index: int
    status: int
    user: User | None = None
    error: Error | None = None


class BatchMeta(Shape):
    """How many users of a batch were made, and how many failed."""

    created: int
    failed: int


class BatchResult(Shape):
    """``POST /users/batch``: 201 if all were made, else 207."""

    data: list[BatchItem]
    meta: BatchMeta


class Domain(Shape):
    """A served domain."""

    id: str
    name: str
    users_count: int
    created_at: AwareDatetime


class DomainPage(Shape):
    """``GET /domains``: domains, oldest first."""

    data: list[Domain]
    meta: Meta
    links: Links


class QuotaUsage(Shape):
    """``GET /users/{id}/quota``."""

    quota: int
    used: int
    percentage: float
    files_count: int


class ListedMessage(Shape):
    """A message in a list; ``date`` is the time of receipt."""

    uid: int
    sender: str = Field(alias="from")
    to: list[str]
    subject: str
    date: AwareDatetime
    size: int
    flags: list[str]


class MessageMeta(Shape):
    """The position of a list of messages, and the total."""

    limit: int
    offset: int
    total: int


class MessageList(Shape):
    """``GET /users/{id}/messages``: messages, newest first."""

    data: list[ListedMessage]
    meta: MessageMeta


class Attachment(Shape):
    """A file in a message; ``size`` in bytes."""

    name: str
    content_type: str
    size: int


class Message(ListedMessage):
    """A whole message; ``headers`` has the first value of each header field."""

    cc: list[str]
    headers: dict[str, str]
    text: str
    html: str
    attachments: list[Attachment]


class SmtpStats(Shape):
    """The numbers of messages sent, of copies received, and of recipients refused."""

    sent: int
    received: int
    rejected: int


class ImapStats(Shape):
    """Counters of IMAP: always 0, because there is no IMAP."""

    connections: int
    commands: int


class ServerStats(Shape):
    """``GET /stats``: ``uptime`` in seconds; ``messages_today`` counts copies received and messages sent, in UTC."""

    uptime: int
    users_total: int
    sessions_active: int
    messages_today: int
    storage_used: int
    smtp: SmtpStats
    imap: ImapStats


class UserStats(Shape):
    """``GET /users/{id}/stats``: copies stored and received, messages sent, recipients refused; sizes in bytes."""

    messages_total: int
    messages_unseen: int
    received: int
    sent: int
    rejected: int
    storage_used: int
    quota: int
    last_received_at: AwareDatetime | None


class Webhook(Shape):
    """A webhook. No response shows its secret."""

    id: str
    url: str
    events: list[SirrchatEvent]
    enabled: bool
    created_at: AwareDatetime


class WebhookPage(Shape):
    """``GET /webhooks``: webhooks, oldest first."""

    data: list[Webhook]
    meta: Meta
    links: Links


class Attempt(Shape):
    """One call; ``http_status`` is None without a response, ``error`` is None if there was no error."""

    at: AwareDatetime
    http_status: int | None
    error: str | None
    duration_ms: int


class Delivery(Shape):
    """One event for one webhook; every attempt sends exactly ``request_body``, null once its message was deleted."""

    id: str
    event: str
    status: DeliveryStatus
    request_body: str | None
    attempts: list[Attempt]


class DeliveryPage(Shape):
    """``GET /webhooks/{id}/deliveries``: deliveries, newest first."""

    data: list[Delivery]
    meta: Meta
    links: Links


class ApiKey(Shape):
    """An API key as shown in lists.

    Attributes:
        id: The id, a UUID.
        user: The e-mail address of the key's user.
        role: ``admin`` for every route, ``user`` for the user's own data.
        created_at: The time at which the key was made.
        expires_at: The time from which on the key is refused, on the server's clock; None if it never expires.
    """

    id: str
    user: str
    role: Literal["admin", "user"]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class NewlyMadeApiKey(ApiKey):
    """A new API key. No later response shows ``key`` and ``secret`` again.

    Attributes:
        key: The key that requests send, ``mk_live_`` and 32 characters.
        secret: ``sk_live_`` and 32 characters; no route needs it.
    """

    key: str
    secret: str


class ApiKeyPage(Shape):
    """``GET /api-keys``: API keys, oldest first."""

    data: list[ApiKey]
    meta: Meta
    links: Links
