"""What the webhook tests share."""

from __future__ import annotations

import json
import smtplib
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sirrchat_testkit import MailServer

Rest = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server of this test's own: for settings, restarts, and what must not be rewound."""
    with MailServer() as server:
        yield server


@pytest.fixture
def send() -> Callable[..., None]:
    """Send a mail by SMTP: ``send(server, recipient, subject="Hello")``."""

    def by_smtp(server: MailServer, *recipients: object, subject: str = "Hello") -> None:
        with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
            smtp.sendmail(
                "bounce@shop.example",
                list(map(str, recipients)),
                f"From: Shop <shop@shop.example>\r\nSubject: {subject}\r\n\r\nHi.\r\n".encode(),
            )

    return by_smtp


@pytest.fixture
def rest() -> Rest:
    """Call the REST API: ``rest(server, "GET", "/api/v1/webhooks", key=None, body=None)``."""

    def call(server: MailServer, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        key = key or server.api_key
        request = urllib.request.Request(
            server.api_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "X-API-Key": key},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    return call
