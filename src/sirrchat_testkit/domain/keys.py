"""API keys: who may call, and as what.

1. A key is ``mk_live_`` and 32 characters of chance, its secret ``sk_live_`` and 32 more; the secret opens nothing.
2. Only their SHA-256 is stored; the texts are returned once, by the call that makes them.
3. The role is ``admin`` or ``user``. What each may call is the adapter's table.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.ids import Ids, hash_key
from sirrchat_testkit.domain.models import Account, ApiKey
from sirrchat_testkit.domain.store import Delete, Put, Store
from sirrchat_testkit.errors import NotFound


class NewKey(NamedTuple):
    """A key that was just made: the only time its text can be had."""

    key: str
    secret: str
    record: ApiKey


class Keys:
    """The API keys of one server, on a store."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._until_close: dict[str, ApiKey] = {}

    async def add(self, account: Account, role: str) -> NewKey:
        """Make a key for ``account`` with ``role`` ``admin`` or ``user``."""
        text = f"mk_live_{self._ids.token(32)}"
        secret = f"sk_live_{self._ids.token(32)}"
        record = ApiKey(
            id=self._ids.uuid(),
            account=account.id,
            role=role,
            key_hash=hash_key(text),
            secret_hash=hash_key(secret),
            created_at=self._clock.now(),
        )
        await self._store.commit([Put(record)])
        return NewKey(text, secret, record)

    def admit_until_close(self, account: Account, role: str, key: str) -> None:
        """Take ``key`` as one of ``account`` until the server stops; it is stored nowhere."""
        hashed = hash_key(key)
        self._until_close[hashed] = ApiKey(
            id=self._ids.uuid(), account=account.id, role=role, key_hash=hashed, created_at=self._clock.now()
        )

    async def find(self, key: str) -> ApiKey | None:
        """Return the record of ``key``, None if it is empty, wrong or revoked. Compares in constant time."""
        hashed = hash_key(key)
        record = self._until_close.get(hashed) or await self._store.get(ApiKey, key_hash=hashed)
        return record if record is not None and hmac.compare_digest(record.key_hash, hashed) else None

    async def page(self, offset: int, limit: int) -> tuple[list[ApiKey], int]:
        """Return ``limit`` keys after the oldest ``offset`` ones, and how many there are."""
        return await self._store.find(ApiKey, offset=offset, limit=limit), await self._store.count(ApiKey)

    async def revoke(self, key_id: str) -> None:
        """Revoke a key. Raises ``NotFound``."""
        record = await self._store.get(ApiKey, id=key_id)
        if record is None:
            raise NotFound("no such API key")
        await self._store.commit([Delete(ApiKey, record.seq)])
