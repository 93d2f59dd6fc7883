"""What was said in an SMTP session, both ways, with times.

1. Lines are kept as they went over the wire, and become text when somebody asks: noting one costs two ``append``.
2. A reply keeps its CRLF and a command has none: that tells who said it. A number stands for so many octets of a
   message, which are never kept here; a text is a remark.
3. A page is what was said in one transaction, or between two. A message's transcript is its own page, behind those of
   greeting, EHLO, TLS and AUTH. Credentials are replaced before they get here.
4. Everything is in memory, and bounded: the first page stays, and the latest ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

Page: TypeAlias = list[Any]
"""Times (seconds, monotonic) and what was said then, in turn."""

PAGES: Final = 200
LONGEST: Final = 4000
"""Items of a page: half as many lines."""

KEPT: Final = 100_000
"""Messages whose transcripts are kept."""


class Line(NamedTuple):
    """One line: when, in seconds since the connection began; who, ``C``, ``S`` or ``-``; what."""

    at: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:8.3f} {self.who}: {self.text}"


class Transcript(tuple[Line, ...]):
    """The lines in order; ``str`` gives them as a text."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class Talk:
    """Everything that was said in one session."""

    __slots__ = ("_between", "_pages", "began", "page")

    def __init__(self, began: float) -> None:
        self.began = began
        self.page: Page = []
        self._pages: deque[Page] = deque(maxlen=PAGES)
        self._between: tuple[Page, ...] = ()
        self._pages.append(self.page)
        self._between = (self.page,)

    def turn(self, *, between: bool) -> None:
        """Begin a page with the command that was just noted; one that is ``between`` belongs to all later messages."""
        page = self.page
        if between and page is self._between[-1]:
            return
        self.page = page[-2:]
        del page[-2:]
        self._pages.append(self.page)
        if between:
            self._between = (*self._between[-9:], self.page)

    def trim(self) -> None:
        """Drop the middle of a page that is too long."""
        if len(self.page) > LONGEST:
            self.page[LONGEST // 4 : -LONGEST // 2] = [self.page[LONGEST // 4], "lines left out"]

    def of_message(self) -> Part:
        """Return what belongs to the transaction that ends now."""
        return Part(self.began, self._between, self.page)

    def transcript(self) -> Transcript:
        """Return everything as text."""
        first = () if self._between[0] in self._pages else (self._between[0],)
        return _text(self.began, (*first, *tuple(self._pages)))


class Part(NamedTuple):
    """The transcript of one message, not yet text."""

    began: float
    between: tuple[Page, ...]
    page: Page

    def transcript(self) -> Transcript:
        """Return it as text."""
        return _text(self.began, (*self.between, self.page))


class Transcripts:
    """The transcripts of messages, by their envelope's id."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def keep(self, envelope: str, part: Part) -> None:
        """Keep what was said about ``envelope``; the oldest go first."""
        self._parts[envelope] = part
        if len(self._parts) > KEPT:
            del self._parts[next(iter(self._parts))]

    def get(self, envelope: str) -> Part | None:
        """Return what was said about ``envelope``, None where nothing was or it is gone."""
        return self._parts.get(envelope)

    def mark(self) -> int:
        """Return how many there are."""
        return len(self._parts)

    def rewind(self, mark: int) -> None:
        """Forget what came since ``mark``."""
        while len(self._parts) > mark:
            self._parts.popitem()


def _text(began: float, pages: Iterable[Page]) -> Transcript:
    return Transcript(line for page in pages for line in _lines(began, list(page)))


def _lines(began: float, page: Page) -> Iterator[Line]:
    for at, what in zip(page[::2], page[1::2], strict=False):
        after = round(at - began, 3)
        if isinstance(what, bytes) and what.endswith(b"\r\n"):
            yield from (Line(after, "S", line) for line in what.decode("ascii", "replace").splitlines())
        elif isinstance(what, bytes):
            yield Line(after, "C", what.decode("utf-8", "backslashreplace"))
        else:
            yield Line(
                after, "C" if isinstance(what, int) else "-", f"[{what} bytes]" if isinstance(what, int) else what
            )
