"""Fixtures of the tests of the control API: a running server, and a client with its admin key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sirrchat_testkit import MailServer


class Control:
    """A client of the control API of ``server``."""

    def __init__(self, server: MailServer, key: str | None = None) -> None:
        self.server = server
        headers = {"Authorization": f"Bearer {key or server.api_key}"}
        url = f"{server.api_url}/testkit/v1"
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)

    def __call__(self, method: str, path: str, *, status: int = 200, body: Any = None, **query: Any) -> Any:
        """Return the JSON of a request that must be answered with ``status``, or None without JSON."""
        query = {name.rstrip("_"): value for name, value in query.items()}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        got = self.http.request(method, path, params=query or None, **sent)
        assert got.status_code == status, (got.status_code, got.text)
        return got.json() if got.content and got.headers["Content-Type"] == "application/json" else None

    def refusal(self, method: str, path: str, *, status: int, body: Any = None, **query: Any) -> Any:
        """Return the ``error`` of a request that must be refused with ``status``."""
        return self(method, path, status=status, body=body, **query)["error"]


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server of its own, with an inbox ann@example.com."""
    with MailServer() as server:
        server.make_inbox(address="ann@example.com")
        yield server


@pytest.fixture
def control(server: MailServer) -> Iterator[Control]:
    """A client of the control API of ``server``."""
    control = Control(server)
    with control.http:
        yield control
