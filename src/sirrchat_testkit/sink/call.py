"""A webhook call as a sink received it: headers, body, whether the signature is valid, and the answer.

1. ``validate`` checks a body against the published schema of its event, a JSON Schema, or a pydantic model.
2. ``assert_golden`` compares a body with a file. UUIDs and times are replaced first, by ``<uuid 1>`` and ``<time 1>``;
   equal values get equal numbers. Further fields that vary are replaced by name: ``recipient="<me>"``, at any depth.
3. Golden files are written only if the environment variable asks for it. A missing file is a failure.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, TypedDict

from sirrchat_testkit.comparing import Flag, Number, Text
from sirrchat_testkit.faults.webhook import WebhookPayload
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.signing import ID
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True

_SUCCESS = range(200, 300)


class CallHeaders(Mapping[str, str]):
    """Headers, looked up in any case; of a repeated one the first."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        for each, value in self._pairs:
            if each.lower() == name.lower():
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._pairs})

    def __repr__(self) -> str:
        return repr(dict(self))


class CallConditions(TypedDict, total=False):
    """Conditions on a webhook call; all that are given must hold.

    Attributes:
        event: What it reports, such as ``email.received``.
        attempt: Which call with its ``webhook-id`` it is, from 1.
        method: The HTTP method.
        path: Path and query.
        url: The whole URL. A ``str`` is equal without case; ``*`` and ``?`` are wildcards.
        subject: The subject of the mail that it reports.
        sender: The sender of that mail; compared like ``url``.
        recipient: The recipient of that mail; compared like ``url``.
        verified: Whether its signature is right.
        header: Header fields by name, such as ``{"X-Webhook-Event": "email.received"}``.
        text: The body as text. A ``str`` is contained in it.
        json: The body as JSON: a value that is equal, or a function of it.
        where: A function of the whole call.
    """

    event: Text
    attempt: Number
    method: Text
    path: Text
    url: Text
    subject: Text
    sender: Text
    recipient: Text
    verified: Flag
    header: Mapping[str, Any]
    text: Text
    json: Callable[[Any], object] | Any
    where: Callable[[WebhookCall], object]


@dataclass(eq=False)
class WebhookCall(WebhookPayload, Hints):
    """One call.

    Attributes:
        attempt: Which call with this ``webhook-id`` it is, from 1.
        verified: Whether it was signed just now with a secret that the sink knows; ``reason`` says why not.
        answered: The status that it was answered with; None where it was dropped, or its sender hung up first.
    """

    method: str
    path: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    attempt: int
    number: int
    position: int = 0
    verified: bool = False
    reason: str = ""
    answered: int | None = None

    _guesses: ClassVar[Mapping[str, str]] = {
        "data": "json",
        "payload": "json",
        "status": "answered",
        "content": "body",
        "signature_valid": "verified",
        "is_verified": "verified",
    }

    @property
    def id(self) -> str:
        """The ``webhook-id``, the same in every retry; empty where there is none."""
        return self.headers.get(ID, "")

    @property
    def accepted(self) -> bool:
        """Whether it was answered 2xx."""
        return self.answered in _SUCCESS

    def validate(self, schema: Any = None) -> None:
        """Hold the body against the published schema of its event, or against ``schema``.

        Args:
            schema: A pydantic model, or a JSON Schema as a dictionary (which takes the package ``jsonschema``).

        Raises:
            WebhookInvalid: An ``AssertionError`` that names each path and reason.
            ValueError: No schema was given, and none is published for the event.
        """
        check_schema(self.event, self.body, schema)

    def normalised(self, **replaced: str) -> Any:
        """Return the body as JSON with ids, moments and what is ``replaced`` (by name of field) made the same."""
        return normalised(self.json, replaced)

    def assert_golden(self, path: str | Path, **replaced: str) -> None:
        """Compare the normalised body with the JSON file at ``path``.

        With SIRRCHAT_TESTKIT_GOLDEN=write in the environment the file is written instead.

        Raises:
            GoldenDiffers: An ``AssertionError`` with what differs, or that there is no file yet.
        """
        compare(self.normalised(**replaced), Path(path))

    def __str__(self) -> str:
        what = " ".join(filter(None, [self.event or f"{self.method} {self.path}", self._about()]))
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"{what}{again}"

    def _about(self) -> str:
        return excerpt(self.subject) if self.subject else ""


VARIABLE: Final = "SIRRCHAT_TESTKIT_GOLDEN"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


class GoldenDiffers(AssertionError):
    """What is there is not what the golden file says."""

    __module__ = "sirrchat_testkit"


def normalised(value: Any, replaced: Mapping[str, str]) -> Any:
    """Return ``value`` (JSON) with what is volatile made the same, and the fields of ``replaced`` as they say."""
    seen: dict[tuple[str, str], str] = {}

    def number(kind: str) -> Any:
        def one(found: re.Match[str]) -> str:
            count = sum(1 for known, _ in seen if known == kind)
            return seen.setdefault((kind, found[0]), f"<{kind} {count + 1}>")

        return one

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: replaced[name] if name in replaced else walk(each) for name, each in part.items()}
        if isinstance(part, list):
            return [walk(each) for each in part]
        if isinstance(part, str):
            return _MOMENT.sub(number("time"), _UUID.sub(number("uuid"), part))
        return part

    return walk(value)


def compare(value: Any, path: Path) -> None:
    """Compare ``value`` with the file at ``path``, or write it. Raises ``GoldenDiffers``."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get(VARIABLE) == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.exists():
        raise GoldenDiffers(f"there is no {path} yet; {VARIABLE}=write writes it:\n{text}")
    golden = json.dumps(json.loads(path.read_text("utf-8")), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if golden != text:
        lines = difflib.unified_diff(golden.splitlines(), text.splitlines(), str(path), "received", lineterm="")
        raise GoldenDiffers("\n".join(lines) + f"\n{VARIABLE}=write takes what was received")


class WebhookInvalid(AssertionError):
    """The body of a call is not what its schema says."""

    __module__ = "sirrchat_testkit"


def check_schema(event: str, body: bytes, schema: Any = None) -> None:
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
