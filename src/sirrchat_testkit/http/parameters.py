"""Parameters of requests, each declared once: views read them, and the OpenAPI document describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiohttp import web

from sirrchat_testkit.errors import InvalidValue

_DIGITS = re.compile(r"0*([0-9]+)")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_HIGHEST_NUMBER = 10**18
"""Longer than any list; higher numbers are reduced to it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter with a text.

    Attributes:
        name: Its name.
        text: What it is, for the OpenAPI document.
        schema: The JSON Schema of its value.
        required: Whether a request without it is invalid; the view checks that.
    """

    name: str
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False

    def read(self, request: web.Request) -> str | None:
        """Return the value in ``request``, or None without one."""
        return request.query.get(self.name)


@dataclass(frozen=True, slots=True)
class Number:
    """A query parameter with an integer.

    Attributes:
        name: Its name.
        text: What it is, for the OpenAPI document.
        default: The value of a request without it.
        least: The smallest value; a smaller one is ``InvalidValue``.
        most: The largest value, or None; a larger one is ``InvalidValue``.
    """

    name: str
    text: str
    default: int
    least: int
    most: int | None = None

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its value."""
        bounds = {"minimum": self.least} | ({} if self.most is None else {"maximum": self.most})
        return {"type": "integer", **bounds, "default": self.default}

    def read(self, request: web.Request) -> int:
        """Return the value in ``request``, or the default. Raises ``InvalidValue``."""
        text = request.query.get(self.name)
        if text is None:
            return self.default
        digits = _DIGITS.fullmatch(text)
        value = -1
        if digits is not None:
            value = int(digits[1]) if len(digits[1]) <= len(str(_HIGHEST_NUMBER)) else _HIGHEST_NUMBER
        if value < self.least or (self.most is not None and value > self.most):
            bounds = f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"
            raise InvalidValue(f"{self.name} must be an integer, {bounds}", field=self.name, value=text)
        return min(value, _HIGHEST_NUMBER)


@dataclass(frozen=True, slots=True)
class Seconds:
    """A query parameter with a number of seconds, from 0 to ``most``; otherwise it is ``InvalidValue``."""

    name: str
    text: str
    default: float
    most: float

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its value."""
        return {"type": "number", "format": "double", "minimum": 0, "maximum": self.most, "default": self.default}

    def read(self, request: web.Request) -> float:
        """Return the value in ``request``, or the default. Raises ``InvalidValue``."""
        text = request.query.get(self.name)
        if text is None:
            return self.default
        if not _DECIMAL.fullmatch(text) or not (seconds := float(text)) <= self.most:
            words = f"{self.name} must be a number of seconds, 0 to {self.most:g}"
            raise InvalidValue(words, field=self.name, value=text)
        return seconds


QueryParameter: TypeAlias = Parameter | Number | Seconds


PATH: Final[Mapping[str, str]] = {
    "user": "The id of a user.",
    "uid": "The uid of a message.",
    "domain": "The id of a domain.",
    "webhook": "The id of a webhook.",
    "delivery": "The id of a delivery.",
    "key": "The id of an API key.",
    "account": "The id of an account.",
    "fault": "The id of a fault.",
    "email": "The id of a disposable address.",
    "message": "The id of a message.",
    "event": "The name of a webhook event.",
    "file": "The name of a file.",
    "number": "The number of a file, from 0.",
}
"""What each parameter of a path is."""

INTEGERS: Final = frozenset({"uid", "number"})
"""The parameters of a path that are integers; other values are answered 404."""
