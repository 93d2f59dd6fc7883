"""The SDK of the SirrChat document, synchronous: ``Client(api_key=...).users.get("user123").email``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx

from sirrchat_testkit.client import call
from sirrchat_testkit.client.call import Call
from sirrchat_testkit.client.errors import Unreachable
from sirrchat_testkit.schemas.sirrchat import answers

T = TypeVar("T")

URL_VARIABLE = "SIRRCHAT_TESTKIT_URL"
DEFAULT_URL = "http://127.0.0.1:8080"


class Client:
    """Asks a SirrChat server.

    Args:
        api_key: ``mk_live_…``.
        base_url: The server's ``api_url``, without ``/api/v1``. Default: ``SIRRCHAT_TESTKIT_URL``, else
            ``http://127.0.0.1:8080``.
        timeout: Seconds of real time for one request.
    """

    base_url: str
    users: Users
    api_keys: ApiKeys

    def __init__(self, api_key: str, base_url: str | None = None, *, timeout: float = 30.0) -> None:
        self.base_url = (base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=timeout, trust_env=False)
        self.users = Users(self._send)
        self.api_keys = ApiKeys(self._send)

    def _send(self, request: Call[T]) -> T:
        query = {name: value for name, value in request.query.items() if value is not None}
        try:
            answer = self._http.request(request.method, request.path, json=request.body, params=query)
        except httpx.HTTPError as error:
            raise Unreachable(self.base_url, str(error) or type(error).__name__) from error
        return request.result(answer.status_code, _json(answer))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self.base_url}>"


class Users:
    """The accounts."""

    def __init__(self, send: Callable[[Call[Any]], Any]) -> None:
        self._send = send

    def get(self, user: str) -> answers.User:
        """Return the user with this id. Raises ``NotFound``."""
        found: answers.User = self._send(call.get_user(user))
        return found

    def list(self, *, domain: str | None = None) -> Iterator[answers.User]:
        """Return every user, oldest first, of one domain or of all; pages are read as they are needed."""
        return _walk(lambda page: self._send(call.list_users(page, domain=domain)))


class ApiKeys:
    """The API keys."""

    def __init__(self, send: Callable[[Call[Any]], Any]) -> None:
        self._send = send

    def create(self, user: str, role: Literal["admin", "user"] = "admin") -> answers.NewlyMadeApiKey:
        """Make a key for ``user``, an e-mail address or an id; its text is in no later answer. Raises ``NotFound``."""
        made: answers.NewlyMadeApiKey = self._send(call.create_api_key(user, role))
        return made

    def list(self) -> Iterator[answers.ApiKey]:
        """Return every key, oldest first, without its text."""
        return _walk(lambda page: self._send(call.list_api_keys(page)))

    def revoke(self, key: str) -> None:
        """Take the key with this id no more. Raises ``NotFound``."""
        self._send(call.revoke_api_key(key))


def _walk(read: Callable[[int], Any]) -> Iterator[Any]:
    number = 1
    while True:
        page = read(number)
        yield from page.data
        if number >= page.meta.total_pages:
            return
        number += 1


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None
