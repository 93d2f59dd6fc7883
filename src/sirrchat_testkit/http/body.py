"""Request bodies: what a client sends, made values or refused.

1. A body is a JSON object in UTF-8 whatever its ``Content-Type`` says; everything else is ``InvalidValue``.
2. NaN, Infinity, lone surrogates (escaped ones too) and nesting deeper than any API needs are no JSON here.
3. Fields that are not asked for are ignored.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from sirrchat_testkit.errors import InvalidValue

M = TypeVar("M", bound=BaseModel)

MAX_BODY = 1_048_576
"""Bytes of a body, as sent or as unpacked; more is 413."""

_SECRET = frozenset({"password", "secret", "body"})
"""Fields whose value no answer shows; the whole body is none, but may hold one."""


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that is the body of ``request``. Raises ``InvalidValue``."""
    try:
        sent = await request.read()
        if len(sent) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(sent))
        body = from_json(sent, allow_inf_nan=False)
    except (web.RequestPayloadError, HttpProcessingError):
        text = "the body does not match its Content-Length, Transfer-Encoding or Content-Encoding"
        raise InvalidValue(text) from None
    except ValueError as error:
        raise InvalidValue(f"the body must be JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidValue("the body must be a JSON object")
    return body


def checked(model: type[M], body: dict[str, Any]) -> M:
    """Return ``body`` as a ``model``. Raises ``InvalidValue`` that names the first field at fault."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        value = None if first["type"] == "missing" or field in _SECRET else first["input"]
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidValue(f"{field}: {reason}", field=field, value=value) from None


def raw_fields(model: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """Return what ``body`` has for each field of ``model``: as sent where it is of another type, None where missing.

    For an API that promises in which order it looks at its fields: the domain then names the first that is wrong.
    """
    return {name: _fitted(adapter, body.get(name)) for name, adapter in _adapters(model).items()}


def _fitted(adapter: TypeAdapter[Any], value: Any) -> Any:
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
