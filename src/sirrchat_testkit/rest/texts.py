"""The readable parts of messages, parsed when a list or a message is asked for, and kept for a while.

1. Copies share their raw bytes, so they share what was parsed from them: texts are kept by the bytes' name.
2. What is kept is bounded by its size in characters, the least recently used goes first.
3. A large message is parsed beside the loop, so that nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sirrchat_testkit.core import mime
from sirrchat_testkit.core.models import Message

KEPT = 4_194_304
"""Characters of text that are kept at most."""

LARGE = 262_144
"""Bytes from which on a message is parsed beside the loop: a few milliseconds' work."""

_OVERHEAD = 500


@dataclass(frozen=True, slots=True)
class File:
    """An attachment without its bytes."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads of a message; empty texts where it has none."""

    content: str
    html: str
    files: tuple[File, ...]

    @property
    def weight(self) -> int:
        """About how many characters keeping it takes."""
        return len(self.content) + len(self.html) + _OVERHEAD * (1 + len(self.files))


class Texts:
    """Reads messages, and remembers what it read last."""

    def __init__(self, raw: Callable[[Message], Awaitable[bytes]], *, kept: int = KEPT) -> None:
        self._raw = raw
        self._kept = kept
        self._known: OrderedDict[str, Text] = OrderedDict()
        self._weight = 0

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

    def _remember(self, blob: str, text: Text) -> None:
        if blob in self._known or text.weight > self._kept:
            return
        self._known[blob] = text
        self._weight += text.weight
        while self._weight > self._kept:
            self._weight -= self._known.popitem(last=False)[1].weight


def read(raw: bytes) -> Text:
    """Return the readable parts of ``raw``."""
    parts = mime.parse(raw)
    files = tuple(File(each.name, each.type, each.size) for each in parts.attachments)
    return Text(_clean(parts.text), _clean(parts.html), files)


def _clean(text: str | None) -> str:
    return text.encode("utf-8", "replace").decode() if text else ""
