"""Types of JSON fields that pydantic's own do not get right.

1. A boolean is no number, a text is no number, and ``3600000.0`` is the integer that JSON Schema says it is.
2. What is taken is kept as it was given: a URL is checked, never normalised.
3. Nothing of ours is imported here.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr


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
