"""The inbox: the list of messages, the addresses beside it, and the forms for both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.control.shown import later_events
from sirrchat_testkit.control.waiting import Searches
from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.events import RecipientRefused
from sirrchat_testkit.domain.models import Account, Address, ApiKey, Message
from sirrchat_testkit.errors import (
    Conflict,
    ForeignDomain,
    InvalidValue,
    NoSuchAddress,
    OverQuota,
    TooManyRecipients,
)
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.feed import run
from sirrchat_testkit.handles.message import record_of
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.http.pages import PREFIX, lead
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.net import Ports, netloc
from sirrchat_testkit.smtp.replies import BY_ERROR
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.mailbox import (
    Filter,
    Mailbox,
    address_of,
    checked_address,
    filter_of,
    message_of,
    nearest,
    search_of,
)
from sirrchat_testkit.web.recipes import curl, lines, swaks, target
from sirrchat_testkit.web.render import page, read_number
from sirrchat_testkit.web.rows import Row, Rows

LISTED: Final = 50
"""Messages on a page of the list."""

_BOXES: Final = 50
"""Addresses, and accounts, beside the list; the newest ones."""

_REFUSALS: Final = 20
"""Refusals among the messages of a page."""

_COMPARED: Final = 200
"""Messages whose words are compared with those of a search that finds nothing; the latest ones."""

EXPIRIES: Final[Mapping[str, tuple[str, int | None]]] = {
    "1h": ("1 hour", 3_600_000),
    "1d": ("1 day", 86_400_000),
    "3d": ("3 days", 259_200_000),
    "never": ("never", None),
}
"""When a new address can expire: the words for it, and milliseconds."""


_REPLIES: Final = {
    kind.code: " ".join(map(str, BY_ERROR[kind]))
    for kind in (NoSuchAddress, ForeignDomain, OverQuota, TooManyRecipients)
}
"""The reply to each error that refuses a recipient, without its text, which is the reason."""


class RefusedRow(NamedTuple):
    """A refused recipient among the messages.

    Attributes:
        number: The number of its event.
        at: When it was refused, on the server's clock.
        refusal: The refusal.
        can_be_made: Whether the address does not exist, and could.
        connection: The number of the connection, if its conversation is still known; else None.
        reply: The code and the enhanced status code of the reply; empty if a fault or a simulator chose another.
    """

    number: int
    at: int
    refusal: Refusal
    can_be_made: bool
    connection: int | None
    reply: str

    @property
    def what(self) -> str:
        """The nearest address, or else the reason without the recipient, which the row names already."""
        reason = self.refusal.reason.removeprefix(f"{self.refusal.recipient} ")
        return f"Nearest is {self.refusal.nearest}" if self.refusal.nearest else reason[:1].upper() + reason[1:]


class Listed(NamedTuple):
    """A page of the list, newest first.

    Attributes:
        rows: Messages, and refused recipients between them.
        before: The uid below which the next page begins; None if this is the last.
        total: How many messages there are without the search.
        problem: Why the search is malformed; else empty.
        event: The number of the latest event when the page was read.
        nearest: A search that finds something, if this one finds nothing because of a misspelling; else empty.
    """

    rows: Sequence[Row | RefusedRow]
    before: int | None
    total: int
    problem: str
    event: int
    nearest: str


class Box(NamedTuple):
    """An address beside the list."""

    address: Address
    unread: int
    left: int | None


class Start(NamedTuple):
    """What a page without mail says: where SMTP listens, the address to send to, and what to paste for that."""

    smtp: str
    address: str
    curl: str
    swaks: str
    variables: str


class InboxPages:
    """The views of the list."""

    def __init__(self, control: ServerControl, layout: Layout, rows: Rows, ports: Ports) -> None:
        self._control = control
        self._services = control.services
        self._layout = layout
        self._rows = rows
        self._ports = ports
        self._searches = Searches(control)
        self._names = Names(self._services.settings.value.seed or self._services.ids.token(8))

    async def show_list(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show the list with nothing opened."""
        data = await self.beside(request, visitor)
        status = 400 if data["listed"].problem else 200
        return await self._layout.page("list", request, visitor, at="mail", status=status, opened="", **data)

    async def beside(self, request: web.Request, visitor: ApiKey) -> dict[str, Any]:
        """Return what the list and the addresses beside it need."""
        shown = filter_of(request, visitor)
        before = request.query.get("before", "")
        listed = await self.listed(shown, read_number(before))
        boxes = await self.boxes(visitor)
        address = await address_of(self._control, shown)
        expired = address is not None and 0 < (address.expires_at or 0) <= self._services.clock.now()
        boxes |= {"shown": shown, "listed": listed, "before": before, "expiries": EXPIRIES}
        boxes |= {"address": address, "expired": expired}
        empty = visitor.role == "admin" and not (listed.total or before or shown.q or shown.box or expired)
        return boxes | {"start": self._start(boxes["addresses"], address) if empty else None}

    def _start(self, boxes: Sequence[Box], address: Address | None) -> Start:
        """Return what leads to the first mail: of ``address``, or of the newest one."""
        settings = self._services.settings.value
        text = address.text if address else boxes[0].address.text if boxes else ""
        to = target(settings, self._ports)
        whole = text or f"ann@{settings.domains[0]}"
        variables = {"SMTP_HOST": to.host, "SMTP_PORT": str(to.port)}
        return Start(netloc((to.host, to.port)), text, curl(to, whole), swaks(to, whole), lines(variables))

    async def listed(self, shown: Filter, before: int | None = None) -> Listed:
        """Return a page of the list."""
        event = self._services.events.last
        mailbox = Mailbox(self._control, shown)
        problem = near = ""
        rows: Sequence[Row | RefusedRow] = ()
        older = None
        try:
            found = await self._searches.find(search_of(shown), LISTED, before, mailbox)
        except InvalidValue as error:
            problem = str(error)
        else:
            rows = await self._rows.of([record_of(each) for each in found.messages])
            older = found.before
            if shown.q and not rows:
                latest = await mailbox.recent(None, _COMPARED)
                near = await asyncio.to_thread(nearest, shown.q, latest.items)
            if before is None and not (shown.q or shown.account or shown.box):
                rows = await self._with_refusals(shown, rows, whole=older is None)
        return Listed(rows, older, await mailbox.size(), problem, event, near)

    async def _with_refusals(self, shown: Filter, rows: Sequence[Any], *, whole: bool) -> list[Row | RefusedRow]:
        """Return ``rows`` with the recipients that were refused since the oldest of them; ``whole``: with all."""
        since = 0 if whole or not rows else rows[-1].record.received_at
        wanted = addressing.key(shown.to) if shown.to else ""
        found = [
            (number, each)
            for number, each in later_events(self._services.events, 0, RecipientRefused)
            if each.at >= since and (not wanted or addressing.key(each.recipient) == wanted)
        ]
        refused = await self.refused(found[-_REFUSALS:])
        return sorted([*refused, *rows], key=lambda each: -(each.at if isinstance(each, RefusedRow) else _at(each)))

    async def refused(self, events: Sequence[tuple[int, RecipientRefused]]) -> list[RefusedRow]:
        """Return the rows of refused recipients, the latest first."""
        if not events:
            return []
        only = [event for _, event in events]
        thread = self._control.thread
        refusals = await asyncio.to_thread(run, thread, lambda _: self._control.diagnostics.refusals(only))
        domains = {each.name for each in await self._services.domains.all()}
        known = {each.number for each in self._services.sessions.known()}
        made = []
        for (number, event), refusal in zip(events, refusals, strict=True):
            served = addressing.split(addressing.key(event.recipient))[1] in domains
            missing = event.code == NoSuchAddress.code and served and not event.scope
            gone = missing and await self._services.directory.find_address(event.recipient) is None
            connection = event.session if event.session in known else None
            made.append(RefusedRow(number, event.at, refusal, gone, connection, _REPLIES.get(event.code, "")))
        return made[::-1]

    async def boxes(self, visitor: ApiKey) -> dict[str, Any]:
        """Return the addresses and accounts that ``visitor`` may see, each with its number of unread messages."""
        store = self._services.store
        own: dict[str, Any] = {} if visitor.role == "admin" else {"account": visitor.account}
        disposable = await store.find(Address, own, lambda each: each.disposable, newest=True, limit=_BOXES)
        permanent = await store.find(Address, own, lambda each: not each.disposable, newest=True, limit=2 * _BOXES)
        listed = [each for each in permanent if await self._is_listed(each)]
        outgoing = await store.count(Message, address="") if visitor.role == "admin" else 0
        return {
            "addresses": [await self._box(each) for each in disposable],
            "accounts": [await self._box(each) for each in listed[:_BOXES]],
            "outgoing": outgoing,
            "unread_outgoing": await store.count(Message, address="", seen=False) if outgoing else 0,
            "domains": [each.name for each in await self._services.domains.all()],
        }

    async def _is_listed(self, address: Address) -> bool:
        account = await self._services.store.get(Account, id=address.account)
        return account is not None and account.listed and not account.hidden

    async def _box(self, address: Address) -> Box:
        unread = await self._services.store.count(Message, address=address.id, seen=False)
        left = address.expires_at - self._services.clock.now() if address.expires_at else None
        return Box(address, unread, left)

    async def show_summary(self, request: web.Request, visitor: ApiKey, message: str) -> web.Response:
        """Return the part of a row that was not made with the list."""
        record = await message_of(self._control, visitor, message)
        [row] = await self._rows.of([record])
        shown = filter_of(request, visitor)
        text = self._layout.part(
            "row",
            visitor,
            row=row,
            opened=request.query.get("opened", ""),
            before=request.query.get("before", ""),
            shown=shown,
            arrived=False,
        )
        return page(text)

    async def make_address(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Make an address and show its inbox."""
        form = await request.post()
        text, expiry = str(form.get("address", "")).strip(), EXPIRIES.get(str(form.get("expires", "never")))
        if expiry is None:
            raise InvalidValue(f"An address can expire after {', '.join(words for words, _ in EXPIRIES.values())}")
        made: Address | None = None
        while made is None:
            local = str(form.get("name", "")).strip()
            whole = text or f"{local or await asyncio.to_thread(self._names.make, 'web')}@{form.get('domain', '')}"
            checked_address(whole)
            with suppress(*() if text or local else (Conflict,)):
                made = await self._services.directory.add_address(visitor.account, whole, expires_in=expiry[1])
        return lead(Filter(to=made.text).link(f"{PREFIX}/mail"))

    async def delete_shown(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Delete every message that the list shows, also on its other pages."""
        shown = filter_of(request, visitor)
        if not (shown.to or shown.box or shown.q or shown.account) and self._services.settings.value.shared:
            raise Conflict("Others use this server too: choose an address first, to delete its mail only")
        before: int | None = None
        search, mailbox = search_of(shown), Mailbox(self._control, shown)
        while True:
            found = await self._searches.find(search, SLICE, before, mailbox)
            await self._services.delivery.delete([record_of(each) for each in found.messages])
            if found.before is None:
                return lead(shown._replace(q="").link(f"{PREFIX}/mail"))
            before = found.before


def _at(row: Row) -> int:
    return row.record.received_at
