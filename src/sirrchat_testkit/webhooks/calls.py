"""Webhook calls: headers and body of a message or a delivery, and deliberate errors in them.

1. Bodies are made once, when a delivery is queued, and kept as text: every attempt sends the same bytes.
2. Headers are exactly those of the API documents.
3. Tampering changes a finished call. Unless the signature itself is to be wrong, the changed call is signed, so the
   receiver finds only the intended error.
4. ``make_call`` makes a call as an object, to test a receiver without a URL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

from sirrchat_testkit import signing
from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.faults.webhook import Tampering
from sirrchat_testkit.formatting import iso_milliseconds, iso_seconds
from sirrchat_testkit.mail import mime
from sirrchat_testkit.schemas.webhook_events import EMAIL_RECEIVED, EMAIL_SENT, NEW_MESSAGE, WEBHOOK_EVENTS
from sirrchat_testkit.signing import ID, SIGNATURE, TIMESTAMP, sign
from sirrchat_testkit.threads import apply

__tracebackhide__ = True

EVENT = "X-Webhook-Event"

WRONG = "a secret that nobody knows"
"""The secret that makes a wrong signature."""

STALE = 3600
"""The age of a stale timestamp, in seconds."""

HUGE = 10_485_760
"""The size of a huge body, in bytes."""

TAMPERINGS: Final = get_args(Tampering)


class OutgoingCall(NamedTuple):
    """The headers and the body of a request that is ready to be sent."""

    headers: Mapping[str, str]
    body: bytes


def received_body(message: Message) -> dict[str, Any]:
    """Return the body of ``email.received``."""
    data = {
        "user": message.recipient,
        "from": message.sender or message.mail_from,
        "subject": message.subject,
        "size": message.size,
    }
    return {"event": EMAIL_RECEIVED, "timestamp": iso_seconds(message.received_at), "data": data}


def sent_body(message: Message, envelope: Envelope) -> dict[str, Any]:
    """Return the body of ``email.sent``."""
    data = {"user": message.recipient, "to": list(envelope.recipients), "subject": message.subject}
    return {"event": EMAIL_SENT, "timestamp": iso_seconds(message.received_at), "data": data}


async def push_body(message: Message, raw: bytes) -> dict[str, Any]:
    """Return the body of ``new_message``."""
    parts = await apply(mime.parse, raw, len(raw))
    return {
        "emailId": message.address,
        "messageId": message.id,
        "fromAddress": message.mail_from,
        "subject": message.subject,
        "content": parts.text,
        "html": parts.html,
        "receivedAt": iso_milliseconds(message.received_at),
        "toAddress": message.recipient,
    }


def encode(body: Mapping[str, Any]) -> str:
    """Return a body as JSON; a lone surrogate becomes a question mark."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def call(event: str, delivery_id: str, body: str, *, secret: str, tampering: str = "") -> OutgoingCall:
    """Return the call for an attempt made now. Without a secret it is not signed.

    Its timestamp is the real time, because receivers compare it with their own clocks.
    """
    data = body.encode()
    if tampering == "json":
        data = data[:-1]
    elif tampering == "huge":
        data = data + b" " * max(HUGE - len(data), 0)
    at = int(signing.now()) - (STALE if tampering == "timestamp" else 0)
    headers = {"Content-Type": "text/plain" if tampering == "content_type" else "application/json"}
    if event == NEW_MESSAGE:
        headers[EVENT] = event
    headers |= {ID: delivery_id, TIMESTAMP: str(at)}
    if secret:
        headers[SIGNATURE] = sign(WRONG if tampering == "signature" else secret, delivery_id, at, data)
    return OutgoingCall(MappingProxyType(headers), data)


_RAW = b"From: Shop <shop@example.org>\r\nTo: ann@example.com\r\nSubject: Welcome\r\n\r\nHello Ann.\r\n"


async def make_call(services: Services, event: str, message: Message | None, secret: str, tamper: str) -> OutgoingCall:
    """Return the call of ``event`` for ``message``, or for a sample message.

    Raises:
        InvalidValue: There is no such event, or no such tampering.
        NotFound: The message was deleted.
    """
    if event not in WEBHOOK_EVENTS:
        raise InvalidValue(f"event must be one of {', '.join(WEBHOOK_EVENTS)}, not {event!r}", field="event")
    if tamper and tamper not in TAMPERINGS:
        raise InvalidValue(f"tamper must be one of {', '.join(TAMPERINGS)}, not {tamper!r}", field="tamper")
    reported = message or _sample(services)
    if event == NEW_MESSAGE:
        body = await push_body(reported, await services.delivery.raw(reported) if message else _RAW)
    elif event == EMAIL_SENT:
        envelope = await services.delivery.envelope(reported) if message else None
        sample = Envelope(id="", sender=reported.recipient, recipients=("bob@example.org",))
        body = sent_body(reported, envelope or sample)
    else:
        body = received_body(reported)
    return call(event, services.ids.uuid(), encode(body), secret=secret, tampering=tamper)


def _sample(services: Services) -> Message:
    address = f"ann@{services.settings.value.domains[0]}"
    return Message(
        id=services.ids.uuid(),
        account="",
        address=services.ids.uuid(),
        recipient=address,
        recipient_key=address,
        envelope="",
        blob="",
        size=len(_RAW),
        received_at=services.clock.now(),
        mail_from="shop@example.org",
        sender="shop@example.org",
        subject="Welcome",
    )
