"""Where webhooks may be sent: to this machine's loopback, and to the hosts that the policy names.

1. Names are judged by what they stand for at the moment of each connection; what is judged is what is connected to.
2. What looks like an address is judged as one, and refused where it is no proper one: ``2130706433``, ``127.1``.
3. A host that the policy names is the operator's decision, whatever it resolves to. ``*`` names every host.

Source of the concern: OWASP, Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from sirrchat_testkit.policy import CurrentPolicy


class TargetNotAllowed(Exception):
    """The policy does not let webhooks be sent there."""


class Targets(AbstractResolver):
    """Resolves the hosts of webhooks, and refuses those that may not be called."""

    def __init__(self, policy: CurrentPolicy) -> None:
        self._policy = policy

    def check(self, host: str) -> None:
        """Raise ``TargetNotAllowed`` if ``host`` is an address, not a name, and may not be called.

        The client connects to such a host without resolving it, so it is judged here.
        """
        if not self._named(host) and _is_numeric(host) and not _is_loopback(host):
            raise TargetNotAllowed(f"{host} is neither loopback nor named by the policy's webhook_hosts")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host`` that may be connected to. Raises ``TargetNotAllowed`` if none may."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        named = self._named(host)
        found = [_result(host, info) for info in infos if named or _is_loopback(str(info[4][0]))]
        if not found:
            addresses = ", ".join(dict.fromkeys(str(info[4][0]) for info in infos))
            raise TargetNotAllowed(f"{host} is {addresses}: neither loopback nor named by the policy's webhook_hosts")
        return found

    async def close(self) -> None:
        """Nothing is held."""

    def _named(self, host: str) -> bool:
        allowed = self._policy.value.webhook_hosts
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
