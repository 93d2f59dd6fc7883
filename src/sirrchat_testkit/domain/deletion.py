"""Deletion: which records are deleted together, and the event that follows.

1. The envelope is deleted with the last copy of its message. The store then drops the raw bytes, unless another record
   names them.
2. An address is deleted with its messages; an account with its addresses, messages, keys, webhooks, deliveries and
   counters.
3. The first commit of an account's deletion deletes all but its messages and deliveries, of which it deletes the first
   ``SLICE``. If more are left, it stores an ``AccountDeletion``, and a task deletes them slice by slice, so that no
   client waits for long. The task goes on after a restart, and after the end of a scope that restored messages.
4. The deliveries of a deleted message or webhook stay without their text, and pending ones are cancelled.
5. ``MessagesRemoved`` is appended after each commit. A rewind of a scope is not a deletion and appends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import Crashed, EventLog, MessagesRemoved
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import (
    Account,
    AccountDeletion,
    Address,
    ApiKey,
    Delivery,
    Envelope,
    Message,
    Tally,
    Webhook,
)
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Store
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas.webhook_events import CANCELLED, PENDING

SLICE: Final = 128
"""Messages of an account that are deleted at once, and likewise deliveries."""

PAUSE: Final = 1.0
"""Seconds of real time until the deletion of accounts goes on after an error of the store."""

_OWNED: tuple[type[Record], ...] = (Address, ApiKey, Webhook, Tally)
"""The kinds that are deleted in one commit with their account."""


class Loop(Protocol):
    """The methods of an event loop that the deletion uses."""

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


class Deletion:
    """Deletes records of one store together with everything that depends on them."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, events: EventLog, loop: Loop) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._events = events
        self._loop = loop
        self._task: Any = None

    async def delete_messages(self, messages: Sequence[Message]) -> None:
        """Delete ``messages``, and the envelopes that have no copy left."""
        await self._commit(await self.changes(messages), messages)

    async def delete_addresses(self, addresses: Iterable[Address], also: Sequence[Change] = ()) -> None:
        """Delete ``addresses`` with their messages; ``also`` are further changes of the same commit."""
        addresses = list(addresses)
        messages: list[Message] = []
        for address in addresses:
            messages += await self._store.find(Message, {"address": address.id})
        dropped: list[Change] = [Delete(Address, address.seq) for address in addresses]
        await self._commit([*also, *dropped, *await self.changes(messages)], messages)

    async def delete_account(self, account: Account) -> None:
        """Delete ``account`` with everything that it owns.

        Lists and look-ups do not return it any more when this returns. If it has many messages, they are deleted after
        that.
        """
        owned = {"account": account.id}
        messages, changes, is_last = await self._slice(account.id)
        changes += [Delete(Account, account.seq)]
        for kind in _OWNED:
            changes += [Delete(kind, each.seq) for each in await self._store.find(kind, owned)]
        if not is_last:
            changes += [Put(AccountDeletion(id=self._ids.uuid(), account=account.id, deleted_at=self._clock.now()))]
        await self._commit(changes, messages)
        await self.resume()

    async def in_progress(self) -> frozenset[str]:
        """Return the ids of the deleted accounts whose messages are not all deleted yet."""
        return frozenset({each.account for each in await self._store.find(AccountDeletion)})

    async def resume(self) -> None:
        """Go on with the deletion of accounts in a task, if one is in progress."""
        if self._task is None and await self._store.count(AccountDeletion):
            self._task = self._loop.create_task(self._delete_accounts())

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

    async def _delete_accounts(self) -> None:
        """Delete slices until none is left."""
        while going := await self._store.find(AccountDeletion, limit=1):
            await asyncio.sleep(0)  # other work goes on between two slices
            try:
                await self._delete_slice(going[0])
            except StoreError:
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 - it becomes an event, which fails the test
                self._events.append(Crashed(at=self._clock.now(), where="deleting an account", error=error))
                break
        self._task = None

    async def _delete_slice(self, going: AccountDeletion) -> None:
        messages, changes, is_last = await self._slice(going.account)
        if is_last:
            changes.append(Delete(AccountDeletion, going.seq))
        await self._commit(changes, messages)

    async def _slice(self, account: str) -> tuple[list[Message], list[Change], bool]:
        """Return the first messages of ``account``, the changes that delete them and deliveries, and if it is all."""
        owned = {"account": account}
        messages = await self._store.find(Message, owned, limit=SLICE)
        deliveries = await self._store.find(Delivery, owned, limit=SLICE)
        changes = [*await self.changes(messages), *[Delete(Delivery, each.seq) for each in deliveries]]
        return messages, changes, len(messages) < SLICE and len(deliveries) < SLICE

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
    changes: list[Change] = []
    for each in deliveries:
        if each.status == PENDING:
            changes.append(Patch(Delivery, each.seq, request_body=None, status=CANCELLED, due_at=0))
        elif each.request_body is not None:
            changes.append(Patch(Delivery, each.seq, request_body=None))
    return changes
