"""Fixtures of the REST tests: a server on a free port in the test's own loop, and a client."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from multidict import CIMultiDictProxy
from yarl import URL

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http.listener import serve_rest
from sirrchat_testkit.schemas import sirrchat as wire
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.storage import TinyStore
from tests.support import deliver

START = 1_745_224_200_000
"""2025-04-21T08:30:00Z: between two full hours."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; ``json`` is None if the body is not JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes
    json: Any

    @property
    def error(self) -> str:
        """The text of an error of the disposable-address API, whose shape is checked."""
        assert list(self.json) == ["error"], self.json
        assert isinstance(self.json["error"], str)
        return self.json["error"]

    @property
    def problem(self) -> tuple[int, str, Any]:
        """Status, code and details of an error of the SirrChat API, whose shape is checked."""
        wire.Problem.model_validate(self.json)
        assert list(self.json) == ["error"], self.json
        assert list(self.json["error"]) == ["code", "message", "details"]
        return self.status, self.json["error"]["code"], self.json["error"]["details"]


@dataclass
class Service:
    """A server, its admin's key, and a client."""

    services: Services
    key: str
    url: str
    client: aiohttp.ClientSession
    _numbers: Any = field(default_factory=itertools.count)

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = "admin", **headers: str
    ) -> Answer:
        """Send a request. ``body`` is bytes or becomes JSON; without ``key`` no key is sent."""
        if key is not None:
            headers["X-API-Key"] = self.key if key == "admin" else key
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        payload = None if data is None else BytesIO(data)
        url = URL(self.url + path, encoded=True)
        async with self.client.request(method, url, data=payload, headers=headers, allow_redirects=False) as got:
            raw = await got.read()
            is_json = got.headers.get("Content-Type", "").startswith("application/json")
            return Answer(got.status, got.headers, raw, json.loads(raw) if raw and is_json else None)

    async def api(
        self, method: str, path: str, body: Any = None, *, key: str | None = "admin", **headers: str
    ) -> Answer:
        """Send a request to the SirrChat API, ``path`` below ``/api/v1``; otherwise as ``call``."""
        if key is not None:
            headers["Authorization"] = f"Bearer {self.key if key == 'admin' else key}"
        return await self.call(method, f"/api/v1{path}", body, key=None, **headers)

    async def fetch(self, path: str, **options: Any) -> Any:
        """Return the JSON of a GET to the SirrChat API that must be answered with 200."""
        got = await self.api("GET", path, **options)
        assert got.status == 200, got
        return got.json

    async def add_user(self, email: str = "", **details: Any) -> Any:
        """Make a user over the SirrChat API, with a new address unless one is given. Return the JSON."""
        email = email or f"u{next(self._numbers)}@example.com"
        got = await self.api("POST", "/users", {"email": email, "password": "secret", **details})
        assert got.status == 201, got
        return got.json

    async def key_of(self, user: str, role: str = "user") -> str:
        """Make a key for the user with this address or id, over the SirrChat API; return its text."""
        got = await self.api("POST", "/api-keys", {"user": user, "role": role})
        assert got.status == 201, got
        key: str = got.json["key"]
        return key

    async def get(self, path: str, **options: Any) -> Any:
        """Return the JSON of a GET that must be answered with 200."""
        got = await self.call("GET", path, **options)
        assert got.status == 200, got
        return got.json

    async def generate(self, name: str = "", *, expiry: int = 3_600_000, **options: Any) -> dict[str, str]:
        """Make an address, with a new name unless one is given."""
        body = {"name": name or f"n{next(self._numbers)}", "expiryTime": expiry, "domain": "example.com"}
        got = await self.call("POST", "/api/emails/generate", body, **options)
        assert got.status == 200, got
        made: dict[str, str] = got.json
        return made

    async def deliver(self, to: str, raw: bytes = b"Subject: hello\r\n\r\nhello\r\n") -> Message:
        """Deliver ``raw`` to ``to``."""
        [message] = await deliver(self.services, to, raw=raw, sender="sender1@example.org")
        return message

    async def user(self) -> str:
        """Return a user key of a fresh account."""
        account = await self.services.accounts.add(f"user{next(self._numbers)}@example.com")
        return (await self.services.keys.add(account, "user")).key


@pytest_asyncio.fixture
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """A server with the default settings and a clock that is frozen at half past eight; durable with ``folder``."""
    store = TinyStore(tmp_path / "data", fsync=True) if getattr(request, "param", "") == "folder" else TinyStore()
    services = Services.build(Settings(), store, asyncio.get_running_loop())
    services.clock.freeze(START)
    key = await services.set_up()
    async with serve_rest(services) as bound, aiohttp.ClientSession() as client:
        yield Service(services, key, f"http://{bound.host}:{bound.port}", client)
    await services.close()
    await store.close()


Mail = Callable[..., bytes]


@pytest.fixture
def mail() -> Mail:
    """Return a raw message: ``mail("subject", "text", "<p>html</p>", name=b"file")``."""
    return _mail


def _mail(subject: str = "hello", text: str = "hello\n", html: str = "", **files: bytes) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Sender 1 <sender1@example.org>"
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in files.items():
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message.as_bytes()
