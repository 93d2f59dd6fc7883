"""Deletion: which records are deleted together, and the event that follows.

1. The envelope is deleted with the last copy of its message. The store then drops the raw bytes, unless another record
   names them.
2. An address is deleted with its messages; an account with its addresses, messages, keys, webhooks, deliveries and
   counters.
3. The first commit of a deletion deletes the account, address or webhook, and the first ``SLICE`` of its messages and
   deliveries. If more are left, it stores a ``PendingDeletion``, and a task deletes them slice by slice, so that no
   client waits for long. The task goes on after a restart, and after the end of a scope that restored messages.
4. Until then readers leave out what is ``in_progress``, so it leaves every list at once.
5. The deliveries of a deleted message or webhook stay without their text, and pending ones are cancelled.
6. ``MessagesRemoved`` is appended after each commit. A rewind of a scope is not a deletion and appends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import Crashed, EventLog, MessagesRemoved
from sirrchat_testkit.domain.models import (
    Account,
    Address,
    ApiKey,
    Delivery,
    Envelope,
    Message,
    PendingDeletion,
    Tally,
    Webhook,
)
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Store
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas.webhook_events import CANCELLED, PENDING

SLICE: Final = 128
"""Messages that are deleted at once, at most, and likewise deliveries."""

PAUSE: Final = 1.0
"""Seconds of real time until a deletion goes on after an error of the store."""

_OWNED: tuple[type[Record], ...] = (Address, ApiKey, Webhook, Tally)
"""The kinds that are deleted in one commit with their account."""


class Loop(Protocol):
    """The methods of an event loop that the deletion uses."""

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


class Deletion:
    """Deletes records of one store together with everything that depends on them."""

    def __init__(self, store: Store, clock: Clock, events: EventLog, loop: Loop) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._loop = loop
        self._task: Any = None

    async def delete_messages(self, messages: Sequence[Message]) -> None:
        """Delete ``messages``, and the envelopes that have no copy left."""
        await self._commit(await self.changes(messages), messages)

    async def delete_addresses(self, addresses: Sequence[Address], also: Sequence[Change] = ()) -> None:
        """Delete ``addresses`` with their messages; ``also`` are further changes of the same commit."""
        deleted = [Delete(Address, each.seq) for each in addresses]
        await self._begin("address", [each.id for each in addresses], [*also, *deleted])

    async def delete_account(self, account: Account) -> None:
        """Delete ``account`` with everything that it owns."""
        changes: list[Change] = [Delete(Account, account.seq)]
        for kind in _OWNED:
            changes += [Delete(kind, each.seq) for each in await self._store.find(kind, {"account": account.id})]
        await self._begin("account", [account.id], changes)

    async def delete_webhook(self, webhook: Webhook) -> None:
        """Delete ``webhook`` and the text of its deliveries, of which pending ones are cancelled."""
        await self._begin("webhook", [webhook.id], [Delete(Webhook, webhook.seq)])

    async def in_progress(self) -> frozenset[str]:
        """Return the ids of the deleted accounts, addresses and webhooks whose deletion is in progress."""
        return frozenset({each.id for each in await self._store.find(PendingDeletion)})

    async def resume(self) -> None:
        """Go on with deletions in a task, if any are in progress."""
        if self._task is None and await self._store.count(PendingDeletion):
            self._task = self._loop.create_task(self._go_on())

    async def close(self) -> None:
        """End the task. The deletion goes on when the store is opened again."""
        task = self._task
        self.end(None)
        if task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def mark(self) -> None:
        """Do nothing: all state is in the store."""

    def end(self, mark: None) -> None:  # noqa: ARG002
        """End the task, before the store is rewound."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def rewind(self, mark: None) -> None:  # noqa: ARG002
        """Go on with the deletions that the rewound store has."""
        await self.resume()

    async def _go_on(self) -> None:
        """Delete slices until none is left."""
        while pending := await self._store.find(PendingDeletion, limit=SLICE):
            await asyncio.sleep(0)  # other work goes on between two slices
            try:
                await self._delete_slice(pending)
            except StoreError:
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 - it becomes an event, which fails the test
                self._events.append(Crashed(at=self._clock.now(), where="deleting messages", error=error))
                break
        self._task = None

    async def _begin(self, field: str, ids: Iterable[str], also: Sequence[Change]) -> None:
        """Commit ``also`` with the first slice of the messages and deliveries whose ``field`` is one of ``ids``."""
        now = self._clock.now()
        await self._delete_slice([PendingDeletion(id=each, field=field, deleted_at=now) for each in ids], also)
        await self.resume()

    async def _delete_slice(self, pending: Iterable[PendingDeletion], also: Sequence[Change] = ()) -> None:
        """Delete the first messages and deliveries of ``pending``, and note in the same commit what is left."""
        changes: list[Change] = []
        removed: dict[str, Message] = {}  # an address and its account may both be in progress
        room = SLICE
        for each in pending:
            messages, deliveries = await self._first(each, room)
            removed |= {message.id: message for message in messages}
            if each.field == "webhook":
                changes += without_text(deliveries)
            else:
                changes += [Delete(Delivery, delivery.seq) for delivery in deliveries]
            size = max(len(messages), len(deliveries))
            changes += _progress(each, deliveries, is_last=size < room)
            room -= size
        gone = [*removed.values()]
        await self._commit([*also, *await self.changes(gone), *changes], gone)

    async def _first(self, pending: PendingDeletion, limit: int) -> tuple[list[Message], list[Delivery]]:
        """Return the first messages and deliveries, at most ``limit`` of each, that ``pending`` is to delete."""
        where = {pending.field: pending.id}
        messages: list[Message] = []
        deliveries: list[Delivery] = []
        if pending.field != "webhook":
            messages = await self._store.find(Message, where, limit=limit)
        if pending.field != "address":  # the text of an address's deliveries is deleted with its messages
            deliveries = await self._store.find(Delivery, where, after=pending.after, limit=limit)
        return messages, deliveries

    async def changes(self, messages: Sequence[Message]) -> list[Change]:
        """Return the changes that delete ``messages`` and the text of their webhook deliveries."""
        changes = await self.removal(messages)
        if await self._store.count(Delivery):
            for message in messages:
                changes += without_text(await self._store.find(Delivery, {"message": message.id}))
        return changes

    async def removal(self, messages: Sequence[Message]) -> list[Change]:
        """Return the changes that delete ``messages``, and the envelopes that have no copy left."""
        changes: list[Change] = [Delete(Message, message.seq) for message in reversed(messages)]  # last first: cheapest
        removed: dict[str, int] = {}  # copies of each envelope
        for message in messages:
            removed[message.envelope] = removed.get(message.envelope, 0) + 1
        for envelope_id, copies in removed.items():
            if await self._store.count(Message, envelope=envelope_id) == copies:
                envelope = await self._store.get(Envelope, id=envelope_id)
                if envelope is not None:
                    changes.append(Delete(Envelope, envelope.seq))
        return changes

    def announce(self, messages: Sequence[Message]) -> None:
        """Append ``MessagesRemoved`` for ``messages``, if there are any."""
        if messages:
            ids = tuple(each.id for each in messages)
            recipients = frozenset(each.recipient_key for each in messages)
            self._events.append(MessagesRemoved(at=self._clock.now(), ids=ids, recipients=recipients))

    async def _commit(self, changes: Sequence[Change], messages: Sequence[Message]) -> None:
        await self._store.commit(changes)
        self.announce(messages)


def without_text(deliveries: Iterable[Delivery]) -> list[Change]:
    """Return the changes that delete the text of ``deliveries`` and cancel those that are pending."""
    return [Patch(Delivery, each.seq, **fields) for each in deliveries if (fields := textless(each))]


def textless(delivery: Delivery) -> dict[str, Any]:
    """Return the fields of ``delivery`` that change when its text is deleted: a pending one is cancelled."""
    if delivery.status == PENDING:
        return {"request_body": None, "status": CANCELLED, "due_at": 0}
    return {} if delivery.request_body is None else {"request_body": None}


def _progress(pending: PendingDeletion, deliveries: Sequence[Delivery], *, is_last: bool) -> list[Change]:
    """Return the change that notes that ``deliveries`` are done, or that everything ``is_last``."""
    after = deliveries[-1].seq if deliveries and pending.field == "webhook" else pending.after
    if not pending.seq:
        return [] if is_last else [Put(replace(pending, after=after))]
    if is_last:
        return [Delete(PendingDeletion, pending.seq)]
    return [Patch(PendingDeletion, pending.seq, after=after)] if after != pending.after else []
