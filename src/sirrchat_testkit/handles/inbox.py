"""An address of a test, and the mail that comes for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from sirrchat_testkit.domain.models import Address
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.receiver import Receiver

if TYPE_CHECKING:
    from email.message import EmailMessage

    from sirrchat_testkit.handles.control import ServerControl
    from sirrchat_testkit.handles.mail_source import MailSource

__tracebackhide__ = True


class Inbox(Receiver):
    """Receives the mail of one address.

    ``str(inbox)`` is the address, so that it can be put into a form as it is.
    """

    _items = "inbox.messages"
    _guesses: ClassVar[Mapping[str, str]] = (
        dict.fromkeys(("email", "recipient", "name", "local_part", "domain", "username"), "address")
        | dict.fromkeys(("wait", "wait_for", "wait_for_message", "wait_for_email", "wait_for_mail", "poll"), "receive")
        | dict.fromkeys(("get_message", "get_email", "get_mail", "next", "pop", "expect"), "receive")
        | dict.fromkeys(("wait_for_messages", "wait_for_emails", "drain", "receive_many", "take_all"), "receive_all")
        | dict.fromkeys(("assert_no_message", "assert_no_messages", "assert_no_mail", "assert_empty"), "assert_nothing")
        | dict.fromkeys(("mails", "emails", "mail", "outbox", "all", "list", "get_messages", "fetch"), "messages")
        | {"first": "messages[0]", "oldest": "messages[0]", "last": "messages[-1]", "latest": "messages[-1]"}
        | {"newest": "messages[-1]", "count": "len(inbox.messages)", "size": "len(inbox.messages)"}
        | dict.fromkeys(("wait_for_code", "get_code", "code", "otp"), "receive().code()")
        | dict.fromkeys(("wait_for_link", "get_link", "link"), "receive().link()")
        | dict.fromkeys(("links", "urls"), "receive().links")
        | {each: f"receive().{each}" for each in ("subject", "text", "html", "attachments", "sender", "headers")}
        | {
            "body": "receive().text",
            "message_id": "receive().message_id",
            "expires": "expires_at",
            "token": "api_key",
            "key": "api_key",
            "send": "deliver",
        }
        | dict.fromkeys(("delete", "delete_all", "empty", "reset", "purge"), "clear")
    )

    def __init__(self, control: ServerControl, address: str, record: Address | None) -> None:
        self._control = control
        self._recipient = address
        self._record = record

    @property
    def address(self) -> str:
        """The address, as it was made."""
        return self._recipient

    @property
    def id(self) -> str:
        """The address's UUID, the same as over the REST API; empty at a domain that is not served."""
        return self._record.id if self._record else ""

    @property
    def expires_at(self) -> datetime | None:
        """When the address stops receiving mail, on the kit's clock, in UTC; None for never."""
        expires_at = self._record.expires_at if self._record else 0
        return datetime.fromtimestamp(expires_at / 1000, UTC) if expires_at else None

    @property
    def api_key(self) -> str:
        """A key of the account that owns the address: over the REST API it sees only what this test made."""
        return self._control.api_key()

    def deliver(
        self,
        message: bytes | EmailMessage | None = None,
        *,
        subject: str | None = None,
        text: str | None = None,
        html: str | None = None,
        sender: str | None = None,
    ) -> ReceivedMessage:
        """Store a message as if it had come by SMTP, and return it; nothing has taken it yet.

        Args:
            message: The raw bytes, or an ``EmailMessage``. Without it a message is made from the other arguments.
            subject: Its subject.
            text: Its plain text.
            html: Its HTML.
            sender: The address of From. Default: ``sender@example.org``.

        Raises:
            Refused: The address has expired, or is gone, or its mailbox is full; the text says which.
            TypeError: It is neither one message nor fields of one.
        """
        fields = {"subject": subject, "text": text, "html": html, "sender": sender}
        given = {name: each for name, each in fields.items() if each is not None}
        return self._control.deliver(self._recipient, message, given)

    def clear(self) -> list[ReceivedMessage]:
        """Delete what was received, and return it."""
        return self._control.clear(self._recipient)

    @property
    def _source(self) -> MailSource:
        return self._control.source(self._recipient)

    def __str__(self) -> str:
        return self._recipient

    def __repr__(self) -> str:
        return f"<Inbox {self._recipient}>"
