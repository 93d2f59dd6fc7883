"""Requests and responses of the control API.

1. Names are those of the Python handles, in snake_case. Times are ISO 8601 in UTC, with milliseconds.
2. The errors are those of the SirrChat API.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, StrictBool

from sirrchat_testkit.schemas.fields import Shape


class Link(Shape):
    """A link of a message; ``purpose`` is ``unsubscribe``, ``social``, ``legal``, ``image``, ``tracking`` or empty."""

    url: str
    text: str
    purpose: Literal["", "unsubscribe", "social", "legal", "image", "tracking"]


class FoundMessage(Shape):
    """A message as a search, a wait and the command line show it.

    ``from`` and ``to`` are addresses from the header, ``recipient`` is the one of the envelope whose copy this is.
    ``link`` is the URL of the only link that the message can have been sent for, and ``code`` its only one-time code;
    each is null if there is none, or more than one.
    """

    id: str
    sender: str = Field(alias="from")
    to: list[str]
    recipient: str
    subject: str
    text: str
    html: str
    link: str | None
    code: str | None
    links: list[Link]
    codes: list[str]
    received_at: AwareDatetime
    seen: bool


class FoundMessages(Shape):
    """Messages, newest first; ``next_cursor`` continues the search, or is null if nothing is left to search."""

    data: list[FoundMessage]
    next_cursor: str | None


class WaitedFor(Shape):
    """The messages that were waited for, oldest first."""

    data: list[FoundMessage]


class File(Shape):
    """A file in a message: ``/attachments/{number}`` of the message has its bytes; ``size`` counts them."""

    number: int
    name: str
    type: str
    size: int
    cid: str


class Unsubscribe(Shape):
    """The URLs of List-Unsubscribe; ``one_click`` tells whether a POST suffices (RFC 8058)."""

    urls: list[str]
    one_click: bool


class Envelope(Shape):
    """An SMTP envelope: the accepted recipients, and the refused ones with the replies that they got.

    ``parameters`` has the ESMTP parameters as sent, by recipient, those of the sender under an empty string.
    """

    id: str
    sender: str
    recipients: list[str]
    received_at: AwareDatetime
    size: int
    refused: dict[str, str]
    parameters: dict[str, list[str]]
    login: str
    tls: str
    ehlo: str
    peer: str


class Message(FoundMessage):
    """A whole message. ``headers`` are names and values in order; ``inline`` are the files that the HTML refers to.

    ``problems`` tell which parts were not read, and why.
    """

    uid: int
    message_id: str
    mail_from: str
    cc: list[str]
    reply_to: list[str]
    date: AwareDatetime | None
    size: int
    flags: list[str]
    headers: list[tuple[str, str]]
    attachments: list[File]
    inline: list[File]
    unsubscribe: Unsubscribe
    problems: list[str]
    envelope: Envelope


class MessageChanges(Shape):
    r"""Changes of a message; ``seen`` sets or removes the flag ``\Seen``."""

    seen: StrictBool


class TranscriptLine(Shape):
    """A line of a dialogue, ``at`` seconds after it began.

    ``who`` is ``C`` for the client, ``S`` for the server, ``-`` for a remark.
    """

    at: float
    who: str
    text: str


class Transcript(Shape):
    """An SMTP dialogue without credentials; ``text`` shows it as ``print`` does in Python."""

    lines: list[TranscriptLine]
    text: str


class Deleted(Shape):
    """The ids of the deleted messages."""

    deleted: list[str]
