"""Ids and keys, from one random source per server.

1. With a seed, the same run makes the same ids, so a failing test looks the same when it is run again.
2. Without a seed, ids come from the operating system and cannot be guessed. ``serve`` and data folders use no seed.
3. ``secret_token`` uses no seed: the key of the admin account cannot be guessed either.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
import string
from typing import Any, TypeAlias

IdsState: TypeAlias = tuple[Any, ...] | None
"""The state of a seeded source; None without a seed."""

_CHARACTERS = string.ascii_letters + string.digits
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


class Ids:
    """Makes ids and keys."""

    def __init__(self, seed: str = "") -> None:
        self._random = random.Random(seed) if seed else random.SystemRandom()  # noqa: S311 - seeded on purpose

    @property
    def predictable(self) -> bool:
        """Whether ids are derived from a seed."""
        return not isinstance(self._random, random.SystemRandom)

    def reseed(self, seed: str) -> None:
        """Start over from ``seed``, if the source was made with a seed."""
        if self.predictable:
            self._random.seed(seed)

    def mark(self) -> IdsState:
        """Return the current state, for ``rewind``."""
        return self._random.getstate() if self.predictable else None

    def rewind(self, state: IdsState) -> None:
        """Go back to ``state``."""
        if state is not None:
            self._random.setstate(state)

    def uuid(self) -> str:
        """Return a UUID (RFC 9562, version 4) as a string."""
        text = self._random.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"

    def token(self, length: int) -> str:
        """Return a string of ``length`` random letters and digits."""
        return "".join(self._random.choices(_CHARACTERS, k=length))


class OneTimeToken:
    """A secret that is accepted once, and then replaced."""

    def __init__(self) -> None:
        self.current = secret_token(32)

    def use(self, token: str) -> bool:
        """Return whether ``token`` is the current one. If it is, it is replaced."""
        accepted = hmac.compare_digest(token.encode("utf-8", "replace"), self.current.encode())
        if accepted:
            self.current = secret_token(32)
        return accepted


def secret_token(length: int) -> str:
    """Return a string of ``length`` letters and digits that cannot be guessed, whatever the seed."""
    return "".join(secrets.choice(_CHARACTERS) for _ in range(length))


def hash_key(key: str) -> str:
    """Return the SHA-256 of ``key`` in hex, which is stored instead of it. Keys are random, so no salt is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
