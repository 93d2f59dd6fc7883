"""The SirrChat API, below ``/api/v1``: routes, permissions, domains, API keys, statistics and webhooks.

1. A view reads the request, calls the domain, and makes the answer. It decides and catches nothing.
2. An admin key may call every route. A user key may call its own ``/users/{id}`` and the paths below it, but not
   change the quota; any other user, existing or not, is 403.
3. Answers are plain dictionaries; ``schemas.sirrchat`` has their models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import FOLDERS, INBOX, Account, ApiKey, Delivery, Domain, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.formatting import iso_seconds
from sirrchat_testkit.http.middleware import api_key
from sirrchat_testkit.http.operations import ADMIN, ANY_KEY, NO_CONTENT, OWNER, Answer, Api, Operation
from sirrchat_testkit.http.pagination import LIMIT, OFFSET, PAGING, page_answer, page_json, window
from sirrchat_testkit.http.parameters import Parameter
from sirrchat_testkit.http.sirrchat_users import RAW, MessageViews, UserViews
from sirrchat_testkit.http.style import ApiStyle, answer, answer_large, bearer, checked, nested, read_object
from sirrchat_testkit.schemas import sirrchat as schemas


class DomainViews:
    """The routes of domains."""

    def __init__(self, services: Services) -> None:
        self._domains = services.domains

    async def list_domains(self, request: web.Request) -> web.Response:
        """List the served domains, oldest first."""
        requested = window(request)
        found, total = await self._domains.page(requested.offset, requested.limit)
        return page_answer(request, requested, [await self._json(each) for each in found], total)

    async def add_domain(self, request: web.Request) -> web.Response:
        """Add a domain."""
        body = checked(schemas.NewDomain, await read_object(request))
        return answer(await self._json(await self._domains.add(body.name)), 201)

    async def delete_domain(self, request: web.Request) -> web.Response:
        """Delete a domain, unless it has users or addresses."""
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

    async def list_api_keys(self, request: web.Request) -> web.Response:
        """List the API keys, oldest first, without ``key`` and ``secret``."""
        requested = window(request)
        found, total = await self._keys.page(requested.offset, requested.limit)
        shown = [_key_json(each, await self._accounts.owner(each.account)) for each in found]
        return page_answer(request, requested, shown, total)

    async def create_api_key(self, request: web.Request) -> web.Response:
        """Make an API key. Only this answer shows ``key`` and ``secret``."""
        body = checked(schemas.NewApiKey, await read_object(request))
        find = self._accounts.of if "@" in body.user else self._accounts.owner
        account = await find(body.user)
        made = await self._keys.add(account, body.role, expires_in=body.expires_in_ms)
        shown = _key_json(made.record, account) | {"key": made.key, "secret": made.secret}
        if body.expires_in_ms is None:
            del shown["expires_at"]
        return answer(shown, 201)

    async def revoke_api_key(self, request: web.Request) -> web.Response:
        """Revoke an API key."""
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

    async def get_server_stats(self, _request: web.Request) -> web.Response:
        """Return the counters of the server."""
        return answer(asdict(await self._stats.server()))

    async def get_user_stats(self, request: web.Request) -> web.Response:
        """Return the counters of a user."""
        account = await self._accounts.get(request.match_info["user"])
        shown = asdict(await self._stats.account(account))
        last = shown["last_received_at"]
        return answer(shown | {"last_received_at": iso_seconds(last) if last else None})


class WebhookViews:
    """The routes of webhooks."""

    def __init__(self, services: Services) -> None:
        self._webhooks = services.webhooks

    async def list_webhooks(self, request: web.Request) -> web.Response:
        """List the webhooks that the key may see, oldest first."""
        requested = window(request)
        found, total = await self._webhooks.page(api_key(), requested.offset, requested.limit)
        return page_answer(request, requested, [_webhook_json(each) for each in found], total)

    async def create_webhook(self, request: web.Request) -> web.Response:
        """Make a webhook."""
        body = checked(schemas.NewWebhook, await read_object(request))
        made = await self._webhooks.add(api_key(), body.url, body.events, body.secret or "")
        return answer(_webhook_json(made), 201)

    async def get_webhook(self, request: web.Request) -> web.Response:
        """Return a webhook."""
        return answer(_webhook_json(await self._webhook(request)))

    async def update_webhook(self, request: web.Request) -> web.Response:
        """Change the given fields of a webhook."""
        sent = await read_object(request)
        webhook = await self._webhook(request)
        body = checked(schemas.WebhookChanges, sent)
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        if "secret" in changes:
            changes["secret"] = body.secret or ""
        return answer(_webhook_json(await self._webhooks.update(webhook, **changes)))

    async def delete_webhook(self, request: web.Request) -> web.Response:
        """Delete a webhook. Its pending deliveries are cancelled."""
        await self._webhooks.delete(await self._webhook(request))
        return web.Response(status=204)

    async def list_deliveries(self, request: web.Request) -> web.Response:
        """List a webhook's deliveries, newest first."""
        requested = window(request)
        found, total = await self._webhooks.deliveries(await self._webhook(request), requested.offset, requested.limit)
        size = sum(len(each.request_body or "") for each in found)
        return await answer_large(page_json(request, requested, [_delivery_json(each) for each in found], total), size)

    async def redeliver(self, request: web.Request) -> web.Response:
        """Attempt a delivery again, with the same id and body."""
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


