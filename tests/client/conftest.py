"""Fixtures of the client tests: each way to drive a client, and a server of fixed answers."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import anyio
import pytest

from sirrchat_testkit import (
    AsyncClient,
    AsyncControlClient,
    AsyncTempMailClient,
    Client,
    ControlClient,
    TempMailClient,
)

if TYPE_CHECKING:
    from sirrchat_testkit.client.events import EventStream
    from sirrchat_testkit.schemas.control_events import Event

T = TypeVar("T")

KINDS: dict[type[Any], type[Any]] = {
    AsyncClient: Client,
    AsyncTempMailClient: TempMailClient,
    AsyncControlClient: ControlClient,
}


class Awaited:
    """A synchronous client in the form of the asynchronous one, so that a scenario is written once."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        return _awaited(found) if callable(found) else Awaited(found)


def _awaited(method: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(*arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named)

    async def records(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
        for each in method(*arguments, **named):
            yield each

    signature = getattr(method, "__signature__", None)
    returned = signature.return_annotation if signature else ""
    if returned == "EventStream":
        return lambda **named: AwaitedStream(method(**named))
    return records if "Iterator" in returned else answer


class AwaitedStream:
    """A synchronous stream in the form of the asynchronous one."""

    def __init__(self, wrapped: EventStream) -> None:
        self._wrapped = wrapped

    async def aclose(self) -> None:
        self._wrapped.close()

    async def __aenter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wrapped.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        for event in self._wrapped:
            return event
        raise StopAsyncIteration


@dataclass(frozen=True)
class Way:
    """A way to drive a client: ``sync``, ``asyncio`` or ``trio``."""

    name: str

    def run(
        self, kind: type[T], scenario: Callable[[T], Awaitable[object]], key: str, url: str, **options: Any
    ) -> list[float]:
        """Run ``scenario`` with a client of the asynchronous class ``kind``; return the pauses between requests."""
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        async def run() -> None:
            if self.name == "sync":
                with KINDS[kind](key, url, **options) as client:
                    client._sleep = pauses.append
                    await scenario(Awaited(client))  # type: ignore[arg-type]
            else:
                made: Any = kind
                async with made(key, url, **options) as client:
                    client._sleep = pause
                    await scenario(client)

        anyio.run(run, backend="trio" if self.name == "trio" else "asyncio")
        return pauses


@pytest.fixture(params=["sync", "asyncio", "trio"])
def way(request: pytest.FixtureRequest) -> Way:
    """Each way to drive a client."""
    return Way(request.param)


class Sent(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any


@dataclass
class Fixed:
    """An HTTP server that answers with ``answers`` in their order, the last one again and again.

    An answer is a status, a JSON value or bytes, and headers; None closes the connection without one.
    """

    url: str = ""
    answers: list[tuple[int, Any, dict[str, str]] | None] = field(default_factory=list)
    requests: list[Sent] = field(default_factory=list)

    def answer(self, status: int, body: Any = b"", /, **headers: str) -> None:
        """Add an answer; underscores in the names of headers stand for hyphens."""
        self.answers.append((status, body, {name.replace("_", "-"): text for name, text in headers.items()}))

    def next(self) -> tuple[int, Any, dict[str, str]] | None:
        """Return the next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def fixed() -> Iterator[Fixed]:
    """A server of fixed answers."""
    found = Fixed()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = Sent(self.command, self.path, dict(self.headers), json.loads(content) if content else None)
            found.requests.append(sent)
            answer = found.next()
            if answer is None:
                self.close_connection = True
                return
            status, body, headers = answer
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if raw and "Content-Type" not in headers:
                self.send_header("Content-Type", "text/html" if isinstance(body, bytes) else "application/json")
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
