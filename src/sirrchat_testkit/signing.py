"""Webhook signatures by the Standard Webhooks scheme: made, and verified.

1. What is signed is ``id.timestamp.body``, with HMAC-SHA256; a signature is ``v1,`` and its base64.
2. A secret that begins ``whsec_`` is base64 after that prefix; any other is used as its UTF-8 bytes.
3. Signatures are compared in constant time. Of several, one that fits is enough: that is how secrets are rotated.
4. A failure says what is wrong and what would be right, but never what the right signature is.

The scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Mapping

from sirrchat_testkit.errors import InvalidValue

__tracebackhide__ = True

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""The headers of the scheme."""

PREFIX = "whsec_"
"""What a secret in base64 begins with."""

TOLERANCE = 300
"""Seconds by which a timestamp may differ from the time of verification."""

_SECONDS = re.compile(r"[0-9]{1,18}")
_wall = time.time


class WebhookNotVerified(InvalidValue):
    """A call was not signed by who knows the secret, or not just now; the text says which."""

    __module__ = "sirrchat_testkit"


def key_of(secret: str) -> bytes:
    """Return the bytes to sign with. Raises ``InvalidValue`` where a ``whsec_`` secret is no base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"a secret that begins with {PREFIX} is base64 after it", field="secret") from None


def sign(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one call; ``timestamp`` in seconds since the epoch."""
    signed = b"%b.%d.%b" % (delivery_id.encode("utf-8", "replace"), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes | str,
    secret: str,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> str:
    """Return the id of a call whose signature is right: the same in every retry, so that work is done only once.

    Args:
        headers: The request's headers; names in any case.
        body: The request's body, byte for byte as it came.
        secret: What sender and receiver know.
        tolerance: Seconds by which the call's timestamp may differ from ``now``, either way.
        now: Seconds since the epoch. Default: the system's clock.

    Raises:
        WebhookNotVerified: A header is missing or malformed, the timestamp too old or too new, the signature wrong.
        InvalidValue: The secret itself is malformed.
    """
    found = {name.lower(): value for name, value in headers.items()}
    delivery_id, sent_at, signatures = (_header(found, name) for name in (ID, TIMESTAMP, SIGNATURE))
    _check_age(sent_at, tolerance, _wall() if now is None else now)
    right = sign(secret, delivery_id, int(sent_at), body.encode() if isinstance(body, str) else body).encode()
    given = signatures.split()
    if not any([hmac.compare_digest(right, each.encode("utf-8", "replace")) for each in given]):  # noqa: C419 - no early end
        raise WebhookNotVerified(f"{SIGNATURE} does not fit: {_why(given)}")
    return delivery_id


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise WebhookNotVerified(f"the header {name} is missing")
    return value


def _check_age(sent_at: str, tolerance: float, now: float) -> None:
    if not _SECONDS.fullmatch(sent_at):
        raise WebhookNotVerified(f"{TIMESTAMP} takes seconds since the epoch, not {sent_at!r}")
    late = now - int(sent_at)
    if abs(late) > tolerance:
        when = f"{late:.0f} s old" if late > 0 else f"{-late:.0f} s ahead"
        raise WebhookNotVerified(f"{TIMESTAMP} is {when}; the tolerance is {tolerance:g} s")


def _why(given: list[str]) -> str:
    if any(each.startswith("v1,") for each in given):
        return "another secret, another id or timestamp, or a body that was changed (it must be the raw bytes)"
    return f"none of {', '.join(map(repr, given))} begins with 'v1,'"
