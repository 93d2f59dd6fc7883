"""Records of this process, made from what the server says about its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.models import SENT, Delivery, Envelope, Message
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.transcript import Page, SessionLog
from sirrchat_testkit.formatting import milliseconds
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas import control_events as told
from sirrchat_testkit.schemas.control_changes import StoredMessage
from sirrchat_testkit.schemas.webhook_events import WebhookEvent

__tracebackhide__ = True


def message_record(
    message: StoredMessage | schemas.Message, account: str, address: str, envelope: str, folder: str
) -> Message:
    """Return the record of ``message``. Its raw bytes are named by its id."""
    return Message(
        seq=message.uid,
        id=message.id,
        account=account,
        address=address,
        recipient=message.recipient,
        recipient_key="" if folder == SENT else addressing.key(message.recipient),
        envelope=envelope,
        blob=message.id,
        size=message.size,
        received_at=milliseconds(message.received_at),
        mail_from=message.mail_from,
        sender=message.sender,
        to=tuple(message.to),
        subject=message.subject,
        message_id=message.message_id,
        folder=folder,
        flags=tuple(message.flags),
        seen=message.seen,
    )


def envelope_record(envelope: schemas.Envelope) -> Envelope:
    """Return the record of ``envelope``."""
    return Envelope(
        id=envelope.id,
        sender=envelope.sender,
        recipients=tuple(envelope.recipients),
        received_at=milliseconds(envelope.received_at),
        size=envelope.size,
        refused=envelope.refused,
        parameters=envelope.parameters,
        login=envelope.login,
        tls=envelope.tls,
        ehlo=envelope.ehlo,
        peer=envelope.peer,
    )


def attempt_event(event: told.DeliveryAttempted, at: int) -> domain.DeliveryAttempted:
    """Return the event of an attempt to call a webhook."""
    return domain.DeliveryAttempted(
        at=at,
        delivery=event.delivery,
        webhook=event.webhook,
        url=event.url,
        event=event.event,
        number=event.attempt,
        status=event.status,
        error=event.error,
        reason=event.reason,
        duration_ms=round(event.duration * 1000),
        request=event.request,
        response=event.response,
        outcome=event.outcome,
    )


def delivery_record(delivery: schemas.Delivery, account: str, webhook: str) -> Delivery:
    """Return the record of ``delivery``, to ``webhook`` of ``account``."""
    attempts = [
        {
            "at": milliseconds(each.at),
            "http_status": each.status,
            "error": each.error,
            "duration_ms": round(each.duration * 1000),
        }
        for each in delivery.attempts
    ]
    return Delivery(
        id=delivery.id,
        account=account,
        webhook=webhook,
        event=cast("WebhookEvent", delivery.event),
        message=delivery.message,
        created_at=0,
        request_body=delivery.body,
        status=delivery.status,
        attempts=tuple(attempts),
        due_at=milliseconds(delivery.due_at) if delivery.due_at else 0,
    )


def session_record(session: schemas.Session) -> Session:
    """Return the record of the connection ``session``."""
    log = SessionLog(0.0)
    log.page.extend(transcript_page(map(_line, session.transcript.splitlines())))
    log.messages = int(session.delivered)
    return Session(
        session.peer,
        ehlo=session.ehlo,
        login=session.login,
        tls=session.tls,
        sender=session.sender,
        busy=session.busy,
        fresh=session.busy and session.sender is None,
        closed=session.closed,
        number=session.number,
        recipients=session.recipients,
        log=log,
    )


def _line(line: str) -> tuple[float, str, str]:
    """Return the time, the side and the text of a line of a transcript."""
    head, _, text = line.partition(": ")
    at, who = head.split()
    return float(at), who, text


def transcript_page(lines: Iterable[tuple[float, str, str]]) -> Page:
    """Return the ``lines`` of a transcript as they are recorded."""
    page: Page = []
    for at, who, text in lines:
        page += [at, text if who == "-" else text.encode() + (b"\r\n" if who == "S" else b"")]
    return page
