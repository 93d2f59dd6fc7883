"""What webhooks of the SirrChat API are told: the bodies of the calls.

Moments are ISO 8601 texts to the second, in UTC; sizes are bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from sirrchat_testkit.schemas.fields import Shape


class ReceivedData(Shape):
    """What ``email.received`` says: ``user`` is the receiving address."""

    user: str
    sender: str = Field(alias="from")
    subject: str
    size: int


class SentData(Shape):
    """What ``email.sent`` says: ``to`` are all recipients of the envelope."""

    user: str
    to: list[str]
    subject: str


class EmailReceived(Shape):
    """The call to a webhook when mail came in."""

    event: Literal["email.received"]
    timestamp: AwareDatetime
    data: ReceivedData


class EmailSent(Shape):
    """The call to a webhook when a user sent mail."""

    event: Literal["email.sent"]
    timestamp: AwareDatetime
    data: SentData
