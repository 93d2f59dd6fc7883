"""JSON fields: types that pydantic lacks, and plain texts for validation errors.

1. Neither a boolean nor a string is a number, and ``3600000.0`` is an integer, as JSON Schema defines it.
2. Values are kept as they were sent: a URL is checked, never normalized.
3. Nothing else of this package is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr
from pydantic_core import ErrorDetails


class Shape(BaseModel):
    """A JSON object; its fields have Python names here and the API's names in JSON."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


def _hide_defaults(schema: dict[str, Any]) -> None:
    for each in schema["properties"].values():
        each.pop("default", None)


class Changes(Shape):
    """A JSON object of changes: a missing field stays as it is. Its default is never used and not published."""

    model_config = ConfigDict(json_schema_extra=_hide_defaults)


def whole_number(value: Any) -> int:
    """Return ``value``, an integer as JSON Schema defines it. Raises ``ValueError``."""
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


def _text_of_time(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2025-01-15T10:30:00Z")
    return value


Int: TypeAlias = Annotated[int, BeforeValidator(whole_number)]
"""An integer as JSON Schema defines it, so neither ``true`` nor ``"1"``."""

Time: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_text_of_time)]
"""A time as ISO 8601 with an offset from UTC; pydantic alone would take a number too."""

WebUrl: TypeAlias = Annotated[StrictStr, AfterValidator(_web_url), Field(json_schema_extra={"format": "uri"})]
"""An ``http`` or ``https`` URL with a host, kept as it was sent. Each call checks whether the host is allowed."""

_REASONS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not in the schema",
    "value_error": "{error}",
    "assertion_error": "{error}",
    "json_invalid": "is not JSON: {error}",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "datetime_type": "must be a time such as 2025-01-15T10:30:00Z",
    "datetime_parsing": "must be a time such as 2025-01-15T10:30:00Z",
    "datetime_from_date_parsing": "must be a time such as 2025-01-15T10:30:00Z",
    "timezone_aware": "must have an offset from UTC, such as Z",
}
"""What a field must be, by pydantic's type of error; other types keep pydantic's text."""

_SUBJECT = re.compile(r"^\w+ should ")


def reason_of(error: ErrorDetails) -> str:
    """Return why a field is invalid, as the predicate of a sentence, such as ``must be an integer``."""
    known = _REASONS.get(error["type"])
    if known is None:
        return _SUBJECT.sub("must ", error["msg"]).replace(" after validation", "")
    bounds = {name: f"{value:.15g}" if type(value) is float else value for name, value in error.get("ctx", {}).items()}
    return known.format(**bounds)
