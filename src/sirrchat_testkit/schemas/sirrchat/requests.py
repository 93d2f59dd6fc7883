"""Requests of the SirrChat API.

1. What a request may leave out has a default here. A change names the fields it changes; the others stay as they are.
2. Sizes and quotas are bytes, up to what every JSON reader can hold exactly.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, StrictBool, StrictStr

from sirrchat_testkit.schemas.fields import Int, Shape, WebUrl

MAX_QUOTA = 2**53 - 1
DEFAULT_QUOTA = 5_368_709_120
MAX_BATCH = 1000
PREFIX = "whsec_"
"""What a secret begins with that is base64 behind it (Standard Webhooks)."""


def _secret(text: str) -> str:
    if text.startswith(PREFIX):
        try:
            known = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except ValueError:
            known = b""
        if not known:
            raise ValueError(f"must be base64 behind {PREFIX}")
    return text


Quota: TypeAlias = Annotated[Int, Field(ge=0, le=MAX_QUOTA)]
Password: TypeAlias = Annotated[StrictStr, Field(min_length=1, json_schema_extra={"format": "password"})]
Blockchain: TypeAlias = Annotated[StrictStr, Field(pattern="^0x", max_length=128)]
Event: TypeAlias = Literal["email.received", "email.sent"]
Events: TypeAlias = Annotated[list[Event], Field(min_length=1)]
Secret: TypeAlias = Annotated[StrictStr, AfterValidator(_secret)]
"""Signs calls; an empty one signs none."""


class NewUser(Shape):
    """``POST /users``."""

    email: StrictStr
    password: Password
    quota: Quota = DEFAULT_QUOTA
    blockchain_address: Blockchain | None = None


class UserBatch(Shape):
    """``POST /users/batch``. Each of ``users`` is a ``NewUser``, and is looked at by itself."""

    users: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


class UserChanges(Shape):
    """``PUT /users/{id}``."""

    quota: Quota = 0
    password: Password = ""
    blockchain_address: Blockchain | None = None


class NewQuota(Shape):
    """``PUT /users/{id}/quota``."""

    quota: Quota


class NewDomain(Shape):
    """``POST /domains``."""

    name: StrictStr


class NewWebhook(Shape):
    """``POST /webhooks``."""

    url: WebUrl
    events: Events
    secret: Secret | None = None


class WebhookChanges(Shape):
    """``PUT /webhooks/{id}``."""

    url: WebUrl = ""
    events: Events = Field(default_factory=list)
    enabled: StrictBool = True
    secret: Secret | None = None


class NewApiKey(Shape):
    """``POST /api-keys``: ``user`` is an e-mail address or an id."""

    user: StrictStr
    role: Literal["admin", "user"] = "admin"
