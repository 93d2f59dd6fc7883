"""The page of webhooks: which there are, what became of their calls, and the form for another one.

On a server that others use too (the setting ``shared``), webhooks of others are shown and cannot be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.control.state import keep_apart
from sirrchat_testkit.domain import events
from sirrchat_testkit.domain.models import Account, ApiKey, Delivery, Message, Webhook
from sirrchat_testkit.errors import InvalidValue, NotFound, TestkitError
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.pages import PREFIX, lead
from sirrchat_testkit.http.style import checked, status_of
from sirrchat_testkit.schemas.sirrchat import NewWebhook
from sirrchat_testkit.schemas.webhook_events import DELIVERED, FAILED, PENDING, SIRRCHAT_EVENTS
from sirrchat_testkit.web.layout import Layout, LivePart

_LISTED: Final = 50
"""Webhooks on the page, the newest ones."""

_LATEST: Final = 5
"""Deliveries that are shown of each."""

_CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {"enable": {"enabled": True}, "disable": {"enabled": False}}


class Hook(NamedTuple):
    """A webhook on the page.

    Attributes:
        webhook: The webhook.
        owner: The user whose mail it reports; empty if it reports all mail.
        counts: How many deliveries have each status, apart from those with none.
        latest: Its latest deliveries, each with the message that it reports, or None if that was deleted.
    """

    webhook: Webhook
    owner: str
    counts: Mapping[str, int]
    latest: Sequence[tuple[Delivery, Message | None]]


class WebhookPages:
    """The views of webhooks."""

    def __init__(self, control: ServerControl, layout: Layout) -> None:
        self._services = control.services
        self._layout = layout
        self.live = LivePart((events.WebhookAdded, events.DeliveryRequested, events.DeliveryAttempted), self._parts)

    async def show(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show the webhooks."""
        return await self._show(request, visitor, {"events": SIRRCHAT_EVENTS})

    async def add(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Make the webhook of the form; with a wrong field, show the form again."""
        form = await request.post()
        fields: dict[str, Any] = {name: str(form.get(name, "")).strip() for name in ("url", "secret")}
        fields["events"] = [str(each) for each in form.getall("events", [])]
        try:
            wanted = checked(NewWebhook, {**fields, "secret": fields["secret"] or None})
            await self._services.webhooks.add(visitor, wanted.url, wanted.events, wanted.secret or "")
        except TestkitError as error:
            return await self._show(request, visitor, fields, str(error), status_of(error))
        return lead(f"{PREFIX}/webhooks")

    async def change(self, request: web.Request, visitor: ApiKey, webhook: str) -> web.StreamResponse:
        """Enable, disable or delete a webhook."""
        found = await self._services.store.get(Webhook, id=webhook)
        if found is None:
            raise NotFound("There is no such webhook")
        if found.account != visitor.account:
            keep_apart(self._services.settings.value, "changing this webhook", "only its own user can change it")
        action = str((await request.post()).get("action", ""))
        if action == "delete":
            await self._services.webhooks.delete(found)
        elif action in _CHANGES:
            await self._services.webhooks.update(found, **_CHANGES[action])
        else:
            raise InvalidValue(f"action must be {', '.join(_CHANGES)} or delete")
        return lead(f"{PREFIX}/webhooks")

    async def _show(
        self, request: web.Request, visitor: ApiKey, fields: Mapping[str, Any], problem: str = "", status: int = 200
    ) -> web.Response:
        data: dict[str, Any] = {"hooks": await self._hooks(), "names": SIRRCHAT_EVENTS}
        data |= {"fields": fields, "problem": problem}
        return await self._layout.page("webhooks", request, visitor, at="webhooks", status=status, **data)

    async def _parts(self, visitor: ApiKey) -> Mapping[str, str]:
        """Return what changes by itself on an open page."""
        return {"#hooks": self._layout.part("hooks", visitor, hooks=await self._hooks())}

    async def _hooks(self) -> list[Hook]:
        store = self._services.store
        hidden = await self._services.deletion.in_progress()
        made = []
        for each in await store.find(Webhook, newest=True, limit=_LISTED):
            if hidden.isdisjoint((each.account, each.id)):
                owner = None if each.everyone else await store.get(Account, id=each.account)
                counts: dict[str, int] = {
                    name: number
                    for name in (DELIVERED, PENDING, FAILED)
                    if (number := await store.count(Delivery, webhook=each.id, status=name))
                }
                latest = await store.find(Delivery, {"webhook": each.id}, newest=True, limit=_LATEST)
                messages = [await store.get(Message, id=delivery.message) for delivery in latest]
                made.append(Hook(each, owner.email if owner else "", counts, [*zip(latest, messages, strict=True)]))
        return made
