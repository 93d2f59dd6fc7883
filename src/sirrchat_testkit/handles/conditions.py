"""Types of keyword arguments: editors complete the names, and type checkers find a misspelt one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from sirrchat_testkit.comparing import Flag, Number, Text, Time

if TYPE_CHECKING:
    from sirrchat_testkit.handles.message import ReceivedMessage


class MailConditions(TypedDict, total=False):
    """Conditions on a message. A message matches if it meets all given conditions.

    A ``str`` is compared as described below. A ``re.Pattern`` searches, a function is called with the value and returns
    whether it matches, and any other value is compared with ``==``, so dirty-equals works.

    Example:
        inbox.receive(subject=re.compile("^Order"), sender="*@shop.example", size=lambda size: size < 10_000)

    Attributes:
        subject: The decoded subject. A ``str`` must be equal, with each run of white space as one space.
        sender: The address of From. A ``str`` must be equal, ignoring case; ``*`` and ``?`` are wildcards.
        to: One of the addresses of To. Compared like ``sender``.
        cc: One of the addresses of Cc. Compared like ``sender``.
        recipient: The recipient of the envelope. Compared like ``sender``.
        mail_from: The sender of the envelope. Compared like ``sender``.
        text: The plain text. A ``str`` must be contained in it.
        html: The HTML. A ``str`` must be contained in it.
        header: Header fields by name, such as ``{"X-Tag": "news"}``. None means that the field is absent.
        has_attachment: Whether the message has an attachment.
        filename: The name of one of the attachments. Compared like ``sender``.
        size: The size of the raw message in bytes.
        after: A ``datetime`` (aware, or local time); the message must have been received then or later.
        where: A function that gets the whole message and returns whether it matches.
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
