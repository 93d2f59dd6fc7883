"""Messages made from a few fields, for ``inbox.deliver``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import EmailMessage

__tracebackhide__ = True

SENDER = "sender@example.org"


def to_bytes(message: bytes | EmailMessage | None, recipient: str, fields: dict[str, str]) -> tuple[str, bytes]:
    """Return the bare address of the sender and the bytes of ``message``, or of a message made from ``fields``.

    Raises:
        TypeError: Both are given, or neither.
    """
    if (message is None) == (not fields):
        raise TypeError("deliver needs a message (bytes or an EmailMessage) or fields such as subject= and text=")
    if isinstance(message, bytes):
        return SENDER, message
    from email.policy import SMTP

    made = _compose(recipient, **fields) if message is None else message
    addresses = made["From"].addresses if made["From"] is not None else ()
    return addresses[0].addr_spec if addresses else "", made.as_bytes(policy=SMTP.clone(utf8=False))


def _compose(
    recipient: str, *, subject: str = "", text: str = "", html: str = "", sender: str = SENDER
) -> EmailMessage:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message
