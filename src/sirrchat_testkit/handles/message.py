"""A message as a test holds it: read lazily, in the test's own thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.transcript import MessageLog, Transcript
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.mail import mime
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import result_of

if TYPE_CHECKING:
    from sirrchat_testkit.mail.links import Link, LinkPurpose

__tracebackhide__ = True

V = TypeVar("V")


class Contents(NamedTuple):
    """What is fetched only when it is needed: the envelope, the raw bytes, and what was said."""

    envelope: Envelope
    raw: bytes
    said: MessageLog | None = None


class ReceivedMessage(Hints):
    """One copy of a message, for one recipient.

    ``sender``, ``to`` and ``cc`` are bare addresses of the header; ``recipient`` and ``mail_from`` are the envelope's.
    Nothing is parsed before it is asked for.
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
    }

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
        """Return what ``make`` returned the first time (``cached_property`` would add its frame to tracebacks)."""
        if name not in self._made:
            self._made[name] = make()
        made: V = self._made[name]
        return made

    @property
    def id(self) -> str:
        """The message's UUID, the same as over the REST API."""
        return self._record.id

    @property
    def uid(self) -> int:
        """The message's uid, the same as over the SirrChat API; it rises with each arrival."""
        return self._record.seq

    @property
    def message_id(self) -> str:
        """The Message-ID field, angle brackets included; empty when absent."""
        return self._record.message_id

    @property
    def subject(self) -> str:
        """The subject, decoded, blanks folded; empty when absent."""
        return self._record.subject

    @property
    def sender(self) -> str:
        """The bare address of From; empty when absent."""
        return self._record.sender

    @property
    def mail_from(self) -> str:
        """The envelope's sender; empty for the null reverse-path."""
        return self._record.mail_from

    @property
    def recipient(self) -> str:
        """The address whose copy this is."""
        return self._record.recipient

    @property
    def to(self) -> tuple[str, ...]:
        """The bare addresses of To."""
        return self._record.to

    @property
    def cc(self) -> tuple[str, ...]:
        """The bare addresses of Cc."""
        return self._parsed.cc

    @property
    def reply_to(self) -> tuple[str, ...]:
        """The bare addresses of Reply-To."""
        return self._parsed.reply_to

    @property
    def headers(self) -> mime.Headers:
        """The header fields, by name in any case."""
        return self._parsed.headers

    @property
    def date(self) -> datetime | None:
        """The Date field; None when it is absent or no date."""
        return self._parsed.date

    @property
    def received_at(self) -> datetime:
        """When it was received, on the kit's clock, in UTC."""
        return datetime.fromtimestamp(self._record.received_at / 1000, UTC)

    @property
    def size(self) -> int:
        """Bytes of ``raw``."""
        return self._record.size

    @property
    def flags(self) -> tuple[str, ...]:
        r"""The flags it had when it was received, such as ``\\Seen``."""
        return self._record.flags

    @property
    def raw(self) -> bytes:
        """The bytes exactly as they were received, dot-stuffing removed."""
        return self._contents.raw

    @property
    def envelope(self) -> Envelope:
        """What the SMTP transaction said: ``sender, recipients, refused, login, tls, ehlo`` and more."""
        return self._contents.envelope

    @property
    def transcript(self) -> Transcript:
        """What was said on the connection: greeting, EHLO, TLS, AUTH and this transaction, with times.

        ``str`` of it is a text. Credentials are replaced, and of the message there is its length alone. Transcripts
        are kept in memory only, for the latest messages: empty where it is gone, or where no SMTP was spoken.
        """
        return self._contents.said.transcript() if self._contents.said else Transcript()

    @property
    def text(self) -> str:
        """The plain text; empty when there is none. It is never made from the HTML."""
        return self._parsed.text

    @property
    def html(self) -> str:
        """The HTML; empty when there is none."""
        return self._parsed.html

    @property
    def attachments(self) -> tuple[mime.Attachment, ...]:
        """The attached files, in order."""
        return self._parsed.attachments

    @property
    def inline(self) -> tuple[mime.Attachment, ...]:
        """The files that the HTML shows, in order."""
        return self._parsed.inline

    @property
    def unsubscribe(self) -> mime.Unsubscribe:
        """What the List-Unsubscribe fields offer (RFC 2369, RFC 8058)."""
        return self._parsed.unsubscribe

    @property
    def problems(self) -> tuple[str, ...]:
        """The reasons why parts of the message were not read, such as a header of more than 100 KiB; usually none."""
        return self._parsed.problems

    @property
    def links(self) -> tuple[Link, ...]:
        """Every web link of text and HTML, each URL once."""
        from sirrchat_testkit.mail.html import links

        return self._once("links", lambda: links(self.text, self.html))

    @property
    def codes(self) -> tuple[str, ...]:
        """Every one-time code that the message seems to show, looked for where ``code`` looks for one."""
        from sirrchat_testkit.mail.html import codes

        return self._once("codes", lambda: codes(self.text, self.html, self.subject))

    def link(
        self, match: object = None, *, url: object = None, text: object = None, purpose: LinkPurpose | None = None
    ) -> Link:
        """Return the one link that fits; a positional text is contained in the URL or the visible text.

        Raises:
            NotExactlyOne: None or several fit. The text lists every link, and why it was kept or dropped.
        """
        from sirrchat_testkit.mail.html import pick_link

        return pick_link(self.links, match, url=url, text=text, purpose=purpose)

    def code(self, pattern: str | re.Pattern[str] | None = None, *, near: str | None = None) -> str:
        """Return the one one-time code, as it is shown; ``pattern`` says what it looks like, ``near`` what it is near.

        The text is looked at first, the HTML where the text has none, and the subject where neither has, or where what
        they have is but a number somewhere about a word for a code.

        Raises:
            NotExactlyOne: None or several fit. The text lists every candidate, and why it was kept or dropped.
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
        """Return the one attachment that fits; ``*`` and ``?`` are allowed in ``name`` and ``type``.

        Raises:
            NotExactlyOne: None or several fit. The text lists them all.
        """
        from sirrchat_testkit.mail.html import pick_attachment

        return pick_attachment(self.inline if inline else self.attachments, name, type=type)

    def select(self, css: str) -> list[str]:
        """Return the text of each element of the HTML that the CSS selector finds, blanks folded."""
        from sirrchat_testkit.mail.html import select

        return select(self.html, css)

    def as_email(self) -> EmailMessage:
        """Return the message as Python's own ``EmailMessage``."""
        return mime.as_email(self.raw)

    def __repr__(self) -> str:
        return f"<ReceivedMessage {self.subject!r} from {self.sender or 'nobody'} to {self.recipient}>"


def record_of(message: ReceivedMessage) -> Message:
    """Return the stored record of ``message``."""
    return message._record  # noqa: SLF001 - its own module


def is_loaded(message: ReceivedMessage) -> bool:
    """Return whether the contents of ``message`` are loaded, or being loaded."""
    return message._loading is not None  # noqa: SLF001 - its own module


def hold(message: ReceivedMessage, contents: Contents) -> None:
    """Give ``message`` its contents, so that it outlives its deletion."""
    message._loading = Future()  # noqa: SLF001 - its own module
    message._loading.set_result(contents)  # noqa: SLF001 - same


def begin_to_load(message: ReceivedMessage) -> None:
    """Begin to load the contents of ``message``, unless that has begun, so that it outlives its deletion."""
    if message._loading is None:  # noqa: SLF001 - its own module
        message._loading = message._load(message._record)  # noqa: SLF001 - same
