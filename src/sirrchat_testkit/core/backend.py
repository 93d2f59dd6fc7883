"""The bundle that every adapter receives. Nothing else is passed around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.clock import Clock, Scheduler
from sirrchat_testkit.core.directory import Directory
from sirrchat_testkit.core.errors import Conflict, NotFound
from sirrchat_testkit.core.events import Crashed, EventLog
from sirrchat_testkit.core.identity import Ids
from sirrchat_testkit.core.models import Account, Tally
from sirrchat_testkit.core.postoffice import PostOffice
from sirrchat_testkit.core.retention import Retention
from sirrchat_testkit.core.scopes import Scopes
from sirrchat_testkit.core.sessions import Sessions
from sirrchat_testkit.core.settings import CurrentPolicy, Settings
from sirrchat_testkit.core.store import Put, Store


class Loop(Scheduler, Protocol):
    """What the domain needs of an event loop."""

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any: ...  # noqa: D102 - asyncio's own


@dataclass(frozen=True, slots=True)
class Backend:
    """The domain of one server."""

    settings: Settings
    policy: CurrentPolicy
    clock: Clock
    store: Store
    events: EventLog
    ids: Ids
    directory: Directory
    postoffice: PostOffice
    sessions: Sessions
    scopes: Scopes

    @classmethod
    def build(cls, settings: Settings, store: Store, loop: Loop) -> Backend:
        """Return a domain on ``store``, timed by ``loop``."""
        policy = CurrentPolicy(settings.policy)
        clock = Clock(loop)
        ids = Ids("" if settings.data else settings.seed)
        events = EventLog(loop.call_soon)
        directory = Directory(store, clock, ids, policy)
        return cls(
            settings=settings,
            policy=policy,
            clock=clock,
            store=store,
            events=events,
            ids=ids,
            directory=directory,
            postoffice=PostOffice(store, clock, ids, directory, Retention(store, clock, policy), events),
            sessions=Sessions(),
            scopes=Scopes(store, clock, ids, policy, directory),
        )

    async def furnish(self) -> str:
        """Make what every server has: its domains, the admin account, counters, the purge; return the admin's key."""
        for name in self.settings.domains:
            if not await self.directory.serves(name):
                await self.directory.add_domain(name)
        if await self.store.get(Tally, account="") is None:
            await self.store.commit([Put(Tally(id=self.ids.uuid(), account=""))])
        key = self.settings.api_key or f"mk_live_{self.ids.token(32)}"
        self.directory.admit_until_close(await self._admin(), "admin", key)
        await self.postoffice.purge_hourly()
        return key

    def crashed(self, where: str, error: BaseException) -> None:
        """Note that the server failed in a way nobody asked for; the test that owns it will be told."""
        self.events.append(Crashed(at=self.clock.now(), where=where, error=error))

    async def _admin(self) -> Account:
        email = f"admin@{self.settings.domains[0]}"
        try:
            return await self.directory.account_of(email)
        except NotFound:
            if await self.directory.find_address(addressing.key(email)):
                raise Conflict(f"{email} is a disposable address; the admin account needs it") from None
            return await self.directory.add_account(email, hidden=True)
