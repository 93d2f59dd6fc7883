"""The models of webhook bodies, of both APIs, and the schemas published of them.

1. The server makes the bodies without these models, so that it need not load pydantic; tests compare the two.
2. The models forbid what they do not name: a body that has more than was published has drifted.
3. Nothing but the sibling shapes is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError

from sirrchat_testkit.schemas import tempmail
from sirrchat_testkit.schemas.fields import Shape
from sirrchat_testkit.schemas.webhook_events import (
    EMAIL_RECEIVED,
    EMAIL_SENT,
    NEW_MESSAGE,
    ReceivedEvent,
    SentEvent,
    WebhookEvent,
)


class _Told(Shape):
    model_config = ConfigDict(extra="forbid")


class Received(_Told):
    """Mail that came in; ``user`` is the receiving address, ``size`` in bytes."""

    user: str
    sender: str = Field(alias="from")
    subject: str
    size: int


class Sent(_Told):
    """Mail that a user sent, to all of its recipients."""

    user: str
    to: list[str]
    subject: str


class EmailReceived(_Told):
    """``email.received`` of the administration API."""

    event: ReceivedEvent
    timestamp: AwareDatetime
    data: Received


class EmailSent(_Told):
    """``email.sent`` of the administration API."""

    event: SentEvent
    timestamp: AwareDatetime
    data: Sent


class NewMessage(tempmail.NewMessage):
    """``new_message`` of the disposable-address API."""

    model_config = ConfigDict(extra="forbid")


SHAPES: Final[Mapping[str, type[Shape]]] = MappingProxyType(
    {EMAIL_RECEIVED: EmailReceived, EMAIL_SENT: EmailSent, NEW_MESSAGE: NewMessage}
)
"""The model of each event's body."""


def webhook_schema(event: WebhookEvent) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event's body. Raises ``KeyError`` where there is no such event."""
    schema = SHAPES[event].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def faults_of(model: Any, body: bytes) -> list[str]:
    """Return what in ``body`` is not as ``model``, a pydantic model, says: a path and a reason each."""
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        return [f"{_path(each['loc'])}: {each['msg']}, was {each['input']!r:.80}" for each in error.errors()]
    return []


def _path(places: Sequence[str | int]) -> str:
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in places)
    return text.removeprefix(".") or "the body"
