"""The live stream of the pages: what happens appears on every open page at once.

1. A page has one stream, of Server-Sent Events whose data is HTML that htmx puts in its place.
2. Events are collected for ``PAUSE`` seconds and rendered once for all pages that show the same. After that, the next
   rendering waits ``REST`` times as long as this one took, so that pages do not slow down the receiving of mail.
3. Each event has the number of the latest event of the log as its id. A page that was away, or that was read before
   its stream began, gets its list anew, and after a restart of the server also its new token.
4. A stream that is not read is closed (``stream.py``), and htmx connects again. One whose visitor has
   signed out, or whose key was revoked, ends before anything more is sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.control.events import HEADERS
from sirrchat_testkit.control.waiting import Searches
from sirrchat_testkit.domain.events import (
    ClockMoved,
    Event,
    MessageReceived,
    MessagesChanged,
    MessagesRemoved,
    RecipientRefused,
)
from sirrchat_testkit.domain.models import ApiKey, Message
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.web.activity import KINDS, ActivityPages
from sirrchat_testkit.web.activity import LISTED as LOGGED
from sirrchat_testkit.web.inbox import LISTED, InboxPages
from sirrchat_testkit.web.layout import Layout, LivePart
from sirrchat_testkit.web.mailbox import Filter, filter_of, search_of
from sirrchat_testkit.web.render import read_number
from sirrchat_testkit.web.rows import Rows
from sirrchat_testkit.web.stream import PageStream
from sirrchat_testkit.web.visitors import Visitors

PAUSE: Final = 0.03
"""Seconds of real time for which events are collected."""

REST: Final = 5
"""The pause after a rendering, as a multiple of the time that rendering and writing took."""

_WRITING: Final = 3  # steps of the loop in which the streams write what was pushed

_SHOWN: Final = (MessageReceived, MessagesChanged, MessagesRemoved, RecipientRefused, ClockMoved)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")  # those of the format; str.splitlines knows more


class Shown(NamedTuple):
    """What a page shows, as far as its stream is concerned; pages that show the same get the same bytes.

    Attributes:
        visitor: The visitor's key.
        list: The filter of the list; None on a page without a list of messages.
        kind: The kind of activity that is shown; None on other pages.
        page: The name of another page that changes by itself; else empty.
    """

    visitor: ApiKey
    list: Filter | None = None
    kind: str | None = None
    page: str = ""


class Live:
    """The streams of one server."""

    def __init__(
        self,
        control: ServerControl,
        visitors: Visitors,
        layout: Layout,
        inbox: InboxPages,
        rows: Rows,
        activity: ActivityPages,
        pages: Mapping[str, LivePart],
    ) -> None:
        self._control = control
        self._services = control.services
        self._log = control.services.events
        self._visitors = visitors
        self._layout = layout
        self._inbox = inbox
        self._rows = rows
        self._activity = activity
        self._pages = pages
        self._all = (*_SHOWN, *KINDS[""][1], *(event for each in pages.values() for event in each.events))
        self._searches = Searches(control)
        self._streams: list[tuple[Shown, PageStream]] = []
        self._pending: list[tuple[int, Event]] = []
        self._rendering: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        control.at_stop(self._end)

    async def stream(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Return the stream of a page."""
        shown = self._shown(request, visitor)
        response = web.StreamResponse(headers=HEADERS)
        stream = PageStream(request)
        known = read_number(request.headers.get("Last-Event-ID") or request.query.get("after", ""))
        self._join(shown, stream)
        try:
            with suppress(ConnectionResetError):  # the page was closed
                await response.prepare(request)
                await response.write(b": live\n\n")
                if known is None or self._log.misses(known) or self._concerns(shown, known):
                    stream.push(await self._anew(shown))
                await stream.write_to(response)
        finally:
            self._leave(shown, stream)
        return response

    def _shown(self, request: web.Request, visitor: ApiKey) -> Shown:
        """Return what the page that asks for a stream shows."""
        page, kind = request.query.get("page", ""), request.query.get("kind", "")
        if page == "mail":
            return Shown(visitor, list=filter_of(request, visitor))
        if visitor.role != "admin":
            return Shown(visitor)
        if page == "activity" and kind in KINDS:
            return Shown(visitor, kind=kind)
        return Shown(visitor, page=page if page in self._pages else "")

    def _concerning(self, shown: Shown) -> tuple[type[Event], ...]:
        """Return the events that a page shows; all show the number of unread messages and the clock."""
        if shown.page:
            return (*_SHOWN, *self._pages[shown.page].events)
        return _SHOWN if shown.kind is None else (*_SHOWN, *KINDS[shown.kind][1])

    def _concerns(self, shown: Shown, known: int) -> bool:
        """Return whether anything that a page shows has happened after the event number ``known``."""
        return any(isinstance(each, self._concerning(shown)) for each in self._log.held(known))

    def _join(self, shown: Shown, stream: PageStream) -> None:
        self._streams.append((shown, stream))
        if self._unsubscribe is None:
            self._unsubscribe = self._log.subscribe(self._collect, lambda event: isinstance(event, self._all))

    def _leave(self, shown: Shown, stream: PageStream) -> None:
        if (shown, stream) in self._streams:
            self._streams.remove((shown, stream))
        if not self._streams and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _end(self) -> None:
        for _, stream in self._streams:
            stream.end()
        if self._rendering is not None:
            self._rendering.cancel()

    def _collect(self, number: int, event: Event) -> None:
        self._pending.append((number, event))
        self._render()

    def _render(self) -> None:
        """Start rendering, unless it is in progress or there is nothing to render."""
        if self._rendering is None and self._pending:
            self._rendering = asyncio.create_task(self._render_all())
            self._rendering.add_done_callback(self._rendered)

    def _rendered(self, task: asyncio.Task[None]) -> None:
        self._rendering = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._services.crashed("rendering for the open pages", error)
        self._render()  # something may have happened since the task looked for the last time

    async def _render_all(self) -> None:
        """Render what was collected, until nothing more has happened."""
        loop = asyncio.get_running_loop()
        while self._pending:
            await asyncio.sleep(PAUSE)
            pending, self._pending = self._pending, []
            began = loop.time()
            for shown, stream in tuple(self._streams):
                if await self._visitors.find(stream.request) != shown.visitor:
                    self._streams.remove((shown, stream))
                    stream.end()
            for shown in {each for each, _ in self._streams}:
                data = await self._what(shown, pending)
                for other, stream in self._streams:
                    if other == shown and data:
                        stream.push(data)
            for _ in range(_WRITING):
                await asyncio.sleep(0)
            await asyncio.sleep((loop.time() - began) * REST)

    async def _what(self, shown: Shown, events: Sequence[tuple[int, Event]]) -> bytes:
        """Return the event to send to a page for ``events``; empty if they do not concern it."""
        parts: list[str] = []
        events = [each for each in events if isinstance(each[1], self._concerning(shown))]
        if not events:
            return b""
        if shown.kind is not None:
            parts.append(_partial("#log", "afterbegin", await self._entries(shown, shown.kind, events)))
        if shown.list is not None:
            new = await self._new(shown.list, [each for _, each in events if isinstance(each, MessageReceived)])
            if len(new) > LISTED:
                return await self._anew(shown)
            parts += await self._list_parts(shown, shown.list, new, events)
        parts += await self._page_parts(shown, [event for _, event in events])
        return _event(self._log.last, [*parts, *await self._counts(shown)])

    async def _new(self, shown: Filter, events: Iterable[MessageReceived]) -> list[Message]:
        """Return the new messages that a list has, oldest first; at most one more than it has rows."""
        found = [each.message for each in events if shown.includes(each.message)]
        if not shown.q:
            return found
        with suppress(InvalidValue):
            search = search_of(shown)
            recent = found[-LISTED - 1 :]
            return [each for each in recent if await self._searches.accepts(search, self._control.received(each))]
        return []

    async def _list_parts(
        self, shown: Shown, of: Filter, new: Sequence[Message], events: Sequence[tuple[int, Event]]
    ) -> list[str]:
        parts: list[str] = []
        removed = {each for _, event in events if isinstance(event, MessagesRemoved) for each in event.ids}
        rows = await self._rows.of([each for each in new if each.id not in removed])
        texts = [self._row(shown, row=row) for row in reversed(rows)]
        if shown.visitor.role == "admin" and not (of.q or of.box):
            refused = [(number, each) for number, each in events if isinstance(each, RecipientRefused)]
            mine = [each for each in refused if not of.to or _is_for(of, each[1])]
            texts += [self._row(shown, row=row) for row in await self._inbox.refused(mine[-LISTED:])]
        if texts:
            parts.append(_partial("#rows", "afterbegin", "".join(texts)))
        parts += [_partial(f"#m-{each}", "delete", "") for each in removed]
        changed = [each for _, event in events if isinstance(event, MessagesChanged) for each in event.messages]
        return [*parts, *(_partial(f"#u-{each.id}", "innerHTML", _mark(each)) for each in changed)]

    async def _entries(self, shown: Shown, kind: str, events: Sequence[tuple[int, Event]]) -> str:
        """Return the lines of the activity page, the latest ones if there are many."""
        wanted = [each for each in events if isinstance(each[1], KINDS[kind][1])]
        entries = await self._activity.entries(wanted[-LOGGED:])
        return self._layout.part("entries", shown.visitor, entries=entries)

    def _row(self, shown: Shown, **data: object) -> str:
        return self._layout.part("row", shown.visitor, opened="", shown=shown.list, arrived=True, **data)

    async def _anew(self, shown: Shown) -> bytes:
        """Return everything that a page shows and that its stream can change."""
        parts = [_partial("#server", "outerHTML", self._layout.part("server", shown.visitor))]
        if shown.list is not None:
            listed = await self._inbox.listed(shown.list)
            text = self._layout.part("rows", shown.visitor, listed=listed, shown=shown.list, opened="")
            parts.append(_partial("#rows", "innerMorph", text))
        if shown.kind is not None:
            entries = await self._entries(shown, shown.kind, self._log.numbered())
            parts.append(_partial("#log", "innerMorph", entries))
        parts += await self._page_parts(shown)
        return _event(self._log.last, [*parts, *await self._counts(shown)])

    async def _page_parts(self, shown: Shown, events: Sequence[Event] | None = None) -> list[str]:
        """Return what changes by itself on another page, unless none of ``events`` changes it."""
        if not shown.page:
            return []
        live = self._pages[shown.page]
        if events is not None and not any(isinstance(each, live.events) for each in events):
            return []
        rendered = await live.render(shown.visitor)
        return [_partial(target, "innerMorph", text) for target, text in rendered.items()]

    async def _counts(self, shown: Shown) -> list[str]:
        """Return the counts of the bar and, with a list, of the addresses beside it."""
        unread = await self._layout.unread(shown.visitor)
        parts = [_partial("#unread", "innerHTML", self._layout.part("unread", shown.visitor, unread=unread))]
        parts.append(_partial("#clock-bar", "innerHTML", self._layout.part("clock", shown.visitor)))
        if shown.list is not None:
            boxes = await self._inbox.boxes(shown.visitor)
            text = self._layout.part("boxes", shown.visitor, shown=shown.list, unread=unread, **boxes)
            parts.append(_partial("#boxes", "innerMorph", text))
        return parts


def _is_for(shown: Filter, event: RecipientRefused) -> bool:
    return addressing.key(event.recipient) == addressing.key(shown.to)


def _mark(message: Message) -> str:
    return "" if message.seen else '<span class="sr">Unread. </span>'


def _partial(target: str, swap: str, text: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{text}</hx-partial>'


def _event(number: int, parts: Sequence[str]) -> bytes:
    data = "".join(f"data: {line}\n" for line in _LINE_ENDS.split("".join(parts)))
    return f"id: {number}\n{data}\n".encode("utf-8", "replace") if parts else b""
