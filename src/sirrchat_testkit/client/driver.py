"""What all clients share: the address, the key, sending calls, and sending them again.

1. Only what is safe is sent again: any request that was answered 429 with ``Retry-After``, because it had no effect,
   and a GET whose connection failed. A request that timed out is not sent again.
2. One call waits between its requests for at most ``timeout`` seconds in all; a longer ``Retry-After`` is raised. A
   stream whose connection broke has as long to connect again: the server may be starting again. A long poll of a
   server that has answered before has at most as long as it would have waited for its answer.
3. Proxies and certificates of the environment (``HTTPS_PROXY``, ``SSL_CERT_FILE``) apply, but not on loopback.
4. The key is sent in a header and is nowhere else: not in a ``repr``, an error or a log.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx
from pydantic_core import from_json

from sirrchat_testkit.client.calls import RAW, STREAM, Call, Pages
from sirrchat_testkit.client.errors import Reason, Unreachable, refusal, retry_after, unexpected
from sirrchat_testkit.errors import InvalidValue

if TYPE_CHECKING:
    from sirrchat_testkit.client.events import AsyncEventStream, EventSource, EventStream

__tracebackhide__ = True

T = TypeVar("T")
H = TypeVar("H", httpx.Client, httpx.AsyncClient)

URL_VARIABLE: Final = "SIRRCHAT_TESTKIT_URL"
KEY_VARIABLE: Final = "SIRRCHAT_TESTKIT_API_KEY"
DEFAULT_URL: Final = "http://127.0.0.1:8080"

FIRST_REDIRECT: Final = 300
TOO_MANY_REQUESTS: Final = 429
PAUSE: Final = 0.1
"""Seconds before a GET whose connection failed is sent again; four times as many before each further time."""

LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to connect a stream again, at most."""


@dataclass(frozen=True, slots=True)
class Api:
    """One API, as its clients see it.

    Attributes:
        path: The path of the API below the server's URL.
        key_header: The header that has the key, and the text before the key in it.
        reason: Finds the reason in the JSON of an error response.
        resources: The attributes of a client, and what makes each of them from the client.
    """

    path: str
    key_header: tuple[str, str]
    reason: Callable[[Any], Reason | None]
    resources: Mapping[str, Callable[[Any], Any]]


