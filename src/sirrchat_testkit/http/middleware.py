"""The middleware of all routes: API keys, rate limits, and errors.

1. The host is checked first (``hosts``), on a known route the key next; an unknown route is 404, with or without a key.
2. Errors are converted to answers here, in the API style of the route. Views catch nothing.
3. An unexpected error is answered 500, logged, and raised in the test that owns the server.
4. Every request is counted. Without a rate limit none is refused, and the headers count down to 0.
5. A window begins on the full hour of the server's clock, so a test opens the next one by moving the clock. A change of
   the limit begins a new count.
6. Counts are kept in memory only.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import RateLimited, StoreError, TestkitError, Unauthorized
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.http.hosts import check_origin
from sirrchat_testkit.http.pages import PAGE_STYLE
from sirrchat_testkit.http.style import MAX_BODY, ApiStyle, status_of, style_of
from sirrchat_testkit.settings import CurrentSettings, Settings

HOUR = 3_600_000
"""Milliseconds."""

PER_KEY, PER_IP = 1000, 100
"""Requests in an hour, as the API documents say."""


class RateLimitStatus:
    """The state of a client's rate limit after a request; times in milliseconds since the epoch."""

    def __init__(self, limit: int, remaining: int, now: int, resets_at: int) -> None:
        self.limit, self.remaining, self.resets_at = limit, remaining, resets_at
        self._headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(remaining, 0)),
            "X-RateLimit-Reset": str(resets_at // 1000),
        }
        if remaining < 0:
            self._headers["Retry-After"] = str(-((now - resets_at) // 1000))  # whole seconds, rounded up

    def check(self) -> None:
        """Raise ``RateLimited`` if the request exceeds the limit."""
        if self.remaining < 0:
            raise RateLimited(
                f"rate limit exceeded: {counted(self.limit, 'request')} an hour",
                resets_at=self.resets_at,
            )

    def add_headers(self, response: web.StreamResponse) -> None:
        """Add the headers to ``response``, unless its headers were already sent."""
        if not response.prepared:
            response.headers.update(self._headers)


class RateLimit:
    """The request counts of one server."""

    def __init__(self, settings: CurrentSettings, clock: Clock) -> None:
        self._current = settings
        self._clock = clock
        self._counted: tuple[Settings, int] | None = None
        self._requests: dict[str, int] = {}

    def count(self, key: ApiKey | None, ip: str | None) -> RateLimitStatus:
        """Count a request with ``key``, or from ``ip`` if it has no valid key."""
        settings = self._current.value
        now = self._clock.now()
        window = now // HOUR
        if self._counted is None or self._counted[0] is not settings or self._counted[1] != window:
            self._counted = settings, window
            self._requests.clear()
        own = settings.rate_limit == "custom"
        if key is not None:
            who, limit = key.id, settings.rate_limit_key if own else PER_KEY
        else:
            who, limit = f"ip {ip}", settings.rate_limit_ip if own else PER_IP
        made = self._requests[who] = self._requests.get(who, 0) + 1
        left = limit - made if settings.rate_limit != "off" else max(limit - made, 0)
        return RateLimitStatus(limit, left, now, (window + 1) * HOUR)


SERVICES = web.AppKey("SERVICES", Services)
"""The domain, at the application."""

RATE_LIMIT = web.AppKey("RATE_LIMIT", RateLimit)
"""The request counts, at the application."""

LOG = logging.getLogger("sirrchat_testkit.http")
LOG.addHandler(logging.NullHandler())

_SERVER_ERROR = 500
_admitted: ContextVar[ApiKey] = ContextVar("admitted")  # aiohttp serves each request in its own context


@web.middleware
async def api_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the key and the rate limit, call the view, and convert errors to answers."""
    services, style = request.app[SERVICES], style_of(request)
    status: RateLimitStatus | None = None
    response: web.StreamResponse
    try:
        check_origin(request, services.settings.value)
        if style.key is not None:
            key = await services.keys.find(style.key(request))
            status = request.app[RATE_LIMIT].count(key, request.remote)
            status.check()
            if not isinstance(request.match_info.http_exception, web.HTTPNotFound):
                admit(key)
        response = await handler(request)
    except TestkitError as error:
        response = _refusal(request, style, services, error)
    except web.HTTPException as error:
        response = _http_error(request, style, error)
    except Exception as error:
        if isinstance(error, ConnectionError) and request.transport is None:
            raise  # the client closed the connection: that is not an error of the server
        response = server_error(request, error)
    if status is not None:
        status.add_headers(response)
    return response


def api_key() -> ApiKey:
    """Return the record of the API key of the current request."""
    return _admitted.get()


async def expect(request: web.Request) -> None:
    """Answer ``Expect: 100-continue`` with 100; any other expectation is ignored (RFC 9110 section 10.1.1)."""
    if request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def admit(key: ApiKey | None) -> None:
    """Make ``key`` the API key of the current request. Raises ``Unauthorized`` if it is None."""
    if key is None:
        raise Unauthorized("API key missing, invalid, revoked or expired")
    _admitted.set(key)


def _refusal(request: web.Request, style: ApiStyle, services: Services, error: TestkitError) -> web.Response:
    status = status_of(error)
    if status == _SERVER_ERROR:
        _report(request, services, error)
    elif isinstance(error, StoreError):
        LOG.error("%s %s: %s: %s", request.method, request.path, type(error).__name__, error)
    return style.refuse(status, str(error), error)


def _http_error(request: web.Request, style: ApiStyle, error: web.HTTPException) -> web.Response:
    text = error.reason
    if isinstance(error, web.HTTPNotFound):
        text = f"no such route: {request.path}"
        if style.key is None and "text/html" in request.headers.get("Accept", ""):
            style = PAGE_STYLE  # a person has mistyped the address of a page
    elif isinstance(error, web.HTTPMethodNotAllowed):
        text = f"method {request.method} is not allowed here; allowed: {', '.join(sorted(error.allowed_methods))}"
    elif type(error) is web.HTTPRequestEntityTooLarge:  # from aiohttp
        text = f"the body is larger than {MAX_BODY} bytes"
    refusal = style.refuse(error.status, text)
    for name in ("Allow", "Accept-Encoding"):
        if name in error.headers:
            refusal.headers[name] = error.headers[name]
    return refusal


def server_error(request: web.Request, error: Exception) -> web.Response:
    """Report an unexpected ``error``; return the answer 500."""
    _report(request, request.app[SERVICES], error)
    return style_of(request).refuse(_SERVER_ERROR, "internal server error; see the server's log", error)


def _report(request: web.Request, services: Services, error: Exception) -> None:
    where = f"{request.method} {request.path}"
    LOG.error("%s failed", where, exc_info=error)
    services.crashed(where, error)
