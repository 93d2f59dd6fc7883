"""The OpenAPI 3.1 document of all APIs, made from their tables of operations.

1. The schemas are those of the pydantic models that the server and the clients share.
2. Two APIs may name different models alike, so each API has its own prefix for the names of its schemas.
3. Statuses of refusals follow from the columns of a row: the key, the path, the parameters and the body.
4. Generators make clients of it, so schemas have only what makes their types better (``_mended``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import FloatSchema

from sirrchat_testkit.http.operations import ADMIN, ADMIN_OR_LOCAL, ANYBODY, JSON, OWNER, Answer, Api, Operation
from sirrchat_testkit.http.parameters import INTEGERS, PATH, Parameter
from sirrchat_testkit.schemas.webhooks import SHAPES

_INFO: Final = {
    "title": "sirrchat_testkit",
    "summary": "A disposable mail server for tests.",
    "license": {"name": "MIT", "identifier": "MIT"},
}

_SECURITY: Final[Mapping[str, Mapping[str, Any]]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as a bearer token."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}

_SUCCESSES: Final[Mapping[int, str]] = {
    201: "Created.",
    202: "Accepted: it will be done.",
    204: "Done.",
    207: "Some were created, others were not.",
}
_REASONS: Final[Mapping[int, str]] = {
    400: "A parameter or the body is invalid.",
    401: "The API key is missing, invalid, revoked or expired.",
    403: "The API key lacks the permission, or the request comes from a page of another site.",
    404: "There is no such object, or it belongs to another account.",
    409: "The name is taken, the object is in use, or the change would affect others who use the server.",
    413: "The body is too large.",
    415: "The Content-Encoding of the body is not supported.",
    421: "The host in the request is not one of this server.",
    429: "The rate limit is exceeded. Retry-After has the seconds to wait.",
}
_FAILURE: Final = "The server is busy, its storage is full, or it has failed."

_LIMITS: Final[Mapping[str, str]] = {
    "X-RateLimit-Limit": "The number of requests that the key may make in an hour.",
    "X-RateLimit-Remaining": "The number of requests that are left in this hour.",
    "X-RateLimit-Reset": "When the next hour begins, in seconds since the epoch.",
}

_PATTERN = re.compile(r"\{([a-z]+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")
"""A parameter in a path, perhaps with its pattern for aiohttp."""

_ATTRIBUTE = re.compile(r"^    (\w+): (.+)$", re.MULTILINE)
"""A field in the section "Attributes" of a docstring."""

_NONE = re.compile(r"\bNone\b")


def document(apis: Sequence[Api], version: str) -> dict[str, Any]:
    """Return the document of ``apis`` for ``version`` of the package."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for api in apis:
        names = _Names(api)
        schemas |= names.schemas
        for operation in api.operations:
            path = _PATTERN.sub(r"{\1}", api.prefix + operation.path)
            paths.setdefault(path, {})[operation.method.lower()] = _operation(api, operation, names)
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version},
        "servers": [{"url": "/"}],
        "tags": [{"name": each.title, "description": each.text} for each in apis],
        "paths": paths,
        "webhooks": {name: _webhook(shape) for name, shape in SHAPES.items()},
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


class _Schemas(GenerateJsonSchema):
    """Schemas in which a number is a ``double``, which some generators take for a ``float`` otherwise."""

    def float_schema(self, schema: FloatSchema) -> JsonSchemaValue:
        return {**super().float_schema(schema), "format": "double"}


