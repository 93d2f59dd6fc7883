"""One attempt: a POST and what came of it.

1. It ends after ten seconds of real time, whatever the receiver does. No redirect is followed, no cookie kept.
2. Each attempt is a connection of its own: one that the receiver closed meanwhile cannot fail it.
3. An attempt never raises but where it is cancelled: what went wrong is part of its outcome.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from sirrchat_testkit.policy import CurrentPolicy
from sirrchat_testkit.webhooks.calls import PreparedCall
from sirrchat_testkit.webhooks.targets import TargetNotAllowed, Targets

TIMEOUT = 10.0
"""Seconds of real time that a receiver has to answer."""

READ = 65_536
"""Bytes of an answer that are read; the rest is the receiver's own affair."""

LARGE = 262_144
"""Bytes from which on a body is written piece by piece, so that nobody else waits for it."""

AGENT = "sirrchat-testkit"

NOT_ALLOWED = "target_not_allowed"
"""The error of an attempt that the policy forbids."""

NO_URL = "invalid_url"
"""The error of an attempt at what looked like a URL when it was set, and names no host that could be called."""

_SUCCESS = range(200, 300)
_monotonic = time.clock_gettime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    ``status`` is None without an answer; ``error`` names what went wrong, ``reason`` says it in words.
    """

    status: int | None
    error: str | None
    reason: str
    duration_ms: int
    request: str
    response: str

    @property
    def success(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None and self.status in _SUCCESS

    @property
    def final(self) -> bool:
        """Whether to try again would be no use."""
        return self.success or self.error in {NOT_ALLOWED, NO_URL}


class Sender:
    """Sends calls, where the policy allows it."""

    def __init__(self, policy: CurrentPolicy) -> None:
        self._targets = Targets(policy)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._targets, use_dns_cache=False, force_close=True, limit=0, ssl=True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            headers={"User-Agent": AGENT},
            skip_auto_headers=("Accept-Encoding", "Accept"),
            auto_decompress=False,
        )

    async def send(self, url: str, call: PreparedCall) -> Outcome:
        """POST ``call`` to ``url``."""
        began = _monotonic(time.CLOCK_MONOTONIC)
        status, error, reason, request, response = None, None, "", "", ""
        try:
            target = URL(url)
            request = _head(f"POST {target.raw_path_qs} HTTP/1.1", [("Host", target.authority), *call.headers.items()])
            self._targets.check(target.host or "")
            async with self._session.post(
                target, data=_payload(call.body), headers=call.headers, allow_redirects=False
            ) as answer:
                response = _head(f"HTTP/1.1 {answer.status} {answer.reason or ''}", answer.headers.items())
                await answer.content.read(READ)
                status = answer.status
        except TargetNotAllowed as refusal:
            error, reason = NOT_ALLOWED, str(refusal)
        except TimeoutError:
            error, reason = "timeout", f"no answer within {TIMEOUT:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error, reason = _kind(failure), str(failure) or type(failure).__name__
        duration = round((_monotonic(time.CLOCK_MONOTONIC) - began) * 1000)
        return Outcome(status, error, reason, duration, request, response)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._session.close()
        await asyncio.sleep(0)  # transports end in the loop's next step


def _payload(body: bytes) -> bytes | io.BytesIO:
    return body if len(body) < LARGE else io.BytesIO(body)  # written piece by piece


def _kind(failure: Exception) -> str:
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "host_not_found"
    if isinstance(failure, aiohttp.ClientConnectorError):
        return "connection_refused" if isinstance(failure.os_error, ConnectionRefusedError) else "connection_failed"
    return "connection_broken" if isinstance(failure, aiohttp.ClientError | OSError) else NO_URL


def _head(first: str, headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join([first.rstrip(), *(f"{name}: {value}" for name, value in headers)])
