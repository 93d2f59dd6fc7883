"""The SirrChat API, below ``/api/v1``: routes, permissions, domains, API keys, statistics and webhooks.

1. A view reads the request, calls the domain, and makes the answer. It decides and catches nothing.
2. Each route names its permission, which is checked before the body is read. An admin key may call every route. A user
   key may call its own ``/users/{id}`` and the paths below it, but not change the quota; any other user, existing or
   not, is 403.
3. Answers are plain dictionaries; ``schemas.sirrchat`` has their models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.models import Account, ApiKey, Delivery, Domain, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import Forbidden
from sirrchat_testkit.formatting import iso_seconds
from sirrchat_testkit.http.middleware import api_key, expect
from sirrchat_testkit.http.pagination import page_answer, page_json, window
from sirrchat_testkit.http.sirrchat_users import MessageViews, UserViews
from sirrchat_testkit.http.style import API_STYLE, ApiStyle, answer, answer_large, checked, nested, read_object
from sirrchat_testkit.schemas import sirrchat as schemas


def admin(view: Handler) -> Handler:
    """Return ``view``, allowed with an admin key only."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if api_key().role != "admin":
            raise Forbidden("an admin's API key is required")
        return await view(request)

    return guarded


def owner(view: Handler) -> Handler:
    """Return ``view``, allowed with an admin key, or a key of the user in the path."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        key = api_key()
        if key.role != "admin" and key.account != request.match_info["user"]:
            raise Forbidden("an admin's API key, or one of this user, is required")
        return await view(request)

    return guarded


def any_key(view: Handler) -> Handler:
    """Return ``view``, allowed with any key."""
    return view


class DomainViews:
    """The routes of domains."""

    def __init__(self, services: Services) -> None:
        self._domains = services.domains

    async def page(self, request: web.Request) -> web.Response:
        """``GET /domains``: a page of domains."""
        requested = window(request)
        found, total = await self._domains.page(requested.offset, requested.limit)
        return page_answer(request, requested, [await self._json(each) for each in found], total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /domains``: add a domain."""
        body = checked(schemas.NewDomain, await read_object(request))
        return answer(await self._json(await self._domains.add(body.name)), 201)

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /domains/{id}``: delete a domain; 409 while it has users or addresses."""
        await self._domains.delete(await self._domains.get(request.match_info["domain"]))
        return web.Response(status=204)

    async def _json(self, domain: Domain) -> dict[str, Any]:
        return {
            "id": domain.id,
            "name": domain.name,
            "users_count": await self._domains.users(domain),
            "created_at": iso_seconds(domain.created_at),
        }


class KeyViews:
    """The routes of API keys."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._keys = services.keys

    async def page(self, request: web.Request) -> web.Response:
        """``GET /api-keys``: a page of keys, without ``key`` and ``secret``."""
        requested = window(request)
        found, total = await self._keys.page(requested.offset, requested.limit)
        shown = [_key_json(each, await self._accounts.owner(each.account)) for each in found]
        return page_answer(request, requested, shown, total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /api-keys``: make a key. Only this answer shows ``key`` and ``secret``."""
        body = checked(schemas.NewApiKey, await read_object(request))
        find = self._accounts.of if "@" in body.user else self._accounts.owner
        account = await find(body.user)
        made = await self._keys.add(account, body.role, expires_in=body.expires_in_ms)
        shown = _key_json(made.record, account) | {"key": made.key, "secret": made.secret}
        if body.expires_in_ms is None:
            del shown["expires_at"]
        return answer(shown, 201)

    async def revoke(self, request: web.Request) -> web.Response:
        """``DELETE /api-keys/{id}``: revoke a key."""
        await self._keys.revoke(request.match_info["key"])
        return web.Response(status=204)


def _key_json(key: ApiKey, account: Account) -> dict[str, Any]:
    return {
        "id": key.id,
        "user": account.email,
        "role": key.role,
        "created_at": iso_seconds(key.created_at),
        "expires_at": iso_seconds(key.expires_at) if key.expires_at else None,
    }


class StatsViews:
    """The routes of statistics."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._stats = services.stats

    async def server(self, _request: web.Request) -> web.Response:
        """``GET /stats``: the counters of the server."""
        return answer(asdict(await self._stats.server()))

    async def account(self, request: web.Request) -> web.Response:
        """``GET /users/{id}/stats``: the counters of a user."""
        account = await self._accounts.get(request.match_info["user"])
        shown = asdict(await self._stats.account(account))
        last = shown["last_received_at"]
        return answer(shown | {"last_received_at": iso_seconds(last) if last else None})


class WebhookViews:
    """The routes of webhooks."""

    def __init__(self, services: Services) -> None:
        self._webhooks = services.webhooks

    async def page(self, request: web.Request) -> web.Response:
        """``GET /webhooks``: a page of the webhooks that the key may see."""
        requested = window(request)
        found, total = await self._webhooks.page(api_key(), requested.offset, requested.limit)
        return page_answer(request, requested, [_webhook_json(each) for each in found], total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /webhooks``: make a webhook."""
        body = checked(schemas.NewWebhook, await read_object(request))
        made = await self._webhooks.add(api_key(), body.url, body.events, body.secret or "")
        return answer(_webhook_json(made), 201)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /webhooks/{id}``: a webhook."""
        return answer(_webhook_json(await self._webhook(request)))

    async def update(self, request: web.Request) -> web.Response:
        """``PUT /webhooks/{id}``: change the given fields."""
        sent = await read_object(request)
        webhook = await self._webhook(request)
        body = checked(schemas.WebhookChanges, sent)
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        if "secret" in changes:
            changes["secret"] = body.secret or ""
        return answer(_webhook_json(await self._webhooks.update(webhook, **changes)))

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /webhooks/{id}``: delete a webhook; its pending deliveries are cancelled."""
        await self._webhooks.delete(await self._webhook(request))
        return web.Response(status=204)

    async def deliveries(self, request: web.Request) -> web.Response:
        """``GET /webhooks/{id}/deliveries``: a page of a webhook's deliveries, newest first."""
        requested = window(request)
        found, total = await self._webhooks.deliveries(await self._webhook(request), requested.offset, requested.limit)
        size = sum(len(each.request_body or "") for each in found)
        return await answer_large(page_json(request, requested, [_delivery_json(each) for each in found], total), size)

    async def redeliver(self, request: web.Request) -> web.Response:
        """``POST /webhooks/{id}/deliveries/{delivery}/redeliver``: attempt a delivery again."""
        webhook = await self._webhook(request)
        return answer(_delivery_json(await self._webhooks.redeliver(webhook, request.match_info["delivery"])), 202)

    async def _webhook(self, request: web.Request) -> Webhook:
        return await self._webhooks.get(api_key(), request.match_info["webhook"])


def _webhook_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "enabled": webhook.enabled,
        "created_at": iso_seconds(webhook.created_at),
    }


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "status": delivery.status,
        "request_body": delivery.request_body,
        "attempts": [_attempt_json(each) for each in delivery.attempts],
    }


