"""The planned faults of the APIs: the outermost middleware, which carries them out.

1. Faults stand in front of the API, like a proxy. A request that a fault answers at stage ``request`` is not counted by
   the rate limit, and its host and key are not checked.
2. Every answer of the API passes stage ``response``, also a refusal. A streamed answer does not: it was sent already.
3. If no REST fault is planned, a request costs one look at ``ProtocolFaults.planned``.
4. What a fault does is logged as information; it is not an error of the server.
5. A delay ends when the client closes the connection or the scope ends: the listener cancels the request then.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import replace
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.models import Account
from sirrchat_testkit.errors import RateLimited
from sirrchat_testkit.faults.engine import ProtocolFaults
from sirrchat_testkit.faults.rest import RequestContext, RestDecision, RestRefusal
from sirrchat_testkit.http.middleware import HOUR, LOG, PER_KEY, SERVICES, RateLimitStatus, server_error
from sirrchat_testkit.http.style import style_of

FAULTS = web.AppKey("FAULTS", ProtocolFaults[RequestContext, RestDecision])
"""The planned faults of the APIs, at the application."""

_RATE_LIMITED: Final = 429
_JSON: Final = "application/json"
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # linger for no time


@web.middleware
async def fault_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the planned faults to a request and to its answer."""
    if not request.app[FAULTS].planned:
        return await handler(request)
    context = RequestContext("request", request.method, request.path, await _account(request))
    instead = await _apply(context, request)
    if instead is not None:
        return instead
    answer = await handler(request)
    if answer.prepared:
        return answer
    context = replace(context, stage="response", has_json=answer.content_type == _JSON)
    return await _apply(context, request, answer) or answer


async def _account(request: web.Request) -> tuple[str, ...]:
    """Return the id and the address of the account whose key ``request`` has; nothing without a valid key."""
    services, style = request.app[SERVICES], style_of(request)
    key = await services.keys.find(style.key(request)) if style.key is not None else None
    account = await services.store.get(Account, id=key.account) if key is not None else None
    return (account.id, account.email) if account is not None else ()


async def _apply(
    context: RequestContext, request: web.Request, answer: web.StreamResponse | None = None
) -> web.StreamResponse | None:
    """Carry out the faults at the stage of ``context``; return the answer to send instead, or None."""
    try:
        decision = await request.app[FAULTS].decide(context)
    except Exception as error:  # noqa: BLE001 - of the user's condition; raised in the test that owns the server
        return server_error(request, error)
    if decision.delay or decision.final:
        LOG.info("%s %s: %s at stage %s, by a planned fault", request.method, request.path, decision, context.stage)
    if decision.delay:
        await asyncio.sleep(decision.delay)
    if decision.refusal is not None:
        return _refuse(request, decision.refusal)
    if decision.drop:
        return await _hang_up(request, reset=decision.drop == "rst")
    if decision.damage:
        assert isinstance(answer, web.Response)
        _damage(answer, decision)
    return None


def _refuse(request: web.Request, refusal: RestRefusal) -> web.Response:
    style = style_of(request)
    if refusal.status == _RATE_LIMITED:
        now = request.app[SERVICES].clock.now()
        wait = refusal.retry_after
        resets_at = (now // HOUR + 1) * HOUR if wait is None else now + wait * 1000
        response = style.refuse(_RATE_LIMITED, refusal.text, RateLimited(refusal.text, resets_at=resets_at))
        RateLimitStatus(PER_KEY, -1, now, resets_at).add_headers(response)
        return response
    response = style.refuse(refusal.status, refusal.text)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


async def _hang_up(request: web.Request, *, reset: bool) -> web.Response:
    """Close the connection; return an answer, which aiohttp finds it cannot send.

    The body is read first. Otherwise the client might fail while it sends the body, or not, as chance has it.
    """
    with contextlib.suppress(web.HTTPException, web.RequestPayloadError):
        await request.read()
    transport = request.transport
    if transport is not None:
        if reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        transport.abort()
    return web.Response()


def _damage(answer: web.Response, decision: RestDecision) -> None:
    if decision.damage == "content_type":
        answer.content_type = "text/plain"
    else:
        assert isinstance(answer.body, bytes)
        answer.body = answer.body[: len(answer.body) // 2]
