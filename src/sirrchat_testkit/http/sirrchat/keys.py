"""API keys."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import Account, ApiKey
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http.body import checked, read_object
from sirrchat_testkit.http.numbered_pages import listed, window
from sirrchat_testkit.http.style import answer, encode
from sirrchat_testkit.schemas.sirrchat import requests
from sirrchat_testkit.schemas.times import iso_seconds


class KeyViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._accounts = backend.accounts
        self._keys = backend.keys

    async def listed(self, request: web.Request) -> web.Response:
        """``GET /api-keys``: a page of keys, without their texts."""
        asked = window(request)
        found, total = await self._keys.page(asked.offset, asked.limit)
        shown = [encode(_shown(each, await self._accounts.owner(each.account))) for each in found]
        return listed(request, asked, shown, total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /api-keys``: make one; the only answer that shows key and secret."""
        asked = checked(requests.NewApiKey, await read_object(request))
        find = self._accounts.of if "@" in asked.user else self._accounts.owner
        account = await find(asked.user)
        made = await self._keys.add(account, asked.role)
        return answer(_shown(made.record, account) | {"key": made.key, "secret": made.secret}, 201)

    async def revoke(self, request: web.Request) -> web.Response:
        """``DELETE /api-keys/{id}``: take it no more."""
        await self._keys.revoke(request.match_info["key"])
        return web.Response(status=204)


def _shown(key: ApiKey, account: Account) -> dict[str, Any]:
    return {"id": key.id, "user": account.email, "role": key.role, "created_at": iso_seconds(key.created_at)}
