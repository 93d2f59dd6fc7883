"""Local parts of addresses that look like people's names and are unique to one test.

1. The same seed, scope and count give the same name, so a failing test uses the same addresses when it is run again.
2. Only ``a-z``, ``0-9`` and ``-`` are used, and at most 64 characters: applications reject many others.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import threading
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faker import Faker

_SUFFIX = 6
_LONGEST = 64 - _SUFFIX - 1
_naming = threading.Lock()


class Names:
    """Makes local parts from ``seed``, the seed of the run or of one worker."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self.made = 0

    def make(self, scope: str, hint: str | None = None) -> str:
        """Return a new name: a person's name, or ``hint``, with a suffix."""
        self.made += 1
        digest = hashlib.sha256(f"{self._seed}\0{scope}\0{self.made}".encode("utf-8", "surrogatepass")).digest()
        stem = _plain(hint) if hint else _person(int.from_bytes(digest[:8]))
        suffix = base64.b32encode(digest[8:]).decode("ascii").lower()[:_SUFFIX]
        return f"{stem[:_LONGEST].rstrip('-')}-{suffix}"


def _person(number: int) -> str:
    faker = _faker()
    with _naming:  # seeding and drawing must not be interrupted
        faker.seed_instance(number)
        return _plain(f"{faker.first_name()} {faker.last_name()}")


@functools.cache
def _faker() -> Faker:
    from faker import Faker

    return Faker("en_US")


def _plain(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-") or "mail"
