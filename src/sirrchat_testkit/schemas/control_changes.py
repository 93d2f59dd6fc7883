"""The answer of ``/testkit/v1/changes``: what happened on a server, with the records that are needed to follow it."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from sirrchat_testkit.schemas.control import Clock, Envelope
from sirrchat_testkit.schemas.control_events import Event
from sirrchat_testkit.schemas.fields import Shape


class StoredMessage(Shape):
    """The record of a copy of a message.

    ``account`` and ``address`` are the ids of the recipient's account and address, empty if it has none here.
    ``envelope`` is the id of its envelope. ``folder`` is ``Sent`` for the copy that the sender keeps.
    """

    id: str
    uid: int
    account: str
    address: str
    recipient: str
    envelope: str
    size: int
    received_at: AwareDatetime
    mail_from: str
    sender: str = Field(alias="from")
    to: list[str]
    subject: str
    message_id: str
    folder: str
    flags: list[str]
    seen: bool


class Changes(Shape):
    """What happened on a server after an event.

    ``last`` is the id of the last event that was examined, after which the next request goes on; there is more until it
    is ``complete``. After a ``gap``, events may be missing, and ``messages`` are all that are stored.
    ``connections`` is the number of SMTP connections since the server started.
    """

    last: int
    complete: bool
    gap: bool
    connections: int
    clock: Clock
    events: list[Event]
    messages: list[StoredMessage]
    envelopes: list[Envelope]
