"""The stream of a page: what was rendered for it, until it is written."""

from __future__ import annotations

from collections import deque
from typing import Final

from aiohttp import web

from sirrchat_testkit.control.events import Stream

MOST_UNREAD: Final = 4_194_304
"""Bytes that wait for one page at most. When there are more, its stream is closed."""


class PageStream(Stream):
    """A stream to which HTML is pushed."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        self._unread: deque[bytes] = deque()
        self._size = 0

    def push(self, data: bytes) -> None:
        """Add ``data``; drop the stream if it is not read."""
        self._size += len(data)
        self._unread.append(data)
        if self._size > MOST_UNREAD:
            self._unread.clear()
            self.drop()
        self.wake()

    def take(self) -> bytes:
        """Return what was pushed first, of what was not returned yet."""
        data = self._unread.popleft() if self._unread else b""
        self._size -= len(data)
        return data
