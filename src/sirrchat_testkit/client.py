"""A client of the SirrChat API: ``Client(api_key=...).users.get("user123").email``.

A ``Call`` describes one request and reads its response, without I/O. The client sends calls and raises an error for a
status of 400 or more::

    ApiError                  status, code, message, details
    ├── InvalidRequest        400, 413              also an InvalidValue
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── NotFound              404, 405              also a sirrchat_testkit.NotFound
    ├── Conflict              409                   also a sirrchat_testkit.Conflict
    ├── RateLimited           429
    ├── ServerError           500 and above
    └── Unreachable           0: no response
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel

from sirrchat_testkit import errors
from sirrchat_testkit.errors import InvalidValue, TestkitError
from sirrchat_testkit.schemas import sirrchat as answers

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

URL_VARIABLE = "SIRRCHAT_TESTKIT_URL"
DEFAULT_URL = "http://127.0.0.1:8080"


class ApiError(TestkitError):
    """A request failed: the server refused it, or did not respond.

    ``sirrchat_testkit.client`` has a subclass for each kind of failure. ``NotFound``, ``Conflict`` and ``InvalidValue``
    of ``sirrchat_testkit`` catch those kinds too.

    Example:
        try:
            user = client.users.get(user_id)
        except NotFound:
            user = None

    Attributes:
        status: The HTTP status; 0 if there was no response.
        code: The error code of the API, such as ``not_found``.
        message: The error text of the API.
        details: The invalid field as ``field`` and ``value``, or empty.
        field: The invalid field, or None.
        value: The value that was sent in it, or None.
    """

    __module__ = "sirrchat_testkit"

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{message} ({status} {code})" if status else message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.field = details.get("field")
        self.value = details.get("value")


class InvalidRequest(ApiError, InvalidValue):
    """A field or parameter is invalid, or the body is too large."""


class Unauthorized(ApiError):
    """The API key is missing, wrong or revoked."""


class Forbidden(ApiError):
    """The API key lacks the permission."""


class NotFound(ApiError, errors.NotFound):
    """The object does not exist, or belongs to another account."""


class Conflict(ApiError, errors.Conflict):
    """The name is taken, or the object is still in use."""


class RateLimited(ApiError):
    """Too many requests within the hour."""


class ServerError(ApiError):
    """The server failed, or its response is not the JSON of this API."""


class Unreachable(ApiError):
    """The server did not respond."""

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
    """Return the error for a response with a ``status`` of 400 or more; ``answer`` is its JSON, or None."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    kind = _KINDS.get(status, ServerError)
    if isinstance(error, Mapping):
        message, details = str(error.get("message", "")), error.get("details") or {}
        return kind(status, str(error.get("code", "")), message, details)
    message = error if isinstance(error, str) else "the answer has no error of this API"
    return kind(status, kind.__name__.lower(), message, {})


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: ``path`` below the base URL, ``body`` as JSON; ``read`` converts the response's JSON to a value."""

    method: str
    path: str
    read: Callable[[Any], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    def result(self, status: int, answer: Any) -> T:
        """Return the value in ``answer``. Raises an ``ApiError`` if ``status`` is 400 or more."""
        if status >= 400:  # noqa: PLR2004 - the first error of HTTP
            raise error_for(status, answer)
        return self.read(answer)


def get_user(user: str) -> Call[answers.User]:
    """Return the call that reads a user by id."""
    return Call("GET", f"/api/v1/users/{user}", _one(answers.User))


def list_users(page: int, **query: Any) -> Call[answers.UserPage]:
    """Return the call that reads a page of users; ``query`` may have ``limit`` and ``domain``."""
    return Call("GET", "/api/v1/users", _one(answers.UserPage), query={"page": page, **query})


def create_api_key(user: str, role: str, expires_in: timedelta | None) -> Call[answers.NewlyMadeApiKey]:
    """Return the call that makes a key for ``user``, an e-mail address or an id."""
    body: dict[str, Any] = {"user": user, "role": role}
    if expires_in is not None:
        body["expires_in_ms"] = round(expires_in / timedelta(milliseconds=1))
    return Call("POST", "/api/v1/api-keys", _one(answers.NewlyMadeApiKey), body=body)


def list_api_keys(page: int) -> Call[answers.ApiKeyPage]:
    """Return the call that reads a page of keys."""
    return Call("GET", "/api/v1/api-keys", _one(answers.ApiKeyPage), query={"page": page})


def revoke_api_key(key: str) -> Call[None]:
    """Return the call that revokes a key by its id."""
    return Call("DELETE", f"/api/v1/api-keys/{key}", lambda _: None)


def _one(model: type[Model]) -> Callable[[Any], Model]:
    return model.model_validate


class Client:
    """A client of the SirrChat API of a running server, over HTTP.

    Close it, or use it as a context manager. Methods raise an ``ApiError`` if the server refuses a request or does not
    respond.

    Args:
        api_key: An API key, such as ``mailserver.api_key``.
        base_url: The server's ``api_url``, without ``/api/v1``. Default: the environment variable
            ``SIRRCHAT_TESTKIT_URL``, else ``http://127.0.0.1:8080``.
        timeout: Seconds of real time for one request.

    Attributes:
        base_url: The URL in use, without a trailing slash.
        users: The users: ``get`` and ``list``.
        api_keys: The API keys: ``create``, ``list`` and ``revoke``.

    Example:
        with Client(mailserver.api_key, mailserver.api_url) as client:
            for user in client.users.list():
                print(user.email)
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
        """Close the connections. The client cannot be used afterwards."""
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
    """The users of a server, as ``client.users``."""

    def __init__(self, send: Callable[[Call[Any]], Any]) -> None:
        self._send = send

    def get(self, user: str) -> answers.User:
        """Return a user by id.

        Args:
            user: The user's id, such as ``mailserver.add_account("ann@example.com").id``.

        Raises:
            NotFound: No user has this id.
            ApiError: The request failed. ``status`` is 403 if a user's key asks for another user.

        Example:
            assert client.users.get(ann.id).email == "ann@example.com"
        """
        found: answers.User = self._send(get_user(user))
        return found

    def list(self, *, domain: str | None = None) -> Iterator[answers.User]:
        """Return an iterator over the users, oldest first. Pages are requested as they are needed.

        Args:
            domain: Return only users whose address is at this domain. Default: all.

        Raises:
            ApiError: The request failed; raised by the iterator. ``status`` is 403 without an admin key.

        Example:
            addresses = [user.email for user in client.users.list(domain="example.com")]
        """
        return _walk(lambda page: self._send(list_users(page, domain=domain)))


class ApiKeys:
    """The API keys of a server, as ``client.api_keys``. All methods need an admin key."""

    def __init__(self, send: Callable[[Call[Any]], Any]) -> None:
        self._send = send

    def create(
        self, user: str, role: Literal["admin", "user"] = "admin", *, expires_in: timedelta | None = None
    ) -> answers.NewlyMadeApiKey:
        """Make an API key and return it, with ``key`` and ``secret``. They cannot be read again later.

        Args:
            user: The e-mail address or the id of the key's user.
            role: ``admin`` for every route, ``user`` for the user's own data.
            expires_in: How long the key is valid, on the server's clock. Default: until it is revoked.

        Raises:
            NotFound: There is no such user.
            InvalidValue: ``expires_in`` is not above 0.
            ApiError: The request failed.

        Example:
            key = client.api_keys.create("ann@example.com", role="user").key
            client_of_ann = Client(key, client.base_url)
        """
        made: answers.NewlyMadeApiKey = self._send(create_api_key(user, role, expires_in))
        return made

    def list(self) -> Iterator[answers.ApiKey]:
        """Return an iterator over the API keys, oldest first, without ``key`` and ``secret``.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return _walk(lambda page: self._send(list_api_keys(page)))

    def revoke(self, key: str) -> None:
        """Revoke an API key.

        Args:
            key: The id of the key, not the key itself.

        Raises:
            NotFound: No key has this id.
            ApiError: The request failed.
        """
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
