"""Receiving mail: the verbs that wait, the inbox of one address, and the account of a test.

``Receiver`` has the verbs. An ``Inbox`` receives for one address, a ``MailServer`` for all. Each verb that waits has a
twin with an ``a`` in front, for asyncio and trio.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Never

from sirrchat_testkit.domain.models import Address
from sirrchat_testkit.handles.feed import arun, pull, run
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.wait import Wait, count_of, reject_unnamed, seconds_of
from sirrchat_testkit.records import record
from sirrchat_testkit.suggestions import CollectionHints, Hints

if TYPE_CHECKING:
    from email.message import EmailMessage
    from typing import Unpack

    from sirrchat_testkit.handles.conditions import MailConditions
    from sirrchat_testkit.handles.control import ServerControl
    from sirrchat_testkit.handles.mail_source import MailSource
    from sirrchat_testkit.handles.message import ReceivedMessage

__tracebackhide__ = True


class Receiver(CollectionHints):
    """Receives the mail of ``_source``."""

    @property
    def _source(self) -> MailSource:
        raise NotImplementedError

    @property
    def messages(self) -> list[ReceivedMessage]:
        """Every stored message, taken or not, oldest first. Its contents are loaded when they are read."""
        return run(self._source.thread, lambda _: pull(self._source))

    def receive(
        self, *_unnamed: Never, timeout: float | None = None, **match: Unpack[MailConditions]
    ) -> ReceivedMessage:
        """Return the oldest untaken message that matches, and take it; wait for one if there is none yet.

        Args:
            timeout: Seconds of real time to wait; 0 looks once. Default: marker, option, environment, ini file, 10.
            match: Conditions, all of which must hold: ``subject``, ``sender``, ``to``, ``cc``, ``recipient``,
                ``mail_from``, ``text``, ``html``, ``header``, ``has_attachment``, ``filename``, ``size``, ``after``,
                ``where`` (see ``MailConditions``).

        Raises:
            MailNotReceived: The time is up. An ``AssertionError`` that says what arrived instead, and why.
            TypeError: A condition is unknown, or has no name; the text names the nearest.
            ValueError: ``timeout`` is negative.
        """
        reject_unnamed("receive", _unnamed, "subject")
        wait = self._wait(timeout, match)
        return run(wait.source.thread, wait.receive)

    async def areceive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[MailConditions],
    ) -> ReceivedMessage:
        """Do what ``receive`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive", _unnamed, "subject")
        wait = self._wait(timeout, match)
        return await arun(wait.source.thread, wait.receive)

    def receive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Return all untaken messages that match and take them: exactly ``count``, or without it what is there.

        With a count it waits for so many. Then the server settles, so that a message too many is noticed.

        Raises:
            MailNotReceived: Fewer arrived in time.
            UnexpectedMail: More arrived.
            NotSettled: The server is still busy, so more may arrive.
            ValueError: ``count`` is not a whole number, or ``timeout`` is negative.
        """
        reject_unnamed("receive_all", _unnamed, "subject")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return run(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Do what ``receive_all`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive_all", _unnamed, "subject")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return await arun(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    def assert_nothing(self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]) -> None:
        """Assert that no untaken message matches, once every connection is between transactions.

        Args:
            within: Seconds of real time in which none may arrive either, for senders that have not connected yet.
                Default: the ini file's ``mailserver_within``, or 0.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedMail: There are such messages; all are listed.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        reject_unnamed("assert_nothing", _unnamed, "subject")
        wait = self._watch(within, match)
        run(wait.source.thread, wait.nothing)

    async def aassert_nothing(
        self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]
    ) -> None:
        """Do what ``assert_nothing`` does without blocking the loop that this task runs on."""
        reject_unnamed("aassert_nothing", _unnamed, "subject")
        wait = self._watch(within, match)
        await arun(wait.source.thread, wait.nothing)

    def _wait(self, timeout: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("timeout", timeout, source.timeout))

    def _watch(self, within: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("within", within, source.within))


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


@record
class MailAccount(Hints):
    """A user as the SirrChat API knows it, whose key also makes disposable addresses in the other API.

    ``str(account)`` is the address, so that it can be put into a form as it is.

    Attributes:
        address: The permanent address, as it was made.
        id: The account's UUID, the same in both APIs.
        password: What opens it, as it was typed.
        api_key: A key with the role ``user``: it sees this account alone.
        quota: Bytes it may store.
        inbox: What comes for the permanent address.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "email": "address",
        "username": "address",
        "user_id": "id",
        "key": "api_key",
        "token": "api_key",
        "messages": "inbox.messages",
        "receive": "inbox.receive()",
        "wait_for_message": "inbox.receive()",
    }

    address: str
    id: str
    password: str
    api_key: str
    quota: int
    inbox: Inbox

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        return f"<MailAccount {self.address}>"
