"""Passwords, hashed by scrypt (RFC 7914), never on the server's loop.

1. What is kept describes itself: ``scrypt$log2(N)$r$p$salt$hash``, so costs can change and old hashes still verify.
2. Hashing runs in threads of its own, as many as there are processors, four at most: it holds up nobody, and its
   memory is bounded. Many passwords go over in bundles, since the way there costs more than a cheap hash.
3. Where nothing outlives the process an HMAC object that is keyed with the password is kept too, for CRAM-MD5: it is
   copied for each challenge, and the password is not kept. What is kept on disk cannot answer challenges.
4. Comparing takes the same time wherever two hashes differ.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

CHEAP = 4
"""The cost where passwords are gone with the process: 40 microseconds."""

PROPER = 14
"""The cost where they are kept: 16 MiB and some 40 milliseconds each."""

_BLOCK = 8
_PARALLEL = 1
_SALT = 16
_LENGTH = 32
_MOST_THREADS = 4
_MOST_BUNDLED = 32


class Passwords:
    """Hashes and verifies. ``cost`` is the power of two that N is: one more doubles time and memory."""

    def __init__(self, cost: int = CHEAP, *, keyed: bool = False) -> None:
        self._cost = cost
        self._keyed: dict[str, hmac.HMAC] | None = {} if keyed else None
        self._threads = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "passwords")

    async def hash_all(self, passwords: Sequence[str]) -> list[str]:
        """Return what is to be kept of each of ``passwords``; an empty one gives an empty text, which nothing opens."""
        if not any(passwords):
            return [""] * len(passwords)
        size = min(_MOST_BUNDLED, -(-len(passwords) // _MOST_THREADS))
        bundles = [passwords[start : start + size] for start in range(0, len(passwords), size)]
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(self._threads, _hash_bundle, bundle, self._cost) for bundle in bundles]
        hashes = [kept for bundle in await asyncio.gather(*work) for kept in bundle]
        if self._keyed is not None:
            made = zip(hashes, passwords, strict=True)
            self._keyed.update((kept, _key(password)) for kept, password in made if kept)
        return hashes

    async def verify(self, password: str, kept: str) -> bool:
        """Return whether ``kept`` was made of ``password``. Never true where ``kept`` is empty."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _verify, password, kept, self._cost)

    @property
    def answers_challenges(self) -> bool:
        """Whether ``verify_digest`` can tell: it takes more than a hash, so only where nothing is kept on disk."""
        return self._keyed is not None

    def verify_digest(self, challenge: bytes, digest: str, kept: str) -> bool:
        """Return whether ``digest`` answers ``challenge`` by the password of ``kept`` (CRAM-MD5, RFC 2195)."""
        keyed = (self._keyed or {}).get(kept)
        if keyed is None:
            return False
        mine = keyed.copy()
        mine.update(challenge)
        return hmac.compare_digest(mine.hexdigest().encode(), digest.lower().encode("utf-8", "replace"))

    def mark(self) -> int:
        """Return how many keys there are for challenges."""
        return len(self._keyed or ())

    def rewind(self, mark: int) -> None:
        """Forget the keys that came since ``mark``."""
        while self._keyed and len(self._keyed) > mark:
            self._keyed.popitem()

    def close(self) -> None:
        """Let go of the threads; what they have begun is finished in vain."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _hash_bundle(passwords: Sequence[str], cost: int) -> list[str]:
    return [_hash(password, cost) if password else "" for password in passwords]


def _hash(password: str, cost: int) -> str:
    salt = os.urandom(_SALT)
    derived = _derive(password, salt, cost, _BLOCK, _PARALLEL)
    return f"scrypt${cost}${_BLOCK}${_PARALLEL}${_text(salt)}${_text(derived)}"


def _verify(password: str, kept: str, cost: int) -> bool:
    if not kept:
        _derive(password, bytes(_SALT), cost, _BLOCK, _PARALLEL)  # takes as long as where there is a password
        return False
    _, kept_cost, block, parallel, salt, derived = kept.split("$")
    wanted = base64.b64decode(derived)
    return hmac.compare_digest(
        wanted, _derive(password, base64.b64decode(salt), int(kept_cost), int(block), int(parallel))
    )


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    memory = 256 * block * (1 << cost) + (1 << 20)  # twice what RFC 7914 section 2 needs; OpenSSL counts generously
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << cost,
        r=block,
        p=parallel,
        maxmem=memory,
        dklen=_LENGTH,
    )


def _key(password: str) -> hmac.HMAC:
    return hmac.new(password.encode("utf-8", "surrogatepass"), digestmod="md5")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
