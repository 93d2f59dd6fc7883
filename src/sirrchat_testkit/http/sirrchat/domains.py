"""Domains."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import Domain
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http.body import checked, read_object
from sirrchat_testkit.http.numbered_pages import listed, window
from sirrchat_testkit.http.style import answer, encode
from sirrchat_testkit.schemas.sirrchat import requests
from sirrchat_testkit.schemas.times import iso_seconds


class DomainViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._domains = backend.domains

    async def listed(self, request: web.Request) -> web.Response:
        """``GET /domains``: a page of domains."""
        asked = window(request)
        found, total = await self._domains.page(asked.offset, asked.limit)
        return listed(request, asked, [encode(await self._shown(each)) for each in found], total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /domains``: serve one more."""
        asked = checked(requests.NewDomain, await read_object(request))
        return answer(await self._shown(await self._domains.add(asked.name)), 201)

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /domains/{id}``: serve it no more; 409 while somebody is there."""
        await self._domains.delete(await self._domains.get(request.match_info["domain"]))
        return web.Response(status=204)

    async def _shown(self, domain: Domain) -> dict[str, Any]:
        return {
            "id": domain.id,
            "name": domain.name,
            "users_count": await self._domains.users(domain),
            "created_at": iso_seconds(domain.created_at),
        }
