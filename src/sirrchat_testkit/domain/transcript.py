"""What was said in an SMTP session, both ways, with times.

1. Lines are kept as they went over the wire, and become text when somebody asks: noting one costs next to nothing.
2. A reply keeps its CRLF and a command has none: that tells who said it. A tuple of a number stands for so many octets
   of a message, which are never kept here; a text is a remark.
3. A page is what was said in one transaction, or between two. A message's transcript is its own page, behind those of
   greeting, EHLO, TLS and AUTH. Credentials are replaced before they get here.
4. Everything is in memory, and bounded by octets: a line, a page, a session, and what is kept of all. A long line loses
   its end, a page its middle, a session its oldest pages but the first; and the oldest messages lose their transcripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from sirrchat_testkit.formatting import printable

Page: TypeAlias = list[Any]
"""Times (seconds, monotonic) and what was said then, in turn."""

PAGES: Final = 200
LONGEST: Final = 4000
"""Items of a page: half as many lines."""

LINE: Final = 512
"""Octets of a line."""

PAGE: Final = 65_536
"""Octets of a page that is over."""

SESSION: Final = 1_048_576
"""Octets of a session's pages."""

KEPT: Final = 33_554_432
"""Octets of the transcripts of all messages, and of all closed sessions."""

_SHOWN = 500  # octets of a line that is too long
_ITEM = 48  # octets that an item takes beside its text, about
_FEW = 64  # items of a page whose octets need no look: they are fewer than PAGE


def shortened(line: bytes) -> bytes:
    """Return ``line``, or the beginning of one that is too long, and how long it was."""
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
    """Everything that was said in one session."""

    __slots__ = ("_before", "_between", "_counted", "_end", "_pages", "_sizes", "began", "messages", "octets", "page")

    def __init__(self, began: float) -> None:
        self.began = began
        self.messages = 0  # that were stored
        self.octets = 0  # of the pages that are over
        self.page: Page = []
        self._pages: deque[Page] = deque((self.page,))
        self._sizes: deque[int] = deque()
        self._between: tuple[Page, ...] = (self.page,)
        self._before = 0  # octets of what belongs to all later messages
        self._end = 0  # items of the page up to the end of its message, 0 where none has ended
        self._counted = 0  # octets of those but for the reply

    def turn(self, *, between: bool) -> None:
        """Begin a page with the command that was just noted; one that is ``between`` belongs to all later messages."""
        page = self.page
        if between and page is self._between[-1]:
            return
        begins = page[-2:]
        del page[-2:]
        self._close()
        self.page = begins
        self._pages.append(begins)
        if between:
            self._between = (*self._between[-9:], begins)

    def trim(self) -> None:
        """Drop the middle of the page if it is too long."""
        if len(self.page) > LONGEST:
            self.page[LONGEST // 4 : -LONGEST // 2] = [self.page[LONGEST // 4], "lines left out"]

    def of_message(self) -> MessageLog:
        """Return what belongs to the transaction that ends now."""
        self.messages += 1
        self._counted = _cut(self.page)
        self._end = len(self.page) + 2  # its reply is still to come
        return MessageLog(self.began, self._between, self.page, self._counted + self._before)

    def close(self) -> None:
        """Note that nothing more will be said."""
        self._close()
        self.page = []
        self._pages.append(self.page)

    def _close(self) -> None:
        """End the page; what was said behind the end of its message becomes another one."""
        page, end = self.page, self._end
        self._end = 0
        if end and end == len(page):  # a message and its reply, as ever
            self._shelve(self._counted + 2 * _ITEM + len(page[-1]))
        else:
            behind = page[end:] if end else []
            if behind:
                del page[end:]
                self._pages.append(behind)
            for over in (page, behind) if behind else (page,):
                self._shelve(_cut(over))
        if page is self._between[-1]:
            self._before = sum(map(_octets, self._between))

    def _shelve(self, octets: int) -> None:
        """Count a page that is over, and let the oldest go where there is too much."""
        self._sizes.append(octets)
        self.octets += octets
        while self.octets > SESSION or len(self._pages) >= PAGES:
            self._pages.popleft()
            self.octets -= self._sizes.popleft()

    def transcript(self) -> Transcript:
        """Return everything as text."""
        first = () if self._between[0] in self._pages else (self._between[0],)
        return _text(self.began, (*first, *tuple(self._pages)))


class MessageLog(NamedTuple):
    """The transcript of one message, not yet text."""

    began: float
    between: tuple[Page, ...]
    page: Page
    octets: int

    def transcript(self) -> Transcript:
        """Return it as text."""
        return _text(self.began, (*self.between, self.page))


class Transcripts:
    """The transcripts of messages, by their envelope's id."""

    def __init__(self) -> None:
        self.octets = 0
        self._gone = 0  # the oldest, which made room
        self._parts: dict[str, MessageLog] = {}
        self._order: deque[str] = deque()  # the oldest key of a dict costs what went before it

    def keep(self, envelope: str, part: MessageLog) -> None:
        """Keep what was said about ``envelope``; the oldest go first."""
        self._parts[envelope] = part
        self._order.append(envelope)
        self.octets += part.octets
        while self.octets > KEPT:
            self.octets -= self._parts.pop(self._order.popleft()).octets
            self._gone += 1

    def get(self, envelope: str) -> MessageLog | None:
        """Return what was said about ``envelope``, None where nothing was or it is gone."""
        return self._parts.get(envelope)

    def mark(self) -> int:
        """Return how many there have been."""
        return self._gone + len(self._parts)

    def rewind(self, mark: int) -> None:
        """Forget what came since ``mark``."""
        while self._parts and self.mark() > mark:
            self.octets -= self._parts.pop(self._order.pop()).octets
        self._gone = min(self._gone, mark)


def _octets(page: Page) -> int:
    return _ITEM * len(page) + sum(map(len, page[1::2]))


def _cut(page: Page) -> int:
    """Drop the middle of a page that has too many octets; return how many it has then."""
    octets = _octets(page)
    if octets <= PAGE or len(page) <= _FEW:
        return octets
    tail, kept = len(page), 0
    while kept < PAGE // 2:
        tail -= 2
        kept += _octets(page[tail : tail + 2])
    head, kept = 0, 0
    while kept < PAGE // 4 and head < tail:
        kept += _octets(page[head : head + 2])
        head += 2
    if head < tail:
        page[head:tail] = [page[head], "lines left out"]
    return _octets(page)


def _text(began: float, pages: Iterable[Page]) -> Transcript:
    return Transcript(line for page in pages for line in _lines(began, list(page)))


def _lines(began: float, page: Page) -> Iterator[TranscriptLine]:
    for at, what in zip(page[::2], page[1::2], strict=False):
        after = round(at - began, 3)
        if isinstance(what, bytes) and what.endswith(b"\r\n"):
            yield from (TranscriptLine(after, "S", line) for line in what.decode("ascii", "replace").splitlines())
        elif isinstance(what, bytes):
            yield TranscriptLine(after, "C", what.decode("utf-8", "backslashreplace"))
        elif isinstance(what, tuple):
            yield TranscriptLine(after, "C", f"[{what[0]} bytes]")
        else:
            yield TranscriptLine(after, "-", what)
