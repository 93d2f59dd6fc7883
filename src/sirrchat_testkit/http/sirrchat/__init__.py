"""The administration API, below ``/api/v1``: one file for each noun.

1. A view reads the request, calls the domain, and shapes the answer: it decides and catches nothing.
2. Who may call what is said here, beside the path; it is looked at before the body is.
3. Answers are plain dictionaries; ``schemas.sirrchat`` says what is in them.
"""

from __future__ import annotations

from aiohttp import web

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http.middleware import expect
from sirrchat_testkit.http.sirrchat.access import admin, anybody, owner
from sirrchat_testkit.http.sirrchat.domains import DomainViews
from sirrchat_testkit.http.sirrchat.keys import KeyViews
from sirrchat_testkit.http.sirrchat.messages import MessageViews
from sirrchat_testkit.http.sirrchat.statistics import StatsViews
from sirrchat_testkit.http.sirrchat.users import UserViews
from sirrchat_testkit.http.sirrchat.webhooks import WebhookViews
from sirrchat_testkit.http.style import DIALECT, Dialect, nested

_USER = "/users/{user:(?!batch$)[^{}/]+}"
"""One user. ``batch`` is none, so that asking for it by another method is 405 as on any other route."""

_HOOK = "/webhooks/{webhook}"


def bearer(request: web.Request) -> str:
    """Return the key that ``request`` was sent with (RFC 6750 section 2.1), empty where there is none."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


SIRRCHAT = Dialect(key=bearer, problem=nested)


def sirrchat(backend: Backend) -> web.Application:
    """Return the API as a sub-application for ``/api/v1``."""
    users, domains, messages = UserViews(backend), DomainViews(backend), MessageViews(backend)
    stats, webhooks, keys = StatsViews(backend), WebhookViews(backend), KeyViews(backend)
    app = web.Application()
    app[DIALECT] = SIRRCHAT
    for method, path, allowed, view in (
        ("GET", "/users", admin, users.listed),
        ("POST", "/users", admin, users.add),
        ("POST", "/users/batch", admin, users.add_batch),
        ("GET", _USER + "/messages", owner, messages.listed),  # the most asked for is looked at first
        ("GET", _USER, owner, users.show),
        ("PUT", _USER, owner, users.update),
        ("DELETE", _USER, owner, users.delete),
        ("GET", _USER + "/quota", owner, users.quota),
        ("PUT", _USER + "/quota", owner, users.set_quota),
        ("GET", _USER + "/messages/{uid}", owner, messages.show),
        ("DELETE", _USER + "/messages/{uid}", owner, messages.delete),
        ("GET", _USER + "/stats", owner, stats.account),
        ("GET", "/stats", admin, stats.server),
        ("GET", "/domains", admin, domains.listed),
        ("POST", "/domains", admin, domains.add),
        ("DELETE", "/domains/{domain}", admin, domains.delete),
        ("GET", "/webhooks", anybody, webhooks.listed),
        ("POST", "/webhooks", anybody, webhooks.add),
        ("GET", _HOOK, anybody, webhooks.show),
        ("PUT", _HOOK, anybody, webhooks.update),
        ("DELETE", _HOOK, anybody, webhooks.delete),
        ("GET", _HOOK + "/deliveries", anybody, webhooks.deliveries),
        ("POST", _HOOK + "/deliveries/{delivery}/redeliver", anybody, webhooks.redeliver),
        ("GET", "/api-keys", admin, keys.listed),
        ("POST", "/api-keys", admin, keys.add),
        ("DELETE", "/api-keys/{key}", admin, keys.revoke),
    ):
        app.router.add_route(method, path, allowed(view), expect_handler=expect)
    return app
