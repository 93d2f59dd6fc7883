"""The schemas of what webhooks are told, for whoever validates it in another language."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from sirrchat_testkit.domain.webhooks import WebhookEvent
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.style import answer
from sirrchat_testkit.schemas.webhooks import SHAPES, webhook_schema

PATH = "/schemas/webhooks/{event}.json"


async def schema(request: web.Request) -> web.Response:
    """``GET /schemas/webhooks/{event}.json``: needs no key."""
    event = request.match_info["event"]
    if event not in SHAPES:
        raise NotFound(f"there are schemas of {', '.join(SHAPES)}")
    return answer(webhook_schema(cast("WebhookEvent", event)))
