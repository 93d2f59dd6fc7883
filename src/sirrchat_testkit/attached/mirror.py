"""The mirror of a server in another process: what belongs to this process's tests, in a local domain without listeners.

1. Handles use the local domain as that of a server of this process, so waits, failures, checks and scopes are the same.
2. Before each call of a handle, ``catch_up`` asks the server what happened, in one request, and repeats it locally: the
   same records are stored, and the same events are appended. While a wait is open, a long poll does so at once.
3. What a test changes is changed on the server first. The mirror learns of it as of everything else.
4. Only what belongs to accounts that were made here is repeated: their mail, what they sent when logged in, and the
   refusals of their addresses and logins, and of addresses that are nearly theirs. The rest belongs to others.
5. An answer to a request that did not name all accounts is ignored, since mail of the others may be missing in it.
6. A server that others use is not rewound. At the end of a scope, what was made or received in it is deleted there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import Context
from typing import Any, Final, NamedTuple, TypeVar

from sirrchat_testkit.attached.connection import Control
from sirrchat_testkit.attached.records import attempt_event, envelope_record, message_record
from sirrchat_testkit.client.errors import ApiError
from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.models import Address, Envelope, Message, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Change, Put
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.faults.engine import Fault
from sirrchat_testkit.formatting import milliseconds
from sirrchat_testkit.handles.feed import End, Feed, Feeds
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas import control_events as told
from sirrchat_testkit.schemas.control_changes import Changes, StoredMessage
from sirrchat_testkit.schemas.webhook_events import NEW_MESSAGE
from sirrchat_testkit.suggestions import near_name
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

T = TypeVar("T")

FOLLOWED: Final = 10.0
"""Seconds of real time that one long poll waits."""

UNCLAIMED: Final = 1000
"""Refusals that are kept in case a later message shows whose they are."""

DRIFT: Final = 500
"""Milliseconds by which the local clock may differ from that of the server before it is set again."""

_NOBODY: Final = "none"


class MirrorThread(LoopThread):
    """The thread of a mirror: each call catches up with the server first."""

    mirror: Mirror | None = None

    def _submit(self, work: Coroutine[Any, Any, T], *, waits: bool = False, directly: bool = False) -> Any:
        submit = super()._submit
        # in a context of its own: that of a trio task would have httpx use trio in this thread
        if not waits or directly or self.mirror is None:
            return Context().run(submit, work, waits=waits)
        try:
            return Context().run(submit, self._current(self.mirror, work), waits=True)
        except RuntimeError:
            work.close()
            raise

    async def _current(self, mirror: Mirror, work: Coroutine[Any, Any, T]) -> T:
        try:
            await mirror.catch_up()
        except BaseException:
            work.close()
            raise
        return await work


def catch_up(thread: LoopThread) -> None:
    """Have the mirror of ``thread`` catch up; do nothing in the thread itself, or when it has stopped."""

    async def nothing() -> None:
        pass

    with contextlib.suppress(RuntimeError):
        thread.call(nothing())


class FollowedFeeds(Feeds[ReceivedMessage]):
    """Feeds whose open waits follow the server."""

    def __init__(self, follow: Callable[[], None]) -> None:
        super().__init__()
        self._follow = follow

    def open(self, feed: Feed[ReceivedMessage], seconds: float) -> None:
        """Open ``feed``, and follow the server until it ends."""
        super().open(feed, seconds)
        self._follow()


class Mark(NamedTuple):
    """The beginning of a scope: the number of accounts, of addresses looked up, of messages, and the planned faults."""

    accounts: int
    sought: int
    received: int
    removed: int
    faults: frozenset[int]


class Mirror:
    """Follows a server by its control API, and repeats in ``services`` what belongs to this process's tests.

    Attributes:
        client: The control API of the server.
        keys: The user keys of the accounts that were made here, by their ids, in order.
        faults: The planned faults by their ids on the server.
    """

    def __init__(self, client: Control, services: Services, last: int) -> None:
        self.client = client
        self.services = services
        self.feeds = FollowedFeeds(self._follow)
        self.keys: dict[str, str] = {}
        self.faults: dict[int, Fault] = {}
        self._last = last
        self._received: list[Message] = []
        self._removed: list[str] = []
        self._sought: list[str] = []
        self._unclaimed: deque[told.RecipientRefused] = deque(maxlen=UNCLAIMED)
        self._catching_up = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._loading: set[asyncio.Future[Any]] = set()

    @property
    def accounts(self) -> list[str]:
        """The ids of the accounts that were made here; one that no account has, if there are none."""
        return [*self.keys] or [_NOBODY]

    def add_account(self, account: str, key: str) -> None:
        """Note that ``account`` was made here, with the user key ``key``."""
        self.keys[account] = key
        self._follow_again()

    async def catch_up(self) -> None:
        """Repeat everything that has happened on the server until now."""
        async with self._catching_up:
            while not await self._ask():
                pass

    async def load(self, message: str) -> bytes:
        """Return the raw bytes of ``message``. Raises ``NotFound``."""
        loading = asyncio.ensure_future(self.client.messages.raw(message))
        self._loading.add(loading)
        loading.add_done_callback(self._loading.discard)
        return await loading

    async def finish_loading(self) -> None:
        """Wait until the contents that are being loaded have arrived: they are about to be deleted."""
        if self._loading:
            await asyncio.wait(self._loading)

    async def adopt(self, message: str) -> Message:
        """Return the record of ``message``, which a test has made, even if its recipient is not the test's."""
        await self.catch_up()
        known = await self.services.store.get(Message, id=message)
        if known is None:
            found = await self.client.messages.get(message)
            known = message_record(found, "", "", found.envelope.id, "INBOX")
            await self._store(known, envelope_record(found.envelope), domain.MessageReceived)
        return known

    async def is_mine(self, address: str) -> bool:
        """Return whether ``address`` is one of an account that was made here."""
        return "@" in address and bool(await self.services.directory.owner(address))

    def seek(self, address: str) -> None:
        """Note that a test has looked up ``address``, so that a refusal of it is its concern."""
        self._sought.append(addressing.key(address))

    async def is_nearly_mine(self, address: str) -> bool:
        """Return whether ``address`` was looked up, or is probably a misspelt one of this process."""
        if addressing.key(address) in self._sought:
            return True
        local, domain = addressing.split(addressing.key(address))
        known = [addressing.split(each.key) for each in await self.services.store.find(Address)]
        return near_name(local, [own for own, its_domain in known if its_domain == domain]) is not None

    def mark(self) -> Mark:
        """Return what there is, for ``rewind``."""
        return Mark(len(self.keys), len(self._sought), len(self._received), len(self._removed), frozenset(self.faults))

    def end(self, mark: Mark) -> None:
        """Do nothing: the server keeps running, and ``rewind`` cleans up."""

    async def rewind(self, mark: Mark) -> None:
        """Delete on the server what was made or received since ``mark``, and here what a test deleted there."""
        accounts = [*self.keys][mark.accounts :]
        faults = [each for each in self.faults if each not in mark.faults]
        received, removed = self._received[mark.received :], self._removed[mark.removed :]
        self.keys = {each: key for each, key in self.keys.items() if each not in accounts}
        self.faults = {each: fault for each, fault in self.faults.items() if each in mark.faults}
        del self._received[mark.received :], self._removed[mark.removed :], self._sought[mark.sought :]
        self._follow_again()
        restored = [found for each in removed if (found := await self.services.store.get(Message, id=each))]
        await self.services.deletion.delete_messages(restored)
        await self.finish_loading()
        gone = {*accounts, *removed}
        messages = [each.id for each in received if gone.isdisjoint({each.account, each.id})]
        await asyncio.gather(
            *(_if_there(self.client.faults.remove(each)) for each in faults),
            *(_if_there(self.client.accounts.delete(each)) for each in accounts),
            *(_if_there(self.client.messages.delete(each)) for each in messages),
        )

    async def close(self) -> None:
        """Delete everything of this process on the server, and close the connection."""
        if self._following is not None:
            self._following.cancel()
        with contextlib.suppress(ApiError):  # the server has stopped
            await self.rewind(Mark(0, 0, 0, 0, frozenset()))
        await self.client.aclose()

    async def _ask(self, seconds: float = 0.0) -> bool:
        """Ask the server what happened, and repeat it; return whether nothing is left to ask for."""
        accounts = self.accounts
        changes = await self.client.changes(after=self._last, accounts=accounts, timeout=seconds)
        if accounts != self.accounts:
            return False
        self._set_clock(changes.clock)
        self.services.sessions.opened = changes.connections
        await self._apply(changes)
        return changes.complete

    def _follow(self) -> None:
        if self._following is None or self._following.done():
            self._following = asyncio.get_running_loop().create_task(self._follow_waits())

    def _follow_again(self) -> None:
        """Begin a new long poll, because the accounts have changed."""
        if self._following is not None and not self._following.done():
            self._following.cancel()
            self._following = None
            self._follow()

    async def _follow_waits(self) -> None:
        try:
            while self.feeds.all():
                await self._ask(FOLLOWED)
        except ApiError:
            for feed in self.feeds.all():
                feed.push(End.STOPPED)

    def _set_clock(self, clock: schemas.Clock) -> None:
        local, now = self.services.clock, milliseconds(clock.now)
        if clock.frozen == local.frozen and abs(local.now() - now) < (1 if clock.frozen else DRIFT):
            return
        local.freeze(now)
        if not clock.frozen:
            local.resume()

    async def _apply(self, changes: Changes) -> None:
        """Repeat ``changes``. Each event is repeated once, even if two requests have asked for it."""
        messages = {each.id: each for each in changes.messages}
        envelopes = {each.id: each for each in changes.envelopes}
        if changes.gap and changes.last > self._last:
            for each in changes.messages:
                await self._receive(each, envelopes, domain.MessageReceived)
            await self._remove([each.id for each in self._received if each.account and each.id not in messages])
        for event in changes.events:
            if event.id > self._last:
                self._last = event.id
                await self._repeat(event, messages, envelopes)
        self._last = max(self._last, changes.last)

    async def _repeat(
        self, event: told.Event, messages: Mapping[str, StoredMessage], envelopes: Mapping[str, schemas.Envelope]
    ) -> None:
        match event:
            case told.MessageReceived():
                await self._receive(messages[event.message], envelopes, domain.MessageReceived)
            case told.MessageSent():
                await self._receive(messages[event.message], envelopes, domain.MessageSent)
            case told.MessagesRemoved():
                await self._remove(event.messages)
            case told.MessagesChanged():
                for each in event.messages:
                    if known := await self.services.store.get(Message, id=each.message):
                        await self.services.folders.see(known, seen=each.seen)
            case _:
                await self._note(event, milliseconds(event.at))

    async def _note(self, event: told.Event, at: int) -> None:
        """Repeat an event that changes no record."""
        append = self.services.events.append
        match event:
            case told.RecipientRefused():
                await self._refuse(event)
            case told.LoginRefused() if await self.is_mine(event.login):
                append(domain.LoginRefused(at=at, mechanism=event.mechanism, login=event.login, reason=event.reason))
            case told.TlsFailed():  # whose it was is not known
                append(domain.TlsFailed(at=at, peer=event.peer, alert=event.alert))
            case told.FaultStruck() if event.fault in self.faults:
                self._fire(event, at)
            case told.DeliveryAttempted() if await self._calls_mine(event):
                append(attempt_event(event, at))
            case told.Crashed():
                self.services.crashed(event.where, RuntimeError(event.error))

    async def _receive(
        self,
        stored: StoredMessage,
        envelopes: Mapping[str, schemas.Envelope],
        kind: type[domain.MessageReceived | domain.MessageSent],
    ) -> None:
        found = envelopes.get(stored.envelope)
        login = found.login if found else ""
        if stored.account not in self.keys and (stored.account or not await self.is_mine(login)):
            return
        if await self.services.store.get(Message, id=stored.id) is None:
            record = message_record(stored, stored.account, stored.address, stored.envelope, stored.folder)
            await self._store(record, envelope_record(found) if found else None, kind)

    async def _store(
        self, message: Message, envelope: Envelope | None, kind: type[domain.MessageReceived | domain.MessageSent]
    ) -> None:
        """Store ``message``, which has arrived, and append its event."""
        changes: list[Change] = [Put(message)]
        if envelope is not None and await self.services.store.get(Envelope, id=envelope.id) is None:
            changes.append(Put(envelope))
            await self._claim(envelope)
        await self.services.store.commit(changes)
        self._received.append(message)
        self.services.events.append(kind(at=message.received_at, message=message))

    async def _remove(self, ids: Sequence[str]) -> None:
        found = [known for each in ids if (known := await self.services.store.get(Message, id=each))]
        if found:
            self._removed += [each.id for each in found]
            await self.services.deletion.delete_messages(found)

    async def _refuse(self, event: told.RecipientRefused) -> None:
        """Repeat a refusal of an address or a login of this process, also of a former or a misspelt address."""
        scope = "" if await self.is_mine(event.recipient) else self.services.directory.former_scope(event.recipient)
        mine = await self.is_mine(event.recipient) or await self.is_mine(event.login)
        if scope or mine or await self.is_nearly_mine(event.recipient):
            self._append_refusal(event, scope)
        else:
            self._unclaimed.append(event)

    async def _claim(self, envelope: Envelope) -> None:
        """Repeat the refusals of the other recipients of an envelope of this process."""
        for event in [*self._unclaimed]:
            if event.recipient in envelope.refused and event.sender == envelope.sender:
                self._unclaimed.remove(event)
                self._append_refusal(event, "")

    def _append_refusal(self, event: told.RecipientRefused, scope: str) -> None:
        self.services.events.append(
            domain.RecipientRefused(
                at=milliseconds(event.at),
                recipient=event.recipient,
                sender=event.sender,
                code=event.code,
                reason=event.reason,
                scope=scope,
                login=event.login,
            )
        )

    def _fire(self, event: told.FaultStruck, at: int) -> None:
        fault = self.faults[event.fault]
        fault.fired += 1
        self.services.events.append(
            domain.FaultFired(
                at=at,
                stage=event.stage,
                text=event.effect,
                peer=event.peer,
                sender=event.sender,
                recipients=tuple(event.recipients),
                fault=fault.number,
            )
        )

    async def _calls_mine(self, event: told.DeliveryAttempted) -> bool:
        """Return whether ``event`` is a call of a webhook of this process. The push has another id on the server."""
        webhooks = await self.services.store.find(Webhook)
        pushes = event.event == NEW_MESSAGE and any(each.url == event.url for each in webhooks)
        return pushes or any(each.id == event.webhook for each in webhooks)


async def _if_there(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(NotFound):
        await work