SIRRCHAT = ApiStyle(key=bearer, problem=nested)

_USERS = (*PAGING, Parameter("domain", "Only users whose address is at this domain."))
_FOLDER = Parameter("mailbox", "The folder.", {"type": "string", "enum": FOLDERS, "default": INBOX})


def sirrchat(services: Services) -> Api:
    """Return the API with its table."""
    users, domains, messages = UserViews(services), DomainViews(services), MessageViews(services)
    stats, webhooks, keys = StatsViews(services), WebhookViews(services), KeyViews(services)
    batch = [Answer(schemas.BatchResult, 201), Answer(schemas.BatchResult, 207)]
    message = [Answer(schemas.Message), Answer(None, media=RAW)]
    operations = (
        Operation("GET", "/users", users.list_users, ADMIN, [Answer(schemas.UserPage)], query=_USERS),
        Operation(
            "POST", "/users", users.create_user, ADMIN, [Answer(schemas.User, 201)], schemas.NewUser, refusals=(409,)
        ),
        Operation("POST", "/users/batch", users.create_users, ADMIN, batch, schemas.UserBatch),
        Operation(
            "GET",  # the route that is used most comes first
            _USER + "/messages",
            messages.list_messages,
            OWNER,
            [Answer(schemas.MessageList)],
            query=(_FOLDER, LIMIT, OFFSET),
        ),
        Operation("GET", _USER, users.get_user, OWNER, [Answer(schemas.User)]),
        Operation("PUT", _USER, users.update_user, OWNER, [Answer(schemas.User)], schemas.UserChanges),
        Operation("DELETE", _USER, users.delete_user, OWNER, [NO_CONTENT]),
        Operation("GET", _USER + "/quota", users.get_quota, OWNER, [Answer(schemas.QuotaUsage)]),
        Operation("PUT", _USER + "/quota", users.set_quota, ADMIN, [Answer(schemas.QuotaUsage)], schemas.NewQuota),
        Operation("GET", _USER + "/messages/{uid}", messages.get_message, OWNER, message),
        Operation("DELETE", _USER + "/messages/{uid}", messages.delete_message, OWNER, [NO_CONTENT]),
        Operation("GET", _USER + "/stats", stats.get_user_stats, OWNER, [Answer(schemas.UserStats)]),
        Operation("GET", "/stats", stats.get_server_stats, ADMIN, [Answer(schemas.ServerStats)]),
        Operation("GET", "/domains", domains.list_domains, ADMIN, [Answer(schemas.DomainPage)], query=PAGING),
        Operation(
            "POST",
            "/domains",
            domains.add_domain,
            ADMIN,
            [Answer(schemas.Domain, 201)],
            schemas.NewDomain,
            refusals=(409,),
        ),
        Operation("DELETE", "/domains/{domain}", domains.delete_domain, ADMIN, [NO_CONTENT], refusals=(409,)),
        Operation("GET", "/webhooks", webhooks.list_webhooks, ANY_KEY, [Answer(schemas.WebhookPage)], query=PAGING),
        Operation(
            "POST", "/webhooks", webhooks.create_webhook, ANY_KEY, [Answer(schemas.Webhook, 201)], schemas.NewWebhook
        ),
        Operation("GET", _WEBHOOK, webhooks.get_webhook, ANY_KEY, [Answer(schemas.Webhook)]),
        Operation("PUT", _WEBHOOK, webhooks.update_webhook, ANY_KEY, [Answer(schemas.Webhook)], schemas.WebhookChanges),
        Operation("DELETE", _WEBHOOK, webhooks.delete_webhook, ANY_KEY, [NO_CONTENT]),
        Operation(
            "GET",
            _WEBHOOK + "/deliveries",
            webhooks.list_deliveries,
            ANY_KEY,
            [Answer(schemas.DeliveryPage)],
            query=PAGING,
        ),
        Operation(
            "POST",
            _WEBHOOK + "/deliveries/{delivery}/redeliver",
            webhooks.redeliver,
            ANY_KEY,
            [Answer(schemas.Delivery, 202)],
            refusals=(409,),
        ),
        Operation("GET", "/api-keys", keys.list_api_keys, ADMIN, [Answer(schemas.ApiKeyPage)], query=PAGING),
        Operation(
            "POST",
            "/api-keys",
            keys.create_api_key,
            ADMIN,
            [Answer(schemas.NewlyMadeApiKey, 201)],
            schemas.NewApiKey,
            refusals=(404,),
        ),
        Operation("DELETE", "/api-keys/{key}", keys.revoke_api_key, ADMIN, [NO_CONTENT]),
    )
    return Api(
        "SirrChat",
        "Users, domains, quotas, messages, webhooks and API keys of a SirrChat mail server.",
        "/api/v1",
        SIRRCHAT,
        schemas.Problem,
        operations,
        security=("bearer",),
    )
