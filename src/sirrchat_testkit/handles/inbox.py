"""Receiving mail: the verbs that wait, the inbox of one address, and an account with its inbox.

``Receiver`` has the verbs. An ``Inbox`` receives the mail for one address, a ``MailServer`` the mail for all. Each verb
that waits has an async twin with an ``a`` in front, for asyncio and trio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from sirrchat_testkit.awaiting import Calls, asynchronous
from sirrchat_testkit.domain.models import Address
from sirrchat_testkit.formatting import printable, utc
from sirrchat_testkit.handles.feed import arun, pull, run
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.wait import Wait, count_of, reject_unnamed, seconds_of
from sirrchat_testkit.records import record
from sirrchat_testkit.suggestions import Hints

if TYPE_CHECKING:
    from email.message import EmailMessage
    from typing import Unpack

    from sirrchat_testkit.handles.conditions import MailConditions
    from sirrchat_testkit.handles.control import ServerControl
    from sirrchat_testkit.handles.mail_source import MailSource
    from sirrchat_testkit.handles.message import ReceivedMessage
    from sirrchat_testkit.mail.compose import MessageFields

__tracebackhide__ = True


class Receiver(Hints):
    """The verbs that receive the mail of ``_source``."""

    @property
    def _source(self) -> MailSource:
        raise NotImplementedError

    @property
    def _calls(self) -> Calls:
        return self._source.thread.calls

    @property
    def messages(self) -> list[ReceivedMessage]:
        """All stored messages, taken or not, oldest first. The contents are loaded when they are read."""
        return run(self._source.thread, lambda _: pull(self._source))

    def receive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,
        only: bool = False,
        **match: Unpack[MailConditions],
    ) -> ReceivedMessage:
        """Return the oldest matching message and take it; wait for one if none has arrived yet.

        A taken message is not returned again, neither by an inbox of its address nor by the server. Taking it does not
        change its flags, and is not visible in the REST API.

        Example:
            message = inbox.receive(subject="Welcome", timeout=5)
            reset = inbox.receive(subject=re.compile("reset", re.I), header={"X-Tag": "auth"})

        Args:
            timeout: Seconds of real time to wait; 0 checks once. Default: the first that is set of the ``mailserver``
                marker, the option ``--mailserver-timeout``, the variable ``SIRRCHAT_TESTKIT_TIMEOUT`` and the ini file;
                otherwise 10.
            only: Whether to fail if more than one message matches. It then waits until the server has settled, too.
            match: Conditions that the message must meet: ``subject``, ``sender``, ``to``, ``cc``, ``recipient``,
                ``mail_from``, ``text``, ``html``, ``header``, ``has_attachment``, ``filename``, ``size``, ``after``,
                ``where``. ``MailConditions`` describes them.

        Raises:
            MailNotReceived: No matching message arrived in time. An ``AssertionError`` that lists the messages that
                did arrive with the conditions they missed, the refused recipients, and the connections.
            UnexpectedMail: ``only`` is set, and more than one message matches; no message is taken.
            TypeError: A condition is unknown (the error suggests the nearest one), or is passed without a name.
            ValueError: ``timeout`` is negative.
            RuntimeError: The server stopped, or the scope ended in which the wait began.
        """
        reject_unnamed("receive", _unnamed, "subject")
        wait = self._wait(self.receive, timeout, match)
        return run(wait.source.thread, wait.receive_only if only else wait.receive)

    @asynchronous
    async def areceive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        only: bool = False,
        **match: Unpack[MailConditions],
    ) -> ReceivedMessage:
        """Do the same as ``receive`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("areceive", _unnamed, "subject")
        wait = self._wait(self.areceive, timeout, match)
        return await arun(wait.source.thread, wait.receive_only if only else wait.receive)

    def receive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Return all matching messages that were not taken yet, oldest first, and take them.

        With ``count`` it waits for that many. In both cases it then waits until the server has settled (see
        ``assert_nothing``), so that extra messages are noticed.

        Example:
            first, second = inbox.receive_all(2)

        Args:
            count: How many messages to expect. Default: any number, including 0.
            timeout: Seconds of real time to wait for ``count`` messages. Default: as for ``receive``.
            match: Conditions as for ``receive``.

        Raises:
            MailNotReceived: Fewer than ``count`` arrived in time.
            UnexpectedMail: More than ``count`` arrived; no message is taken.
            NotSettled: The server is still busy after a second, so more may arrive.
            TypeError: As for ``receive``.
            ValueError: ``count`` is not a whole number, or ``timeout`` is negative.
        """
        reject_unnamed("receive_all", _unnamed, "subject")
        wait, wanted = self._wait(self.receive_all, timeout, match), count_of(count)
        return run(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    @asynchronous
    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Do the same as ``receive_all`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("areceive_all", _unnamed, "subject")
        wait, wanted = self._wait(self.areceive_all, timeout, match), count_of(count)
        return await arun(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    def assert_nothing(self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]) -> None:
        """Assert that no matching message has arrived, except those that were taken.

        It first waits until the server has settled: every connection is between transactions, and no webhook delivery
        is due. A new connection counts as busy until its first transaction ends, or for 250 ms. A sender that has not
        connected yet cannot be seen: for one that works in a thread or a queue, use ``within``.

        Example:
            shop.send_newsletter()
            inbox.assert_nothing(within=1)

        Args:
            within: Seconds of real time to keep watching after that; a match fails at once. Default: the ini file's
                ``mailserver_within``, or 0.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedMail: Matching messages arrived; an ``AssertionError`` that lists them.
            NotSettled: The server is still busy after a second; the error names what is in progress.
            TypeError: As for ``receive``.
            ValueError: ``within`` is negative.
        """
        reject_unnamed("assert_nothing", _unnamed, "subject")
        wait = self._watch(self.assert_nothing, within, match)
        run(wait.source.thread, wait.nothing)

    @asynchronous
    async def aassert_nothing(
        self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]
    ) -> None:
        """Do the same as ``assert_nothing`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("aassert_nothing", _unnamed, "subject")
        wait = self._watch(self.aassert_nothing, within, match)
        await arun(wait.source.thread, wait.nothing)

    def _wait(self, verb: Callable[..., Any], timeout: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        seconds = seconds_of("timeout", timeout, source.timeout)
        return Wait(source, source.match(verb, match), seconds, source.observe)

    def _watch(self, verb: Callable[..., Any], within: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        return Wait(source, source.match(verb, match), seconds_of("within", within, source.within))


class Inbox(Receiver, str):  # noqa: SLOT000 - a handle, not a value of which there are many
    """The inbox of one address; the fixture ``inbox`` is a new one, ``make_inbox`` makes more.

    An inbox is also a ``str``, the address: use it as a form value, in ``sendmail(sender, [inbox])``, in JSON, or as a
    condition, ``to=inbox``. Its length and items are those of the address; ``inbox.messages`` is the list of messages.
    Inboxes of the same address share their messages, and a message taken from one is taken from all.

    Example:
        def test_signup_sends_a_code(inbox, shop):
            shop.register(inbox.address)
            message = inbox.receive(subject="Welcome")
            shop.confirm(code=message.code())
    """

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
        | dict.fromkeys(("host", "hostname", "smtp_host"), "mailserver.smtp_host")
        | dict.fromkeys(("port", "smtp_port"), "mailserver.smtp_port")
        | dict.fromkeys(("delete", "delete_all", "empty", "reset", "purge"), "clear")
    )

    _control: ServerControl
    _record: Address | None

    def __new__(cls, control: ServerControl, address: str, record: Address | None) -> Self:
        """Return the inbox of ``address``; ``record`` is None if the address does not exist here."""
        made = super().__new__(cls, address)
        made._control = control
        made._record = record
        return made

    @property
    def address(self) -> str:
        """The address, as given to ``make_inbox`` or ``inbox_for``, or generated."""
        return str(self)

    @property
    def id(self) -> str:
        """The UUID of the address, the same as in the REST API; empty if the address does not exist here."""
        return self._record.id if self._record else ""

    @property
    def expires_at(self) -> datetime | None:
        """When the address expires, on the server's clock, in UTC; None if it does not expire."""
        expires_at = self._record.expires_at if self._record else 0
        return utc(expires_at) if expires_at else None

    @property
    def api_key(self) -> str:
        """A REST API key of the account that owns the inboxes of this test. It gives access only to them."""
        return self._control.api_key()

    def deliver(self, message: bytes | EmailMessage | None = None, **fields: Unpack[MessageFields]) -> ReceivedMessage:
        """Store a message as if it had arrived by SMTP, and return it. It is not taken yet.

        Example:
            inbox.deliver(subject="Hello", text="Your code is 123456")
            inbox.deliver(sender="Shop <shop@shop.example>", html="<p>Hello</p>", attachments={"invoice.pdf": pdf})
            inbox.deliver(Path("bounce.eml").read_bytes())

        Args:
            message: The raw bytes, or an ``EmailMessage``; it is delivered as it is.
            fields: The fields of a message to make instead: ``subject``, ``text``, ``html``, ``sender``, ``to``,
                ``cc``, ``reply_to``, ``headers``, ``attachments``, ``inline``, ``date``. ``MessageFields`` describes
                them. It is complete, with a date and a Message-ID.

        Raises:
            Refused: The address does not exist or has expired, or its quota is exceeded; the error says which.
            TypeError: Both a message and fields are given, or neither; or a field is unknown (the error suggests the
                nearest one), or has a value of a wrong type.
            ValueError: ``inline`` is given without ``html``, or a header field has a line break.
        """
        return self._control.deliver(str(self), message, fields)

    def clear(self) -> list[ReceivedMessage]:
        """Delete the messages of the address and return them, oldest first. They can still be read."""
        return self._control.clear(str(self))

    @property
    def _source(self) -> MailSource:
        return self._control.source(str(self))

    if TYPE_CHECKING:  # for mypy's strict equality: ``message.sender == inbox`` compares two kinds of str

        def __eq__(self, other: object) -> bool: ...
        def __hash__(self) -> int: ...

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Return what a copy or a pickle is made from: the address."""
        return str, (str(self),)

    def __repr__(self) -> str:
        return printable(f"<Inbox {self!s}>")


@record
class MailAccount(Hints):
    """An account, made by ``mailserver.add_account``: a user of the SirrChat API that can also log in by SMTP.

    ``str(account)`` is the address, so an account can be used as a form value.

    Example:
        ann = mailserver.add_account("ann@example.com", password="s3cret")
        smtp.login(ann.address, ann.password)
        ann.inbox.receive(subject="Welcome")

    Attributes:
        address: The permanent address.
        id: The UUID of the account, the same in both REST APIs.
        password: The password in plain text.
        api_key: A REST API key with the role ``user``; it gives access to this account only.
        quota: The maximum size of its mail, in bytes.
        inbox: The inbox of the permanent address.
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
