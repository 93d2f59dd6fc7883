"""The names of webhook events and of delivery statuses, as the APIs spell them.

All other modules take them from here. Type checkers use the types to find a misspelt name; code uses the constants and
tuples. pydantic is not imported, so that a server starts without it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

ReceivedEvent: TypeAlias = Literal["email.received"]
SentEvent: TypeAlias = Literal["email.sent"]
PushEvent: TypeAlias = Literal["new_message"]

SirrchatEvent: TypeAlias = Literal[ReceivedEvent, SentEvent]
"""An event that a webhook of the SirrChat API can choose."""

WebhookEvent: TypeAlias = Literal[SirrchatEvent, PushEvent]
"""The event of a webhook call: one of the SirrChat API, or ``new_message`` of the disposable-address API."""

EMAIL_RECEIVED: Final[ReceivedEvent] = "email.received"
EMAIL_SENT: Final[SentEvent] = "email.sent"
NEW_MESSAGE: Final[PushEvent] = "new_message"

SIRRCHAT_EVENTS: Final[tuple[SirrchatEvent, ...]] = get_args(SirrchatEvent)
WEBHOOK_EVENTS: Final[tuple[WebhookEvent, ...]] = get_args(WebhookEvent)

DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed", "cancelled"]
"""The state of a delivery; only a pending delivery will be attempted again."""

PENDING: Final[DeliveryStatus] = "pending"
DELIVERED: Final[DeliveryStatus] = "delivered"
FAILED: Final[DeliveryStatus] = "failed"
CANCELLED: Final[DeliveryStatus] = "cancelled"
