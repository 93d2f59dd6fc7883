"""The application: the routes of all APIs.

1. Each API is a sub-application with its own API style. The longest prefix wins.
2. ``/healthz``, ``/readyz`` and the schemas of webhook bodies need no API key.
3. ``/healthz`` is 200 while the server runs, ``/readyz`` 503 while nothing can be stored.
"""

from __future__ import annotations

from typing import cast

from aiohttp import web

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.middleware import RATE_LIMIT, SERVICES, RateLimit, api_middleware, expect
from sirrchat_testkit.http.sirrchat import sirrchat
from sirrchat_testkit.http.style import API_STYLE, MAX_BODY, ApiStyle, answer, flat
from sirrchat_testkit.http.tempmail import tempmail
from sirrchat_testkit.schemas.webhook_events import WebhookEvent
from sirrchat_testkit.schemas.webhooks import SHAPES, webhook_schema

SCHEMA_PATH = "/schemas/webhooks/{event}.json"


def application(services: Services) -> web.Application:
    """Return the application that serves all APIs of ``services``."""
    app = web.Application(middlewares=[api_middleware], client_max_size=MAX_BODY + 1)
    app[SERVICES] = services
    app[RATE_LIMIT] = RateLimit(services.settings, services.clock)
    app[API_STYLE] = ApiStyle(key=None, problem=flat)
    app.router.add_route("GET", "/healthz", health, expect_handler=expect)
    app.router.add_route("GET", "/readyz", readiness, expect_handler=expect)
    app.router.add_route("GET", SCHEMA_PATH, schema, expect_handler=expect)
    app.add_subapp("/api/v1", sirrchat(services))
    app.add_subapp("/api", tempmail(services))
    return app


async def health(_request: web.Request) -> web.Response:
    """``GET /healthz``: the server runs."""
    return answer({"status": "ok"})


async def readiness(request: web.Request) -> web.Response:
    """``GET /readyz``: whether the server can store mail; 503 if the last write failed."""
    if request.app[SERVICES].store.write_error is not None:
        return answer({"status": "read-only"}, 503)
    return answer({"status": "ready"})


async def schema(request: web.Request) -> web.Response:
    """``GET /schemas/webhooks/{event}.json``: the JSON Schema of a webhook body."""
    event = request.match_info["event"]
    if event not in SHAPES:
        raise NotFound(f"no schema of {event}; there are schemas of {', '.join(SHAPES)}")
    return answer(webhook_schema(cast("WebhookEvent", event)))
