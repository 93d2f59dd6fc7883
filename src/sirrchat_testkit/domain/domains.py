"""The domains that are served: mail for them is for here.

1. A name is compared in lower case, an international one in its ASCII spelling, and shown so.
2. A domain goes only when nobody is left at it. An address that has expired is nobody, and goes along.
3. The hidden admin's domain therefore stays: a server is never without one.
"""

from __future__ import annotations

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.deletion import Deletion
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import Account, Address, Domain
from sirrchat_testkit.domain.store import Delete, Put, Store
from sirrchat_testkit.errors import Conflict, InvalidValue, NotFound
from sirrchat_testkit.mail import addresses as addressing


class Domains:
    """The served domains, on a store."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, deletion: Deletion) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._deletion = deletion

    async def add(self, name: str) -> Domain:
        """Serve ``name`` from now on. Raises ``InvalidValue`` or ``Conflict``."""
        if not addressing.is_domain(name):
            raise InvalidValue("name must be a host name such as example.com", field="name", value=name)
        known = addressing.domain_key(name)
        if await self._store.get(Domain, name=known):
            raise Conflict(f"domain {known} already exists", field="name", value=name)
        domain = Domain(id=self._ids.uuid(), name=known, created_at=self._clock.now())
        await self._store.commit([Put(domain)])
        return domain

    async def get(self, domain_id: str) -> Domain:
        """Return the domain. Raises ``NotFound``."""
        domain = await self._store.get(Domain, id=domain_id)
        if domain is None:
            raise NotFound("no such domain")
        return domain

    async def all(self) -> list[Domain]:
        """Return the served domains, oldest first."""
        return await self._store.find(Domain)

    async def page(self, offset: int, limit: int) -> tuple[list[Domain], int]:
        """Return ``limit`` domains after the oldest ``offset`` ones, and how many there are."""
        return await self._store.find(Domain, offset=offset, limit=limit), await self._store.count(Domain)

    async def serves(self, name: str) -> bool:
        """Return whether mail for ``name`` is for here."""
        return await self._store.get(Domain, name=addressing.domain_key(name)) is not None

    async def users(self, domain: Domain) -> int:
        """Return how many accounts have their permanent address at ``domain``."""
        return await self._store.count(Account, domain=domain.name, listed=True)

    async def delete(self, domain: Domain) -> None:
        """Serve ``domain`` no more. Raises ``Conflict`` while an account or an address is at it."""
        now = self._clock.now()
        there = await self._store.find(Address, {"domain": domain.name})
        if any(not each.expires_at or each.expires_at > now for each in there):
            raise Conflict(f"domain {domain.name} still has users or addresses")
        await self._deletion.delete_addresses(there, also=[Delete(Domain, domain.seq)])
