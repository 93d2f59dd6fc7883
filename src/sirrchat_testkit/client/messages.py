"""The messages of a server, by the control API: waiting, search, and each message in all its views."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict

from sirrchat_testkit.client.calls import RAW, Call, CursorPages, Pages, many, moment, nothing, one, path, seconds
from sirrchat_testkit.client.resources import C_co, Resource, call, listing
from sirrchat_testkit.schemas.control import (
    Deleted,
    Envelope,
    FoundMessage,
    Message,
    Transcript,
)

if TYPE_CHECKING:
    from email.message import EmailMessage
    from typing import Unpack

__tracebackhide__ = True

DATA: Final = ("data", "next_cursor")
"""The fields of a page of the control API."""

_LIMIT: Final = 100
"""Messages on a page: the most that the API allows."""


class Conditions(TypedDict, total=False):
    """Conditions on a message, all of which it must meet.

    Attributes:
        to: The recipient of the envelope, ignoring case; ``*`` and ``?`` are wildcards.
        sender: The address of From. Compared like ``to``.
        subject: The whole subject.
        text: A part of the plain text.
        since: The earliest time of receipt, on the server's clock: aware, or local time.
        q: Terms such as ``from:shop has:attachment -is:read``.
    """

    to: str
    sender: str
    subject: str
    text: str
    since: datetime
    q: str


class ReceivedMessages(Resource[C_co]):
    """The messages of all addresses of a server, as ``client.messages``; of outgoing mail, too.

    ``Conditions`` describes the conditions of a search, and of a wait.
    """

    @call
    def wait(self, *, timeout: float = 10.0, **conditions: Unpack[Conditions]) -> Call[FoundMessage]:
        """Return the newest message that meets all conditions; wait for one if there is none yet.

        Messages that were received before count. Nothing is taken: the same call returns the same message again. To
        wait for a later one, use ``since``.

        Args:
            timeout: Seconds of real time to wait, at most 600. 0 looks once.
            conditions: ``to``, ``sender``, ``subject``, ``text``, ``since`` and ``q``.

        Raises:
            MailNotReceived: No such message arrived in time. An ``AssertionError`` that lists the messages that did
                arrive with the conditions they missed, the refused recipients, and the connections.
            InvalidValue: ``timeout`` or a condition is invalid.
            TypeError: A condition is unknown, or a value has a wrong type.
            ApiError: The request failed.

        Example:
            asked = client.clock.now()
            shop.send_code("ann@example.com")
            code = client.messages.wait(to="ann@example.com", since=asked).code
        """
        query = _query(conditions) | {"timeout": timeout}
        return Call("GET", "/wait", _newest, query=query, wait=seconds("timeout", timeout), patient=True)

    @call
    def wait_many(
        self, count: int, *, timeout: float = 10.0, **conditions: Unpack[Conditions]
    ) -> Call[list[FoundMessage]]:
        """Return the ``count`` newest messages that meet all conditions, oldest first; wait until there are that many.

        Args:
            count: How many messages, from 1 to 100.
            timeout: Seconds of real time to wait, as for ``wait``.
            conditions: As for ``wait``.

        Raises:
            MailNotReceived: Fewer messages arrived in time.
            InvalidValue: ``count``, ``timeout`` or a condition is invalid.
            TypeError: A condition is unknown.
            ApiError: The request failed.

        Example:
            first, second = client.messages.wait_many(2, to="ann@example.com")
        """
        query = _query(conditions) | {"count": count, "timeout": timeout}
        return Call("GET", "/wait", many(FoundMessage), query=query, wait=seconds("timeout", timeout), patient=True)

    @listing
    def search(self, **conditions: Unpack[Conditions]) -> Pages[FoundMessage]:
        """Return an iterator over the messages that meet all conditions, newest first.

        Args:
            conditions: As for ``wait``. Without one, all messages are returned.

        Raises:
            InvalidValue: A condition is invalid; raised by the iterator.
            TypeError: A condition is unknown.
            ApiError: The request failed; raised by the iterator.

        Example:
            unread = list(client.messages.search(to="*@shop.example", q="is:unread"))
        """
        return CursorPages("/messages", FoundMessage, DATA, **_query(conditions), limit=_LIMIT)

    @call
    def get(self, message: str) -> Call[Message]:
        """Return a whole message, with headers, files, flags and envelope. It stays unread.

        Args:
            message: The id of the message.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.

        Example:
            message = client.messages.get(found.id)
            assert dict(message.headers)["X-Tag"] == "news"
        """
        return Call("GET", _message(message), one(Message))

    @call
    def raw(self, message: str) -> Call[bytes]:
        """Return the bytes of a message as they were received.

        Args:
            message: The id of the message.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.
        """
        return Call("GET", _message(message, "/raw"), bytes, accept=RAW)

    @call
    def transcript(self, message: str) -> Call[Transcript]:
        """Return the SMTP dialogue that delivered a message, without credentials.

        It is empty for an old message, after a restart, and for a message that did not arrive by SMTP.

        Args:
            message: The id of the message.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.

        Example:
            print(client.messages.transcript(found.id).text)
        """
        return Call("GET", _message(message, "/transcript"), one(Transcript))

    @call
    def envelope(self, message: str) -> Call[Envelope]:
        """Return the SMTP envelope of a message.

        Args:
            message: The id of the message.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.
        """
        return Call("GET", _message(message, "/envelope"), one(Envelope))

    @call
    def attachment(self, message: str, number: int) -> Call[bytes]:
        """Return the bytes of a file of a message.

        Args:
            message: The id of the message.
            number: The ``number`` of the file in ``attachments`` or ``inline`` of the message.

        Raises:
            NotFound: There is no such message or file.
            ApiError: The request failed.

        Example:
            [invoice] = client.messages.get(found.id).attachments
            assert client.messages.attachment(found.id, invoice.number).startswith(b"%PDF")
        """
        place = path("/messages/{message}/attachments/{number}", message=message, number=number)
        return Call("GET", place, bytes, accept="application/octet-stream")

    @call
    def mark(self, message: str, *, seen: bool) -> Call[Message]:
        """Mark a message as read or unread, and return it.

        Args:
            message: The id of the message.
            seen: Whether it is read.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.
        """
        return Call("PATCH", _message(message), one(Message), {"seen": seen})

    @call
    def delete(self, message: str) -> Call[None]:
        """Delete a message.

        Args:
            message: The id of the message.

        Raises:
            NotFound: No message has this id.
            ApiError: The request failed.
        """
        return Call("DELETE", _message(message), nothing)

    @call
    def delete_all(self, **conditions: Unpack[Conditions]) -> Call[list[str]]:
        """Delete the messages that meet all conditions, and return their ids.

        Args:
            conditions: As for ``wait``; at least one is required.

        Raises:
            InvalidValue: There is no condition, or one is invalid.
            SharedServerError: The setting ``shared`` is on, and ``to`` does not name one recipient.
            TypeError: A condition is unknown.
            ApiError: The request failed.

        Example:
            client.messages.delete_all(to="ann@example.com")
        """
        return Call("DELETE", "/messages", lambda content: one(Deleted)(content).deleted, query=_query(conditions))

    @call
    def deliver(
        self, message: bytes | EmailMessage, to: str | Sequence[str], *, sender: str | None = None
    ) -> Call[list[FoundMessage]]:
        """Store a message as if it had arrived by SMTP, and return its copies, one for each recipient.

        Args:
            message: The raw bytes, or an ``EmailMessage``.
            to: The recipients of the envelope: an address, or several.
            sender: The sender of the envelope. Default: the address of From of an ``EmailMessage``, or
                ``sender@example.org``.

        Raises:
            InvalidValue: A recipient does not exist, or the message is too large.
            ApiError: The request failed. ``status`` is 507 if a quota is exceeded.

        Example:
            [bounce] = client.messages.deliver(Path("bounce.eml").read_bytes(), to="ann@example.com")
        """
        if not isinstance(message, bytes):
            from sirrchat_testkit.mail.compose import to_bytes

            author, message = to_bytes(message)
            sender = sender or author or None
        query = {"to": [to] if isinstance(to, str) else [*to], "from": sender}
        return Call("POST", "/messages", many(FoundMessage), message, query=query)


def _message(message: str, view: str = "") -> str:
    return path("/messages/{message}", message=message) + view


def _newest(content: bytes) -> FoundMessage:
    *_, found = many(FoundMessage)(content)
    return found


def _query(conditions: Conditions) -> dict[str, Any]:
    """Return the query parameters for ``conditions``. Raises ``TypeError`` for an unknown one."""
    known = Conditions.__annotations__
    for name in conditions:
        if name not in known:
            raise TypeError(f"there is no condition {name!r}; there are {', '.join(known)}")
    query: dict[str, Any] = {**conditions}
    if "sender" in query:
        query["from"] = query.pop("sender")
    if "since" in query:
        query["since"] = moment("since", query["since"])
    return query
