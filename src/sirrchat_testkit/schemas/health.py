"""Responses of the health routes."""

from __future__ import annotations

from typing import Literal

from sirrchat_testkit.schemas.fields import Shape


class Health(Shape):
    """``GET /healthz``: the server runs."""

    status: Literal["ok"]


class Readiness(Shape):
    """``GET /readyz``: 200 with ``ready`` if the server can store mail, else 503 with ``read-only``."""

    status: Literal["ready", "read-only"]
