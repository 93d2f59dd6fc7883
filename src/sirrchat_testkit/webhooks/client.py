"""One attempt at a webhook: a POST, its outcome, and the check of its target.

1. An attempt ends after ten seconds of real time. It follows no redirects and keeps no cookies.
2. Each attempt opens its own connection, so a stale connection cannot make it fail.
3. An attempt raises only if it is cancelled. All errors are part of the outcome.
4. Targets are loopback, and the hosts of ``webhook_hosts``. A name is resolved and checked for each connection, and the
   checked address is the one connected to. A listed host may resolve to any address; ``*`` allows every host.
5. A host that looks like an IP address is checked as one, and refused if malformed: ``2130706433``, ``127.1``.

See OWASP, Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sirrchat_testkit.net import netloc
from sirrchat_testkit.settings import CurrentSettings
from sirrchat_testkit.webhooks.calls import OutgoingCall

PIECE = 262_144
"""Bytes of a body that are written at once, at most."""


class TargetNotAllowed(Exception):
    """The settings do not allow webhooks to call this host."""


class Targets(AbstractResolver):
    """Resolves the hosts of webhooks and refuses those that are not allowed."""

    def __init__(self, settings: CurrentSettings) -> None:
        self._settings = settings

    def check(self, host: str) -> None:
        """Raise ``TargetNotAllowed`` if ``host`` is an IP address that is not allowed.

        The client connects to an IP address without resolving it.
        """
        if not self._named(host) and _is_numeric(host) and not _is_loopback(host):
            raise TargetNotAllowed(f"{host} is neither loopback nor one of webhook_hosts")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the allowed addresses of ``host``. Raises ``TargetNotAllowed`` if there are none."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        named = self._named(host)
        found = [_result(host, info) for info in infos if named or _is_loopback(str(info[4][0]))]
        if not found:
            addresses = ", ".join(dict.fromkeys(str(info[4][0]) for info in infos))
            raise TargetNotAllowed(f"{host} is {addresses}: neither loopback nor one of webhook_hosts")
        return found

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _named(self, host: str) -> bool:
        allowed = self._settings.value.webhook_hosts
        return "*" in allowed or host.lower().strip("[]") in {each.lower().strip("[]") for each in allowed}


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _result(host: str, info: Any) -> ResolveResult:
    family, _, protocol, _, address = info
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=int(address[1]),
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


TIMEOUT = 10.0
"""Seconds of real time within which a receiver must answer."""

READ = 65_536
"""The maximum number of bytes read of a response; the rest is ignored."""

AGENT = "sirrchat-testkit"

NOT_ALLOWED = "target_not_allowed"
"""The error of an attempt that webhook_hosts does not allow."""

NO_URL = "invalid_url"
"""The error of an attempt whose URL has no host that can be called."""

_SUCCESS = range(200, 300)
_monotonic = time.clock_gettime


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt.

    ``status`` is None without a response; ``error`` is a stable name or None, ``reason`` is a human-readable text.
    """

    status: int | None
    error: str | None
    reason: str
    duration_ms: int
    request: str
    response: str

    @property
    def success(self) -> bool:
        """Whether the receiver answered with 2xx."""
        return self.error is None and self.status in _SUCCESS

    @property
    def final(self) -> bool:
        """Whether another attempt would be pointless."""
        return self.success or self.error in {NOT_ALLOWED, NO_URL}


class Sender:
    """Sends calls to the hosts that the settings allow."""

    def __init__(self, settings: CurrentSettings) -> None:
        self._targets = Targets(settings)
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

    async def send(self, url: str, call: OutgoingCall) -> Outcome:
        """POST ``call`` to ``url`` and return the outcome."""
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
            error, reason = _kind(failure), _reason(failure)
        duration = round((_monotonic(time.CLOCK_MONOTONIC) - began) * 1000)
        return Outcome(status, error, reason, duration, request, response)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        await asyncio.sleep(0)  # transports close in the next step of the loop


def _payload(body: bytes) -> bytes | io.BytesIO:
    return body if len(body) <= PIECE else io.BytesIO(body)  # written in pieces, between which the loop goes on


def _kind(failure: Exception) -> str:
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "host_not_found"
    if isinstance(failure, aiohttp.ClientConnectorError):
        return "connection_refused" if isinstance(failure.os_error, ConnectionRefusedError) else "connection_failed"
    return "connection_broken" if isinstance(failure, aiohttp.ClientError | OSError) else NO_URL


def _reason(failure: Exception) -> str:
    """Return why an attempt failed, in one line."""
    if isinstance(failure, aiohttp.ClientResponseError):  # its further lines quote what was received
        what = (failure.message.strip().splitlines() or [""])[0].partition(": b'")[0].rstrip(":")
        return f"the response is malformed: {what}"
    if isinstance(failure, aiohttp.ClientConnectorError):  # its own text shows the arguments of functions
        target = netloc((failure.host, failure.port or 0))
        if isinstance(failure.os_error, ConnectionRefusedError):
            return f"{target} refused the connection"
        return f"cannot connect to {target}: {str(failure.strerror).partition(' (_ssl.c')[0]}"
    return str(failure) or type(failure).__name__


def _head(first: str, headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join([first.rstrip(), *(f"{name}: {value}" for name, value in headers)])
