"""API styles: where an API expects its key, and the shape of its errors. Reading and writing JSON.

1. An error is raised once, in ``domain``. Its status is looked up here; its shape depends on the API style.
2. Every answer is JSON. A lone surrogate, which UTF-8 cannot encode, is sent as ``?``.
3. A request body must be a JSON object in UTF-8, whatever its ``Content-Type``.
4. NaN, Infinity, lone surrogates (escaped ones too) and excessive nesting are refused.
5. Unknown fields are ignored, except by the control API, which refuses them.
6. A compressed body is decompressed here, never beyond ``MAX_BODY``, and not at all if no route reads it.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, from_json, to_json

from sirrchat_testkit import errors
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.schemas.fields import reason_of
from sirrchat_testkit.suggestions import meant
from sirrchat_testkit.threads import LARGE, apply

STATUSES: Mapping[type[errors.TestkitError], int] = {
    errors.TestkitError: 500,
    errors.InvalidValue: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.SharedServerError: 409,
    errors.Forbidden: 403,
    errors.Unauthorized: 401,
    errors.LimitReached: 403,
    errors.RateLimited: 429,
    errors.TimedOut: 404,
    errors.TooBusy: 503,
    errors.Refused: 400,
    errors.NoSuchAddress: 400,
    errors.ForeignDomain: 400,
    errors.OverQuota: 507,
    errors.TooManyRecipients: 400,
    errors.Simulated: 400,
    errors.FaultRefused: 400,
    errors.StoreError: 500,
    errors.StoreFull: 507,
    errors.StoreBusy: 503,
}
"""The status of each kind of error, in all API styles; a kind that is missing has that of its parent."""

_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    421: "misdirected_request",
    429: "rate_limited",
    500: "internal_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
    507: "insufficient_storage",
}
_SERVER_ERROR = 500
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class ApiStyle:
    """The conventions of one API.

    Attributes:
        key: Reads the API key from a request, or an empty string; None for routes that need no key.
        problem: Makes the body of an error from its status, its text and the exception.
    """

    key: Callable[[web.Request], str] | None
    problem: Callable[[int, str, Exception | None], Any]

    def refuse(self, status: int, text: str, error: Exception | None = None) -> web.Response:
        """Return an error's answer, in the API's shape."""
        return answer(self.problem(status, text, error), status)


def bearer(request: web.Request) -> str:
    """Return the bearer token of ``request`` (RFC 6750 section 2.1), or an empty string."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def x_api_key(request: web.Request) -> str:
    """Return the key in ``X-API-Key``, or an empty string."""
    return request.headers.get("X-API-Key", "")


def either_key(request: web.Request) -> str:
    """Return the bearer token of ``request``, or the key in ``X-API-Key``, or an empty string."""
    return bearer(request) or x_api_key(request)


def flat(_status: int, text: str, error: Exception | None) -> Any:
    """Return the body of an error of the disposable-address API; for the rate limit also when it resets."""
    if isinstance(error, errors.RateLimited):
        return {"error": text, "remaining": 0, "resetTime": error.resets_at}
    return {"error": text}


def nested(status: int, text: str, error: Exception | None) -> Any:
    """Return the body of an error of the SirrChat API: a code, a text, and the invalid field."""
    code = _CODES.get(status) or ("invalid_request" if status < _SERVER_ERROR else "internal_error")
    details: dict[str, Any] = {}
    if isinstance(error, errors.InvalidValue | errors.Conflict) and error.field is not None:
        details = {"field": error.field, "value": error.value}
    if isinstance(error, errors.TimedOut):
        code, details = error.code, {"near_misses": error.near_misses}
    elif isinstance(error, errors.SharedServerError):
        code = error.code
    return {"error": {"code": code, "message": text, "details": details}}


def status_of(error: errors.TestkitError) -> int:
    """Return the status of ``error``, or of the nearest parent in the table."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def answer(data: Any, status: int = 200) -> web.Response:
    """Return ``data`` as a JSON answer."""
    return web.Response(body=encode(data), status=status, headers=_JSON)


def encode(data: Any) -> bytes:
    """Return ``data`` as JSON in UTF-8."""
    try:
        return to_json(data, inf_nan_mode="null")  # "Infinity" is not JSON
    except PydanticSerializationError:
        return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


PIECE = 65_536
"""Characters of a text that are encoded at once: at most a few milliseconds, in which no other thread runs."""


async def answer_large(data: Any, size: int) -> web.Response:
    """Return ``data`` as a JSON answer. If its texts have many characters, a thread encodes them piece by piece."""
    body = await apply(_in_pieces, data, size) if size >= LARGE else encode(data)
    return web.Response(body=body, headers=_JSON)


def _in_pieces(data: Any) -> bytes:
    written = io.BytesIO()  # joining the pieces of a large answer would hold up other threads
    written.writelines(_pieces(data))
    return written.getvalue()


def _pieces(data: Any) -> Iterator[bytes]:
    if isinstance(data, Mapping):
        yield b"{"
        for place, (name, value) in enumerate(data.items()):
            yield b"," * (place > 0) + encode(name) + b":"
            yield from _pieces(value)
        yield b"}"
    elif isinstance(data, list | tuple):
        yield b"["
        for place, value in enumerate(data):
            yield b"," * (place > 0)
            yield from _pieces(value)
        yield b"]"
    elif isinstance(data, str) and len(data) > PIECE:
        yield b'"'
        for start in range(0, len(data), PIECE):
            yield encode(data[start : start + PIECE])[1:-1]
        yield b'"'
    else:
        yield encode(data)


STYLES = web.AppKey("STYLES", dict[str, ApiStyle])
"""The API styles at the application, by the beginnings of paths: the longest one first, "" last."""


def style_at(app: web.Application, path: str) -> ApiStyle:
    """Return the style of the API at ``path``, as in a request line."""
    below = f"{path}/"
    return next(style for prefix, style in app[STYLES].items() if below.startswith(prefix))


def style_of(request: web.Request) -> ApiStyle:
    """Return the style of the API that ``request`` is for."""
    return style_at(request.app, request.rel_url.raw_path)


_LONGEST_NAME: Final = 120
"""Characters; a file system has 255 bytes, and some clients refuse a header of 8 KiB."""


def saved_as(name: str) -> dict[str, str]:
    """Return the header of a file that clients save as ``name``; of a long one, the end with the suffix."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name[-_LONGEST_NAME:], safe='')}"}


