"""The connections of the server, as far as they concern this process, and the explanations that need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from sirrchat_testkit.attached.mirror import Mirror
from sirrchat_testkit.attached.records import session_record
from sirrchat_testkit.client.calls import Call, one
from sirrchat_testkit.domain.concern import Concern
from sirrchat_testkit.domain.events import RecipientRefused
from sirrchat_testkit.domain.sessions import Activity, Session, Sessions
from sirrchat_testkit.handles.diagnostics import Diagnostics, Snapshot
from sirrchat_testkit.schemas import control as schemas

__tracebackhide__ = True

REMEMBERED: Final = 1000
"""Connections that a mirror knows, at most."""


class MirrorSessions(Sessions):
    """The connections of the server that concern this process, as of the last ``refresh``."""

    mirror: Mirror

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, Session] = {}
        self._unknown: dict[int, Session] = {}  # without recipient and login: they may be of this process
        self._possible: dict[int, bool] = {}  # whether they are open, of all that may concern this process

    def __iter__(self) -> Iterator[Session]:
        return iter([each for each in [*self._seen.values()] if not each.closed])

    def __len__(self) -> int:
        return sum(not each.closed for each in self._seen.values())

    def known(self, after: int = 0) -> list[Session]:
        """Return the sessions opened after number ``after``, oldest first."""
        return [each for number, each in sorted(self._seen.items()) if number > after]

    def unknown(self, after: int) -> list[Session]:
        """Return the sessions after number ``after`` without recipient and login, which may be from this process."""
        return [each for number, each in self._unknown.items() if number > after]

    def possible(self, after: int) -> int:
        """Return how many connections that are open, or later than ``after``, may concern this process."""
        return sum(is_open or number > after for number, is_open in self._possible.items())

    async def refresh(self) -> None:
        """Ask the server for its connections."""
        self._possible.clear()
        for each in await self.mirror.client.sessions(accounts=self.mirror.accounts):
            self._possible[each.number] = not each.closed
            if await self._is_mine(each):
                self._seen[each.number] = session_record(each)
            elif not each.login and not each.recipients:
                self._unknown[each.number] = session_record(each)
        self._unknown = {number: each for number, each in self._unknown.items() if number not in self._seen}
        for sessions in (self._seen, self._unknown):
            for number in sorted(sessions)[:-REMEMBERED]:
                del sessions[number]

    async def settled(
        self,
        timeout: float,  # noqa: ASYNC109 - it does not raise
        after: int = 0,
        concern: Concern | None = None,  # noqa: ARG002 - it is always that of this process
    ) -> list[Activity]:
        """Wait until the server has settled, as far as it concerns this process."""
        mirror = self.mirror
        query = {"timeout": timeout, "account": mirror.accounts, "opened": after}
        call = Call("GET", "/settle", one(schemas.Settled), query=query, wait=timeout)
        settled = await mirror.client._send(call)  # noqa: SLF001 - its method raises what is in progress
        await mirror.catch_up()
        return [Activity(each.where, each.what) for each in settled.busy]

    async def still_open(self, timeout: float, after: int = 0) -> list[Session]:  # noqa: ASYNC109 - it does not raise
        """Return the connections after number ``after`` that are still open after ``timeout`` seconds."""
        await self.refresh()
        if any(not each.closed for each in self.known(after)):
            await self._change(timeout)
            await self.refresh()
        return [each for each in self.known(after) if not each.closed]

    async def _is_mine(self, session: schemas.Session) -> bool:
        names = [session.login, *session.recipients]
        return any([await self.mirror.is_mine(each) or await self.mirror.is_nearly_mine(each) for each in names])


class MirrorDiagnostics(Diagnostics):
    """Explains with the connections that the server has now."""

    sessions: MirrorSessions

    async def snapshot(self, connection: int, recipient: str | None, after: int = 0) -> Snapshot:
        """Return a snapshot."""
        await self.sessions.refresh()
        snapshot = await super().snapshot(connection, recipient, after)
        unknown = self.sessions.unknown(connection)
        refused = any(each.recipient == snapshot.unknown for each in snapshot.of(RecipientRefused, after))
        return replace(
            snapshot,
            absence=snapshot.absence + ("" if refused or not snapshot.unknown else ", or belongs to others"),
            connections=self.sessions.possible(connection),
            idle=sorted([*snapshot.idle, *(each for each in unknown if not each.busy)], key=lambda each: each.number),
            busy=[*snapshot.busy, *(each for each in unknown if each.busy)],
        )
