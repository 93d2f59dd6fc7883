"""Transcripts: the commands and replies of SMTP sessions, with times.

1. Lines are kept as bytes and decoded when a transcript is read, so recording a line costs very little.
2. In a page, bytes that end in CRLF are a reply, and other bytes are a command. A tuple with a number stands for that
   many bytes of message content, which is not kept here. A string is a remark of the server.
3. A page has the lines of one transaction, or of the time between two. The transcript of a message is its own page,
   after those of greeting, EHLO, TLS and AUTH. Credentials are replaced before lines are recorded.
4. Everything is in memory, and the bytes of a line, a page, a session and of all transcripts are bounded. A long line
   is cut at its end and a long page in the middle. A long session drops its oldest pages except the first. Beyond the
   limit for all, the transcripts of the oldest messages are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from sirrchat_testkit.formatting import printable

Page: TypeAlias = list[Any]
"""Times (monotonic seconds) and items, alternating."""

PAGES: Final = 200
"""The maximum number of pages of a session."""

LONGEST: Final = 4000
"""The maximum number of entries in a page; each line takes two, its time and its item."""

LINE: Final = 512
"""The maximum size of a line, in bytes."""

PAGE: Final = 65_536
"""The maximum size of a finished page, in bytes."""

SESSION: Final = 1_048_576
"""The maximum size of all pages of a session, in bytes."""

KEPT: Final = 33_554_432
"""The maximum size of the transcripts of all messages, and separately of all closed sessions, in bytes."""

_SHOWN = 500  # bytes that are kept of a line that is too long
_ITEM = 48  # bytes that an entry takes in addition to its text, about
_FEW = 64  # entries of a page that cannot exceed PAGE bytes


def shortened(line: bytes) -> bytes:
    """Return ``line``, or its beginning and its length if it is too long."""
    return line if len(line) <= LINE else b"%s... [%d characters]" % (line[:_SHOWN], len(line))


class TranscriptLine(NamedTuple):
    """A line of a transcript.

    Attributes:
        at: Seconds since the connection was opened.
        who: ``C`` for the client, ``S`` for the server, ``-`` for a remark.
        text: The line; ``[1234 bytes]`` for a message.
    """

    at: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:8.3f} {self.who}: {printable(self.text)}"


class Transcript(tuple[TranscriptLine, ...]):
    """The lines of an SMTP dialogue, as a tuple of ``TranscriptLine``; ``str(transcript)`` joins them for reading.

    Example:
        print(message.transcript)
        assert any(line.who == "C" and line.text == "STARTTLS" for line in message.transcript)
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class SessionLog:
    """The recorded lines of one session."""

    __slots__ = ("_before", "_counted", "_end", "_pages", "_shared", "_sizes", "began", "messages", "page", "size")

    def __init__(self, began: float) -> None:
        self.began = began
        self.messages = 0  # stored messages
        self.size = 0  # bytes of the finished pages
        self.page: Page = []
        self._pages: deque[Page] = deque((self.page,))
        self._sizes: deque[int] = deque()
        self._shared: tuple[Page, ...] = (self.page,)
        self._before = 0  # bytes of the pages that belong to all later messages
        self._end = 0  # entries of the page up to the reply to its message; 0 if no message has ended
        self._counted = 0  # bytes of those entries without the reply

    def begin_page(self, *, shared: bool) -> None:
        """Begin a page with the last recorded command. If ``shared``, the page belongs to all later messages."""
        page = self.page
        if shared and page is self._shared[-1]:
            return
        new = page[-2:]
        del page[-2:]
        self._close()
        self.page = new
        self._pages.append(new)
        if shared:
            self._shared = (*self._shared[-9:], new)

    def trim(self) -> None:
        """Drop the middle of the page if it has too many entries."""
        if len(self.page) > LONGEST:
            self.page[LONGEST // 4 : -LONGEST // 2] = [self.page[LONGEST // 4], "lines left out"]

    def of_message(self) -> MessageLog:
        """Return the log of the message that was just stored; its reply is recorded next."""
        self.messages += 1
        self._counted = _cut(self.page)
        self._end = len(self.page) + 2  # with its reply
        return MessageLog(self.began, self._shared, self.page, self._counted + self._before)

    def close(self) -> None:
        """End the last page: the connection was closed."""
        self._close()
        self.page = []
        self._pages.append(self.page)

    def _close(self) -> None:
        """End the page. Entries after the reply to its message become a page of their own."""
        page, end = self.page, self._end
        self._end = 0
        if end and end == len(page):  # the usual case: the page ends with the reply to its message
            self._add_size(self._counted + 2 * _ITEM + len(page[-1]))
        else:
            rest = page[end:] if end else []
            if rest:
                del page[end:]
                self._pages.append(rest)
            for finished in (page, rest) if rest else (page,):
                self._add_size(_cut(finished))
        if page is self._shared[-1]:
            self._before = sum(map(_size, self._shared))

    def _add_size(self, size: int) -> None:
        """Add the size of a finished page, and drop the oldest pages beyond the limits."""
        self._sizes.append(size)
        self.size += size
        while self.size > SESSION or len(self._pages) >= PAGES:
            self._pages.popleft()
            self.size -= self._sizes.popleft()

    def transcript(self) -> Transcript:
        """Return the lines of the whole session."""
        first = () if self._shared[0] in self._pages else (self._shared[0],)
        return _text(self.began, (*first, *tuple(self._pages)))


class MessageLog(NamedTuple):
    """The recorded lines of one message; ``size`` is about their size in bytes."""

    began: float
    shared: tuple[Page, ...]
    page: Page
    size: int

    def transcript(self) -> Transcript:
        """Return the lines of the message."""
        return _text(self.began, (*self.shared, self.page))


class Transcripts:
    """The transcripts of messages, by their envelope's id."""

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._dropped = 0  # the oldest ones, beyond the limit
        self._parts: dict[str, MessageLog] = {}
        self._order: deque[str] = deque()  # finding the oldest key of a dict skips every deleted one

    def keep(self, envelope: str, part: MessageLog) -> None:
        """Keep the log of the message with ``envelope``; drop the oldest logs beyond the limit."""
        self._parts[envelope] = part
        self._order.append(envelope)
        self.size += part.size
        while self.size > KEPT:
            self.size -= self._parts.pop(self._order.popleft()).size
            self._dropped += 1

    def get(self, envelope: str) -> MessageLog | None:
        """Return the log of the message with ``envelope``; None if it was not received by SMTP or was dropped."""
        return self._parts.get(envelope)

    def mark(self) -> int:
        """Return the number of logs so far, including dropped ones."""
        return self._dropped + len(self._parts)

    def rewind(self, mark: int) -> None:
        """Drop the logs kept since ``mark``."""
        while self._parts and self.mark() > mark:
            self.size -= self._parts.pop(self._order.pop()).size
        self._dropped = min(self._dropped, mark)


def _size(page: Page) -> int:
    return _ITEM * len(page) + sum(map(len, page[1::2]))


def _cut(page: Page) -> int:
    """Drop the middle of a page that has too many bytes; return its new size."""
    size = _size(page)
    if size <= PAGE or len(page) <= _FEW:
        return size
    tail, kept = len(page), 0
    while kept < PAGE // 2:
        tail -= 2
        kept += _size(page[tail : tail + 2])
    head, kept = 0, 0
    while kept < PAGE // 4 and head < tail:
        kept += _size(page[head : head + 2])
        head += 2
    if head < tail:
        page[head:tail] = [page[head], "lines left out"]
    return _size(page)


def _text(began: float, pages: Iterable[Page]) -> Transcript:
    return Transcript(line for page in pages for line in _lines(began, list(page)))


def _lines(began: float, page: Page) -> Iterator[TranscriptLine]:
    for at, item in zip(page[::2], page[1::2], strict=False):
        after = round(at - began, 3)
        if isinstance(item, bytes) and item.endswith(b"\r\n"):
            yield from (TranscriptLine(after, "S", line) for line in item.decode("ascii", "replace").splitlines())
        elif isinstance(item, bytes):
            yield TranscriptLine(after, "C", item.decode("utf-8", "backslashreplace"))
        elif isinstance(item, tuple):
            yield TranscriptLine(after, "C", f"[{item[0]} bytes]")
        else:
            yield TranscriptLine(after, "-", item)
