"""The models of webhook bodies, of both APIs, and the schemas published of them.

1. The server makes the bodies without these models, so that it need not load pydantic; tests compare the two.
2. The models are strict and forbid unknown fields: a body must be exactly as it was published.
3. Nothing but the sibling shapes is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from sirrchat_testkit.schemas import tempmail
from sirrchat_testkit.schemas.fields import Int, Shape, reason_of
from sirrchat_testkit.schemas.webhook_events import (
    EMAIL_RECEIVED,
    EMAIL_SENT,
    NEW_MESSAGE,
    ReceivedEvent,
    SentEvent,
    WebhookEvent,
)


class _Body(Shape):
    model_config = ConfigDict(extra="forbid", strict=True)


class Received(_Body):
    """Mail that came in; ``user`` is the receiving address, ``size`` in bytes."""

    user: str
    sender: str = Field(alias="from")
    subject: str
    size: Int


class Sent(_Body):
    """Mail that a user sent, to all of its recipients."""

    user: str
    to: list[str]
    subject: str


class EmailReceived(_Body):
    """``email.received`` of the administration API."""

    event: ReceivedEvent
    timestamp: AwareDatetime
    data: Received


class EmailSent(_Body):
    """``email.sent`` of the administration API."""

    event: SentEvent
    timestamp: AwareDatetime
    data: Sent


class NewMessage(tempmail.NewMessage):
    """``new_message`` of the disposable-address API."""

    model_config = ConfigDict(extra="forbid", strict=True)


SHAPES: Final[Mapping[str, type[Shape]]] = MappingProxyType(
    {EMAIL_RECEIVED: EmailReceived, EMAIL_SENT: EmailSent, NEW_MESSAGE: NewMessage}
)
"""The model of each event's body."""


def webhook_schema(event: WebhookEvent) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event's body. Raises ``KeyError`` where there is no such event."""
    schema = SHAPES[event].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def faults_of(model: Any, body: bytes) -> list[str]:
    """Return where ``body`` differs from ``model``, a pydantic model: path, reason and value of each field."""
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        return [f"{_path(each['loc'])}: {_fault(each)}" for each in error.errors(include_url=False)]
    return []


def _fault(error: ErrorDetails) -> str:
    reason = reason_of(error)
    return reason if error["type"] in {"missing", "json_invalid"} else f"{reason}, was {error['input']!r:.80}"


def _path(places: Sequence[str | int]) -> str:
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in places)
    return text.removeprefix(".") or "the body"
