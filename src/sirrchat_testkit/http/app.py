"""Which API answers where.

1. One sub-application per dialect, each with its own error shape; the longest prefix wins.
2. ``/healthz`` and ``/readyz`` need no key: what asks them knows none.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.http import schema_routes as schemas
from sirrchat_testkit.http.body import MAX_BODY
from sirrchat_testkit.http.middleware import BACKEND, RATE_LIMIT, api_middleware, expect
from sirrchat_testkit.http.rate_limit import RateLimit
from sirrchat_testkit.http.sirrchat import sirrchat
from sirrchat_testkit.http.style import DIALECT, Dialect, answer, flat, nested
from sirrchat_testkit.http.tempmail import tempmail


def application(backend: Backend) -> web.Application:
    """Return everything that is served over HTTP."""
    app = web.Application(middlewares=[api_middleware], client_max_size=MAX_BODY + 1)
    app[BACKEND] = backend
    app[RATE_LIMIT] = RateLimit(backend.policy, backend.clock)
    app[DIALECT] = Dialect(key=None, problem=flat)
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        app.router.add_route("GET", path, _say(status), expect_handler=expect)
    app.router.add_route("GET", schemas.PATH, schemas.schema, expect_handler=expect)
    app.add_subapp("/api/v1", sirrchat(backend))
    app.add_subapp("/testkit/v1", _nothing_yet())
    app.add_subapp("/api", tempmail(backend))
    return app


def _say(status: str) -> Handler:
    async def view(_request: web.Request) -> web.Response:
        return answer({"status": status})

    return view


def _nothing_yet() -> web.Application:
    app = web.Application()
    app[DIALECT] = Dialect(key=None, problem=nested)
    return app
