"""Which mail a list shows: all, that of one address, or outgoing mail; and which of it a search finds.

1. An admin's key sees everything, a user's key the mail of its own account.
2. Every choice is a read by an index, so a list costs the same however much mail is stored.
3. A search examines a bounded number of messages and can be continued (``control.waiting``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain.models import SENT, Address, ApiKey, Message
from sirrchat_testkit.domain.search import Search
from sirrchat_testkit.errors import InvalidValue, NotFound
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.feed import Slice
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.suggestions import near_name
from sirrchat_testkit.web.render import url

OUTGOING = "outgoing"

_WORD = re.compile(r"\w+")
_SEARCHED: Final[Mapping[str, Callable[[ReceivedMessage], tuple[str, ...]]]] = {
    "": lambda message: (message.subject, str(message.sender), message.recipient),
    "subject": lambda message: (message.subject,),
    "from": lambda message: (str(message.sender),),
    "to": lambda message: (message.recipient,),
}
"""What each field of a search compares, as far as the contents are not needed."""


class Filter(NamedTuple):
    """The part of a list's URL that says what it shows, and the account that it is limited to, "" for none.

    Attributes:
        to: The address whose mail is shown; empty for all.
        box: ``outgoing`` for mail without an address here; else empty.
        q: The search.
        account: The account of the visitor, unless that is an admin.
    """

    to: str = ""
    box: str = ""
    q: str = ""
    account: str = ""

    def link(self, path: str, **more: Any) -> str:
        """Return ``path`` with this filter and ``more`` as its query."""
        return url(path, to=self.to, box=self.box, q=self.q, **more)

    @property
    def where(self) -> Mapping[str, Any]:
        """The indexed fields of the messages; the rest of the filter is checked by ``includes``."""
        if self.account:
            return {"account": self.account}
        if self.to:
            return {"recipient_key": addressing.key(self.to)}
        return {"address": ""} if self.box == OUTGOING else {}

    def includes(self, message: Message) -> bool:
        """Return whether the list has ``message``, whatever the search."""
        return (
            message.folder != SENT
            and (not self.account or message.account == self.account)
            and (not self.to or message.recipient_key == addressing.key(self.to))
            and (self.box != OUTGOING or not message.address)
        )


def filter_of(request: web.Request, visitor: ApiKey) -> Filter:
    """Return the filter in the query of ``request``."""
    query = request.query
    box = OUTGOING if query.get("box") == OUTGOING else ""
    to = query.get("to", "").strip()
    account = "" if visitor.role == "admin" else visitor.account
    return Filter(to if "@" in to else "", box, query.get("q", "").strip(), account)


class Mailbox:
    """The messages of a filter, as a source of searches."""

    def __init__(self, control: ServerControl, shown: Filter) -> None:
        self._control = control
        self._shown = shown

    async def recent(self, before: int | None, limit: int) -> Slice[ReceivedMessage]:
        """Return a slice of the messages with a uid below ``before``, the latest first."""
        services = self._control.services
        found = await services.store.find(Message, self._shown.where, before=before, newest=True, limit=limit)
        deleted = await services.deletion.in_progress()
        items = [
            self._control.received(each)
            for each in found
            if self._shown.includes(each) and deleted.isdisjoint((each.account, each.address))
        ]
        return Slice(items, found[-1].seq if found else 0, len(found) < limit)

    async def size(self) -> int:
        """Return how many messages there are, without the search and without copies of sent mail."""
        store, shown = self._control.services.store, self._shown
        if not shown.account:
            sent = 0 if shown.to or shown.box else await store.count(Message, recipient_key="")  # only these have none
            return await store.count(Message, **shown.where) - sent
        if shown.to:
            address = await address_of(self._control, shown)
            return await store.count(Message, address=address.id) - await self._sent(address) if address else 0
        permanent = await store.find(Address, {"account": shown.account, "disposable": False})
        sent = sum([await self._sent(each) for each in permanent])
        return await store.count(Message, account=shown.account) - sent

    async def _sent(self, address: Address) -> int:
        return await self._control.services.store.count(Message, address=address.id, folder=SENT)


async def message_of(control: ServerControl, visitor: ApiKey, message_id: str) -> Message:
    """Return the message ``message_id``. Raises ``NotFound`` if it does not exist or ``visitor`` may not see it."""
    services = control.services
    message = await services.store.get(Message, id=message_id)
    hidden = await services.deletion.in_progress()
    if message is None or not hidden.isdisjoint((message.account, message.address)):
        raise NotFound("This message was deleted, or dropped because a limit of the server was reached")
    if visitor.role != "admin" and message.account != visitor.account:
        raise NotFound("This message was deleted, or dropped because a limit of the server was reached")
    return message


async def address_of(control: ServerControl, shown: Filter) -> Address | None:
    """Return the address that the list is limited to, expired or not; None without one, or for one of others."""
    if not shown.to:
        return None
    found = await control.services.store.get(Address, key=addressing.key(shown.to))
    return None if found is None or (shown.account and found.account != shown.account) else found


def checked_address(text: str) -> str:
    """Return ``text``, an address. Raises ``InvalidValue``."""
    if flaw := addressing.flaw(text):
        raise InvalidValue(f"{text!r} is not an address: {flaw}")
    return text


def nearest(q: str, messages: Iterable[ReceivedMessage]) -> str:
    """Return the search whose word is like that of ``q`` and occurs in ``messages``; empty if there is none."""
    field, colon, word = q.rpartition(":")
    if field not in _SEARCHED or not word.isalnum():
        return ""
    texts = (text for message in messages for text in _SEARCHED[field](message))
    near = near_name(word.casefold(), {each for text in texts for each in _WORD.findall(text.casefold())})
    return f"{field}{colon}{near}" if near else ""


def search_of(shown: Filter) -> Search:
    """Return the search of a filter. Raises ``InvalidValue`` if it is malformed."""
    return Search(shown.q)
