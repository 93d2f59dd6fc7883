"""Who may see the pages: all users of this machine, or visitors who signed in with an API key.

1. On loopback, pages are open, unless ``web_auth`` is set or the request names another host, as a proxy's do.
2. Elsewhere a visitor signs in once, with an API key or with the link that ``serve`` prints, which is accepted once. A
   cookie that scripts cannot read, and that no other site's page can send, names the session. Sessions are in memory
   and end with the server.
3. The key is looked up at each request, so a revoked or expired one opens nothing.
4. What changes something needs the token of this server, which only its own pages contain, and comes from its origin.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import Final

from aiohttp import web

from sirrchat_testkit.domain.ids import secret_token
from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import Forbidden
from sirrchat_testkit.http.hosts import host_name
from sirrchat_testkit.http.pages import PREFIX
from sirrchat_testkit.net import is_loopback

KEPT: Final = 1000
"""Sessions at most; the oldest are ended."""


class Visitors:
    """The visitors of one server. ``token`` is in every form; ``api_key`` is the key of those at this machine."""

    def __init__(self, services: Services, api_key: str) -> None:
        self._services = services
        self._api_key = api_key
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self.token = secret_token(32)

    def is_open(self, request: web.Request) -> bool:
        """Return whether ``request`` needs no sign-in."""
        settings = self._services.settings.value
        local = is_loopback(host_name(settings.host)) and is_loopback(host_name(request.host))
        return local and not settings.web_auth

    async def find(self, request: web.Request) -> ApiKey | None:
        """Return the key of the visitor, or None if the visitor has to sign in."""
        key = self._sessions.get(request.cookies.get(_cookie(request), ""), "")
        found = await self._services.keys.find(key) if key else None
        if found is None and self.is_open(request):
            return await self._services.keys.find(self._api_key)
        return found

    async def sign_in(self, request: web.Request, key: str, response: web.Response) -> bool:
        """Begin a session for ``key``, whose cookie is set on ``response``; return False if the key is wrong."""
        if await self._services.keys.find(key) is None:
            return False
        session = secret_token(32)
        self._sessions[session] = key
        while len(self._sessions) > KEPT:
            self._sessions.popitem(last=False)
        response.set_cookie(_cookie(request), session, path=PREFIX, httponly=True, samesite="Strict")
        return True

    async def sign_in_by_link(self, request: web.Request, token: str, response: web.Response) -> bool:
        """Begin a session of the admin, whose cookie is set on ``response``; return False if the link was used."""
        return self._services.sign_in.use(token) and await self.sign_in(request, self._api_key, response)

    def sign_out(self, request: web.Request, response: web.Response) -> None:
        """End the visitor's session."""
        self._sessions.pop(request.cookies.get(_cookie(request), ""), None)
        response.del_cookie(_cookie(request), path=PREFIX)

    def check(self, request: web.Request, token: str) -> None:
        """Refuse a change that does not come from a page of this server. Raises ``Forbidden``."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin")  # browsers send it with every POST, also over plain HTTP
        if site != "same-origin" or (origin is not None and origin.partition("://")[2] != request.host):
            raise Forbidden("this request must come from a page of this server")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            raise Forbidden("the page is from before a restart of the server; reload it and try again")


def _cookie(request: web.Request) -> str:
    """Return the name of the cookie: cookies are shared by all ports of a host."""
    return f"testkit_{request.url.port}"
