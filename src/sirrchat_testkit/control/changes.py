"""The control API: all that happened after an event, with the records, to follow a server from another process.

1. An answer has a bounded number of events. A client asks again with ``last`` of the answer, until it is complete.
2. With ``timeout``, a request that has nothing to answer waits until something happens. It does not poll.
3. Nothing is missed if a client fell behind: then the answer has all messages that are stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from sirrchat_testkit.control.events import shown
from sirrchat_testkit.control.shown import envelope_json
from sirrchat_testkit.domain.concern import Concern
from sirrchat_testkit.domain.events import Event, MessageReceived, MessageSent
from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.parameters import Number, Parameter, Seconds
from sirrchat_testkit.http.style import answer_large

ACCOUNTS = Parameter(
    "account",
    "Only what concerns the account with this id; repeat it for several.",
    {"type": "array", "items": {"type": "string"}},
)
KNOWN = Number(
    "after", "Only what happened after the event with this id. Default: nothing that has happened yet.", 0, least=0
)
LONGEST = Seconds("timeout", "Seconds of real time to wait if nothing has happened.", 0.0, most=600.0)

MOST: Final = 200
"""Events in one answer, at most."""

EXAMINED: Final = 1000
"""Events that one step of the loop examines, at most."""

_WEIGHT: Final = 1000
"""Characters of an event with its records, about."""


def concern_of(control: ServerControl, request: web.Request) -> Concern:
    """Return the concern of the accounts that ``request`` names."""
    services = control.services
    return Concern(services.store, services.directory, request.query.getall(ACCOUNTS.name, []))


class ChangeViews:
    """The route of changes."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control
        self._services = control.services
        self._log = control.services.events
        self._waiting: set[asyncio.Event] = set()
        self._stopped = False
        control.at_stop(self._stop)

    async def list_changes(self, request: web.Request) -> web.Response:
        """Return what happened after an event, and the records of the messages concerned.

        Unlike the stream of events, it is about chosen accounts, and has all that is needed to follow them.
        """
        concern, seconds = concern_of(self._control, request), LONGEST.read(request)
        after = KNOWN.read(request) if KNOWN.name in request.query else self._log.last
        gap = self._log.misses(after)
        stored: list[Message] = []
        if gap:
            after = self._log.last - len(self._log.held())
            stored = await self._stored(concern)
        last, events = await self._examine(after, concern)
        if not (events or stored) and seconds:
            last, events = await self._wait(last, concern, seconds)
        return await self._answer(last, events, stored, gap=gap)

    async def _examine(self, after: int, concern: Concern) -> tuple[int, list[tuple[int, Event]]]:
        """Return the events that concern the accounts, and the number of the last event that was examined."""
        found: list[tuple[int, Event]] = []
        while after < self._log.last and len(found) < MOST:
            for number, event in self._log.numbered(after, EXAMINED):
                after = number
                if await concern.includes(event):
                    found.append((number, event))
                if len(found) == MOST:
                    break
            await asyncio.sleep(0)  # other clients go on between two slices
        return after, found

    async def _wait(self, after: int, concern: Concern, seconds: float) -> tuple[int, list[tuple[int, Event]]]:
        """Wait until something concerns the accounts, at most ``seconds``; return what ``_examine`` does."""
        happened = asyncio.Event()
        self._waiting.add(happened)
        unsubscribe = self._log.subscribe(lambda _number, _event: happened.set())
        events: list[tuple[int, Event]] = []
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not (events or self._stopped):
                        await happened.wait()
                        happened.clear()
                        after, events = await self._examine(after, concern)
        finally:
            unsubscribe()
            self._waiting.discard(happened)
        if self._stopped:
            raise web.HTTPServiceUnavailable(reason="the server stops")
        return after, events

    async def _answer(
        self, last: int, events: Sequence[tuple[int, Event]], stored: Sequence[Message], *, gap: bool
    ) -> web.Response:
        named = {each.message.id: each.message for _, each in events if isinstance(each, MessageReceived | MessageSent)}
        messages = [*{**named, **{each.id: each for each in stored}}.values()]
        envelopes: dict[str, Envelope] = {}
        for each in messages:
            if each.envelope not in envelopes and (found := await self._services.store.get(Envelope, id=each.envelope)):
                envelopes[each.envelope] = found
        published = [{"name": made[0], **made[1]} for number, event in events if (made := shown(number, event))]
        clock = self._services.clock
        changes = {
            "last": last,
            "complete": last == self._log.last,
            "gap": gap,
            "connections": self._services.sessions.opened,
            "clock": {"now": iso_milliseconds(clock.now()), "frozen": clock.frozen},
            "events": published,
            "messages": [*map(_message_json, messages)],
            "envelopes": [*map(envelope_json, envelopes.values())],
        }
        return await answer_large(changes, _WEIGHT * (len(published) + len(messages)))

    async def _stored(self, concern: Concern) -> list[Message]:
        store = self._services.store
        if not concern.accounts:
            return await store.find(Message)
        return [message for each in concern.accounts for message in await store.find(Message, {"account": each})]

    def _stop(self) -> None:
        self._stopped = True
        for each in self._waiting:
            each.set()


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "uid": message.seq,
        "account": message.account,
        "address": message.address,
        "recipient": message.recipient,
        "envelope": message.envelope,
        "size": message.size,
        "received_at": iso_milliseconds(message.received_at),
        "mail_from": message.mail_from,
        "from": message.sender,
        "to": message.to,
        "subject": message.subject,
        "message_id": message.message_id,
        "folder": message.folder,
        "flags": message.flags,
        "seen": message.seen,
    }
