"""A webhook call as a sink received it: what was sent, whether its signature is right, what it was answered.

What is volatile in a body (ids, moments) is normalised for comparison with a golden file; ``validate`` holds a body
against the published schema of its event, or against a schema or a pydantic model of the application's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from sirrchat_testkit.comparing import Flag, Number, Text
from sirrchat_testkit.faults.payload import WebhookPayload
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.signing import ID
from sirrchat_testkit.sink import golden, schemas
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
        schemas.check(self.event, self.body, schema)

    def normalised(self, **replaced: str) -> Any:
        """Return the body as JSON with ids, moments and what is ``replaced`` (by name of field) made the same."""
        return golden.normalised(self.json, replaced)

    def assert_golden(self, path: str | Path, **replaced: str) -> None:
        """Compare the normalised body with the JSON file at ``path``.

        With SIRRCHAT_TESTKIT_GOLDEN=write in the environment the file is written instead.

        Raises:
            GoldenDiffers: An ``AssertionError`` with what differs, or that there is no file yet.
        """
        golden.compare(self.normalised(**replaced), Path(path))

    def __str__(self) -> str:
        what = " ".join(filter(None, [self.event or f"{self.method} {self.path}", self._about()]))
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"{what}{again}"

    def _about(self) -> str:
        return excerpt(self.subject) if self.subject else ""
