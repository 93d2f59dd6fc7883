"""What a row of the list shows of a message beyond its record: the sender's name, a snippet, and the code or the link.

1. These need the whole message, which takes milliseconds to read. So it is read in a thread, and the result is kept
   under the name of the bytes, which all copies share.
2. A list takes at most ``BUDGET`` seconds for it. The browser asks for the rest, row by row, when a row is in sight.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.message import ReceivedMessage, record_of
from sirrchat_testkit.mail.candidates import Candidate
from sirrchat_testkit.mail.html import Link, candidates, readable_text

T = TypeVar("T")

KEPT: Final = 20_000
"""Messages whose summaries are kept."""

BUDGET: Final = 0.04
"""Seconds of real time for the summaries of one list."""

_SNIPPET: Final = 140
"""Characters of a snippet."""

_READ: Final = 2000
"""Characters of the text from which it is made."""


class Summary(NamedTuple):
    """What a row shows of the contents.

    Attributes:
        name: The sender's display name; empty without one.
        snippet: The beginning of the text.
        code: The one-time code; empty if there is none, or several.
        link: The URL of the link that the message was sent for; empty if there is none, or several.
        label: The text of the link.
        files: How many files are attached.
    """

    name: str = ""
    snippet: str = ""
    code: str = ""
    link: str = ""
    label: str = ""
    files: int = 0


class Row(NamedTuple):
    """A row of the list; ``summary`` is None if it has not been made yet."""

    record: Message
    summary: Summary | None


class Rows:
    """Makes the rows of one server."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control
        self._kept: OrderedDict[str, Summary] = OrderedDict()

    async def of(self, records: Sequence[Message]) -> list[Row]:
        """Return a row for each of ``records``, reading contents for at most ``BUDGET`` seconds."""
        missing = [each for each in records if each.blob not in self._kept]
        if missing:
            messages = [self._control.received(each) for each in missing]
            await self._control.load(messages)
            for blob, summary in await asyncio.to_thread(_summaries, messages, BUDGET):
                self._kept[blob] = summary
        rows = [Row(each, self._kept.get(each.blob)) for each in records]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return rows


def _summaries(messages: Sequence[ReceivedMessage], seconds: float) -> list[tuple[str, Summary]]:
    """Return summaries until the time is up, at least one. Runs in a thread."""
    made: list[tuple[str, Summary]] = []
    end = time.perf_counter() + seconds
    for message in messages:
        with suppress(NotFound):  # deleted in the meantime
            made.append((record_of(message).blob, summary(message)))
        if time.perf_counter() > end:
            break
    return made


def candidates_of(message: ReceivedMessage) -> tuple[list[Candidate[str]], list[Candidate[Link]]]:
    """Return what may be a code or the link of ``message``, as far as it is read, each with the reason."""
    return candidates(message.text, message.html, message.subject)


def summary(
    message: ReceivedMessage, codes: Sequence[Candidate[str]] | None = None, links: Sequence[Candidate[Link]] = ()
) -> Summary:
    """Return the summary of ``message``, whose contents are loaded; ``codes`` and ``links`` if they are known."""
    if codes is None:
        codes, links = candidates_of(message)
    code, link = _only(codes), _only(links)
    return Summary(
        name=message.sender.name,
        snippet=" ".join(readable_text(message.text, message.html)[:_READ].split())[:_SNIPPET],
        code=code or "",
        link=str(link or ""),
        label=link.text if link is not None else "",
        files=len(message.attachments),
    )


def _only(judged: Sequence[Candidate[T]]) -> T | None:
    """Return the candidate that was kept, unless there are several."""
    kept = [each.value for each in judged if each.kept]
    return kept[0] if len(kept) == 1 else None
