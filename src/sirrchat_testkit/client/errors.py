"""The errors of the clients, as one tree.

::

    ApiError                  status, code, message, details; also any other status of 400 or more
    ├── InvalidRequest        400, 413              also an InvalidValue
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── NotFound              404, 405              also a sirrchat_testkit.NotFound
    ├── MailNotReceived       404, code timeout     also a sirrchat_testkit.MailNotReceived: near_misses
    ├── Conflict              409                   also a sirrchat_testkit.Conflict
    │   └── SharedServerError 409, code shared_server  also a sirrchat_testkit.SharedServerError
    ├── RateLimited           429: retry_after, resets_at
    ├── ServerError           500 and above
    ├── Unreachable           0: no response
    └── UnexpectedResponse    any: not a response of this API

A response in the shape of the API's errors has the kind of its status. In any other shape, only 401, 403, 429 and 500
and above do: a 404 may come from a server that does not know the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx

from sirrchat_testkit import errors
from sirrchat_testkit.errors import InvalidValue, TestkitError

FIRST_ERROR: Final = 400
FIRST_SERVER_ERROR: Final = 500


class ApiError(TestkitError):
    """A request failed: the server refused it, or did not respond.

    There is a subclass for each kind of failure. ``NotFound``, ``Conflict`` and ``InvalidValue`` of
    ``sirrchat_testkit`` catch those kinds too.

    Example:
        try:
            user = client.users.get(user_id)
        except NotFound:
            user = None

    Attributes:
        status: The HTTP status; 0 if there was no response.
        code: The error code of the API, such as ``not_found``. The disposable-address API has none; it is then that of
            the status.
        message: The error text of the API.
        details: The invalid field as ``field`` and ``value``, or other facts about the error; or empty.
        field: The invalid field, or None.
        value: The value that was sent in it, or None.
    """

    __module__ = "sirrchat_testkit"

    status: int
    message: str
    details: Mapping[str, Any]
    field: str | None
    value: Any

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        code = code or self.code
        super().__init__(f"{message} ({status} {code})" if status else message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}
        self.field = self.details.get("field")
        self.value = self.details.get("value")


class InvalidRequest(ApiError, InvalidValue):
    """A field or parameter is invalid, or the body is too large."""

    code = "invalid_request"


class Unauthorized(ApiError):
    """The API key is missing, wrong, revoked or expired."""

    __module__ = "sirrchat_testkit"

    code = "unauthorized"


class Forbidden(ApiError):
    """The API key lacks the permission, or a limit of the account is reached."""

    __module__ = "sirrchat_testkit"

    code = "forbidden"


class NotFound(ApiError, errors.NotFound):
    """The object does not exist, or belongs to another account."""

    code = "not_found"


class MailNotReceived(ApiError, errors.MailNotReceived):
    """The message that ``messages.wait`` waited for did not arrive in time. An ``AssertionError``, too.

    Its text is that of a failed ``receive()``: what was waited for, what came instead, what was refused.

    Attributes:
        near_misses: The messages that came nearest, each with ``id``, ``from``, ``recipient``, ``subject`` and
            ``misses``, the conditions that it missed; the nearest first.
    """

    code = "timeout"
    near_misses: Sequence[Mapping[str, Any]]

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, status=status, code=code, details=details)
        self.near_misses = self.details.get("near_misses", ())

    def __str__(self) -> str:
        return self.message


class Conflict(ApiError, errors.Conflict):
    """The name is taken, or the object is still in use."""

    code = "conflict"


class SharedServerError(Conflict, errors.SharedServerError):
    """The server refuses the change because it would affect others who use it too."""

    code = "shared_server"


class RateLimited(ApiError):
    """Too many requests within the hour.

    Attributes:
        retry_after: The seconds after which the server accepts requests again; None if it does not say.
        resets_at: The time at which it does, on the server's clock; None if it does not say.
    """

    __module__ = "sirrchat_testkit"

    code = "rate_limited"
    retry_after: float | None = None
    resets_at: datetime | None = None


class ServerError(ApiError):
    """The server failed, or a proxy in front of it did."""

    __module__ = "sirrchat_testkit"

    code = "internal_error"


class Unreachable(ApiError):
    """The server did not respond."""

    __module__ = "sirrchat_testkit"

    code = "unreachable"


class UnexpectedResponse(ApiError):
    """The response is not one of this API, such as an HTML page: ``base_url`` may be that of another server."""

    __module__ = "sirrchat_testkit"

    code = "unexpected_response"


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
_CLEAR_WITHOUT_A_REASON = (401, 403, 429)


class Reason(NamedTuple):
    """What an error response says; ``code`` is empty if the API has no codes."""

    message: str
    code: str
    details: Mapping[str, Any]


def nested_reason(answer: Any) -> Reason | None:
    """Return the reason in an error of the SirrChat API; None if ``answer`` is not one."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping) or "message" not in error:
        return None
    details = error.get("details")
    return Reason(str(error["message"]), str(error.get("code", "")), details if isinstance(details, Mapping) else {})


def flat_reason(answer: Any) -> Reason | None:
    """Return the reason in an error of the disposable-address API; None if ``answer`` is not one."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("error"), str):
        return None
    return Reason(answer["error"], "", {name: each for name, each in answer.items() if name != "error"})


def refusal(response: httpx.Response, reason: Reason | None) -> ApiError:
    """Return the error for a response with a status of 300 or more, and the reason in it."""
    status = response.status_code
    kind = _KINDS.get(status, ServerError if status >= FIRST_SERVER_ERROR else ApiError)
    if kind is NotFound and reason is not None and reason.code == MailNotReceived.code:
        kind = MailNotReceived
    elif kind is Conflict and reason is not None and reason.code == SharedServerError.code:
        kind = SharedServerError
    if reason is None:
        if status < FIRST_SERVER_ERROR and status not in _CLEAR_WITHOUT_A_REASON:
            return unexpected(response)
        reason = Reason(f"{_request(response)} was answered without a reason", "", {})
    error = kind(reason.message, status=status, code=reason.code, details=reason.details)
    if isinstance(error, RateLimited):
        error.retry_after = retry_after(response)
        error.resets_at = _resets_at(response, reason)
    return error


def unexpected(response: httpx.Response, why: str = "") -> UnexpectedResponse:
    """Return the error for a response that is not one of the API; ``why`` says what is wrong in its JSON."""
    status, location = response.status_code, response.headers.get("Location")
    request = _request(response)
    if why:
        text = f"{request} was answered with JSON that this client does not know: {why}"
    elif location and status < FIRST_ERROR:
        text = f"{request} was redirected to {location}: should base_url begin like that?"
    else:
        kind = response.headers.get("Content-Type", "no content").partition(";")[0]
        text = f"{request} was answered with {status} and {kind}, not as this API does: is base_url right?"
    error = UnexpectedResponse(text)
    error.status = status
    return error


def _request(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}"


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds in ``Retry-After``; None without it, or if it is a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _resets_at(response: httpx.Response, reason: Reason) -> datetime | None:
    milliseconds, seconds = reason.details.get("resetTime"), response.headers.get("X-RateLimit-Reset", "")
    try:
        if isinstance(milliseconds, int):
            return datetime.fromtimestamp(milliseconds / 1000, UTC)
        return datetime.fromtimestamp(int(seconds), UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None
