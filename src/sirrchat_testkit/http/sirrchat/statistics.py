"""Statistics of the server and of a user."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http.style import answer
from sirrchat_testkit.schemas.times import iso_seconds


class StatsViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._accounts = backend.accounts
        self._stats = backend.stats

    async def server(self, _request: web.Request) -> web.Response:
        """``GET /stats``: what the whole server did and holds."""
        return answer(asdict(await self._stats.server()))

    async def account(self, request: web.Request) -> web.Response:
        """``GET /users/{id}/stats``: what one user received and stores."""
        account = await self._accounts.get(request.match_info["user"])
        shown = asdict(await self._stats.account(account))
        last = shown["last_received_at"]
        return answer(shown | {"last_received_at": iso_seconds(last) if last else None})
