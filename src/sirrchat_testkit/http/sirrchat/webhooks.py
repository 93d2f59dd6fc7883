"""Webhooks, and what became of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http.body import checked, read_object
from sirrchat_testkit.http.middleware import api_key
from sirrchat_testkit.http.numbered_pages import listed, window
from sirrchat_testkit.http.style import answer, encode
from sirrchat_testkit.schemas.sirrchat import requests
from sirrchat_testkit.schemas.times import iso_seconds


class WebhookViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._webhooks = backend.webhooks

    async def listed(self, request: web.Request) -> web.Response:
        """``GET /webhooks``: a page of those that concern the key."""
        asked = window(request)
        found, total = await self._webhooks.page(api_key(), asked.offset, asked.limit)
        return listed(request, asked, [encode(_shown(each)) for each in found], total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /webhooks``: make one."""
        asked = checked(requests.NewWebhook, await read_object(request))
        made = await self._webhooks.add(api_key(), asked.url, asked.events, asked.secret or "")
        return answer(_shown(made), 201)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /webhooks/{id}``."""
        return answer(_shown(await self._webhook(request)))

    async def update(self, request: web.Request) -> web.Response:
        """``PUT /webhooks/{id}``: change the named fields."""
        body = await read_object(request)
        webhook = await self._webhook(request)
        asked = checked(requests.WebhookChanges, body)
        changes = {name: getattr(asked, name) for name in asked.model_fields_set}
        if "secret" in changes:
            changes["secret"] = asked.secret or ""
        return answer(_shown(await self._webhooks.update(webhook, **changes)))

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /webhooks/{id}``; what is pending is cancelled."""
        await self._webhooks.delete(await self._webhook(request))
        return web.Response(status=204)

    async def deliveries(self, request: web.Request) -> web.Response:
        """``GET /webhooks/{id}/deliveries``: a page of what was sent there, newest first."""
        asked = window(request)
        found, total = await self._webhooks.deliveries(await self._webhook(request), asked.offset, asked.limit)
        return listed(request, asked, [encode(_delivery(each)) for each in found], total)

    async def redeliver(self, request: web.Request) -> web.Response:
        """``POST /webhooks/{id}/deliveries/{delivery}/redeliver``: send the same again."""
        webhook = await self._webhook(request)
        return answer(_delivery(await self._webhooks.redeliver(webhook, request.match_info["delivery"])), 202)

    async def _webhook(self, request: web.Request) -> Webhook:
        return await self._webhooks.get(api_key(), request.match_info["webhook"])


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "enabled": webhook.enabled,
        "created_at": iso_seconds(webhook.created_at),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "status": delivery.status,
        "request_body": delivery.request_body,
        "attempts": [_attempt(each) for each in delivery.attempts],
    }


def _attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": iso_seconds(attempt["at"]),
        "http_status": attempt["http_status"],
        "error": attempt["error"],
        "duration_ms": attempt["duration_ms"],
    }
