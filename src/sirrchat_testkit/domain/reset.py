"""Resetting a server to its state right after the start.

1. What stays: the configured domains, the server's own account, and the admin key of the start.
2. Settings and the clock go back, faults are removed, everything stored is deleted. Records are deleted in slices,
   between which the server answers.
3. It is refused while a scope is open, because the end of the scope would bring everything back.
4. The event log goes on, so that a client that reads it sees the deletions.
"""

from __future__ import annotations

import asyncio

from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.models import Account, Address, ApiKey, Delivery, Message, Tally, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Delete, Put
from sirrchat_testkit.errors import Conflict
from sirrchat_testkit.records import Record


class Reset:
    """Resets one server to the state in which this object was made."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = services.clock.mark()
        self._settings = services.settings.value

    async def reset(self) -> None:
        """Go back to the state right after the start. Raises ``Conflict`` while a scope is open."""
        services = self._services
        if services.scopes.is_open:
            raise Conflict(
                "a test's scope is open on this server, and its end would undo a reset: end the scope instead"
            )
        services.faults.cancel(*services.faults.all())
        services.simulation.end()
        await services.simulation.rewind({})
        services.settings.value = self._settings
        services.clock.rewind(self._clock)
        for account in await services.store.find(Account):
            if not account.hidden:
                await services.deletion.delete_account(account)
                await asyncio.sleep(0)
        while addresses := await services.store.find(Address, match=lambda each: each.disposable, limit=SLICE):
            await services.deletion.delete_addresses(addresses)
        while messages := await services.store.find(Message, limit=SLICE):
            await services.deletion.delete_messages(messages)
            await asyncio.sleep(0)
        for kind in (Webhook, Delivery, ApiKey):
            await self._delete_all(kind)
        await self._reset_domains()
        await self._reset_counters()

    async def _delete_all(self, kind: type[Record]) -> None:
        while records := await self._services.store.find(kind, limit=SLICE):
            await self._services.store.commit([Delete(kind, each.seq) for each in records])
            await asyncio.sleep(0)

    async def _reset_domains(self) -> None:
        domains, wanted = self._services.domains, self._settings.domains
        for domain in await domains.all():
            if domain.name not in wanted:
                await domains.delete(domain)
        for name in wanted:
            if not await domains.serves(name):
                await domains.add(name)

    async def _reset_counters(self) -> None:
        services = self._services
        services.counters.rewind({})
        zero = [Put(Tally(id=services.ids.uuid(), account=account)) for account in ("", *await self._own_accounts())]
        await services.store.commit([*(Delete(Tally, each.seq) for each in await services.store.find(Tally)), *zero])

    async def _own_accounts(self) -> list[str]:
        return [each.id for each in await self._services.store.find(Account) if each.hidden]
