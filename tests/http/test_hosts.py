"""Requests for unknown hosts, and from pages of other sites, are refused."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.http.hosts import host_name
from sirrchat_testkit.settings import Settings

if TYPE_CHECKING:
    from tests.http.conftest import Service

PATHS = ("/healthz", "/schemas/webhooks/new_message.json", "/api/email/domains", "/api/v1/users", "/nothing")


async def send(service: Service, head: str) -> tuple[int, Any]:
    """Send a bare request; return status and body of the answer."""
    reader, writer = await asyncio.open_connection(*service.url.removeprefix("http://").split(":"))
    writer.write(f"{head}\nConnection: close\n\n".replace("\n", "\r\n").encode())
    raw = await reader.read()
    writer.close()
    return int(raw[9:12]), json.loads(raw.partition(b"\r\n\r\n")[2])


def configure(service: Service, **changes: Any) -> None:
    service.services.settings.value = service.services.settings.value.replace(**changes)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.asyncio
async def test_a_request_for_an_unknown_host_is_421_in_the_shape_of_its_api(service: Service, path: str) -> None:
    got = await service.call("GET", path, Host="rebound.example", Authorization=f"Bearer {service.key}")
    text = "'rebound.example' is not a host of this server; see allowed_hosts"
    if path.startswith("/api/v1"):
        assert got.problem == (421, "misdirected_request", {})
        assert got.json["error"]["message"] == text
    else:
        assert (got.status, got.error) == (421, text)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "not-localhost", "10.0.0.1", "[::2]", "a:b:c", ""]
)
@pytest.mark.asyncio
async def test_the_host_is_checked_before_the_key(service: Service, host: str) -> None:
    assert (await send(service, f"GET /api/v1/users HTTP/1.1\nHost: {host}"))[0] == 421


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:8080",
        "shop.localhost:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:8080",
        "[::ffff:127.0.0.1]:8080",
        "localhost:",
    ],
)
@pytest.mark.asyncio
async def test_loopback_is_always_a_host_of_the_server(service: Service, host: str) -> None:
    assert (await send(service, f"GET /healthz HTTP/1.1\nHost: {host}"))[0] == 200


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("mail.example", "Mail.Example.:8080"),
        ("MAIL.example.", "mail.example"),
        ("fd00::1", "[FD00:0::1]:8080"),
        ("[fd00::1]", "[fd00::1]"),
        ("10.0.0.1", "10.0.0.1:8080"),
        ("*", "anything.example"),
    ],
)
@pytest.mark.asyncio
async def test_the_setting_allows_more_hosts(service: Service, allowed: str, host: str) -> None:
    head = f"GET /healthz HTTP/1.1\nHost: {host}"
    assert (await send(service, head))[0] == 421
    configure(service, allowed_hosts=[allowed])
    assert (await send(service, head))[0] == 200


@pytest.mark.asyncio
async def test_the_host_that_the_server_listens_on_is_allowed(service: Service) -> None:
    configure(service, host="mail.example")
    assert (await send(service, "GET /healthz HTTP/1.1\nHost: mail.example"))[0] == 200


@pytest.mark.asyncio
async def test_a_host_in_the_request_line_takes_precedence(service: Service) -> None:
    assert (await send(service, "GET http://evil.example/healthz HTTP/1.1\nHost: localhost"))[0] == 421
    assert (await send(service, "GET http://[::1]:8080/healthz HTTP/1.1\nHost: evil.example"))[0] == 200


@pytest.mark.asyncio
async def test_http_1_1_needs_one_host_and_http_1_0_none(service: Service) -> None:
    assert (await send(service, "GET /healthz HTTP/1.0"))[0] == 200
    assert (await send(service, "GET /healthz HTTP/1.1\nX: y"))[0] == 400
    for version in ("1.0", "1.1"):
        assert (await send(service, f"GET /healthz HTTP/{version}\nHost: localhost\nHost: localhost"))[0] == 400


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.asyncio
async def test_only_the_health_routes_answer_pages_of_other_sites(service: Service, path: str) -> None:
    got = await service.call("GET", path, Authorization=f"Bearer {service.key}", **{"Sec-Fetch-Site": "cross-site"})
    if path == "/healthz":
        assert got.status == 200
    elif path.startswith("/api/v1"):
        assert got.problem == (403, "forbidden", {})
    else:
        assert (got.status, got.error) == (403, "cross-site requests are not allowed")


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
@pytest.mark.asyncio
async def test_requests_of_the_same_site_are_served(service: Service, site: str) -> None:
    assert (await service.call("GET", "/api/email/domains", **{"Sec-Fetch-Site": site})).status == 200


@pytest.mark.parametrize("hosts", ["mail.example", ["http://mail.example"], ["mail.example:8080"], [""], ["a b"]])
def test_the_setting_takes_hosts_without_a_port(hosts: Any) -> None:
    with pytest.raises(ValueError, match=r"^allowed_hosts must be a list of host names such as "):
        Settings(allowed_hosts=hosts)


@pytest.mark.parametrize(("host", "name"), [("[fe80::1%25eth0]:80", "fe80::1"), ("fe80::1%eth0", "fe80::1"), (".", "")])
def test_zones_and_root_dots_are_no_part_of_a_name(host: str, name: str) -> None:
    assert host_name(host) == name