class Driver:
    """The parts of a client that do no I/O."""

    _api: ClassVar[Api]

    base_url: str

    def __init__(
        self, api_key: str | None = None, base_url: str | None = None, *, timeout: float = 30.0, retries: int = 2
    ) -> None:
        self.base_url = _server_url(base_url, self._api.path)
        self._timeout = timeout
        self._retries = retries
        self._was_answered = False
        self._connect(_checked_key(api_key))
        for name, make in self._api.resources.items():
            setattr(self, name, make(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def _connect(self, key: str) -> None:
        raise NotImplementedError

    def _http_client(self, kind: type[H], key: str) -> H:
        name, scheme = self._api.key_header
        parts = urlsplit(self.base_url)
        return kind(
            headers=httpx.Headers({name: scheme + key}, encoding="utf-8"),
            timeout=self._timeout,
            trust_env=not _is_local(parts.hostname or ""),
            # without TLS, an empty context: it takes long to load the certificates of authorities
            verify=parts.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        """Return the arguments of ``httpx`` for ``call``."""
        made: dict[str, Any] = {
            "method": call.method,
            "url": f"{self.base_url}{self._api.path}{call.path}",
            "headers": {"Accept": call.accept},
            "params": {name: value for name, value in call.query.items() if value is not None},
        }
        if call.wait:
            made["timeout"] = httpx.Timeout(self._timeout, read=self._timeout + call.wait)
        if isinstance(call.body, bytes):
            made["content"] = call.body
            made["headers"]["Content-Type"] = RAW
        elif call.body is not None:
            made["json"] = {name: value for name, value in call.body.items() if value is not None}
        return made

    def _attempts(self, call: Call[Any], *, patient: bool = False) -> Attempts:
        patient = patient or (self._was_answered and call.patient)
        return Attempts(call, self.base_url, self._timeout, self._retries, patient=patient)

    @property
    def _client(self) -> Self:
        """The client itself: some routes are methods of it, not of a resource."""
        return self

    def _is_expected(self, call: Call[Any], response: httpx.Response) -> bool:
        """Return whether ``response`` is a success, and has the media type that was asked for."""
        kind = response.headers.get("Content-Type", "").lower()
        return response.status_code < FIRST_REDIRECT and kind.startswith(call.accept)

    def _result(self, call: Call[T], response: httpx.Response) -> T:
        """Return the result of ``call``. Raises ``ApiError``."""
        self._was_answered = True
        if response.status_code >= FIRST_REDIRECT:
            raise refusal(response, self._api.reason(_json(response)))
        if response.content and not self._is_expected(call, response):
            raise unexpected(response)
        try:
            return call.read(response.content)
        except ValueError as error:
            raise unexpected(response, str(error)) from None


class Attempts:
    """The requests of one call: decides whether it is sent again.

    Args:
        call: The call.
        url: The URL of the server.
        timeout: Seconds to wait for each request, and between all of them.
        retries: How often it is sent again.
        patient: Whether it is sent as often as the time allows, unless ``retries`` is 0: a stream that broke, or a long
            poll. Only a stream is opened again after a timeout.
    """

    def __init__(self, call: Call[Any], url: str, timeout: float, retries: int, *, patient: bool) -> None:
        self._is_get = call.method == "GET"
        self._is_stream = call.accept == STREAM
        self._url = url
        self._timeout = timeout
        self._wait = call.wait
        self._retries = retries
        self._is_patient = patient
        longest = timeout if self._is_stream else min(call.wait, timeout)
        self._patience = longest if patient and retries else 0.0
        self._failed = 0
        self._waited = 0.0

    def after(self, response: httpx.Response) -> float | None:
        """Return the seconds to wait before the next request; None if ``response`` is final."""
        seconds = retry_after(response) if response.status_code == TOO_MANY_REQUESTS else None
        return None if seconds is None else self._pause(seconds)

    def after_error(self, error: httpx.HTTPError | TimeoutError) -> float:
        """Return the seconds to wait before the next request. Raises ``Unreachable`` if there is none."""
        pause = self._pause(self._interval()) if self._is_get and self._may_change(error) else None
        if pause is not None:
            return pause
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            raise Unreachable(f"no answer from {self._url} within {self._timeout + self._wait:g} seconds") from None
        why = _text(_cause(error)).rstrip(".") or type(error).__name__
        raise Unreachable(f"no answer from {self._url}: {why}") from None

    def _may_change(self, error: httpx.HTTPError | TimeoutError) -> bool:
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            return self._is_patient and self._is_stream
        is_broken = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
        return is_broken and not isinstance(_cause(error), ssl.SSLError)

    def _interval(self) -> float:
        seconds = PAUSE * 4.0**self._failed
        return min(seconds, LONGEST_PAUSE) if self._is_patient else seconds

    def _pause(self, seconds: float) -> float | None:
        self._failed += 1
        self._waited += seconds
        is_allowed = self._failed <= self._retries or self._waited <= self._patience
        return seconds if is_allowed and self._waited <= self._timeout else None


class SyncDriver(Driver):
    """A client whose methods return answers. It can be used in several threads."""

    _http: httpx.Client
    _sleep: Callable[[float], object]

    def _connect(self, key: str) -> None:
        self._http = self._http_client(httpx.Client, key)
        self._sleep = time.sleep

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        return self._result(call, self._respond(call, self._attempts(call)))

    def _respond(self, call: Call[Any], attempts: Attempts, *, stream: bool = False) -> httpx.Response:
        """Return the response to ``call``; with ``stream`` its body is not read yet. Raises ``ApiError``."""
        while True:
            pause: float | None
            try:
                response = self._http.send(self._http.build_request(**self._request(call)), stream=stream)
            except httpx.HTTPError as error:
                pause = attempts.after_error(error)
            else:
                pause = attempts.after(response)
                if pause is None:
                    return response
                response.close()
            self._sleep(pause)

    def _open(self, call: Call[Any], attempts: Attempts) -> httpx.Response:
        """Return the response to ``call``, whose body is a stream. Raises ``ApiError``."""
        response = self._respond(call, attempts, stream=True)
        if not self._is_expected(call, response):
            response.read()
            self._result(call, response)
        return response

    def _iterate(self, pages: Pages[T]) -> Iterator[T]:
        while pages.next is not None:
            yield from pages.take(self._send(pages.next))

    def _stream(self, source: EventSource) -> EventStream:
        from sirrchat_testkit.client.events import EventStream

        return EventStream(self, source)


class AsyncDriver(Driver):
    """A client whose methods return awaitables of answers, on asyncio or trio."""

    _http: httpx.AsyncClient
    _sleep: Callable[[float], Awaitable[object]]
    _streams: set[Any]  # those that are open

    def _connect(self, key: str) -> None:
        self._http = self._http_client(httpx.AsyncClient, key)
        self._sleep = anyio.sleep
        self._streams = set()

    async def aclose(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        for stream in tuple(self._streams):
            await stream.aclose()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, call: Call[T]) -> T:
        return self._result(call, await self._respond(call, self._attempts(call)))

    async def _respond(self, call: Call[Any], attempts: Attempts, *, stream: bool = False) -> httpx.Response:
        """Return the response to ``call``; with ``stream`` its body is not read yet. Raises ``ApiError``."""
        seconds = None if stream else self._timeout + call.wait
        while True:
            pause: float | None
            try:
                with anyio.fail_after(seconds):  # the timeouts of httpx begin again with each piece that arrives
                    response = await self._http.send(self._http.build_request(**self._request(call)), stream=stream)
            except (httpx.HTTPError, TimeoutError) as error:
                pause = attempts.after_error(error)
            else:
                pause = attempts.after(response)
                if pause is None:
                    return response
                await response.aclose()
            await self._sleep(pause)

    async def _open(self, call: Call[Any], attempts: Attempts) -> httpx.Response:
        """Return the response to ``call``, whose body is a stream. Raises ``ApiError``."""
        response = await self._respond(call, attempts, stream=True)
        if not self._is_expected(call, response):
            await response.aread()
            self._result(call, response)
        return response

    def _iterate(self, pages: Pages[T]) -> AsyncIterator[T]:
        return _AsyncRecords(self._send, pages)

    def _stream(self, source: EventSource) -> AsyncEventStream:
        from sirrchat_testkit.client.events import AsyncEventStream

        return AsyncEventStream(self, source)


class _AsyncRecords(AsyncIterator[T]):
    """The records of a list. It is no generator, because trio warns about one that is not read to its end."""

    def __init__(self, send: Callable[[Call[Any]], Awaitable[Any]], pages: Pages[T]) -> None:
        self._send = send
        self._pages = pages
        self._ready: deque[T] = deque()

    async def __anext__(self) -> T:
        while not self._ready:
            if self._pages.next is None:
                raise StopAsyncIteration
            self._ready.extend(self._pages.take(await self._send(self._pages.next)))
        return self._ready.popleft()


def _server_url(given: str | None, path: str) -> str:
    """Return the URL of a server without a trailing slash, or ``path``. Raises ``InvalidValue``."""
    url = given if given is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        raise InvalidValue(f"{url!r} is not the URL of a server", field="base_url", value=url) from None
    if "@" in parts.netloc:
        raise InvalidValue("the URL of a server must not contain a user name or a password", field="base_url")
    if not valid or not url.isprintable() or " " in url:
        text = f"the URL of a server begins with http:// or https://, such as {DEFAULT_URL}; {url!r} does not"
        raise InvalidValue(text, field="base_url", value=url)
    if parts.query or parts.fragment:
        text = f"the URL of a server must not contain a query or a fragment: {url!r}"
        raise InvalidValue(text, field="base_url", value=url)
    return url.rstrip("/").removesuffix(path).rstrip("/")


def _checked_key(given: str | None) -> str:
    """Return the key to send. Raises ``InvalidValue``."""
    key = given if given is not None else os.environ.get(KEY_VARIABLE)
    if not key:
        raise InvalidValue(f"the API key is missing: give api_key, or set {KEY_VARIABLE}", field="api_key")
    if not key.isprintable():
        raise InvalidValue("the API key has a line end or another control character in it", field="api_key")
    return key


def _cause(error: BaseException) -> BaseException:
    """Return the first error of a chain. The libraries of httpx each wrap it, some without its text."""
    while True:
        earlier = error.__cause__ or error.__context__
        if isinstance(error, BaseExceptionGroup):
            earlier = error.exceptions[0]
        if earlier is None:
            return error
        error = earlier


def _text(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError) or not error.errno:
        return str(error)
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def _json(response: httpx.Response) -> Any:
    try:
        return from_json(response.content)
    except ValueError:
        return None
