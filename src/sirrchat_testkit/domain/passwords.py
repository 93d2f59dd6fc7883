"""Passwords, hashed by scrypt (RFC 7914), never on the server's loop.

1. A hash describes itself: ``scrypt$log2(N)$r$p$salt$hash``. So the cost can change, and old hashes still verify.
2. Hashing runs in its own threads, one per processor and four at most, so it does not block the loop and its memory is
   bounded. Many passwords are hashed in bundles, because a call into a thread costs more than a cheap hash, and only as
   many bundles are queued as there are threads, so that a login need not wait for all of them.
3. A server in memory also keeps an HMAC object keyed with each password, for CRAM-MD5. It is copied for each challenge;
   the password itself is not kept. With a data folder there is no CRAM-MD5.
4. Logins and requests that hash a password are refused while too many hashes are queued (``check_load``).
5. A comparison takes the same time wherever two hashes differ.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sirrchat_testkit.errors import TooBusy

R = TypeVar("R")

CHEAP = 4
"""The cost of hashes that end with the process: 40 microseconds each."""

PROPER = 14
"""The cost of hashes in a data folder: 16 MiB and some 40 milliseconds each."""

_BLOCK = 8
_PARALLEL = 1
_SALT = 16
_LENGTH = 32
_MAX_THREADS = 4
_MAX_BUNDLE = 32  # hashes of cost CHEAP, fewer of a higher cost

_MAX_QUEUED = 12
"""Hashes of cost ``PROPER`` that may be queued for each thread: half a second of work, a second on a slower machine."""


class Passwords:
    """Hashes and verifies passwords. ``cost`` is the base-2 logarithm of scrypt's N: one more doubles time and memory.

    ``keyed`` also keeps what CRAM-MD5 needs.
    """

    def __init__(self, cost: int = CHEAP, *, keyed: bool = False) -> None:
        self._cost = cost
        self._keyed: dict[str, hmac.HMAC] | None = {} if keyed else None
        self._thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._thread_count, "passwords")
        self._in_progress = 0  # calls into the threads
        self._limit = self._thread_count * (1 + (_MAX_QUEUED << PROPER >> cost))

    async def hash_all(self, passwords: Sequence[str]) -> list[str]:
        """Return the hash of each of ``passwords``; an empty one has an empty hash, which no password verifies."""
        if not any(passwords):
            return [""] * len(passwords)
        size = max(1, min(_MAX_BUNDLE << CHEAP >> self._cost, -(-len(passwords) // self._thread_count)))
        bundles = range(0, len(passwords), size)
        starts = iter(bundles)
        hashes = [""] * len(passwords)

        async def hash_bundles() -> None:
            for start in starts:
                end = start + size
                hashes[start:end] = await self._run(_hash_bundle, passwords[start:end], self._cost)

        await asyncio.gather(*(hash_bundles() for _ in bundles[: self._thread_count]))
        if self._keyed is not None:
            pairs = zip(hashes, passwords, strict=True)
            self._keyed.update((stored, _key(password)) for stored, password in pairs if stored)
        return hashes

    async def verify(self, password: str, stored: str) -> bool:
        """Return whether ``stored`` is a hash of ``password``; False if it is empty."""
        return await self._run(_verify, password, stored, self._cost)

    def check_load(self) -> None:
        """Raise ``TooBusy`` if another hash would have to wait for about a second or more.

        Hashes do not check it themselves, because a test that makes many accounts can wait.
        """
        if self._in_progress >= self._limit:
            raise TooBusy("too many passwords are being hashed; try again later")

    async def _run(self, work: Callable[..., R], *arguments: object) -> R:
        self._in_progress += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._in_progress -= 1

    @property
    def answers_challenges(self) -> bool:
        """Whether CRAM-MD5 works: only without a data folder, because hashes are not enough for it."""
        return self._keyed is not None

    def verify_digest(self, challenge: bytes, digest: str, stored: str) -> bool:
        """Return whether ``digest`` answers ``challenge`` for the password of the hash ``stored`` (RFC 2195)."""
        keyed = (self._keyed or {}).get(stored)
        if keyed is None:
            return False
        expected = keyed.copy()
        expected.update(challenge)
        return hmac.compare_digest(expected.hexdigest().encode(), digest.lower().encode("utf-8", "replace"))

    def mark(self) -> int:
        """Return the number of HMAC objects."""
        return len(self._keyed or ())

    def rewind(self, mark: int) -> None:
        """Drop the HMAC objects made since ``mark``."""
        while self._keyed and len(self._keyed) > mark:
            self._keyed.popitem()

    def close(self) -> None:
        """End the threads without waiting for them; results of work in progress are lost."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _hash_bundle(passwords: Sequence[str], cost: int) -> list[str]:
    return [_hash(password, cost) if password else "" for password in passwords]


def _hash(password: str, cost: int) -> str:
    salt = os.urandom(_SALT)
    derived = _derive(password, salt, cost, _BLOCK, _PARALLEL)
    return f"scrypt${cost}${_BLOCK}${_PARALLEL}${_text(salt)}${_text(derived)}"


def _verify(password: str, stored: str, cost: int) -> bool:
    if not stored:
        _derive(password, bytes(_SALT), cost, _BLOCK, _PARALLEL)  # takes as long as for an account with a password
        return False
    _, stored_cost, block, parallel, salt, derived = stored.split("$")
    found = _derive(password, base64.b64decode(salt), int(stored_cost), int(block), int(parallel))
    return hmac.compare_digest(base64.b64decode(derived), found)


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
