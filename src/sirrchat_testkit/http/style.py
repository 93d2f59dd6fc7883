"""What sets one JSON API apart from another: where its key is sent, and how it says no.

1. An error is raised once, in ``domain``; its status is looked up here, its shape is the dialect's.
2. Every answer is JSON, and every JSON can be sent: text that is no Unicode (a lone surrogate) goes out as ``?``.
3. A dialect decides nothing about the domain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic_core import PydanticSerializationError, to_json

from sirrchat_testkit import errors

STATUSES: Mapping[type[errors.TestkitError], int] = {
    errors.TestkitError: 500,
    errors.InvalidValue: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Forbidden: 403,
    errors.Unauthorized: 401,
    errors.LimitReached: 403,
    errors.RateLimited: 429,
    errors.Refused: 400,
    errors.NoSuchAddress: 400,
    errors.ForeignDomain: 400,
    errors.OverQuota: 507,
    errors.FaultRefused: 400,
    errors.StoreError: 500,
    errors.StoreFull: 507,
}
"""The status of each error, the same in every dialect; a kind that is not named has its parent's."""

_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    429: "rate_limited",
    500: "internal_error",
    507: "insufficient_storage",
}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API's manners.

    Attributes:
        key: Reads the API key from a request, empty where there is none; None for routes that need no key.
        problem: Makes the body of an error from its status, its text, and what was raised.
    """

    key: Callable[[web.Request], str] | None
    problem: Callable[[int, str, Exception | None], Any]

    def refuse(self, status: int, text: str, error: Exception | None = None) -> web.Response:
        """Return the answer that says ``text``, in the dialect's shape."""
        return answer(self.problem(status, text, error), status)


def flat(_status: int, text: str, error: Exception | None) -> Any:
    """Return the disposable-address API's error; over the rate limit it says when there is room again."""
    if isinstance(error, errors.RateLimited):
        return {"error": text, "remaining": 0, "resetTime": error.resets_at}
    return {"error": text}


def nested(status: int, text: str, error: Exception | None) -> Any:
    """Return the administration API's error: a code, a text, and the field that is at fault."""
    details = {}
    if isinstance(error, errors.InvalidValue | errors.Conflict) and error.field is not None:
        details = {"field": error.field, "value": error.value}
    return {"error": {"code": _CODES.get(status, "invalid_request"), "message": text, "details": details}}


def status_of(error: errors.TestkitError) -> int:
    """Return the status of ``error``, of its nearest known kind where it is a new one."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def answer(data: Any, status: int = 200) -> web.Response:
    """Return ``data`` as a JSON answer."""
    return ready(encode(data), status)


def ready(body: bytes, status: int = 200) -> web.Response:
    """Return what is JSON already as an answer."""
    return web.Response(body=body, status=status, headers=_JSON)


def encode(data: Any) -> bytes:
    """Return ``data`` as JSON in UTF-8."""
    try:
        return to_json(data, inf_nan_mode="null")  # "Infinity" is no JSON
    except PydanticSerializationError:
        return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


DIALECT = web.AppKey("DIALECT", Dialect)
"""Where an application keeps its dialect."""
