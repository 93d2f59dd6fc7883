"""The application: the routes of all APIs, and those of the server itself.

1. Each API has a prefix and an API style of its own. The longest prefix wins.
2. The health, the OpenAPI document, its page and the schemas of webhook bodies need no API key. ``metrics`` says when
   the figures need one.
3. ``/healthz`` is 200 while the server runs, ``/readyz`` 503 while nothing can be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from aiohttp import web

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.faults.rest import REST
from sirrchat_testkit.http.docs import DocsViews
from sirrchat_testkit.http.faults import FAULTS, fault_middleware
from sirrchat_testkit.http.metrics import MEDIA, MetricsViews
from sirrchat_testkit.http.middleware import RATE_LIMIT, SERVICES, RateLimit, api_middleware
from sirrchat_testkit.http.operations import ADMIN_OR_LOCAL, ANYBODY, Answer, Api, Operation
from sirrchat_testkit.http.pages import PAGE_STYLE, PREFIX, Pages, add_pages
from sirrchat_testkit.http.sirrchat import sirrchat
from sirrchat_testkit.http.style import MAX_BODY, STYLES, ApiStyle, answer, flat
from sirrchat_testkit.http.tempmail import tempmail
from sirrchat_testkit.schemas import health
from sirrchat_testkit.schemas import tempmail as schemas
from sirrchat_testkit.schemas.webhook_events import WebhookEvent
from sirrchat_testkit.schemas.webhooks import SHAPES, webhook_schema

SCHEMA_PATH = "/schemas/webhooks/{event}.json"

_NO_KEY = ApiStyle(key=None, problem=flat)


def apis(services: Services, more: Sequence[Api] = ()) -> Sequence[Api]:
    """Return every API of the server, with ``more`` in addition to those of this part; the last one is below ``/``."""
    with_keys = (*more, sirrchat(services), tempmail(services))
    views = ServerViews(services)
    documentation = DocsViews(lambda: apis(services, more))
    operations = (
        Operation("GET", "/healthz", views.get_health, ANYBODY, [Answer(health.Health)]),
        Operation(
            "GET", "/readyz", views.get_readiness, ANYBODY, [Answer(health.Readiness), Answer(health.Readiness, 503)]
        ),
        Operation("GET", "/metrics", MetricsViews(services).get_metrics, ADMIN_OR_LOCAL, [Answer(None, media=MEDIA)]),
        Operation("GET", SCHEMA_PATH, views.get_webhook_schema, ANYBODY, [Answer(None)]),
        Operation("GET", "/openapi.json", documentation.get_openapi, ANYBODY, [Answer(None)]),
        Operation("GET", "/docs", documentation.get_docs, ANYBODY, [Answer(None, media="text/html")]),
        Operation("GET", "/docs/{file}", documentation.get_docs_file, ANYBODY, [Answer(None, media="*/*")]),
    )
    text = "Health, metrics, documentation and schemas."
    keys = ("bearer", "api_key")
    return (*with_keys, Api("Server", text, "", _NO_KEY, schemas.Problem, operations, keys, schema_prefix="Server"))


def application(
    services: Services, more: Sequence[Api] = (), pages: Callable[[], Pages] | None = None
) -> web.Application:
    """Return the application that serves all APIs of ``services``, and ``more``; and the pages that ``pages`` loads."""
    app = web.Application(middlewares=[fault_middleware, api_middleware], client_max_size=MAX_BODY + 1)
    app[SERVICES] = services
    app[FAULTS] = services.faults.of(REST)
    app[RATE_LIMIT] = RateLimit(services.settings, services.clock)
    every = apis(services, more)
    for api in every:
        api.add_routes(app)
    styles = {f"{api.prefix}/" if api.prefix else "": api.style for api in every}
    if pages is not None:
        add_pages(app, pages)
        styles[f"{PREFIX}/"] = PAGE_STYLE
    app[STYLES] = dict(sorted(styles.items(), key=lambda each: -len(each[0])))
    return app


class ServerViews:
    """The routes of the server itself."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def get_health(self, _request: web.Request) -> web.Response:
        """Return whether the server runs."""
        return answer({"status": "ok"})

    async def get_readiness(self, _request: web.Request) -> web.Response:
        """Return whether the server can store mail; 503 while it cannot, because the disk is full or failed."""
        if self._store.write_error is not None:
            return answer({"status": "read-only"}, 503)
        return answer({"status": "ready"})

    async def get_webhook_schema(self, request: web.Request) -> web.Response:
        """Return the JSON Schema of a webhook body."""
        event = request.match_info["event"]
        if event not in SHAPES:
            raise NotFound(f"no schema of {event}; there are schemas of {', '.join(SHAPES)}")
        return answer(webhook_schema(cast("WebhookEvent", event)))
