"""What goes along with what is deleted, as changes for one commit.

1. With the last copy of a message goes its envelope, and with both the raw bytes.
2. With an address go its messages; with an account its addresses, messages, keys, webhooks, deliveries and counters.
3. Nothing here commits: the caller adds what else belongs to its commit.
"""

from __future__ import annotations

from collections.abc import Sequence

from sirrchat_testkit.core.models import Account, Address, ApiKey, Delivery, Envelope, Message, Tally, Webhook
from sirrchat_testkit.core.record import Record
from sirrchat_testkit.core.store import Change, Drop, Store

_OWNED: tuple[type[Record], ...] = (ApiKey, Webhook, Delivery, Tally)
"""The kinds whose records name their account and nothing else that would have to go with them."""


async def of_messages(store: Store, messages: Sequence[Message]) -> list[Change]:
    """Return what deletes ``messages``, and the envelopes of which no copy is left."""
    changes: list[Change] = [Drop(Message, message.seq) for message in reversed(messages)]  # cheapest from the end
    going: dict[str, int] = {}
    for message in messages:
        going[message.envelope] = going.get(message.envelope, 0) + 1
    for envelope_id, copies in going.items():
        if await store.count(Message, envelope=envelope_id) == copies:
            envelope = await store.get(Envelope, id=envelope_id)
            if envelope is not None:
                changes.append(Drop(Envelope, envelope.seq))
    return changes


async def of_addresses(store: Store, addresses: Sequence[Address]) -> list[Change]:
    """Return what deletes ``addresses`` with their messages."""
    messages: list[Message] = []
    for address in addresses:
        messages += await store.find(Message, {"address": address.id})
    return [*(Drop(Address, address.seq) for address in addresses), *await of_messages(store, messages)]


async def of_account(store: Store, account: Account) -> list[Change]:
    """Return what deletes ``account`` with everything that it owns."""
    changes: list[Change] = [Drop(Account, account.seq)]
    changes += [Drop(Address, each.seq) for each in await store.find(Address, {"account": account.id})]
    changes += await of_messages(store, await store.find(Message, {"account": account.id}))
    for kind in _OWNED:
        changes += [Drop(kind, each.seq) for each in await store.find(kind, {"account": account.id})]
    return changes
