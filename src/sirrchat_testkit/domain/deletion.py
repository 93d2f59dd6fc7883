"""Deletion: which records are deleted together, in one commit, and the event that follows it.

1. The envelope is deleted with the last copy of its message. The store then drops the raw bytes, unless another record
   names them.
2. An address is deleted with its messages; an account with its addresses, messages, keys, webhooks, deliveries and
   counters.
3. The deliveries of a deleted message or webhook stay without their text, and pending ones are cancelled.
4. ``MessagesRemoved`` is appended after the commit. A rewind of a scope is not a deletion and appends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import EventLog, MessagesRemoved
from sirrchat_testkit.domain.models import Account, Address, ApiKey, Delivery, Envelope, Message, Tally, Webhook
from sirrchat_testkit.domain.store import Change, Delete, Patch, Store
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas.webhook_events import CANCELLED, PENDING

_OWNED: tuple[type[Record], ...] = (ApiKey, Webhook, Delivery, Tally)
"""The kinds that are deleted with their account and have no records that depend on them."""


class Deletion:
    """Deletes records of one store together with everything that depends on them."""

    def __init__(self, store: Store, clock: Clock, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._events = events

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
        """Delete ``account`` with everything that it owns, in one commit."""
        owned = {"account": account.id}
        messages = await self._store.find(Message, owned)
        changes: list[Change] = [Delete(Account, account.seq), *await self.changes(messages)]
        changes += [Delete(Address, each.seq) for each in await self._store.find(Address, owned)]
        for kind in _OWNED:
            changes += [Delete(kind, each.seq) for each in await self._store.find(kind, owned)]
        await self._commit(changes, messages)

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
