"""How many requests an hour a key may make, and an IP address without a valid key.

1. A window begins on the full hour of the kit's clock, so a test opens the next one by moving the clock.
2. Requests are counted only where the policy enforces the limit. Where it does not, all of it remains, always.
3. A change of the policy begins anew: whoever sets a limit of two has two requests from then on.
4. Counts are in memory: they belong to a running server, not to what is stored.
"""

from __future__ import annotations

from aiohttp import web

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.errors import RateLimited
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.policy import CurrentPolicy, Policy

HOUR = 3_600_000
"""Milliseconds."""

PER_KEY, PER_IP = 1000, 100
"""The document's numbers."""


class RateLimitStatus:
    """Where a client stands after a request: times in milliseconds since the epoch."""

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
        """Raise ``RateLimited`` if this request was one too many."""
        if self.remaining < 0:
            raise RateLimited(
                f"at most {counted(self.limit, 'request')} an hour {'is' if self.limit == 1 else 'are'} answered",
                resets_at=self.resets_at,
            )

    def note(self, response: web.StreamResponse) -> None:
        """Tell the client in the headers of ``response``, unless they are out already."""
        if not response.prepared:
            response.headers.update(self._headers)


class RateLimit:
    """Counts the requests of one server."""

    def __init__(self, policy: CurrentPolicy, clock: Clock) -> None:
        self._current = policy
        self._clock = clock
        self._counted: tuple[Policy, int] | None = None
        self._requests: dict[str, int] = {}
        self._unlimited: list[RateLimitStatus] = []

    def count(self, key: ApiKey | None, ip: str | None) -> RateLimitStatus:
        """Count a request with ``key``, or from ``ip`` where there is no valid one."""
        policy = self._current.value
        now = self._clock.now()
        window = now // HOUR
        if self._counted is None or self._counted[0] is not policy or self._counted[1] != window:
            self._counted = policy, window
            self._requests.clear()
            self._unlimited = [RateLimitStatus(limit, limit, now, (window + 1) * HOUR) for limit in (PER_IP, PER_KEY)]
        if policy.rate_limit == "off":
            return self._unlimited[key is not None]
        own = policy.rate_limit == "custom"
        if key is not None:
            who, limit = key.id, policy.rate_limit_key if own else PER_KEY
        else:
            who, limit = f"ip {ip}", policy.rate_limit_ip if own else PER_IP
        made = self._requests[who] = self._requests.get(who, 0) + 1
        return RateLimitStatus(limit, limit - made, now, (window + 1) * HOUR)
