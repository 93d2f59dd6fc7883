"""What the verbs take by name, as types: editors complete it, and type checkers find a misspelt name.

What each condition means is in ``core.matching``. A ``str`` is compared by the rule of its condition, a pattern
searches, a function decides, and anything else is compared by ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from re import Pattern
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

if TYPE_CHECKING:
    from sirrchat_testkit.testing.message import ReceivedMessage
    from sirrchat_testkit.testing.webhookcall import WebhookCall

_Text: TypeAlias = str | Pattern[str] | Callable[[str], object] | Any
_Number: TypeAlias = int | Callable[[int], object] | Any
_Flag: TypeAlias = bool | Any
_Time: TypeAlias = datetime | Callable[[datetime], object] | Any


class MailConditions(TypedDict, total=False):
    """Conditions on a message; all that are given must hold.

    Attributes:
        subject: The decoded subject. A ``str`` is equal after folding of blanks.
        sender: The address of From. A ``str`` is equal without case; ``*`` and ``?`` are wildcards.
        to: Any address of To; compared like ``sender``.
        cc: Any address of Cc; compared like ``sender``.
        recipient: The envelope's recipient whose copy it is; compared like ``sender``.
        mail_from: The envelope's sender; compared like ``sender``.
        text: The plain text. A ``str`` is contained in it.
        html: The HTML. A ``str`` is contained in it.
        header: Header fields by name, such as ``{"X-Tag": "news"}``; None means that the field is absent.
        has_attachment: Whether there is an attachment.
        filename: The name of any attachment; compared like ``sender``.
        size: Bytes of the raw message.
        after: A ``datetime``; the message was received then or later.
        where: A function of the whole message.
    """

    subject: _Text
    sender: _Text
    to: _Text
    cc: _Text
    recipient: _Text
    mail_from: _Text
    text: _Text
    html: _Text
    header: Mapping[str, Any]
    has_attachment: _Flag
    filename: _Text
    size: _Number
    after: _Time
    where: Callable[[ReceivedMessage], object]


class CallConditions(TypedDict, total=False):
    """Conditions on a webhook call; all that are given must hold.

    Attributes:
        event: What it reports, such as ``email.received``.
        attempt: Which call with its ``webhook-id`` it is, from 1.
        method: The HTTP method.
        path: Path and query.
        url: The whole URL. A ``str`` is equal without case; ``*`` and ``?`` are wildcards.
        subject: The subject of the mail that it reports.
        sender: The sender of that mail; compared like ``url``.
        recipient: The recipient of that mail; compared like ``url``.
        verified: Whether its signature is right.
        header: Header fields by name, such as ``{"X-Webhook-Event": "email.received"}``.
        text: The body as text. A ``str`` is contained in it.
        json: The body as JSON: a value that is equal, or a function of it.
        where: A function of the whole call.
    """

    event: _Text
    attempt: _Number
    method: _Text
    path: _Text
    url: _Text
    subject: _Text
    sender: _Text
    recipient: _Text
    verified: _Flag
    header: Mapping[str, Any]
    text: _Text
    json: Callable[[Any], object] | Any
    where: Callable[[WebhookCall], object]


class TimeUnits(TypedDict, total=False):
    """Units of time, which are added: those of ``timedelta``."""

    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float
    milliseconds: float
    microseconds: float
