"""Webhooks and their deliveries, as records. Sending is the task of ``webhooks/``.

1. An account has any number of webhooks of the SirrChat API, and at most one of the disposable-address API.
2. A webhook reports mail that is stored after the webhook was made or enabled: after the message ``handed_over``.
3. Disabling or deleting a webhook cancels its pending deliveries. The deliveries of a deleted webhook stay without
   their text.
4. A webhook for everyone is visible to admin keys only. It is disabled when its account loses its last admin key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.deletion import SLICE, Deletion
from sirrchat_testkit.domain.events import DeliveryRequested, EventLog, WebhookAdded
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import Account, ApiKey, Delivery, Message, Webhook
from sirrchat_testkit.domain.store import Change, Patch, Put, Store
from sirrchat_testkit.errors import Conflict, NotFound
from sirrchat_testkit.schemas.webhook_events import CANCELLED, NEW_MESSAGE, PENDING, WebhookEvent


class Webhooks:
    """The webhooks of one server, on a store."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, events: EventLog, deletion: Deletion) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._ids = ids
        self._deletion = deletion

    async def add(self, key: ApiKey, url: str, events: Sequence[WebhookEvent], secret: str = "") -> Webhook:
        """Make a webhook: for all mail with an admin key, for the account's mail with a user key."""
        await self._check_owner(key.account)
        webhook = Webhook(
            id=self._ids.uuid(),
            account=key.account,
            url=url,
            events=tuple(dict.fromkeys(events)),
            created_at=self._clock.now(),
            secret=secret,
            everyone=key.role == "admin",
            handed_over=await self._newest(),
        )
        return await self._put(webhook)

    async def get(self, key: ApiKey, webhook_id: str) -> Webhook:
        """Return the webhook. Raises ``NotFound`` if it does not exist or ``key`` may not see it."""
        webhook = await self._store.get(Webhook, id=webhook_id)
        if webhook is None or not _is_visible(webhook, key):
            raise NotFound("no such webhook")
        return webhook

    async def page(self, key: ApiKey, offset: int, limit: int) -> tuple[list[Webhook], int]:
        """Return ``limit`` webhooks that ``key`` may see, after the oldest ``offset`` ones, and their total number."""
        where: dict[str, Any] = {"dialect": "sirrchat"}
        if key.role != "admin":
            where |= {"account": key.account, "everyone": False}
        return await self._store.page(Webhook, where, offset=offset, limit=limit)

    async def update(self, webhook: Webhook, **changes: Any) -> Webhook:
        """Change the given fields: ``url``, ``events``, ``enabled``, ``secret``."""
        if "events" in changes:
            changes["events"] = tuple(dict.fromkeys(changes["events"]))
        if changes.get("enabled") and not webhook.enabled:
            changes["handed_over"] = await self._newest()
        if changes.get("enabled") is False:
            await self._disable(webhook, changes)
        elif changes:
            await self._store.commit([Patch(Webhook, webhook.seq, **changes)])
        return replace(webhook, **changes)

    async def delete(self, webhook: Webhook) -> None:
        """Delete ``webhook`` and the text of its deliveries. Its pending deliveries are cancelled."""
        await self._deletion.delete_webhook(webhook)

    async def disabling(self, account: str) -> list[Change]:
        """Return the changes that disable the webhooks for everyone of ``account``."""
        changes: list[Change] = []
        for webhook in await self._store.find(Webhook, {"account": account, "everyone": True}):
            if webhook.enabled:
                changes += [Patch(Webhook, webhook.seq, enabled=False), *await self._cancelling(webhook)]
        return changes

    async def push_of(self, account: str) -> Webhook | None:
        """Return the account's webhook of the disposable-address API, or None if it was never set."""
        return await self._store.get(Webhook, account=account, dialect="tempmail")

    async def unset_push(self, account: str) -> None:
        """Delete the account's webhook of the disposable-address API, if there is one."""
        webhook = await self.push_of(account)
        if webhook is not None:
            await self.delete(webhook)

    async def set_push(self, account: str, url: str, *, enabled: bool) -> None:
        """Set the URL that is called for new messages of the account's disposable addresses."""
        webhook = await self.push_of(account)
        if webhook is not None:
            await self.update(webhook, url=url, enabled=enabled)
            return
        await self._check_owner(account)
        webhook = Webhook(
            id=self._ids.uuid(),
            account=account,
            url=url,
            events=(NEW_MESSAGE,),
            created_at=self._clock.now(),
            enabled=enabled,
            dialect="tempmail",
            handed_over=await self._newest(),
        )
        await self._put(webhook)

    async def deliveries(self, webhook: Webhook, offset: int, limit: int) -> tuple[list[Delivery], int]:
        """Return ``limit`` deliveries, newest first, after the newest ``offset`` ones, and their total number."""
        where = {"webhook": webhook.id}
        return await self._store.page(Delivery, where, newest=True, offset=offset, limit=limit)

    async def redeliver(self, webhook: Webhook, delivery_id: str) -> Delivery:
        """Set a delivery pending again, with the same id and body. Its attempts are kept.

        Raises:
            NotFound: The webhook has no such delivery.
            Conflict: The webhook is disabled, or the text of the delivery was deleted.
        """
        delivery = await self._store.get(Delivery, id=delivery_id)
        if delivery is None or delivery.webhook != webhook.id:
            raise NotFound("no such delivery")
        if not webhook.enabled:
            raise Conflict("the webhook is disabled")
        if delivery.request_body is None:
            raise Conflict("the text of the delivery was deleted with its message")
        now = self._clock.now()
        changes: dict[str, Any] = {"status": PENDING, "due_at": now, "tries": 0}
        await self._store.commit([Patch(Delivery, delivery.seq, **changes)])
        delivery = replace(delivery, **changes)
        self._events.append(DeliveryRequested(at=now, delivery=delivery))
        return delivery

    async def _put(self, webhook: Webhook) -> Webhook:
        await self._store.commit([Put(webhook)])
        self._events.append(WebhookAdded(at=webhook.created_at, webhook=webhook.id))
        return webhook

    async def _check_owner(self, account: str) -> None:
        if not await self._store.count(Account, id=account):  # deleted since the key was checked
            raise NotFound("no such user")

    async def _newest(self) -> int:
        newest = await self._store.find(Message, newest=True, limit=1)
        return newest[0].seq if newest else 0

    async def _disable(self, webhook: Webhook, changes: Mapping[str, Any]) -> None:
        """Change and disable ``webhook``, and cancel its pending deliveries, in slices if there are many.

        Those that are left when the process ends are cancelled instead of their next attempt.
        """
        last = await self._store.find(Delivery, newest=True, limit=1)
        before = last[0].seq + 1 if last else None  # later ones belong to the webhook enabled again
        cancelling = await self._cancelling(webhook, before=before, limit=SLICE)
        await self._store.commit([Patch(Webhook, webhook.seq, **changes), *cancelling])
        while cancelling:
            await asyncio.sleep(0)  # other work goes on between two slices
            cancelling = await self._cancelling(webhook, before=before, limit=SLICE)
            await self._store.commit(cancelling)

    async def _cancelling(
        self, webhook: Webhook, *, before: int | None = None, limit: int | None = None
    ) -> list[Change]:
        where = {"webhook": webhook.id, "status": PENDING}
        pending = await self._store.find(Delivery, where, before=before, limit=limit)
        return [Patch(Delivery, each.seq, status=CANCELLED, due_at=0) for each in pending]


def _is_visible(webhook: Webhook, key: ApiKey) -> bool:
    own = webhook.account == key.account and not webhook.everyone
    return webhook.dialect == "sirrchat" and (key.role == "admin" or own)
