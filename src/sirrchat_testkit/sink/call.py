"""``WebhookCall``: received by a sink, or made by ``mailserver.webhook_call`` without being sent.

1. ``validate`` checks a body against the published schema of its event, a JSON Schema, or a pydantic model.
2. ``assert_golden`` compares a body with a file. UUIDs and times are replaced first, by ``<uuid 1>`` and ``<time 1>``;
   equal values get equal numbers. Other fields that vary can be replaced by name, at any depth: ``recipient="<me>"``.
3. Golden files are written only if SIRRCHAT_TESTKIT_GOLDEN=write is set. A missing file is a failure.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, TypedDict

from sirrchat_testkit.comparing import Flag, Number, Text
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.faults.webhook import WebhookPayload
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.signing import ID, WebhookNotVerified, verify_webhook
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True

_SUCCESS = range(200, 300)


class CallHeaders(Mapping[str, str]):
    """Headers, looked up in any case. If a header is repeated, the first value counts."""

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
    """Conditions on a webhook call. A call matches if it meets all given conditions.

    A ``re.Pattern`` searches, a function is called with the value and returns whether it matches, and any other value
    is compared with ``==``. A ``str`` must be equal unless described otherwise.

    Attributes:
        event: The event, such as ``email.received``.
        attempt: How many calls with this ``webhook-id`` the sink has received, this one included.
        method: The HTTP method.
        path: The path and the query.
        url: The whole URL. A ``str`` ignores case; ``*`` and ``?`` are wildcards.
        subject: The subject of the mail that the call reports.
        sender: The sender of that mail. Compared like ``url``.
        recipient: The recipient of that mail. Compared like ``url``.
        verified: Whether the signature is valid.
        header: Header fields by name, such as ``{"X-Webhook-Event": "email.received"}``; None means absent.
        text: The body as text. A ``str`` must be contained in it.
        json: The body as JSON: an equal value, or a function that gets it.
        where: A function that gets the whole call and returns whether it matches.
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
    """A webhook call: one that a sink received, or one that ``mailserver.webhook_call`` made without sending it.

    ``event``, ``subject``, ``sender``, ``recipient``, ``json`` and ``text`` are read from the headers and the body.

    Example:
        call = webhook_sink.receive(event="email.received", subject="Hello")
        assert call.verified and call.attempt == 1
        assert call.json["data"]["user"] == inbox.address
        call.validate()

    Attributes:
        headers: The headers, looked up in any case. Of a repeated header the first.
        body: The body as bytes.
        received_at: When it arrived, or was made if it was not sent, on the sink's clock, in UTC.
        method: The HTTP method.
        path: The path and the query.
        url: The whole URL; empty if the call was not sent.
        attempt: How many calls with this ``webhook-id`` the sink has received, this one included; 1 if it was not sent.
        verified: Whether the signature is valid and at most 300 seconds old. A sink checks it with its secret or those
            of the webhooks that point to it; a call that was not sent is checked with the secret it was made with.
        reason: Why it is not verified; empty if it is.
        answered: The HTTP status of the answer. None if the sink dropped the call, if the sender closed the connection
            before the answer, and if the call was not sent.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    method: str = "POST"
    path: str = "/"
    url: str = ""
    attempt: int = 1
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
        """The header ``webhook-id``, the same in every retry; empty if it is missing."""
        return self.headers.get(ID, "")

    @property
    def accepted(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.answered in _SUCCESS

    def validate(self, schema: Any = None) -> None:
        """Check the body against ``schema``, or against the published schema of its event.

        Args:
            schema: A pydantic model, or a JSON Schema as a dictionary, which needs the package ``jsonschema``.

        Raises:
            WebhookInvalid: An ``AssertionError`` that lists each path with its error.
            ValueError: No schema was given, and none is published for the event.
            RuntimeError: ``schema`` is a JSON Schema, and ``jsonschema`` is not installed.
        """
        check_schema(self.event, self.body, schema)

    def normalised(self, **replaced: str) -> Any:
        """Return the body as JSON, with everything that varies from run to run replaced.

        UUIDs become ``<uuid 1>``, ``<uuid 2>``, times ``<time 1>`` and so on; equal values get equal numbers.

        Args:
            replaced: Other fields to replace, by name and at any depth: ``recipient="<me>"``.
        """
        return normalised(self.json, replaced)

    def assert_golden(self, path: str | Path, **replaced: str) -> None:
        """Assert that the body, normalised as by ``normalised``, equals the JSON file at ``path``.

        If the environment has SIRRCHAT_TESTKIT_GOLDEN=write, the file is written instead.

        Args:
            path: The golden file.
            replaced: Other fields to replace, as for ``normalised``.

        Raises:
            GoldenDiffers: An ``AssertionError`` with the difference, or the body if the file does not exist.
        """
        compare(self.normalised(**replaced), Path(path))

    def __str__(self) -> str:
        about = excerpt(self.subject) if self.subject else ""
        named = " ".join(filter(None, [self.event or f"{self.method} {self.path}", about]))
        return f"{named} (attempt {self.attempt})" if self.attempt > 1 else named


def prepared_call(headers: Mapping[str, str], body: bytes, secret: str, made_at: datetime) -> WebhookCall:
    """Return a call that is not sent; ``secret`` verifies its signature."""
    verified, reason = verification(headers, body, [secret])
    return WebhookCall(CallHeaders([*headers.items()]), body, made_at, verified=verified, reason=reason)


def verification(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> tuple[bool, str]:
    """Return whether one of ``secrets`` verifies a call that arrives now; if none does, why the first one does not."""
    reason = ""
    for secret in secrets:
        try:
            verify_webhook(headers, body, secret)
        except WebhookNotVerified as error:
            reason = reason or str(error)
        except InvalidValue as error:
            reason = reason or f"the secret is malformed: {error}"
        else:
            return True, ""
    return False, reason


VARIABLE: Final = "SIRRCHAT_TESTKIT_GOLDEN"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


class GoldenDiffers(AssertionError):
    """A body differs from its golden file, or there is no such file; the error shows the difference and the remedy."""

    __module__ = "sirrchat_testkit"


def normalised(value: Any, replaced: Mapping[str, str]) -> Any:
    """Return ``value`` (JSON) with UUIDs and times replaced by numbers, and other fields as in ``replaced``."""
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
    """Compare ``value`` with the file at ``path``, or write the file. Raises ``GoldenDiffers``."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get(VARIABLE) == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.exists():
        raise GoldenDiffers(f"{path} does not exist. Run the test with {VARIABLE}=write to write it:\n{text}")
    golden = json.dumps(json.loads(path.read_text("utf-8")), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if golden != text:
        lines = difflib.unified_diff(golden.splitlines(), text.splitlines(), str(path), "received", lineterm="")
        remedy = f"if the change is right, run the test with {VARIABLE}=write"
        raise GoldenDiffers("\n".join([f"The body differs from {path}; {remedy}:", *lines]))


class WebhookInvalid(AssertionError):
    """The body of a webhook call does not match its schema; the error lists each path with its error."""

    __module__ = "sirrchat_testkit"


def check_schema(event: str, body: bytes, schema: Any = None) -> None:
    """Raise ``WebhookInvalid`` if ``body`` does not match ``schema``, by default the published schema of ``event``."""
    errors = _by_schema(body, schema) if isinstance(schema, Mapping) else _by_model(body, schema or _published(event))
    if errors:
        lines = "\n".join(f"  {each}" for each in errors)
        raise WebhookInvalid(f"The body of {event or 'the call'} does not match its schema:\n{lines}")


def _published(event: str) -> Any:
    from sirrchat_testkit.schemas.webhooks import SHAPES

    if event not in SHAPES:
        raise ValueError(
            f"No schema is published for {event!r}, only for {', '.join(SHAPES)}; pass one: call.validate(schema)"
        )
    return SHAPES[event]


def _by_model(body: bytes, model: Any) -> list[str]:
    from sirrchat_testkit.schemas.webhooks import faults_of

    if not hasattr(model, "model_validate_json"):
        raise TypeError(f"schema must be a pydantic model or a JSON Schema as a dictionary, not {model!r}")
    return faults_of(model, body)


def _by_schema(body: bytes, schema: Mapping[str, Any]) -> list[str]:
    try:
        jsonschema = import_module("jsonschema")
    except ImportError:
        raise RuntimeError(
            'Validating by a JSON Schema needs: pip install "sirrchat-testkit[schema]" (a pydantic model does not)'
        ) from None
    try:
        value = json.loads(body)
    except ValueError as error:
        return [f"the body is not JSON: {error}"]
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    found = kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value)
    return [f"{each.json_path.removeprefix('$').removeprefix('.') or 'the body'}: {each.message}" for each in found]
