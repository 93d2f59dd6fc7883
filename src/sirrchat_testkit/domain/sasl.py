"""SASL mechanisms (RFC 4422), as generators without I/O.

1. A mechanism yields challenges, receives responses, and returns ``Credentials``; ``domain.auth.Logins`` checks them.
2. It knows no protocol: it raises ``MalformedResponse``, and the adapter chooses the reply.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Generator, Mapping
from typing import Final, TypeAlias

from sirrchat_testkit.domain.auth import Credentials

Exchange: TypeAlias = Generator[bytes, bytes, Credentials]
"""A mechanism in progress: yields challenges, receives responses, returns the credentials."""

TOKEN_REFUSED: Final = b'{"status":"401","schemes":"bearer","scope":"mail"}'
"""The challenge that XOAUTH2 sends before the 535; the client answers with an empty line."""


class MalformedResponse(ValueError):
    """The response does not have the format that the mechanism defines."""


class NotBase64(MalformedResponse):
    """The response is not valid base64."""


def plain(initial: bytes | None, hostname: str) -> Exchange:  # noqa: ARG001 - a mechanism takes both
    """PLAIN (RFC 4616): authorization identity, user and password, separated by NUL."""
    response = initial if initial is not None else (yield b"")
    try:
        acting_for, user, password = _text(response).split("\0")
    except ValueError:
        raise MalformedResponse from None
    if not (user and password):  # RFC 4616 requires both; in another order, the password might be taken for the user
        raise MalformedResponse
    return Credentials("PLAIN", user, password=password, acting_for=acting_for)


def login(initial: bytes | None, hostname: str) -> Exchange:  # noqa: ARG001 - a mechanism takes both
    """LOGIN: asks for user and password; the initial response may contain the user (draft-murchison-sasl-login)."""
    user = initial if initial is not None else (yield b"Username:")
    password = yield b"Password:"
    return Credentials("LOGIN", _text(user), password=_text(password))


def cram_md5(initial: bytes | None, hostname: str) -> Exchange:
    """CRAM-MD5 (RFC 2195): the HMAC of the challenge, keyed with the password. There is no initial response."""
    if initial is not None:
        raise MalformedResponse
    challenge = f"<{secrets.token_hex(12)}@{hostname}>".encode()
    user, blank, digest = _text((yield challenge)).rpartition(" ")
    if not blank:
        raise MalformedResponse
    return Credentials("CRAM-MD5", user, challenge=challenge, digest=digest)


def xoauth2(initial: bytes | None, hostname: str) -> Exchange:  # noqa: ARG001 - a mechanism takes both
    """XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol): ``user=`` and ``auth=Bearer``."""
    response = initial if initial is not None else (yield b"")
    given = dict(each.partition("=")[::2] for each in _text(response).split("\x01") if each)
    scheme, _, token = given.get("auth", "").partition(" ")
    if "user" not in given or scheme.lower() != "bearer" or not token:
        raise MalformedResponse
    return Credentials("XOAUTH2", given["user"], token=token)


MECHANISMS: Mapping[str, Callable[[bytes | None, str], Exchange]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
    "XOAUTH2": xoauth2,
}
"""The supported mechanisms, by name."""


def decode(word: str) -> bytes:
    """Return the bytes that ``word`` encodes in base64. Raises ``NotBase64``."""
    try:
        return base64.b64decode(word.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NotBase64 from None


def _text(response: bytes) -> str:
    try:
        return response.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedResponse from None
