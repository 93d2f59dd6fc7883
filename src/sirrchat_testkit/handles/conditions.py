"""Types of the keyword arguments of the verbs: editors complete them, type checkers find a misspelt one.

The meaning of each condition is in ``matching``. A ``str`` is compared by the rule of its condition, a pattern
searches, a function decides, and anything else is compared by ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from sirrchat_testkit.comparing import Flag, Number, Text, Time

if TYPE_CHECKING:
    from sirrchat_testkit.handles.message import ReceivedMessage


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

    subject: Text
    sender: Text
    to: Text
    cc: Text
    recipient: Text
    mail_from: Text
    text: Text
    html: Text
    header: Mapping[str, Any]
    has_attachment: Flag
    filename: Text
    size: Number
    after: Time
    where: Callable[[ReceivedMessage], object]


class TimeUnits(TypedDict, total=False):
    """Units of time, which are added: those of ``timedelta``."""

    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float
    milliseconds: float
    microseconds: float
