"""Where ids, keys and names come from: one source of chance per server.

1. With a seed the same run makes the same ids, so that a failing test can be run again and looks the same.
2. Without one they come from the operating system and cannot be guessed: what ``serve`` and data folders use.
"""

from __future__ import annotations

import hashlib
import random
import string
from typing import Any, TypeAlias

IdsState: TypeAlias = tuple[Any, ...] | None
"""Where a seeded source stands; None for one that cannot be guessed."""

_CHARACTERS = string.ascii_letters + string.digits
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


class Ids:
    """Makes ids and keys."""

    def __init__(self, seed: str = "") -> None:
        self._random = random.Random(seed) if seed else random.SystemRandom()  # noqa: S311 - seeded on purpose

    @property
    def predictable(self) -> bool:
        """Whether ids follow from a seed."""
        return not isinstance(self._random, random.SystemRandom)

    def reseed(self, seed: str) -> None:
        """Start over from ``seed``; without effect where ids must not be guessed."""
        if self.predictable:
            self._random.seed(seed)

    def mark(self) -> IdsState:
        """Return where the source stands."""
        return self._random.getstate() if self.predictable else None

    def rewind(self, state: IdsState) -> None:
        """Go on from ``state``."""
        if state is not None:
            self._random.setstate(state)

    def uuid(self) -> str:
        """Return a UUID (RFC 9562, version 4) as text."""
        text = self._random.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"

    def token(self, length: int) -> str:
        """Return ``length`` letters and digits."""
        return "".join(self._random.choices(_CHARACTERS, k=length))


def hash_key(key: str) -> str:
    """Return what a store keeps of a key: its SHA-256 in hex. Keys have 190 bits of chance, so no salt is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
