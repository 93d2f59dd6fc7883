"""The mechanisms of AUTH (RFC 4954), as conversations without input or output.

1. A mechanism is a generator: it yields challenges, is sent responses, and returns ``Credentials``.
2. What is wrong with a response is raised as ``Malformed``, which names the reply.
3. It decides nothing: whether a claim holds is for ``domain.logins`` to say.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Generator, Mapping
from typing import Final, TypeAlias

from sirrchat_testkit.domain.logins import Credentials
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.paths import Malformed
from sirrchat_testkit.smtp.replies import Reply

Conversation: TypeAlias = Generator[bytes, bytes, Credentials]

TOKEN_REFUSED: Final = b'{"status":"401","schemes":"bearer","scope":"mail"}'
"""What XOAUTH2 says before the 535; the client answers with an empty line."""


def plain(initial: bytes | None, hostname: str) -> Conversation:  # noqa: ARG001 - a mechanism takes both
    """PLAIN (RFC 4616): authorization identity, user and password, parted by NUL."""
    response = initial if initial is not None else (yield b"")
    try:
        acting_for, user, password = _text(response).split("\0")
    except ValueError:
        raise Malformed(replies.BAD_RESPONSE) from None
    return Credentials("PLAIN", user, password=password, acting_for=acting_for)


def login(initial: bytes | None, hostname: str) -> Conversation:  # noqa: ARG001 - a mechanism takes both
    """LOGIN: two questions, of which the first may be answered in advance (draft-murchison-sasl-login)."""
    user = initial if initial is not None else (yield b"Username:")
    password = yield b"Password:"
    return Credentials("LOGIN", _text(user), password=_text(password))


def cram_md5(initial: bytes | None, hostname: str) -> Conversation:
    """CRAM-MD5 (RFC 2195): the challenge's HMAC, keyed with the password. The server speaks first."""
    if initial is not None:
        raise Malformed(replies.BAD_RESPONSE)
    challenge = f"<{secrets.token_hex(12)}@{hostname}>".encode()
    user, blank, digest = _text((yield challenge)).rpartition(" ")
    if not blank:
        raise Malformed(replies.BAD_RESPONSE)
    return Credentials("CRAM-MD5", user, challenge=challenge, digest=digest)


def xoauth2(initial: bytes | None, hostname: str) -> Conversation:  # noqa: ARG001 - a mechanism takes both
    """XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol): ``user=`` and ``auth=Bearer``."""
    response = initial if initial is not None else (yield b"")
    given = dict(each.partition("=")[::2] for each in _text(response).split("\x01") if each)
    scheme, _, token = given.get("auth", "").partition(" ")
    if "user" not in given or scheme.lower() != "bearer" or not token:
        raise Malformed(replies.BAD_RESPONSE)
    return Credentials("XOAUTH2", given["user"], token=token)


MECHANISMS: Mapping[str, Callable[[bytes | None, str], Conversation]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
    "XOAUTH2": xoauth2,
}
"""Every mechanism that is known."""


def decode(word: str) -> bytes:
    """Return the octets that ``word`` is the base64 of.

    Raises:
        Malformed: It is no base64.
    """
    try:
        return base64.b64decode(word.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed(replies.BAD_BASE64) from None


def challenge(octets: bytes) -> Reply:
    """Return the 334 that asks for the next response."""
    return Reply(334, "", base64.b64encode(octets).decode("ascii"))


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(replies.BAD_RESPONSE) from None
