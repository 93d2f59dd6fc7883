"""The outbox: makes the webhook deliveries of stored messages.

1. Messages are read from the store, after the last one that was handed over. So nothing is kept in memory, however much
   mail arrives at once, and a restart continues in the same way.
2. The commit that makes deliveries also updates ``handed_over`` of the webhooks. So a kill at any moment neither loses
   a delivery nor makes it twice.
3. Outgoing mail that no account submitted concerns no webhook.
4. The same commit drops what then exceeds the limits of retention. Messages are not dropped before their deliveries are
   made.
5. A delivery's id is derived from its webhook and its message, so it does not depend on timing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

from sirrchat_testkit.domain.models import SENT, Address, Delivery, Envelope, Message, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Change, Patch, Put
from sirrchat_testkit.errors import NotFound, StoreError
from sirrchat_testkit.schemas.webhook_events import EMAIL_RECEIVED, EMAIL_SENT, NEW_MESSAGE, WebhookEvent
from sirrchat_testkit.webhooks import calls


class Outbox:
    """Makes deliveries of stored messages.

    ``behind`` is True while messages are still to be handed over, ``no_webhooks`` if the store has no webhook.
    """

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._clock = services.clock
        self._delivery = services.delivery
        self._deletion = services.deletion
        self._retention = services.retention
        self._retention.handed_over = self._handed_over
        self._cursor = 0
        self._round = 0
        self.behind = True
        self.no_webhooks = False

    async def resume(self) -> None:
        """Continue after the last message that the webhooks in the store have handed over."""
        self._round += 1
        newest = await self._store.find(Message, newest=True, limit=1)
        self._cursor = newest[0].seq if newest else 0
        self.behind = False
        self.no_webhooks = not await self._store.count(Webhook)
        for webhook in await self._store.find(Webhook, match=lambda each: each.enabled):
            where = {} if webhook.everyone else {"account": webhook.account}
            for message in await self._store.find(Message, where, after=webhook.handed_over, limit=1):
                self._cursor = min(self._cursor, message.seq - 1)
                self.behind = True

    def note_stored(self, message: Message) -> None:
        """Note that ``message`` was stored."""
        if self.no_webhooks:
            self._cursor = message.seq
        else:
            self.behind = True

    async def step(self, limit: int) -> list[Delivery]:
        """Hand over at most ``limit`` messages. Return the new deliveries, in order."""
        round_number = self._round
        messages = await self._store.find(Message, after=self._cursor, limit=limit)
        self.behind = len(messages) == limit
        made: list[Delivery] = []
        looked_at: dict[int, int] = {}
        known: dict[str, list[Webhook]] = {}
        for message in messages:
            for webhook in await self._concerned(message, known):
                looked_at[webhook.seq] = message.seq
                made += await self._deliveries(webhook, message)
        if round_number != self._round:  # a scope ended while messages were read
            return []
        if messages and await self._store.get(Message, id=messages[-1].id) is None:  # deleted, or a scope is ending
            self.behind = True
            return []
        deleted = await self._deletion.in_progress()
        kept = {
            each.id
            for each in messages
            if deleted.isdisjoint((each.account, each.address)) and await self._is_stored(each)
        }
        made = [each for each in made if each.message in kept and await self._store.count(Webhook, id=each.webhook)]
        stamps = [Patch(Webhook, seq, handed_over=message_seq) for seq, message_seq in looked_at.items()]
        size = sum(len((each.request_body or "").encode()) for each in made)
        handed_over = messages[-1].seq if messages else None
        dropped = await self._retention.make_room(deliveries=len(made), size=size, handed_over=handed_over)
        changes: list[Change] = [*map(Put, made), *stamps, *dropped.changes]
        try:
            if changes:
                await self._store.commit(changes)
        except StoreError:
            self.behind = True
            raise
        if round_number == self._round and messages:
            self._cursor = messages[-1].seq
            self._deletion.announce(dropped.messages)
        return made

    async def _is_stored(self, message: Message) -> bool:
        return await self._store.count(Message, id=message.id) > 0

    def _handed_over(self) -> int | None:
        return None if self.no_webhooks else self._cursor

    async def _concerned(self, message: Message, known: dict[str, list[Webhook]]) -> Iterable[Webhook]:
        """Return the enabled webhooks that ``message`` concerns; ``known`` caches them by account."""
        if not message.account:
            return ()
        if message.account not in known:
            own = await self._store.find(Webhook, {"account": message.account}, lambda each: not each.everyone)
            if "" not in known:
                known[""] = await self._store.find(Webhook, {"everyone": True})
            known[message.account] = [each for each in (*known[""], *own) if each.enabled]
        return [each for each in known[message.account] if each.handed_over < message.seq]

    async def _deliveries(self, webhook: Webhook, message: Message) -> list[Delivery]:
        event: WebhookEvent = EMAIL_SENT if message.folder == SENT else EMAIL_RECEIVED
        if webhook.dialect == "tempmail":
            event = NEW_MESSAGE
        if event not in webhook.events:
            return []
        try:
            body = await self.body(event, message)
        except NotFound:  # deleted before it was handed over
            return []
        if body is None:
            return []
        return [
            Delivery(
                id=str(uuid5(UUID(webhook.id), f"{event} {message.id}")),
                account=webhook.account,
                webhook=webhook.id,
                event=event,
                message=message.id,
                created_at=self._clock.now(),
                request_body=calls.encode(body),
            )
        ]

    async def body(self, event: WebhookEvent, message: Message) -> dict[str, Any] | None:
        """Return the body of ``event`` for ``message``, or None if there is none to send. Raises ``NotFound``."""
        if event == EMAIL_RECEIVED:
            return calls.received_body(message)
        if event == EMAIL_SENT:
            envelope = await self._store.get(Envelope, id=message.envelope)
            return calls.sent_body(message, envelope) if envelope else None
        address = await self._store.get(Address, id=message.address)
        if address is None or not address.disposable or message.folder == SENT:
            return None
        return await calls.push_body(message, await self._delivery.raw(message))
