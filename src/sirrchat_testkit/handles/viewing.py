"""Show a message as a person would see it: save it, open it in a browser, take a picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sirrchat_testkit.mail.page import page

if TYPE_CHECKING:
    from sirrchat_testkit.handles.message import ReceivedMessage

__tracebackhide__ = True


def page_of(message: ReceivedMessage) -> str:
    """Return ``message`` as one HTML page, with its images in place and everything remote blocked."""
    return page(message.text, message.html, [*message.inline, *message.attachments], message.subject)
