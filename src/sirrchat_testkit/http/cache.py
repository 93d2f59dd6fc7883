"""A cache of the readable texts of messages, so that a list does not parse the same mail again and again.

1. Copies of a message share their raw bytes, so a text is kept under the name of the bytes.
2. The cache is bounded in size. The least recently used texts go first.
3. A large message is parsed in a thread, so that other requests do not wait.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.mail import mime
from sirrchat_testkit.threads import apply

KEPT = 4_194_304
"""Characters of texts that are kept at most."""


@dataclass(frozen=True, slots=True)
class Text:
    """The readable parts of a message.

    Attributes:
        content: The plain text, or an empty string.
        html: The HTML, or an empty string.
        files: ``name``, ``content_type`` and ``size`` of each attachment and inline file.
    """

    content: str
    html: str
    files: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """About how many characters it holds."""
        return len(self.content) + len(self.html) + 100 * len(self.files)


class Texts:
    """Parses messages, and keeps the texts that were used last."""

    def __init__(self, raw: Callable[[Message], Awaitable[bytes]], *, kept: int = KEPT) -> None:
        self._raw = raw
        self._limit = kept
        self._kept: OrderedDict[str, Text] = OrderedDict()
        self._size = 0

    async def of(self, message: Message) -> Text:
        """Return the text of ``message``. Raises ``NotFound`` if its bytes were deleted."""
        kept = self._kept.get(message.blob)
        if kept is not None:
            self._kept.move_to_end(message.blob)
            return kept
        raw = await self._raw(message)
        text = await apply(read, raw, len(raw))
        self._keep(message.blob, text)
        return text

    async def of_all(self, messages: Iterable[Message]) -> list[tuple[Message, Text]]:
        """Return ``messages`` with their texts, without those that were deleted while another one was parsed."""
        found = []
        for message in messages:
            with suppress(NotFound):
                found.append((message, await self.of(message)))
        return found

    def _keep(self, blob: str, text: Text) -> None:
        if blob in self._kept or text.size > self._limit:
            return
        self._kept[blob] = text
        self._size += text.size
        while self._size > self._limit:
            self._size -= self._kept.popitem(last=False)[1].size


def read(raw: bytes) -> Text:
    """Return the readable parts of ``raw``."""
    parts = mime.parse(raw)
    files = [
        {"name": each.name, "content_type": each.type, "size": each.size}
        for each in (*parts.attachments, *parts.inline)
    ]
    return Text(parts.text, parts.html, files)
