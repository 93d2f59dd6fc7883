"""The bodies of webhook calls, in both dialects, made from plain values. The models of them are in ``webhooks``.

This module imports no pydantic, so that making a body does not load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sirrchat_testkit.schemas.times import iso_milliseconds, iso_seconds


def email_received(*, user: str, sender: str, subject: str, size: int, at: int) -> dict[str, Any]:
    """Return the body of ``email.received``; ``at`` in milliseconds since the epoch."""
    data = {"user": user, "from": sender, "subject": subject, "size": size}
    return {"event": "email.received", "timestamp": iso_seconds(at), "data": data}


def email_sent(*, user: str, to: Sequence[str], subject: str, at: int) -> dict[str, Any]:
    """Return the body of ``email.sent``; ``at`` in milliseconds since the epoch."""
    data = {"user": user, "to": list(to), "subject": subject}
    return {"event": "email.sent", "timestamp": iso_seconds(at), "data": data}


def new_message(
    *, email_id: str, message_id: str, sender: str, to: str, subject: str, content: str, html: str, at: int
) -> dict[str, Any]:
    """Return the body of ``new_message``; ``at`` in milliseconds since the epoch."""
    return {
        "emailId": email_id,
        "messageId": message_id,
        "fromAddress": sender,
        "subject": subject,
        "content": content,
        "html": html,
        "receivedAt": iso_milliseconds(at),
        "toAddress": to,
    }
