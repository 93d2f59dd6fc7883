"""Calls made as objects, for consumers that are tested in-process, without a URL."""

from __future__ import annotations

from typing import Final, get_args

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.webhooks import WebhookEvent
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.webhooks import calls

__tracebackhide__ = True

EVENTS: Final = get_args(WebhookEvent)

_RAW = b"From: Shop <shop@example.org>\r\nTo: ann@example.com\r\nSubject: Welcome\r\n\r\nHello Ann.\r\n"


async def make(backend: Backend, event: str, message: Message | None, secret: str, tamper: str) -> calls.PreparedCall:
    """Return the call that tells of ``message``, or of a sample.

    Raises:
        InvalidValue: There is no such event, or no such tampering.
        NotFound: The message's bytes are gone.
    """
    if event not in EVENTS:
        raise InvalidValue(f"event takes one of {', '.join(EVENTS)}, not {event!r}", field="event")
    if tamper and tamper not in calls.TAMPERINGS:
        raise InvalidValue(f"tamper takes one of {', '.join(calls.TAMPERINGS)}, not {tamper!r}", field="tamper")
    told = message or _sample(backend)
    if event == calls.PUSH:
        body = calls.pushed(told, await backend.postoffice.raw(told) if message else _RAW)
    elif event == "email.sent":
        envelope = await backend.postoffice.envelope(told) if message else None
        body = calls.sent(told, envelope or Envelope(id="", sender=told.recipient, recipients=("bob@example.org",)))
    else:
        body = calls.received(told)
    seconds = backend.clock.now() // 1000
    return calls.call(event, backend.ids.uuid(), calls.encode(body), secret=secret, seconds=seconds, tampering=tamper)


def _sample(backend: Backend) -> Message:
    address = f"ann@{backend.settings.domains[0]}"
    return Message(
        id=backend.ids.uuid(),
        account="",
        address=backend.ids.uuid(),
        recipient=address,
        recipient_key=address,
        envelope="",
        blob="",
        size=len(_RAW),
        received_at=backend.clock.now(),
        mail_from="shop@example.org",
        sender="shop@example.org",
        subject="Welcome",
    )
