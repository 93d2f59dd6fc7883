"""Protection from other web sites, whose pages can send requests to this machine through a browser.

1. A page can make its own host name resolve to 127.0.0.1 (DNS rebinding). ``Host`` then has that name, so only known
   hosts are served: loopback, the address of the server, and those in ``advertise`` and ``allowed_hosts``.
2. A request from a page of another site has ``Sec-Fetch-Site: cross-site``. Only the health routes answer it.
3. A host in the request line takes precedence over ``Host`` (RFC 9112 section 3.2.2). HTTP/1.0 needs neither.
4. Ports are not compared: DNS rebinding does not depend on them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from sirrchat_testkit.errors import Forbidden
from sirrchat_testkit.net import is_loopback
from sirrchat_testkit.settings import Settings

HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz"})

_HOST_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]*))?")
_LAST_PORT = 65_535


def check_origin(request: web.Request, settings: Settings) -> None:
    """Refuse ``request`` if it is for an unknown host, or from a page of another site.

    Raises:
        web.HTTPMisdirectedRequest: The host is unknown.
        Forbidden: The request is cross-site.
    """
    name = host_name(request.host)  # without a Host header: the address that the client connected to
    if not (is_loopback(name) or name in _own_names(request, settings) or _is_allowed(name, settings.allowed_hosts)):
        raise web.HTTPMisdirectedRequest(reason=f"{request.host!r} is not a host of this server; see allowed_hosts")
    site = request.headers.get("Sec-Fetch-Site", "").strip().lower()
    if site == "cross-site" and request.path not in HEALTH_PATHS:
        raise Forbidden("cross-site requests are not allowed")


@lru_cache(maxsize=64)
def host_name(host: str) -> str:
    """Return the name or IP address in ``host``, which may have a port, in one spelling."""
    match = _HOST_AND_PORT.fullmatch(host.strip())
    is_valid = match and len(match[3] or "") <= len(str(_LAST_PORT)) and int(match[3] or 0) <= _LAST_PORT
    name = (match[1] or match[2] or "") if match and is_valid else host
    name = name.partition("%")[0].removesuffix(".").lower()
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)


def _own_names(request: web.Request, settings: Settings) -> tuple[str, ...]:
    """Return the hosts of the settings, and the address that the client connected to."""
    address = request.protocol.sockname
    connected = (host_name(str(address[0])),) if isinstance(address, tuple) else ()
    return (host_name(settings.host), host_name(settings.advertise or settings.host), *connected)


def _is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    return "*" in allowed or name in map(host_name, allowed)
