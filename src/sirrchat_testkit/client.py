"""A client of the SirrChat API: ``Client(api_key=...).users.get("user123").email``.

A ``Call`` is one request as data, with the function that reads its answer; it sends nothing. The client sends calls and
raises the error that an answer stands for::

    ApiError                  status, code, message, details
    ├── InvalidRequest        400, 413
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── NotFound              404, 405
    ├── Conflict              409
    ├── RateLimited           429
    ├── ServerError           500 and above
    └── Unreachable           0: there was no answer
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel

from sirrchat_testkit.schemas import sirrchat as answers

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

URL_VARIABLE = "SIRRCHAT_TESTKIT_URL"
DEFAULT_URL = "http://127.0.0.1:8080"


class ApiError(Exception):
    """A request that was refused, or had no answer.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        code: The answer's code, such as ``not_found``.
        message: The answer's words.
        details: What the answer tells of the field at fault: ``field`` and ``value``, or nothing.
    """

    __module__ = "sirrchat_testkit"

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{message} ({status} {code})" if status else message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class InvalidRequest(ApiError):
    """A value is not what its field takes."""


class Unauthorized(ApiError):
    """The key is missing, wrong or revoked."""


class Forbidden(ApiError):
    """The key may not do this."""


class NotFound(ApiError):
    """There is no such thing, or it belongs to somebody else."""


class Conflict(ApiError):
    """The name is taken."""


class RateLimited(ApiError):
    """There were too many requests in this hour."""


class ServerError(ApiError):
    """The server failed."""


class Unreachable(ApiError):
    """There was no answer."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(0, "unreachable", f"no answer from {url}: {reason}", {})


_KINDS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: NotFound,
    409: Conflict,
    413: InvalidRequest,
    429: RateLimited,
}


def error_for(status: int, answer: Any) -> ApiError:
    """Return the error that an answer stands for, in either API's shape, or in none."""
    said = answer.get("error") if isinstance(answer, Mapping) else None
    kind = _KINDS.get(status, ServerError)
    if isinstance(said, Mapping):
        message, details = str(said.get("message", "")), said.get("details") or {}
        return kind(status, str(said.get("code", "")), message, details)
    return kind(status, kind.__name__.lower(), said if isinstance(said, str) else "the answer is not the API's", {})


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: ``path`` below the base URL, ``body`` as JSON; ``read`` turns the answer's JSON into a value."""

    method: str
    path: str
    read: Callable[[Any], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    def result(self, status: int, answer: Any) -> T:
        """Return what the call is for. Raises the ``ApiError`` that ``status`` and ``answer`` stand for."""
        if status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise error_for(status, answer)
        return self.read(answer)


def get_user(user: str) -> Call[answers.User]:
    """Return the call that reads a user by id."""
    return Call("GET", f"/api/v1/users/{user}", _one(answers.User))


def list_users(page: int, **query: Any) -> Call[answers.UserPage]:
    """Return the call that reads a page of users; ``query`` may have ``limit`` and ``domain``."""
    return Call("GET", "/api/v1/users", _one(answers.UserPage), query={"page": page, **query})


def create_api_key(user: str, role: str) -> Call[answers.NewlyMadeApiKey]:
    """Return the call that makes a key for ``user``, an e-mail address or an id."""
    return Call("POST", "/api/v1/api-keys", _one(answers.NewlyMadeApiKey), body={"user": user, "role": role})


def list_api_keys(page: int) -> Call[answers.ApiKeyPage]:
    """Return the call that reads a page of keys."""
    return Call("GET", "/api/v1/api-keys", _one(answers.ApiKeyPage), query={"page": page})


def revoke_api_key(key: str) -> Call[None]:
    """Return the call that revokes a key by its id."""
    return Call("DELETE", f"/api/v1/api-keys/{key}", lambda _: None)


def _one(model: type[Model]) -> Callable[[Any], Model]:
    return model.model_validate


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
        found: answers.User = self._send(get_user(user))
        return found

    def list(self, *, domain: str | None = None) -> Iterator[answers.User]:
        """Return every user, oldest first, of one domain or of all; pages are read as they are needed."""
        return _walk(lambda page: self._send(list_users(page, domain=domain)))


class ApiKeys:
    """The API keys."""

    def __init__(self, send: Callable[[Call[Any]], Any]) -> None:
        self._send = send

    def create(self, user: str, role: Literal["admin", "user"] = "admin") -> answers.NewlyMadeApiKey:
        """Make a key for ``user``, an e-mail address or an id; its text is in no later answer. Raises ``NotFound``."""
        made: answers.NewlyMadeApiKey = self._send(create_api_key(user, role))
        return made

    def list(self) -> Iterator[answers.ApiKey]:
        """Return every key, oldest first, without its text."""
        return _walk(lambda page: self._send(list_api_keys(page)))

    def revoke(self, key: str) -> None:
        """Take the key with this id no more. Raises ``NotFound``."""
        self._send(revoke_api_key(key))


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
