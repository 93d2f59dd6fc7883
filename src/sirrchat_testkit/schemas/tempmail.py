"""Requests, answers and the webhook of the disposable-address API.

1. Field names on the wire are the API's own mixture: ``nextCursor`` and ``userId`` beside ``from_address``.
2. Moments of addresses are ISO 8601 texts, those of messages milliseconds since the epoch.
3. Requests are read by these models; the server writes its answers without them, for speed, and tests compare the two.
"""

from __future__ import annotations

from pydantic import AwareDatetime, Field, StrictBool, StrictStr

from sirrchat_testkit.schemas.fields import Int, Shape, WebUrl

PERMANENT = "9999-01-01T00:00:00.000Z"
"""The ``expiresAt`` of an address that never expires."""


class GenerateRequest(Shape):
    """``POST /api/emails/generate``."""

    name: StrictStr
    expiry_time: Int = Field(alias="expiryTime", json_schema_extra={"enum": [3_600_000, 86_400_000, 259_200_000, 0]})
    domain: StrictStr


class WebhookRequest(Shape):
    """``POST /api/webhook``."""

    url: WebUrl
    enabled: StrictBool


class Problem(Shape):
    """Any answer that is not 200."""

    error: str


class Done(Shape):
    """A change was made."""

    success: bool


class Domains(Shape):
    """``GET /api/email/domains``."""

    domains: list[str]


class Generated(Shape):
    """The address that was made."""

    id: str
    email: str


class Email(Shape):
    """A disposable address."""

    id: str
    address: str
    user_id: str = Field(alias="userId")
    created_at: AwareDatetime = Field(alias="createdAt")
    expires_at: AwareDatetime = Field(alias="expiresAt")


class EmailPage(Shape):
    """``GET /api/emails``: newest first."""

    emails: list[Email]
    next_cursor: str | None = Field(alias="nextCursor")
    total: int


class Attachment(Shape):
    """A file in a message; ``size`` in bytes."""

    name: str
    content_type: str
    size: int


class ListedMessage(Shape):
    """A message as a list shows it; ``received_at`` in milliseconds since the epoch."""

    id: str
    from_address: str
    to_address: str
    subject: str
    content: str
    html: str
    received_at: int


class MessagePage(Shape):
    """``GET /api/emails/{emailId}``: newest first."""

    messages: list[ListedMessage]
    next_cursor: str | None = Field(alias="nextCursor")
    total: int


class DetailedMessage(ListedMessage):
    """A message by itself."""

    attachments: list[Attachment]


class OneMessage(Shape):
    """``GET /api/emails/{emailId}/{messageId}``."""

    message: DetailedMessage


class Webhook(Shape):
    """Where new messages are pushed; ``url`` is empty where none was ever set."""

    url: str
    enabled: bool


class Config(Shape):
    """``GET /api/config``: the served domains, joined by commas, and the limit of active addresses."""

    email_domains: str = Field(alias="emailDomains")
    max_emails: str = Field(alias="maxEmails")


class NewMessage(Shape):
    """What is pushed to the webhook, with ``X-Webhook-Event: new_message``."""

    email_id: str = Field(alias="emailId")
    message_id: str = Field(alias="messageId")
    from_address: str = Field(alias="fromAddress")
    subject: str
    content: str
    html: str
    received_at: AwareDatetime = Field(alias="receivedAt")
    to_address: str = Field(alias="toAddress")
