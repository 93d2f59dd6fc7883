"""What simulators remember, and what comes back from them.

1. The sender of an accepted message gets a delivery report or an automatic reply if its address is on this server.
   Nothing leaves the server.
2. Reports and replies have the null sender, and the null sender never gets any, so there are no loops. An automatic
   reply is also not sent to mail that a program or a list has sent (RFC 3834 section 2).
3. It observes the event log: what comes back is made and delivered after the client has got its reply.
4. The server has not settled while something is to come back. The end of a scope drops it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Protocol

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.delivery import MailDelivery
from sirrchat_testkit.domain.directory import Directory
from sirrchat_testkit.domain.events import Crashed, Event, EventLog, MessageReceived
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.sessions import Activity, Sessions
from sirrchat_testkit.domain.simulators import Simulator, simulator_named
from sirrchat_testkit.errors import NotFound, Refused, StoreError
from sirrchat_testkit.formatting import utc
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.headers import LIMIT
from sirrchat_testkit.mail.reports import automatic_reply, delivery_report, is_automatic
from sirrchat_testkit.settings import CurrentSettings

_log = logging.getLogger("sirrchat_testkit.simulators")

_KEPT: Final = 10_000  # pairs of sender and recipient that greylist@ remembers, the latest ones


class Loop(Protocol):
    """The methods of an event loop that simulators use."""

    def create_task(self, coro: Any) -> Any: ...  # noqa: D102 - asyncio's own


class Simulation:
    """The state of the simulators of one server, and the mail that comes back from them."""

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        settings: CurrentSettings,
        directory: Directory,
        delivery: MailDelivery,
        sessions: Sessions,
        events: EventLog,
        loop: Loop,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._directory = directory
        self._delivery = delivery
        self._sessions = sessions
        self._events = events
        self._loop = loop
        self._refused: dict[tuple[str, str], None] = {}
        self._tasks: dict[Any, Activity] = {}
        self._one = asyncio.Lock()
        """One message is read at a time, since each may be large."""
        events.subscribe(self._on_message, self._answers)
        sessions.watch(lambda: [*self._tasks.values()])

    def refuses(self, simulator: Simulator, sender: str, recipient: str) -> bool:
        """Return whether ``simulator`` refuses mail from ``sender`` now; note the attempt."""
        if simulator.reply is None or not simulator.first_only:
            return simulator.reply is not None
        pair = addressing.key(sender), addressing.key(recipient)
        if pair in self._refused:
            return False
        self._refused[pair] = None
        while len(self._refused) > _KEPT:
            del self._refused[next(iter(self._refused))]
        return True

    async def close(self) -> None:
        """Wait until everything has come back."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mark(self) -> dict[tuple[str, str], None]:
        """Return the pairs that were refused so far."""
        return dict(self._refused)

    def end(self, mark: object = None) -> None:  # noqa: ARG002 - every part of a scope takes one
        """Drop what is to come back."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def rewind(self, mark: dict[tuple[str, str], None]) -> None:
        """Forget the attempts since ``mark``."""
        self._refused = dict(mark)

    def _answers(self, event: Event) -> bool:
        if not isinstance(event, MessageReceived) or event.message.address or not self._settings.value.simulators:
            return False
        local = addressing.split(event.message.recipient_key)[0]
        found = simulator_named(local, self._settings.value.subaddressing)
        return found is not None and bool(found.returns)

    def _on_message(self, _number: int, event: Event) -> None:
        assert isinstance(event, MessageReceived)
        task = self._loop.create_task(self._answer(event.message))
        self._tasks[task] = Activity(event.message.recipient, "a report or a reply comes back")
        task.add_done_callback(self._done)

    def _done(self, task: Any) -> None:
        self._tasks.pop(task, None)
        self._sessions.changed()

    async def _answer(self, message: Message) -> None:
        to = message.mail_from
        try:
            simulator = await self._directory.simulator(message.recipient)
            if simulator is None or not await self._directory.is_local(to):
                return
            async with self._one:
                header = (await self._delivery.raw(message))[:LIMIT]
            if simulator.returns == "reply" and is_automatic(header, to):
                return
            make = automatic_reply if simulator.returns == "reply" else delivery_report
            domain = addressing.domain_key(addressing.split(message.recipient)[1])
            at = utc(self._clock.now())
            answer = make(header, f"{simulator.name}@{domain}", to, at, self._ids.token(_UNIQUE))
            await self._delivery.deliver(Envelope(id="", sender="", recipients=(to,)), answer)
        except Refused as refusal:  # such as a full mailbox
            await self._delivery.note_refusal(to, "", refusal)
        except NotFound:
            pass  # the message was deleted meanwhile
        except StoreError as error:
            _log.error("%s: %s: %s", message.recipient, type(error).__name__, error)
        except Exception as error:  # noqa: BLE001 - it becomes an event, which fails the test
            where = f"answering mail for {message.recipient}"
            self._events.append(Crashed(at=self._clock.now(), where=where, error=error))


_UNIQUE: Final = 20  # characters of a Message-ID and of a boundary
