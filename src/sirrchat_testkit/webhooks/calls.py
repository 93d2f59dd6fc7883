"""One call as it goes out: its headers and its body, from what a delivery says; and how it is spoilt on purpose.

1. Bodies are made once, when mail is handed over, and kept as text: every attempt sends the same bytes.
2. Headers are those that the APIs document, and no others of our own.
3. A tampering changes a call after it was made. Where the fault is not the signature itself, the call is signed as it
   is sent, so that it is the fault that a receiver sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_args

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.faults.payload import WebhookPayload
from sirrchat_testkit.faults.webhook import Tampering
from sirrchat_testkit.mail import mime
from sirrchat_testkit.schemas import bodies
from sirrchat_testkit.signing import ID, SIGNATURE, TIMESTAMP, sign

__tracebackhide__ = True

PUSH = "new_message"
EVENT = "X-Webhook-Event"

WRONG = "a secret that nobody knows"
"""What a corrupt signature is made with."""

STALE = 3600
"""Seconds by which a stale timestamp is old."""

HUGE = 10_485_760
"""Bytes that a huge body has."""

TAMPERINGS: Final = get_args(Tampering)


@dataclass(frozen=True, slots=True)
class PreparedCall(WebhookPayload):
    """A request that is ready to be sent."""

    headers: Mapping[str, str]
    body: bytes


def received(message: Message) -> dict[str, Any]:
    """Return the body of ``email.received``."""
    return bodies.email_received(
        user=message.recipient,
        sender=message.sender or message.mail_from,
        subject=message.subject,
        size=message.size,
        at=message.received_at,
    )


def sent(message: Message, envelope: Envelope) -> dict[str, Any]:
    """Return the body of ``email.sent``."""
    return bodies.email_sent(
        user=message.recipient, to=envelope.recipients, subject=message.subject, at=message.received_at
    )


def pushed(message: Message, raw: bytes) -> dict[str, Any]:
    """Return the body of ``new_message``."""
    parts = mime.parse(raw)
    return bodies.new_message(
        email_id=message.address,
        message_id=message.id,
        sender=message.mail_from,
        to=message.recipient,
        subject=message.subject,
        content=parts.text,
        html=parts.html,
        at=message.received_at,
    )


def encode(body: Mapping[str, Any]) -> str:
    """Return a body as the text that is kept and sent; what is no Unicode becomes a question mark."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def call(event: str, delivery_id: str, body: str, *, secret: str, seconds: int, tampering: str = "") -> PreparedCall:
    """Return the call of one attempt, at ``seconds`` since the epoch; without a secret it is not signed."""
    data = body.encode()
    if tampering == "json":
        data = data[:-1]
    elif tampering == "huge":
        data = data + b" " * max(HUGE - len(data), 0)
    at = seconds - STALE if tampering == "timestamp" else seconds
    headers = {"Content-Type": "text/plain" if tampering == "content_type" else "application/json"}
    if event == PUSH:
        headers[EVENT] = event
    headers |= {ID: delivery_id, TIMESTAMP: str(at)}
    if secret:
        headers[SIGNATURE] = sign(WRONG if tampering == "signature" else secret, delivery_id, at, data)
    return PreparedCall(MappingProxyType(headers), data)
