"""Types of JSON fields that pydantic's own do not get right.

1. A boolean is no number, a text is no number, and ``3600000.0`` is the integer that JSON Schema says it is.
2. What is taken is kept as it was given: a URL is checked, never normalised.
3. Nothing of ours is imported here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class Shape(BaseModel):
    """A JSON object whose fields have Python names here and the API's names on the wire."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


def _whole(value: Any) -> int:
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise ValueError("must be an integer")


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not text.isprintable() or " " in text:
        raise ValueError("must be an http or https URL")
    return text


Int: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""An integer as JSON Schema understands it; neither ``true`` nor ``"1"`` is one."""

WebUrl: TypeAlias = Annotated[StrictStr, AfterValidator(_web_url), Field(json_schema_extra={"format": "uri"})]
"""An ``http`` or ``https`` URL with a host, as it was given. Whether it may be called is decided at each call."""


@lru_cache(maxsize=4096)
def iso_seconds(at: int) -> str:
    """Return ``at`` (milliseconds since the epoch) as ISO 8601 in UTC to the second, as ``iso_milliseconds`` does."""
    return f"{iso_milliseconds(at)[:-5]}Z"


@lru_cache(maxsize=4096)  # lists show the same moments again and again
def iso_milliseconds(at: int) -> str:
    """Return ``at`` (milliseconds since the epoch) as ISO 8601 in UTC, such as ``2025-04-21T08:30:45.084Z``.

    What lies outside the years 1 to 9999, all that four digits can say, becomes the nearest moment within.
    """
    moment = _EPOCH + timedelta(milliseconds=min(max(at, _FIRST), _LAST))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
