"""Bodies of webhooks held against schemas: the published ones, or the application's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

__tracebackhide__ = True


class WebhookInvalid(AssertionError):
    """The body of a call is not what its schema says."""

    __module__ = "sirrchat_testkit"


def check(event: str, body: bytes, schema: Any = None) -> None:
    """Raise ``WebhookInvalid`` if ``body`` is not as ``schema``, or as was published for ``event``, says."""
    faults = _by_schema(body, schema) if isinstance(schema, Mapping) else _by_model(body, schema or _published(event))
    if faults:
        lines = "\n".join(f"  {each}" for each in faults)
        raise WebhookInvalid(f"The body of {event or 'the call'} is not what its schema says:\n{lines}")


def _published(event: str) -> Any:
    from sirrchat_testkit.schemas.webhooks import SHAPES

    if event not in SHAPES:
        raise ValueError(f"no schema is published for {event!r}, only for {', '.join(SHAPES)}: pass your own")
    return SHAPES[event]


def _by_model(body: bytes, model: Any) -> list[str]:
    from sirrchat_testkit.schemas.webhooks import faults_of

    if not hasattr(model, "model_validate_json"):
        raise TypeError(f"validate takes a pydantic model or a JSON Schema as a dictionary, not {model!r}")
    return faults_of(model, body)


def _by_schema(body: bytes, schema: Mapping[str, Any]) -> list[str]:
    try:
        jsonschema = import_module("jsonschema")
    except ImportError:
        raise RuntimeError(
            'to validate by a JSON Schema: pip install "sirrchat-testkit[schema]"; a pydantic model needs nothing'
        ) from None
    try:
        value = json.loads(body)
    except ValueError as error:
        return [f"the body: no JSON: {error}"]
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    found = kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value)
    return [f"{each.json_path.removeprefix('$').removeprefix('.') or 'the body'}: {each.message}" for each in found]
