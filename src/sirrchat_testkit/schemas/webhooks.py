"""The models of webhook bodies of both APIs, and their JSON Schemas.

1. The server makes the bodies without these models, so that it does not have to load pydantic; tests compare the two.
2. The models are strict and forbid unknown fields: a body must be exactly as published.
3. Nothing but the other schemas is imported here.
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
    """A received mail; ``user`` is the receiving address, ``size`` is in bytes."""

    user: str
    sender: str = Field(alias="from")
    subject: str
    size: Int


class Sent(_Body):
    """A mail that a user sent, with all its recipients."""

    user: str
    to: list[str]
    subject: str


class EmailReceived(_Body):
    """``email.received`` of the SirrChat API."""

    event: ReceivedEvent
    timestamp: AwareDatetime
    data: Received


class EmailSent(_Body):
    """``email.sent`` of the SirrChat API."""

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
    """Return the JSON Schema (draft 2020-12) of the webhook body of an event.

    ``call.validate()`` of a webhook sink checks against it.

    Args:
        event: ``email.received``, ``email.sent`` or ``new_message``.

    Raises:
        KeyError: There is no such event.

    Example:
        jsonschema.validate(body, webhook_schema("email.received"))
    """
    schema = SHAPES[event].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def faults_of(model: Any, body: bytes) -> list[str]:
    """Return the path, the reason and the value of each field of ``body`` that a pydantic ``model`` rejects."""
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        return [f"{_place(each['loc'])} {_fault(each)}" for each in error.errors(include_url=False)]
    return []


def _fault(error: ErrorDetails) -> str:
    reason = reason_of(error)
    return reason if error["type"] in {"missing", "json_invalid"} else f"{reason}, was {error['input']!r:.80}"


def _place(loc: Sequence[str | int]) -> str:
    path = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in loc).removeprefix(".")
    return f"{path}:" if path else "the body"
