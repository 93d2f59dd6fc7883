"""Received messages. Their contents are loaded and parsed when they are read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from datetime import datetime
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, TypeVar, overload

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.transcript import MessageLog, Transcript
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.formatting import printable, utc
from sirrchat_testkit.mail import mime
from sirrchat_testkit.mail.address_headers import MailAddress
from sirrchat_testkit.mail.markup import unread
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import result_of

if TYPE_CHECKING:
    import os
    from collections.abc import Coroutine
    from pathlib import Path

    from sirrchat_testkit.handles.viewing import AsyncPlaywrightPage, ChromiumDriver, PlaywrightPage, SeleniumDriver
    from sirrchat_testkit.mail.links import Link, LinkPurpose

__tracebackhide__ = True

V = TypeVar("V")


class Contents(NamedTuple):
    """The contents of a message that are loaded when they are needed."""

    envelope: Envelope
    raw: bytes
    log: MessageLog | None = None


class ReceivedMessage(Hints):
    """A received message: the copy of one recipient.

    ``sender``, ``to``, ``cc`` and ``reply_to`` are addresses from the header; ``mail_from`` and
    ``recipient`` are from the envelope. The contents are loaded and parsed when they are first read. A message that was
    taken or cleared can be read after it is deleted; reading any other deleted message raises ``NotFound``.

    Example:
        message = inbox.receive(subject="Welcome")
        assert message.sender == "no-reply@shop.example"
        assert "Hello Ann" in message.text
        client.get(message.link("confirm").path)
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "body": "text",
        "content": "text",
        "plain": "text",
        "from_": "sender",
        "from_address": "sender",
        "from_email": "sender",
        "recipients": "envelope.recipients",
        "to_address": "recipient",
        "bytes": "raw",
        "otp": "code()",
        "pin": "code()",
        "verification_code": "code()",
        "get_code": "code()",
        "find_code": "code()",
        "wait_for_code": "code()",
        "get_link": "link()",
        "find_link": "link()",
        "wait_for_link": "link()",
        "urls": "links",
        "url": "link()",
        "body_html": "html",
        "html_body": "html",
        "text_body": "text",
        "get_payload": "text",
        "get_content": "text",
        "from_name": "sender",
        "to_addresses": "to",
        "header": "headers",
        "parts": "as_email()",
        "files": "attachments",
        "as_bytes": "raw",
        "show": "open()",
        "view": "open()",
        "render": "open()",
        "write": "save",
        "details": "envelope",
        "bcc": "envelope.recipients",
        "rcpttos": "envelope.recipients",
        "mailfrom": "mail_from",
        "alternatives": "html",
        "get": "headers.get()",
        "get_all": "headers.get_all()",
        "is_multipart": "as_email()",
        "walk": "as_email()",
    }

    if not TYPE_CHECKING:

        def __getitem__(self, name: object) -> NoReturn:
            hint = f"; did you mean message.headers[{name!r}]?" if isinstance(name, str) else ""
            raise TypeError(f"'ReceivedMessage' has no items{hint}")

    def __init__(self, record: Message, load: Callable[[Message], Future[Contents]]) -> None:
        self._record = record
        self._load = load
        self._loading: Future[Contents] | None = None
        self._made: dict[str, Any] = {}

    @property
    def _contents(self) -> Contents:
        begin_to_load(self)
        assert self._loading is not None
        try:
            return result_of(self._loading)
        except NotFound:
            raise NotFound(f"{self!r} was deleted before its contents were read") from None
        except CancelledError:
            raise RuntimeError(f"the server stopped before the contents of {self!r} were read") from None

    @property
    def _parsed(self) -> mime.Parsed:
        return self._once("parsed", lambda: mime.parse(self.raw))

    def _once(self, name: str, make: Callable[[], V]) -> V:
        """Return the first result of ``make``, cached; ``cached_property`` would add its frame to tracebacks."""
        if name not in self._made:
            self._made[name] = make()
        made: V = self._made[name]
        return made

    @property
    def id(self) -> str:
        """The UUID of the message, the same as in the REST API."""
        return self._record.id

    @property
    def uid(self) -> int:
        """The number of the message, the same as in the SirrChat API; later messages have higher ones."""
        return self._record.seq

    @property
    def message_id(self) -> str:
        """The Message-ID field with its angle brackets; empty if it is absent."""
        return self._record.message_id

    @property
    def subject(self) -> str:
        """The subject, decoded, with each run of white space as one space; empty if it is absent."""
        return self._record.subject

    @property
    def sender(self) -> MailAddress:
        """The address of From, with its display name as ``sender.name``; empty if it is absent."""
        return self._once("sender", lambda: MailAddress(self._record.sender, lambda: self._parsed.sender_name))

    @property
    def mail_from(self) -> str:
        """The sender of the envelope (MAIL FROM); empty for the null sender ``<>``."""
        return self._record.mail_from

    @property
    def recipient(self) -> str:
        """The recipient of the envelope (RCPT TO) whose copy this is."""
        return self._record.recipient

    @property
    def to(self) -> tuple[MailAddress, ...]:
        """The addresses of To, each with its display name as ``name``."""
        return self._once(
            "to",
            lambda: tuple(
                MailAddress(address, partial(self._name, number)) for number, address in enumerate(self._record.to)
            ),
        )

    def _name(self, number: int) -> str:
        """Return the display name of an address of To."""
        return self._parsed.to[number].name if number < len(self._parsed.to) else ""

    @property
    def cc(self) -> tuple[MailAddress, ...]:
        """The addresses of Cc, each with its display name as ``name``."""
        return self._parsed.cc

    @property
    def reply_to(self) -> tuple[MailAddress, ...]:
        """The addresses of Reply-To, each with its display name as ``name``."""
        return self._parsed.reply_to

    @property
    def headers(self) -> mime.Headers:
        """The header fields, decoded: ``headers["X-Tag"]``, in any case, or ``headers.get_all("Received")``."""
        return self._parsed.headers

    @property
    def date(self) -> datetime | None:
        """The Date field, with its time zone (UTC for -0000); None if it is absent or malformed."""
        return self._parsed.date

    @property
    def received_at(self) -> datetime:
        """When it was received, on the server's clock, in UTC."""
        return utc(self._record.received_at)

    @property
    def size(self) -> int:
        """The size of ``raw`` in bytes."""
        return self._record.size

    @property
    def flags(self) -> tuple[str, ...]:
        r"""The flags of the stored message when this object was made, such as ``\\Seen``."""
        return self._record.flags

    @property
    def raw(self) -> bytes:
        """The message exactly as it was received, without dot-stuffing."""
        return self._contents.raw

    @property
    def envelope(self) -> Envelope:
        """The SMTP envelope: sender, accepted and refused recipients, login, TLS, EHLO name."""
        return self._contents.envelope

    @property
    def transcript(self) -> Transcript:
        """The SMTP dialogue that delivered the message: greeting, EHLO, TLS, AUTH and its transaction.

        ``print(message.transcript)`` shows it. Credentials are replaced, and of the message only the size is shown.
        Transcripts are kept in memory for the latest messages; it is empty for an older message, after a restart, and
        for a message that did not arrive by SMTP.
        """
        return self._contents.log.transcript() if self._contents.log else Transcript()

    @property
    def text(self) -> str:
        """The plain text; empty if there is none. Lines end in a line feed. It is never made from the HTML."""
        return self._parsed.text

    @property
    def html(self) -> str:
        """The HTML; empty if there is none."""
        return self._parsed.html

    @property
    def attachments(self) -> tuple[mime.Attachment, ...]:
        """The attached files, in order; without the inline ones."""
        return self._parsed.attachments

    @property
    def inline(self) -> tuple[mime.Attachment, ...]:
        """The files that the HTML refers to, such as images, in order."""
        return self._parsed.inline

    @property
    def unsubscribe(self) -> mime.Unsubscribe:
        """The URLs of List-Unsubscribe (RFC 2369), with ``one_click`` (RFC 8058); empty if it is absent."""
        return self._parsed.unsubscribe

    @property
    def problems(self) -> tuple[str, ...]:
        """The reasons why parts of the message were not read, such as a header of more than 100 KiB; usually empty."""
        return self._once("problems", lambda: (*self._parsed.problems, *unread(self.html)))

    @property
    def links(self) -> tuple[Link, ...]:
        """All links in the HTML and the text, each URL once, in order."""
        from sirrchat_testkit.mail.html import links

        return self._once("links", lambda: links(self.text, self.html))

    @property
    def codes(self) -> tuple[str, ...]:
        """All one-time codes that the message seems to contain, found as by ``code``, in order."""
        from sirrchat_testkit.mail.html import codes

        return self._once("codes", lambda: codes(self.text, self.html, self.subject))

    def link(
        self,
        match: object = None,
        *,
        url: object = None,
        text: object = None,
        purpose: LinkPurpose | None = None,
        scheme: str | None = None,
    ) -> Link:
        """Return the only link that matches.

        Without arguments, links to unsubscribe and links to social networks, legal texts or images do not count, nor do
        other schemes, such as ``mailto:``. Home pages, help pages, "view in browser" and links for readers who did not
        ask for the message do not count if there is another link. The documentation ("Codes and links") has the rules.

        Example:
            message.link("confirm")
            message.link(text="Reset password", url=re.compile("token="))
            message.link(purpose="unsubscribe")

        Args:
            match: A ``str`` that the URL or the visible text must contain, ignoring case; a ``re.Pattern`` that
                searches them; or a function that gets each.
            url: The same for the URL alone.
            text: The same for the visible text alone.
            purpose: ``unsubscribe``, ``social``, ``legal``, ``image``, ``tracking``, or ``""`` for links without one.
            scheme: The scheme, such as ``mailto`` or ``myapp``.

        Raises:
            NotExactlyOne: No link matches, or several do. An ``AssertionError`` that lists every link with the reason
                why it was kept or dropped.
            ValueError: The purpose is unknown.
        """
        from sirrchat_testkit.mail.html import pick_link, readable_text

        shown = partial(readable_text, self.text, self.html)
        return pick_link(self.links, match, url=url, text=text, purpose=purpose, scheme=scheme, shown=shown)

    def code(self, pattern: str | re.Pattern[str] | None = None, *, near: str | None = None) -> str:
        r"""Return the only one-time code, as a reader would type it: ``482913``, ``482 913``, ``ABC-123``, ``K7P2QX``.

        Every candidate is ranked by where it stands: introduced by a word such as "code" (in more than 40 languages),
        alone on its line below one or near one, or in a sentence with one. The best one is the code, whatever its
        digits are. Parts of URLs, hosts and versions do not count, and dates, prices, phone and order numbers count
        only where a word introduces them as a code. Digits of all scripts become ASCII digits, and one digit for each
        box is one code. The text is searched first, then the HTML, then the subject. The documentation ("Codes and
        links") has the rules.

        Example:
            message.code()
            message.code(r"[A-Z0-9]{6}")
            message.code(r"G-(\d+)")
            message.code(near="Backup")

        Args:
            pattern: A regular expression for the code. If it has a group, the group is the code.
            near: A text, compared ignoring case. The code is the candidate nearest to it: on the same line, or else
                in the next lines rather than in those above.

        Raises:
            NotExactlyOne: There is no code, or there are several. An ``AssertionError`` that lists every candidate with
                the reason why it was kept or dropped, and shows the text.
        """
        from sirrchat_testkit.mail.html import pick_code

        return pick_code(self.text, self.html, pattern, near=near, subject=self.subject)

    def attachment(
        self,
        name: object = None,
        *,
        type: object = None,  # noqa: A002 - the field's own word
        inline: bool = False,
    ) -> mime.Attachment:
        """Return the only attachment that matches.

        Example:
            message.attachment().content
            message.attachment("invoice-*.pdf")
            message.attachment(type="image/*", inline=True)

        Args:
            name: The file name. A ``str`` must be equal, ignoring case; ``*`` and ``?`` are wildcards; a ``re.Pattern``
                searches, a function is called.
            type: The media type; compared like ``name``.
            inline: Whether to search the files that the HTML refers to instead.

        Raises:
            NotExactlyOne: No attachment matches, or several do. An ``AssertionError`` that lists them.
        """
        from sirrchat_testkit.mail.html import pick_attachment, readable_text

        files = self.inline if inline else self.attachments
        if type is not None and not inline:  # an invitation is often an alternative to the text
            files = (*files, *(each for each in self.inline if each.type == "text/calendar"))
        shown = partial(readable_text, self.text, self.html)
        return pick_attachment(files, name, type=type, shown=shown)

    def select(self, css: str) -> list[str]:
        """Return the text of each HTML element that the CSS selector finds, with runs of white space as one space."""
        from sirrchat_testkit.mail.html import select

        return select(self.html, css)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the message to a file and return its path; missing folders are made.

        Example:
            message.save("welcome.eml")
            message.save("welcome.html")

        Args:
            path: The file. With the suffix ``.html`` it gets the message as one page, with its images in place and
                everything remote blocked; with any other the raw message. In a folder, the file is named after the
                subject and ends in ``.eml``.
        """
        from sirrchat_testkit.handles.viewing import save

        return save(self, path)

    @overload
    def open(self, page: PlaywrightPage | SeleniumDriver | None = None) -> None: ...
    @overload
    def open(self, page: AsyncPlaywrightPage) -> Coroutine[Any, Any, None]: ...
    def open(
        self, page: PlaywrightPage | AsyncPlaywrightPage | SeleniumDriver | None = None
    ) -> Coroutine[Any, Any, None] | None:
        """Open the message in a browser, with its images in place; everything remote is blocked, and links work.

        Example:
            message.open(page)
            page.get_by_role("link", name="Confirm").click()

        Args:
            page: A page of Playwright or a driver of Selenium. With Playwright's asynchronous API, await the result.
                Default: the default browser of this machine, to look at the message while writing a test.

        Raises:
            TypeError: ``page`` is something else.
            RuntimeError: There is no default browser.
        """
        from sirrchat_testkit.handles.viewing import open_in

        opened: Coroutine[Any, Any, None] | None = open_in(self, page)
        return opened

    @overload
    def screenshot(self, page: PlaywrightPage | ChromiumDriver, *, width: int = 800, dark: bool = False) -> bytes: ...
    @overload
    def screenshot(
        self, page: AsyncPlaywrightPage, *, width: int = 800, dark: bool = False
    ) -> Coroutine[Any, Any, bytes]: ...
    def screenshot(
        self, page: PlaywrightPage | AsyncPlaywrightPage | ChromiumDriver, *, width: int = 800, dark: bool = False
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """Return a picture of the whole message as PNG, as ``open`` shows it.

        Example:
            Path("welcome.png").write_bytes(message.screenshot(page, width=375, dark=True))

        Args:
            page: A page of Playwright, or a driver of Selenium for Chrome, Chromium or Edge; the picture is taken in
                another page of its browser. With Playwright's asynchronous API, await the result.
            width: The width of the window in pixels.
            dark: Whether the browser asks for dark colors (``prefers-color-scheme``).

        Raises:
            TypeError: ``page`` is something else.
            ValueError: ``width`` is less than 1.
        """
        from sirrchat_testkit.handles.viewing import screenshot

        taken: bytes | Coroutine[Any, Any, bytes] = screenshot(self, page, width, dark=dark)
        return taken

    def as_email(self) -> EmailMessage:
        """Return the message as an ``email.message.EmailMessage`` of the standard library."""
        return mime.as_email(self.raw)

    def __repr__(self) -> str:
        return printable(f"<ReceivedMessage {self.subject!r} from {self.sender or '(no sender)'} to {self.recipient}>")


def record_of(message: ReceivedMessage) -> Message:
    """Return the stored record of ``message``."""
    return message._record  # noqa: SLF001 - its own module


def is_loaded(message: ReceivedMessage) -> bool:
    """Return whether the contents of ``message`` are loaded, or being loaded."""
    return message._loading is not None  # noqa: SLF001 - its own module


async def finish_loading(message: ReceivedMessage) -> None:
    """Wait until the contents of ``message`` are loaded, so that they can be read on the server's own loop.

    Raises:
        NotFound: It was deleted before.
    """
    begin_to_load(message)
    assert message._loading is not None  # noqa: SLF001 - its own module
    await asyncio.wrap_future(message._loading)  # noqa: SLF001 - its own module


def hold(message: ReceivedMessage, contents: Contents) -> None:
    """Store ``contents`` in ``message``, so that they outlive its deletion."""
    message._loading = Future()  # noqa: SLF001 - its own module
    message._loading.set_result(contents)  # noqa: SLF001 - same


def begin_to_load(message: ReceivedMessage) -> None:
    """Start loading the contents of ``message`` unless that has begun, so that they outlive its deletion."""
    if message._loading is None:  # noqa: SLF001 - its own module
        message._loading = message._load(message._record)  # noqa: SLF001 - same
