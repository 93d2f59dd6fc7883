"""What is the same for every route: the key, the translation of errors, the net below the views.

1. Requests of both dialects are counted, and their answers say how many are left.
2. On a known route the key comes before anything else; an unknown route is 404 whoever asks.
3. Whatever is raised becomes an answer here, in the shape of the dialect that the route is in.
   Views catch nothing.
4. What answers 500 is told to the owner of the server, and is logged; nothing a client sends can bring it about.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import TestkitError, Unauthorized
from sirrchat_testkit.http.body import MAX_BODY
from sirrchat_testkit.http.rate_limit import RateLimit, RateLimitStatus
from sirrchat_testkit.http.style import DIALECT, Dialect, status_of

BACKEND = web.AppKey("BACKEND", Backend)
"""Where the outermost application keeps the domain."""

RATE_LIMIT = web.AppKey("RATE_LIMIT", RateLimit)
"""Where it keeps the count of requests."""

LOG = logging.getLogger("sirrchat_testkit.http")
LOG.addHandler(logging.NullHandler())

_BUG = 500
_admitted: ContextVar[ApiKey] = ContextVar("admitted")  # aiohttp serves each request in a context of its own


@web.middleware
async def api_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has a key and requests left, and translate what is raised."""
    apps = request.match_info.apps
    backend, dialect = apps[0][BACKEND], apps[-1][DIALECT]
    status: RateLimitStatus | None = None
    response: web.StreamResponse
    try:
        if dialect.key is not None:
            key = await backend.keys.find(dialect.key(request))
            status = apps[0][RATE_LIMIT].count(key, request.remote)
            status.check()
            if not isinstance(request.match_info.http_exception, web.HTTPNotFound):
                _admit(key)
        response = await handler(request)
    except TestkitError as error:
        response = _refuse(request, dialect, backend, error)
    except web.HTTPException as error:
        response = _say(request, dialect, error)
    except Exception as error:
        if isinstance(error, ConnectionError) and request.transport is None:
            raise  # the client is gone: there is nobody to answer, and nothing went wrong here
        response = _own_up(request, dialect, backend, error)
    if status is not None:
        status.note(response)
    return response


def api_key() -> ApiKey:
    """Return the record of the key that the request being served was let in with."""
    return _admitted.get()


async def expect(request: web.Request) -> None:
    """Ask for the body where the client waits to be asked; any other expectation is ignored (RFC 9110 10.1.1)."""
    if request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer itself is out yet


def _admit(key: ApiKey | None) -> None:
    if key is None:
        raise Unauthorized("the API key is missing, wrong or revoked")
    _admitted.set(key)


def _refuse(request: web.Request, dialect: Dialect, backend: Backend, error: TestkitError) -> web.Response:
    status = status_of(error)
    if status == _BUG:
        _tell(request, backend, error)
    return dialect.refuse(status, str(error), error)


def _say(request: web.Request, dialect: Dialect, error: web.HTTPException) -> web.Response:
    text = error.reason
    if isinstance(error, web.HTTPNotFound):
        text = f"there is no route {request.path}"
    elif isinstance(error, web.HTTPMethodNotAllowed):
        text = f"{request.path} takes {', '.join(sorted(error.allowed_methods))}, not {request.method}"
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        text = f"a body has at most {MAX_BODY} bytes"
    refusal = dialect.refuse(error.status, text)
    if "Allow" in error.headers:
        refusal.headers["Allow"] = error.headers["Allow"]
    return refusal


def _own_up(request: web.Request, dialect: Dialect, backend: Backend, error: Exception) -> web.Response:
    _tell(request, backend, error)
    return dialect.refuse(_BUG, "the server failed; its log says how", error)


def _tell(request: web.Request, backend: Backend, error: Exception) -> None:
    where = f"{request.method} {request.path}"
    LOG.error("%s failed", where, exc_info=error)
    backend.crashed(where, error)
