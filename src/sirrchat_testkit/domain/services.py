"""The parts of one server's domain in one object, from which adapters take the parts that they need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from sirrchat_testkit.domain.accounts import Accounts
from sirrchat_testkit.domain.auth import Keys, Logins
from sirrchat_testkit.domain.clock import Clock, Scheduler
from sirrchat_testkit.domain.counters import Counters, Stats, Waits
from sirrchat_testkit.domain.deletion import Deletion
from sirrchat_testkit.domain.delivery import Folders, MailDelivery
from sirrchat_testkit.domain.directory import Directory, Domains
from sirrchat_testkit.domain.events import ClockMoved, Crashed, EventLog
from sirrchat_testkit.domain.ids import Ids, OneTimeToken, secret_token
from sirrchat_testkit.domain.models import Account, Tally
from sirrchat_testkit.domain.passwords import CHEAP, PROPER, Passwords
from sirrchat_testkit.domain.retention import Retention
from sirrchat_testkit.domain.scopes import Scopes
from sirrchat_testkit.domain.sessions import Sessions
from sirrchat_testkit.domain.simulation import Simulation
from sirrchat_testkit.domain.store import Put, Store
from sirrchat_testkit.domain.webhooks import Webhooks
from sirrchat_testkit.errors import Conflict, NotFound
from sirrchat_testkit.faults.engine import FaultRegistry
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.records import record
from sirrchat_testkit.settings import CurrentSettings, Settings


class Loop(Scheduler, Protocol):
    """The methods of an event loop that the domain uses."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any: ...  # noqa: D102 - asyncio's own


@record
class Services:
    """The domain of one server. ``sign_in`` is the token of the link that signs in to the web inbox as its admin."""

    settings: CurrentSettings
    clock: Clock
    store: Store
    events: EventLog
    ids: Ids
    domains: Domains
    directory: Directory
    accounts: Accounts
    keys: Keys
    delivery: MailDelivery
    deletion: Deletion
    retention: Retention
    folders: Folders
    webhooks: Webhooks
    sessions: Sessions
    counters: Counters
    stats: Stats
    waits: Waits
    passwords: Passwords
    logins: Logins
    faults: FaultRegistry
    simulation: Simulation
    scopes: Scopes
    sign_in: OneTimeToken

    @classmethod
    def build(cls, settings: Settings, store: Store, loop: Loop) -> Services:
        """Return the domain of a server that keeps its records in ``store`` and runs on ``loop``."""
        current = CurrentSettings(settings)
        events = EventLog(loop.call_soon, first=int(time.time() * 1000) * 1000)  # higher after each restart
        clock = Clock(loop, moved=lambda: events.append(ClockMoved(at=clock.now(), frozen=clock.frozen)))
        if settings.start_at is not None:
            clock.start_at(round(settings.start_at.timestamp() * 1000))
        ids = Ids("" if settings.data else settings.seed)
        deletion = Deletion(store, clock, events, loop)
        retention = Retention(store, clock, current, deletion)
        domains = Domains(store, clock, ids, deletion)
        directory = Directory(store, clock, ids, current, domains)
        passwords = Passwords(settings.password_cost or (PROPER if settings.data else CHEAP), keyed=not settings.data)
        sessions = Sessions(clock.now, events.append)
        counters = Counters(store, loop)
        faults = FaultRegistry(clock.now, events.append)
        accounts = Accounts(store, clock, ids, domains, directory, passwords, deletion)
        webhooks = Webhooks(store, clock, ids, events, deletion)
        delivery = MailDelivery(store, clock, ids, directory, retention, counters, events, deletion)
        return cls(
            settings=current,
            clock=clock,
            store=store,
            events=events,
            ids=ids,
            domains=domains,
            directory=directory,
            accounts=accounts,
            keys=Keys(store, clock, ids, webhooks),
            delivery=delivery,
            deletion=deletion,
            retention=retention,
            folders=Folders(store, clock, directory, events),
            webhooks=webhooks,
            sessions=sessions,
            counters=counters,
            stats=Stats(store, clock, sessions, counters),
            waits=Waits(),
            passwords=passwords,
            logins=Logins(accounts, passwords, current, clock, events),
            faults=faults,
            simulation=Simulation(clock, ids, current, directory, delivery, sessions, events, loop),
            scopes=Scopes(
                store, clock, ids, current, directory, counters, faults=faults, passwords=passwords, sessions=sessions
            ),
            sign_in=OneTimeToken(),
        )

    async def set_up(self) -> str:
        """Make the domains, the admin account and the counters, and start the hourly purge; return the admin's key."""
        for name in self.settings.value.domains:
            if not await self.domains.serves(name):
                await self.domains.add(name)
        if await self.store.get(Tally, account="") is None:
            await self.store.commit([Put(Tally(id=self.ids.uuid(), account=""))])
        await self.counters.recover()
        key = self.settings.value.api_key or f"mk_live_{secret_token(32)}"
        self.keys.accept_until_close(await self._admin(), "admin", key)
        self.stats.begin()
        await self.delivery.purge_hourly()
        self.scopes.join(self.deletion)
        self.scopes.join(self.simulation)
        await self.deletion.resume()
        return key

    async def close(self) -> None:
        """Store pending counts, drop scheduled work and end the password threads. The store stays open."""
        await self.simulation.close()
        await self.deletion.close()
        await self.counters.flush()
        self.clock.close()
        self.passwords.close()

    def crashed(self, where: str, error: BaseException) -> None:
        """Append ``Crashed``, which fails the test. ``error`` is unexpected; ``where`` names the work that failed."""
        self.events.append(Crashed(at=self.clock.now(), where=where, error=error))

    async def _admin(self) -> Account:
        email = f"admin@{self.settings.value.domains[0]}"
        try:
            return await self.accounts.of(email)
        except NotFound:
            if await self.directory.find_address(addressing.key(email)):
                raise Conflict(f"{email} is a disposable address, but the admin account needs it") from None
            return await self.accounts.add(email, hidden=True)
