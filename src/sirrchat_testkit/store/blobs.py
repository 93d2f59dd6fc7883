"""Raw bytes under the name of their SHA-256: the same bytes are kept once, whoever brings them.

Neither class knows who names a blob; that is ``keeping``'s business.
"""

from __future__ import annotations

from sirrchat_testkit.core.errors import NotFound

LARGE = 1 << 20
"""From this size in bytes on, hashing is worth a thread."""


class MemoryBlobs:
    """Raw bytes in memory."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, digest: str, raw: bytes) -> None:
        """Hold ``raw`` as ``digest``."""
        self._held[digest] = raw

    async def get(self, digest: str) -> bytes:
        """Return the bytes. Raises ``NotFound``."""
        try:
            return self._held[digest]
        except KeyError:
            raise NotFound(f"the raw bytes {digest} are gone") from None

    def drop(self, digests: list[str]) -> None:
        """Let go of bytes, held or not."""
        for digest in digests:
            self._held.pop(digest, None)