def _attempt_json(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": iso_seconds(attempt["at"]),
        "http_status": attempt["http_status"],
        "error": attempt["error"],
        "duration_ms": attempt["duration_ms"],
    }


_USER = "/users/{user:(?!batch$)[^{}/]+}"
"""One user. ``batch`` is not an id, so another method than POST is 405 there."""

_WEBHOOK = "/webhooks/{webhook}"


def bearer(request: web.Request) -> str:
    """Return the bearer token of ``request`` (RFC 6750 section 2.1), or an empty string."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


SIRRCHAT = ApiStyle(key=bearer, problem=nested)


def sirrchat(services: Services) -> web.Application:
    """Return the API as a sub-application for ``/api/v1``."""
    users, domains, messages = UserViews(services), DomainViews(services), MessageViews(services)
    stats, webhooks, keys = StatsViews(services), WebhookViews(services), KeyViews(services)
    app = web.Application()
    app[API_STYLE] = SIRRCHAT
    for method, path, allowed, view in (
        ("GET", "/users", admin, users.page),
        ("POST", "/users", admin, users.add),
        ("POST", "/users/batch", admin, users.add_batch),
        ("GET", _USER + "/messages", owner, messages.page),  # routes are matched in order: the most used first
        ("GET", _USER, owner, users.show),
        ("PUT", _USER, owner, users.update),
        ("DELETE", _USER, owner, users.delete),
        ("GET", _USER + "/quota", owner, users.quota),
        ("PUT", _USER + "/quota", admin, users.set_quota),
        ("GET", _USER + "/messages/{uid}", owner, messages.show),
        ("DELETE", _USER + "/messages/{uid}", owner, messages.delete),
        ("GET", _USER + "/stats", owner, stats.account),
        ("GET", "/stats", admin, stats.server),
        ("GET", "/domains", admin, domains.page),
        ("POST", "/domains", admin, domains.add),
        ("DELETE", "/domains/{domain}", admin, domains.delete),
        ("GET", "/webhooks", any_key, webhooks.page),
        ("POST", "/webhooks", any_key, webhooks.add),
        ("GET", _WEBHOOK, any_key, webhooks.show),
        ("PUT", _WEBHOOK, any_key, webhooks.update),
        ("DELETE", _WEBHOOK, any_key, webhooks.delete),
        ("GET", _WEBHOOK + "/deliveries", any_key, webhooks.deliveries),
        ("POST", _WEBHOOK + "/deliveries/{delivery}/redeliver", any_key, webhooks.redeliver),
        ("GET", "/api-keys", admin, keys.page),
        ("POST", "/api-keys", admin, keys.add),
        ("DELETE", "/api-keys/{key}", admin, keys.revoke),
    ):
        app.router.add_route(method, path, allowed(view), expect_handler=expect)
    return app
