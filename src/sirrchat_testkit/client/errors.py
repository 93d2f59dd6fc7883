"""What a server's refusal is to a client: exceptions by kind, with the answer's own words.

::

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

from collections.abc import Mapping
from typing import Any


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
