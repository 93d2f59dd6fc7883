"""Webhook signatures of the Standard Webhooks scheme: making and verifying them.

1. The signed content is ``id.timestamp.body``; a signature is ``v1,`` and its HMAC-SHA256 in base64.
2. A secret that begins with ``whsec_`` is base64 after that prefix, with or without padding; any other is used as its
   UTF-8 bytes, which the reference libraries do not do.
3. Signatures are compared in constant time. If there are several, one valid signature is enough, so that secrets can
   be rotated.
4. An error gives the reason, but never contains the right signature.

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
"""The headers of the scheme. Those of its predecessor, such as ``svix-id``, are read too."""

PREFIX = "whsec_"
"""The prefix of a secret in base64."""

TOLERANCE = 300
"""Seconds by which a timestamp may differ from the time of verification."""

_SECONDS = re.compile(r"[0-9]{1,18}")
_wall = time.time


class WebhookNotVerified(InvalidValue):
    """A call has no valid signature, or its timestamp is too old or too new; the error says which."""

    __module__ = "sirrchat_testkit"


def key_of(secret: str) -> bytes:
    """Return the bytes to sign with. Raises ``InvalidValue`` if a ``whsec_`` secret is not base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        encoded = secret.removeprefix(PREFIX)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"secret must be base64 after {PREFIX}", field="secret") from None


def now() -> float:
    """Return the real time in seconds since the epoch, which receivers compare with the time of a call."""
    return _wall()


def sign(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a call; ``timestamp`` is in seconds since the epoch."""
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
    """Verify the signature of a webhook call and return its ``webhook-id``.

    The id is the same in every retry, so that a receiver can ignore calls that it has already processed.

    Args:
        headers: The request's headers; names in any case.
        body: The request's raw body, not parsed and encoded again.
        secret: The secret of the webhook.
        tolerance: Seconds by which the call's timestamp may differ from ``now``, either way.
        now: Seconds since the epoch. Default: the system's clock.

    Raises:
        WebhookNotVerified: A header is missing or malformed, the timestamp is too old or too new, or the signature is
            wrong.
        InvalidValue: The secret is malformed.
        TypeError: ``headers`` is no mapping, or ``body`` was parsed.

    Example:
        verify_webhook(request.headers, request.body, SECRET)  # in a view of your application
    """
    if not hasattr(headers, "items"):
        order = "the order is verify_webhook(headers, body, secret)"
        raise TypeError(f"headers must be a mapping, not {type(headers).__name__}; {order}")
    if not isinstance(body, bytes | bytearray | memoryview | str):
        raise TypeError(f"body must be the raw bytes of the request, not {type(body).__name__}")
    found = {name.lower(): value for name, value in headers.items()}
    delivery_id, sent_at, signatures = (_header(found, name) for name in (ID, TIMESTAMP, SIGNATURE))
    _check_age(sent_at, tolerance, _wall() if now is None else now)
    right = sign(secret, delivery_id, int(sent_at), body.encode() if isinstance(body, str) else body).encode()
    given = signatures.split()
    if not any([hmac.compare_digest(right, each.encode("utf-8", "replace")) for each in given]):  # noqa: C419 - no early end
        raise WebhookNotVerified(f"{SIGNATURE} is wrong: {_why(given)}")
    return delivery_id


def _header(headers: Mapping[str, str], name: str) -> str:
    value = (headers.get(name) or headers.get(name.replace("webhook-", "svix-"), "")).strip()
    if not value:
        raise WebhookNotVerified(f"header {name} is missing")
    return value


def _check_age(sent_at: str, tolerance: float, now: float) -> None:
    if not _SECONDS.fullmatch(sent_at):
        raise WebhookNotVerified(f"{TIMESTAMP} must be seconds since the epoch, not {sent_at!r}")
    late = now - int(sent_at)
    if abs(late) > tolerance:
        when = f"{late:.0f} s old" if late > 0 else f"{-late:.0f} s ahead"
        raise WebhookNotVerified(f"{TIMESTAMP} is {when}; the tolerance is {tolerance:g} s")


def _why(given: list[str]) -> str:
    if any(each.startswith("v1,") for each in given):
        return "the secret, the id or the timestamp differs, or the body was changed (pass the raw bytes)"
    return f"no signature begins with 'v1,': {' '.join(given)}"
