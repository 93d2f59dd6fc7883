"""The readable parts of messages, parsed when a list or a message is asked for, and kept for a while.

1. Copies share their raw bytes, so they share what was read from them: texts are kept by the bytes' name.
2. They are kept as JSON, since nobody wants them as anything else: most of an answer's cost is quoting them.
3. What is kept is bounded by its size; the least recently used goes first.
4. A large message is read beside the loop, so that nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.style import encode
from sirrchat_testkit.mail import mime

KEPT = 4_194_304
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

    def __init__(self, raw: Callable[[Message], Awaitable[bytes]], *, kept: int = KEPT) -> None:
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
