"""Caches of answers: rows of lists, and the readable texts of messages, both as JSON.

1. A row is kept with the record that it was made from, and is valid for that very object: a changed record is another
   object. The other values that a row shows are compared.
2. Copies of a message share their raw bytes, so texts are kept by the name of the bytes.
3. Both caches are bounded in size. The least recently used texts go first.
4. A large message is parsed in a thread, so that other requests do not wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.style import encode, ready
from sirrchat_testkit.mail import mime
from sirrchat_testkit.records import Record

R = TypeVar("R", bound=Record)

ROWS_KEPT = 4096
"""Rows that are kept at most."""

LONGEST = 1024
"""Bytes of a row that is kept at most."""


class Rows(Generic[R]):
    """Makes rows by ``shape``, which is given a record and whatever else the row shows."""

    def __init__(self, shape: Callable[..., Any]) -> None:
        self._shape = shape
        self._kept: dict[int, tuple[R, Any, bytes]] = {}

    def of(self, record: R, *more: Any) -> bytes:
        """Return the row of ``record``, as JSON."""
        kept = self._kept.get(record.seq)
        if kept is not None and kept[0] is record and kept[1] == more:
            return kept[2]
        row = encode(self._shape(record, *more))
        if len(row) <= LONGEST:
            if len(self._kept) >= ROWS_KEPT:
                self._kept.clear()
            self._kept[record.seq] = record, more, row
        return row


def paged(rows: Sequence[bytes], **rest: Any) -> web.Response:
    """Return the answer whose ``data`` are ``rows``, followed by ``rest``."""
    return ready(b'{"data":[%b],%b' % (b",".join(rows), encode(rest)[1:]))


TEXT_BYTES_KEPT = 4_194_304
"""Bytes of JSON that are kept at most."""

LARGE = 262_144
"""Bytes from which on a message is read beside the loop: a few milliseconds' work."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads of a message.

    Attributes:
        members: The members ``content`` and ``html`` of a JSON object, without its braces.
        files: The JSON array of what is attached or shown inline: ``name``, ``content_type`` and ``size`` of each.
    """

    members: bytes
    files: bytes

    @property
    def size(self) -> int:
        """About how many bytes keeping it takes."""
        return len(self.members) + len(self.files)


class Texts:
    """Reads messages, and remembers what it read last."""

    def __init__(self, raw: Callable[[Message], Awaitable[bytes]], *, kept: int = TEXT_BYTES_KEPT) -> None:
        self._raw = raw
        self._kept = kept
        self._known: OrderedDict[str, Text] = OrderedDict()
        self._size = 0

    async def of(self, message: Message) -> Text:
        """Return the text of ``message``. Raises ``NotFound`` where its bytes are gone."""
        known = self._known.get(message.blob)
        if known is not None:
            self._known.move_to_end(message.blob)
            return known
        raw = await self._raw(message)
        if len(raw) < LARGE:
            text = read(raw)
        else:
            text = await asyncio.get_running_loop().run_in_executor(None, read, raw)
        self._remember(message.blob, text)
        return text

    async def of_all(self, messages: Iterable[Message]) -> list[tuple[Message, Text]]:
        """Return ``messages`` with their texts, without those that were deleted while another was read."""
        found = []
        for message in messages:
            with suppress(NotFound):
                found.append((message, await self.of(message)))
        return found

    def _remember(self, blob: str, text: Text) -> None:
        if blob in self._known or text.size > self._kept:
            return
        self._known[blob] = text
        self._size += text.size
        while self._size > self._kept:
            self._size -= self._known.popitem(last=False)[1].size


def read(raw: bytes) -> Text:
    """Return the readable parts of ``raw``."""
    parts = mime.parse(raw)
    files = [
        {"name": each.name, "content_type": each.type, "size": each.size}
        for each in (*parts.attachments, *parts.inline)
    ]
    return Text(encode({"content": parts.text, "html": parts.html})[1:-1], encode(files))
