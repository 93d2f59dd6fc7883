"""The events that clients see: their names, and what the event stream and the log of ``serve`` show of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.formatting import iso_milliseconds


def _message(event: domain.MessageReceived | domain.MessageSent) -> dict[str, Any]:
    message = event.message
    return {
        "message": message.id,
        "uid": message.seq,
        "recipient": message.recipient,
        "from": message.sender or message.mail_from,
        "subject": message.subject,
        "size": message.size,
        "envelope": message.envelope,
    }


PUBLISHED: Final[Mapping[type[Event], tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    domain.MessageReceived: ("message.received", _message),
    domain.MessageSent: ("message.sent", _message),
    domain.MessagesChanged: (
        "messages.changed",
        lambda event: {"messages": [{"message": each.id, "seen": each.seen} for each in event.messages]},
    ),
    domain.MessagesRemoved: ("messages.removed", lambda event: {"messages": event.ids}),
    domain.RecipientRefused: (
        "recipient.refused",
        lambda event: {
            "recipient": event.recipient,
            "sender": event.sender,
            "code": event.code,
            "reason": event.reason,
            "scope": event.scope,
            "login": event.login,
        },
    ),
    domain.LoginAccepted: (
        "login.accepted",
        lambda event: {"mechanism": event.mechanism, "login": event.login},
    ),
    domain.LoginRefused: (
        "login.refused",
        lambda event: {"mechanism": event.mechanism, "login": event.login, "reason": event.reason},
    ),
    domain.TlsFailed: ("tls.failed", lambda event: {"peer": event.peer, "alert": event.alert}),
    domain.SessionOpened: ("session.opened", lambda event: {"session": event.number, "peer": event.peer}),
    domain.SessionClosed: ("session.closed", lambda event: {"session": event.number, "peer": event.peer}),
    domain.FaultFired: (
        "fault.struck",
        lambda event: {
            "fault": event.fault,
            "stage": event.stage,
            "effect": event.text,
            "peer": event.peer,
            "sender": event.sender,
            "recipients": event.recipients,
        },
    ),
    domain.DeliveryAttempted: (
        "delivery.attempted",
        lambda event: {
            "delivery": event.delivery,
            "webhook": event.webhook,
            "url": event.url,
            "event": event.event,
            "attempt": event.number,
            "status": event.status,
            "error": event.error,
            "reason": event.reason,
            "duration": event.duration_ms / 1000,
            "request": event.request,
            "response": event.response,
            "outcome": event.outcome,
        },
    ),
    domain.ClockMoved: ("clock.moved", lambda event: {"now": iso_milliseconds(event.at), "frozen": event.frozen}),
    domain.StreamDropped: ("stream.dropped", lambda event: {"peer": event.peer}),
    domain.Crashed: (
        "crashed",
        lambda event: {"where": event.where, "error": f"{type(event.error).__name__}: {event.error}"},
    ),
}
"""The name of each event, and a function that returns what it shows. Other events are not published."""
