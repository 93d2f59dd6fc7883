"""Requests, responses and the webhook body of the disposable-address API.

1. Field names in JSON are inconsistent, as in the API document: ``nextCursor`` and ``userId``, but ``from_address``.
2. Times of addresses are ISO 8601 strings; times of messages are milliseconds since the epoch.
3. For speed, the server makes its responses without these models; tests compare the two.
"""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, ConfigDict, Field, StrictBool, StrictStr

from sirrchat_testkit.schemas.fields import Int, Shape, WebUrl

PERMANENT = "9999-01-01T00:00:00.000Z"
"""The ``expiresAt`` of an address that never expires."""


_NAME = r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*$"
"""The names that ``generate`` accepts, up to 64 characters."""


class GenerateRequest(Shape):
    """``POST /api/emails/generate``. The domain checks the values, in the documented order."""

    name: StrictStr = Field(json_schema_extra={"pattern": _NAME, "maxLength": 64})
    expiry_time: Int = Field(alias="expiryTime", json_schema_extra={"enum": [3_600_000, 86_400_000, 259_200_000, 0]})
    domain: StrictStr = Field(json_schema_extra={"minLength": 1})


def _or_unset(schema: dict[str, Any]) -> None:
    """Let a schema also accept an empty URL that is not enabled."""
    fields = schema["properties"]
    named = {"title": fields["url"].pop("title"), "type": fields["url"].pop("type")}
    schema["anyOf"] = [
        {"properties": {"url": fields["url"]}},
        {"properties": {"url": {"const": ""}, "enabled": {"const": False}}},
    ]
    fields["url"] = named


class WebhookRequest(Shape):
    """``POST /api/webhook``. An empty URL that is not enabled unsets the webhook; the view reads it without this."""

    model_config = ConfigDict(json_schema_extra=_or_unset)

    url: WebUrl
    enabled: StrictBool


class Problem(Shape):
    """The response to a refused request."""

    error: str


class Done(Shape):
    """The response to a change."""

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
    """``GET /api/emails``: addresses, newest first."""

    emails: list[Email]
    next_cursor: str | None = Field(alias="nextCursor")
    total: int


class Attachment(Shape):
    """A file in a message; ``size`` in bytes."""

    name: str
    content_type: str
    size: int


class ListedMessage(Shape):
    """A message in a list; ``received_at`` in milliseconds since the epoch."""

    id: str
    from_address: str
    to_address: str
    subject: str
    content: str
    html: str
    received_at: int


class MessagePage(Shape):
    """``GET /api/emails/{emailId}``: messages, newest first."""

    messages: list[ListedMessage]
    next_cursor: str | None = Field(alias="nextCursor")
    total: int


class DetailedMessage(ListedMessage):
    """A whole message."""

    attachments: list[Attachment]


class OneMessage(Shape):
    """``GET /api/emails/{emailId}/{messageId}``."""

    message: DetailedMessage


class Webhook(Shape):
    """The webhook for new messages; ``url`` is empty if it was never set."""

    url: str
    enabled: bool


class Config(Shape):
    """``GET /api/config``: all values are strings, as existing clients expect.

    ``email_domains`` has the served domains, joined by commas, ``max_emails`` the limit of active addresses.
    """

    email_domains: str = Field(alias="emailDomains")
    max_emails: str = Field(alias="maxEmails")
    default_role: str = Field(alias="defaultRole")
    admin_contact: str = Field(alias="adminContact")


class NewMessage(Shape):
    """The body of a webhook call with ``X-Webhook-Event: new_message``."""

    email_id: str = Field(alias="emailId")
    message_id: str = Field(alias="messageId")
    from_address: str = Field(alias="fromAddress")
    subject: str
    content: str
    html: str
    received_at: AwareDatetime = Field(alias="receivedAt")
    to_address: str = Field(alias="toAddress")
