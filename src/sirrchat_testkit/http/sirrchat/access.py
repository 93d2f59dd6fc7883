"""Who may call a route: every rule wraps a view.

1. An admin's key may call every route.
2. A user's key may call its own ``/users/{id}`` and what lies below. Anybody else's, existing or not, is 403.
3. What a key sees behind a route that anybody may call is the domain's matter.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.errors import Forbidden
from sirrchat_testkit.http.middleware import api_key


def admin(view: Handler) -> Handler:
    """Return ``view`` for admins alone."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if api_key().role != "admin":
            raise Forbidden("this takes an admin's API key")
        return await view(request)

    return guarded


def owner(view: Handler) -> Handler:
    """Return ``view`` for admins and for the user that the path names."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        key = api_key()
        if key.role != "admin" and key.account != request.match_info["user"]:
            raise Forbidden("this takes an admin's API key, or the user's own")
        return await view(request)

    return guarded


def anybody(view: Handler) -> Handler:
    """Return ``view`` for whoever has a key."""
    return view