def _mended(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema without titles, which repeat names, and with defaults in the descriptions.

    Generators take a field with a default for one that is always there. The section "Attributes" of the docstring
    becomes the descriptions of the fields; ``None`` is null in JSON.
    """
    schema.pop("title", None)
    told = _NONE.sub("null", schema.get("description", "").replace("``", "`"))
    text, _, attributes = told.partition("\n\nAttributes:\n")
    meanings = dict(_ATTRIBUTE.findall(attributes))
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        default = field.pop("default", None)
        words = [meanings.get(name, ""), "" if default is None else f"Default: `{json.dumps(default)}`."]
        if any(words):
            field["description"] = " ".join(filter(None, words))
    return {**schema, "description": text} if text else schema


class _Names:
    """The schemas of one API, and their names in the document."""

    def __init__(self, api: Api) -> None:
        answers = [each.model for row in api.operations for each in row.answers]
        bodies = [row.body for row in api.operations]
        wanted: dict[tuple[type[BaseModel], Any], None] = {}
        for mode, models in (("serialization", [*answers, api.problem]), ("validation", bodies)):
            wanted |= {(each, mode): None for each in models if each is not None}
        template = f"#/components/schemas/{api.schema_prefix}{{model}}"
        self._refs, made = models_json_schema(
            list(wanted), by_alias=True, ref_template=template, schema_generator=_Schemas
        )
        self.schemas = {api.schema_prefix + name: _mended(each) for name, each in made.get("$defs", {}).items()}

    def answered(self, model: type[BaseModel]) -> Any:
        """Return a reference to the schema of an answer."""
        return self._refs[model, "serialization"]

    def taken(self, model: type[BaseModel]) -> Any:
        """Return a reference to the schema of a body."""
        return self._refs[model, "validation"]


def _operation(api: Api, operation: Operation, names: _Names) -> dict[str, Any]:
    summary, _, rest = (operation.view.__doc__ or "").strip().partition("\n")
    first, _, more = summary.partition(". ")
    is_told = operation.allowed in {ADMIN, ADMIN_OR_LOCAL, OWNER}
    needs = f"Needs {operation.allowed.text.removesuffix(',')}." if is_told else ""
    description = " ".join(each for each in (more, *rest.split(), needs) if each)
    made: dict[str, Any] = {
        "tags": [api.title],
        "operationId": _camel(operation.name),
        "summary": f"{first.removesuffix('.')}.",
        "description": description.replace("``", "`"),
        "parameters": [*_parameters(operation)],
        "responses": {**_answers(api, operation, names), **_refusals(api, operation, names)},
        "security": _security(api, operation),
    }
    if _has_body(operation):
        schema = {"type": "string"} if operation.body is None else names.taken(operation.body)
        made["requestBody"] = {"required": True, "content": {operation.takes: {"schema": schema}}}
    return made


def _has_body(operation: Operation) -> bool:
    return operation.body is not None or operation.takes != JSON


def _security(api: Api, operation: Operation) -> list[dict[str, Any]]:
    if operation.allowed is ANYBODY:
        return []
    without_key: list[dict[str, Any]] = [{}] if operation.allowed is ADMIN_OR_LOCAL else []
    return [*without_key, *({each: []} for each in api.security)]


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _PATTERN.findall(operation.path):
        schema = {"type": "integer"} if name in INTEGERS else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "description": PATH[name], "schema": schema}
    for each in operation.query:
        made = {"name": each.name, "in": "query", "description": each.text.replace("``", "`"), "schema": each.schema}
        yield {**made, "required": True} if isinstance(each, Parameter) and each.required else made


def _answers(api: Api, operation: Operation, names: _Names) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in operation.answers:
        entry = made.setdefault(str(each.status), {"description": _SUCCESSES.get(each.status, "Success.")})
        if api.style.key is not None:
            entry["headers"] = {
                name: {"description": text, "schema": {"type": "integer"}} for name, text in _LIMITS.items()
            }
        if each.media:
            entry.setdefault("content", {})[each.media] = _content(each, names)
    return made


def _content(each: Answer, names: _Names) -> dict[str, Any]:
    if each.model is not None:
        return {"schema": names.answered(each.model)}
    return {"schema": {"type": "object"} if each.media.endswith("json") else {"type": "string"}}


def _refusals(api: Api, operation: Operation, names: _Names) -> dict[str, Any]:
    statuses = {421, *operation.refusals}
    if operation.allowed is not ANYBODY:
        statuses |= {401, 403}
    if api.style.key is not None:
        statuses.add(429)
    if "{" in operation.path:
        statuses.add(404)
    if operation.query or _has_body(operation):
        statuses.add(400)
    if _has_body(operation):
        statuses |= {413, 415}
    content = {JSON: {"schema": names.answered(api.problem)}}
    made = {str(status): {"description": _REASONS[status], "content": content} for status in sorted(statuses)}
    return {**made, "5XX": {"description": _FAILURE, "content": content}}


def _webhook(shape: type[BaseModel]) -> dict[str, Any]:
    schema = shape.model_json_schema(by_alias=True, mode="validation")
    parts = schema.pop("$defs", {})
    for name, each in schema["properties"].items():
        if "$ref" in each:  # oapi-codegen drops schemas that only webhooks refer to, so there are none
            schema["properties"][name] = _mended(parts[each["$ref"].removeprefix("#/$defs/")])
    body = {"required": True, "content": {JSON: {"schema": _mended(schema)}}}
    summary = (shape.__doc__ or "").replace("``", "`")
    answers = {"2XX": {"description": "The call was received."}}
    return {"post": {"summary": summary, "requestBody": body, "responses": answers}}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
