"""What is done with selected messages: delete, mark as read or unread, download.

1. Messages that were deleted in the meantime, or that the visitor may not see, are left out.
2. Several messages are downloaded as a ZIP archive, which is sent while it is made: one message is in memory at a time.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import quote

from aiohttp import web

from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.models import ApiKey, Message
from sirrchat_testkit.errors import InvalidValue, NotFound
from sirrchat_testkit.formatting import utc
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.message import ReceivedMessage, finish_loading
from sirrchat_testkit.handles.viewing import stem
from sirrchat_testkit.http.pages import HEADERS, PREFIX, lead
from sirrchat_testkit.web.mailbox import filter_of, message_of
from sirrchat_testkit.web.messages import attached, file

_FIRST, _LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)
"""The first and the last day that a ZIP archive can name."""

_Action: TypeAlias = Callable[[Sequence[Message]], Awaitable[None]]


class SelectionPages:
    """The view of what is done with selected messages."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control
        self._services = control.services
        self._actions: Mapping[str, _Action] = {
            "delete": self._delete,
            "read": lambda messages: self._mark(messages, seen=True),
            "unread": lambda messages: self._mark(messages, seen=False),
        }

    async def act(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Apply the action of the form to its messages, and show the same page again."""
        form = await request.post()
        wanted = str(form.get("action", ""))
        messages = []
        for each in form.getall("message", []):
            with suppress(NotFound):
                messages.append(await message_of(self._control, visitor, str(each)))
        if wanted == "download":
            return await self._download(request, messages)
        if wanted not in self._actions:
            raise InvalidValue(f"action must be {', '.join(self._actions)} or download")
        await self._actions[wanted](messages)
        opened = str(form.get("opened", ""))
        closes = wanted != "read" and opened in {each.id for each in messages}  # opening it would mark it as read
        return lead(_shown(request, visitor, "" if closes else opened))

    async def _delete(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), SLICE):
            await self._services.delivery.delete(messages[start : start + SLICE])

    async def _mark(self, messages: Sequence[Message], *, seen: bool) -> None:
        for each in messages:
            await self._services.folders.see(each, seen=seen)

    async def _download(self, request: web.Request, messages: Sequence[Message]) -> web.StreamResponse:
        """Return one message as it was received, or an archive of several."""
        if not messages:
            raise NotFound("The selected messages were deleted")
        if len(messages) == 1:
            opened = await self._loaded(messages[0])
            return file(opened.raw, f"{stem(opened)}.eml", "message/rfc822")
        headers = {**HEADERS, **attached("messages.zip"), "Content-Type": "application/zip"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        sent = _Sent()
        with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive:
            for each in messages:
                with suppress(NotFound):  # deleted in the meantime
                    await asyncio.to_thread(_add, archive, await self._loaded(each), each.received_at)
                    await response.write(sent.take())
        await response.write(sent.take())
        return response

    async def _loaded(self, message: Message) -> ReceivedMessage:
        opened = self._control.received(message)
        await finish_loading(opened)
        return opened


class _Sent(io.RawIOBase):
    """What is written to an archive and not sent yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def _add(archive: zipfile.ZipFile, message: ReceivedMessage, received_at: int) -> None:
    """Add ``message`` under a name that the archive does not have. Runs in a thread."""
    there = {*archive.namelist()}
    name = next(each for each in _names(stem(message)) if each not in there)
    at = min(max(utc(received_at), _FIRST), _LAST)
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, message.raw)


def _names(first: str) -> Iterator[str]:
    yield f"{first}.eml"
    yield from (f"{first}-{number}.eml" for number in count(2))


def _shown(request: web.Request, visitor: ApiKey, opened: str) -> str:
    """Return the URL of the open message, or of the list."""
    path = f"{PREFIX}/mail/{quote(opened, safe='')}" if opened else f"{PREFIX}/mail"
    return filter_of(request, visitor).link(path, before=request.query.get("before", ""))
