"""Scopes isolate tests: ``open`` notes the state of the server, and ``close`` restores it.

1. A scope closes in three steps: the parts end their work, the records are restored, and then everything else. So
   nothing that began in a scope writes into the next one.
2. The cost of a scope depends on the changes made in it, not on the number of stored records.
3. Scopes nest; the innermost is closed first.
4. The addresses of a closed scope are remembered with its name, so that late mail is reported for the right test.
5. The name of a nested scope begins with the name of the outer one. Names and ids are made from ``seed``: the name of
   the scope, with a number from its second use on, so that no two scopes make the same address.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from sirrchat_testkit.domain.clock import Clock, ClockState
from sirrchat_testkit.domain.counters import Counters, CountersMark
from sirrchat_testkit.domain.directory import Directory
from sirrchat_testkit.domain.ids import Ids, IdsState
from sirrchat_testkit.domain.passwords import Passwords
from sirrchat_testkit.domain.sessions import Sessions
from sirrchat_testkit.domain.store import Store
from sirrchat_testkit.faults.engine import FaultRegistry, FaultsMark
from sirrchat_testkit.settings import CurrentSettings, Settings


class Part(Protocol):
    """A part of the server with state that scopes restore."""

    def mark(self) -> Any:
        """Return the current state, for ``end`` and ``rewind``."""

    def end(self, mark: Any) -> None:
        """End the work that began since ``mark``. Called before the records are restored."""

    async def rewind(self, mark: Any) -> None:
        """Go back to ``mark``. Called after the records were restored."""


@dataclass(frozen=True, slots=True)
class Scope:
    """An open scope: the state to go back to, its name (such as a test's id), and the seed of its names and ids."""

    name: str
    seed: str
    store: int
    clock: ClockState
    ids: IdsState
    settings: Settings
    faults: FaultsMark
    passwords: int
    transcripts: int
    counters: CountersMark
    parts: tuple[tuple[Part, Any], ...]


class Scopes:
    """Opens and closes the scopes of one server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        settings: CurrentSettings,
        directory: Directory,
        counters: Counters,
        *,
        faults: FaultRegistry,
        passwords: Passwords,
        sessions: Sessions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._directory = directory
        self._counters = counters
        self._faults = faults
        self._passwords = passwords
        self._sessions = sessions
        self._parts: list[Part] = []
        self._open: list[str] = []
        self._opened: Counter[str] = Counter()

    def join(self, part: Part) -> None:
        """Call ``part`` for every scope that is opened from now on."""
        self._parts.append(part)

    @property
    def is_open(self) -> bool:
        """Whether a scope is open."""
        return bool(self._open)

    async def open(self, name: str) -> Scope:
        """Note the state of the server; ids are made from the scope's seed until it is closed."""
        await self._counters.flush()
        if self._open:
            name = f"{self._open[-1]} > {name}"
        self._opened[name] += 1
        count = self._opened[name]
        scope = Scope(
            name=name,
            seed=name if count == 1 else f"{name} ({count})",
            store=self._store.mark(),
            clock=self._clock.mark(),
            ids=self._ids.mark(),
            settings=self._settings.value,
            faults=self._faults.mark(),
            passwords=self._passwords.mark(),
            transcripts=self._sessions.transcripts.mark(),
            counters=self._counters.mark(),
            parts=tuple((part, part.mark()) for part in self._parts),
        )
        self._ids.reseed(scope.seed)
        self._directory.begin_scope()
        self._open.append(name)
        return scope

    async def close(self, scope: Scope) -> None:
        """End the work that began in ``scope``, and restore the state from when it was opened."""
        for part, mark in scope.parts:
            part.end(mark)
        self._open.pop()
        self._directory.end_scope(scope.name)
        pending = self._counters.mark()
        self._counters.rewind(scope.counters)
        try:
            await self._store.rewind(scope.store)
        except BaseException:
            self._counters.rewind(pending)
            raise
        self._clock.rewind(scope.clock)
        self._ids.rewind(scope.ids)
        self._settings.value = scope.settings
        self._faults.rewind(scope.faults)
        self._passwords.rewind(scope.passwords)
        self._sessions.transcripts.rewind(scope.transcripts)
        for part, mark in scope.parts:
            await part.rewind(mark)