M = TypeVar("M", bound=BaseModel)

MAX_BODY = 1_048_576
"""Bytes of a body, as sent and as decompressed; more is 413."""

_WBITS: Final[Mapping[str, int]] = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""The content codings that are supported, with the window bits of zlib for their format."""

_DEFLATED = 8
"""The low half of the first byte of a zlib stream (RFC 1950 section 2.2)."""

_SECRET = frozenset({"password", "secret", "body"})
"""Fields whose value no answer shows; the whole body may contain one."""


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the body of ``request``, a JSON object.

    Raises:
        InvalidValue: The body is not a JSON object, or does not match its headers.
        TooLarge: The body is larger than ``MAX_BODY``.
        web.HTTPUnsupportedMediaType: Its ``Content-Encoding`` is not supported.
    """
    try:
        raw = _decoded(await request.read(), ",".join(request.headers.getall("Content-Encoding", ())))
        if len(raw) > MAX_BODY:
            raise TooLarge(MAX_BODY)
        body = from_json(raw, allow_inf_nan=False)
    except (web.RequestPayloadError, HttpProcessingError, zlib.error):
        text = "the body does not match its Content-Length, Transfer-Encoding or Content-Encoding"
        raise InvalidValue(text) from None
    except ValueError as error:
        raise InvalidValue(f"the body must be JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidValue("the body must be a JSON object")
    return body


async def read_bytes(request: web.Request, most: int) -> bytes:
    """Return the body of ``request``, which is not JSON.

    Raises:
        InvalidValue: The body is empty, or does not match its headers.
        TooLarge: It is larger than ``most`` bytes.
        web.HTTPUnsupportedMediaType: It has a ``Content-Encoding``.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(reason="this body must not have a Content-Encoding")
    raw = bytearray()
    try:
        async for piece in request.content.iter_any():
            raw += piece
            if len(raw) > most:
                raise TooLarge(most)
    except (web.RequestPayloadError, HttpProcessingError):
        raise InvalidValue("the body does not match its Content-Length or Transfer-Encoding") from None
    if not raw:
        raise InvalidValue("the body must be a message")
    return bytes(raw)


class TooLarge(web.HTTPRequestEntityTooLarge):
    """The body is larger than ``most`` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(most, most + 1, reason=f"the body is larger than {most} bytes")


def _decoded(raw: bytes, codings: str) -> bytes:
    """Return ``raw`` decompressed, at most ``MAX_BODY`` + 1 bytes of it. Raises ``zlib.error`` if it is damaged."""
    applied = [each for each in codings.lower().replace(" ", "").split(",") if each not in {"", "identity"}]
    if not applied:
        return raw
    if len(applied) > 1 or applied[0] not in _WBITS:
        supported = ", ".join(_WBITS)
        text = f"unsupported Content-Encoding; supported: {supported}"
        raise web.HTTPUnsupportedMediaType(headers={"Accept-Encoding": supported}, reason=text)
    wbits = _WBITS[applied[0]]
    if applied == ["deflate"] and raw and raw[0] & 0xF != _DEFLATED:
        wbits = -zlib.MAX_WBITS  # without the header that RFC 9110 section 8.4.1.2 requires; some clients omit it
    decompressor = zlib.decompressobj(wbits)
    decoded = decompressor.decompress(raw, MAX_BODY + 1)
    if len(decoded) <= MAX_BODY and (not decompressor.eof or decompressor.unused_data):
        raise zlib.error("incomplete, or followed by other data")
    return decoded


def checked(model: type[M], body: dict[str, Any]) -> M:
    """Return ``body`` as a ``model``. Raises ``InvalidValue`` with the first invalid field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
        field = ".".join(map(str, first["loc"])) or "body"
        if first["type"] == "extra_forbidden":  # its value may be that of a secret whose name is misspelt
            raise InvalidValue(f"there is no field {field!r}; {meant(field, _names(model))}", field=field) from None
        value = None if first["type"] == "missing" or field in _SECRET else first["input"]
        raise InvalidValue(f"{field} {reason_of(first)}", field=field, value=value) from None


def _names(model: type[BaseModel]) -> list[str]:
    return [each.alias or name for name, each in model.model_fields.items()]


def raw_fields(model: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """Return the value of each field of ``model`` in ``body``: converted if possible, else as sent; None if missing.

    For an API that checks its fields in a documented order: the domain then refuses the first invalid one.
    """
    return {name: _converted(adapter, body.get(name)) for name, adapter in _adapters(model).items()}


def _converted(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return value


@lru_cache
def _adapters(model: type[BaseModel]) -> dict[str, TypeAdapter[Any]]:
    fields = model.model_fields.items()
    return {each.alias or name: _adapter(each) for name, each in fields}


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = Annotated[field.annotation, *field.metadata]
    return TypeAdapter(kind)
