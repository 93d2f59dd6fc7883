"""Where a sink lives: in a thread of its own, or in that of a mail server, whose clock and secrets it shares then.

Sinks of a mail server end with the scope that they were opened in, and their waits with the scope that these began in.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import attempted
from sirrchat_testkit.handles.failures import Section
from sirrchat_testkit.handles.feed import End, Feed
from sirrchat_testkit.sink.call import WebhookCall
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

_wall = time.time


class OpenSink(Protocol):
    """A sink that listens, as its host knows it."""

    def waits(self) -> list[Feed[WebhookCall]]:
        """Return the open waits."""
        ...

    async def close(self, reason: End = ...) -> None:
        """Close the port, and end every wait for ``reason``."""


class Sinks:
    """The sinks that listen in the thread of one mail server. A part of its scopes."""

    def __init__(self) -> None:
        self._open: dict[OpenSink, None] = {}

    def add(self, sink: OpenSink) -> None:
        """Note that ``sink`` listens."""
        self._open[sink] = None

    def discard(self, sink: OpenSink) -> None:
        """Note that ``sink`` closes."""
        self._open.pop(sink, None)

    def mark(self) -> dict[OpenSink, list[Feed[WebhookCall]]]:
        """Return the sinks and their waits."""
        return {sink: sink.waits() for sink in self._open}

    def end(self, mark: dict[OpenSink, list[Feed[WebhookCall]]]) -> None:
        """End the waits that began since ``mark``."""
        for sink in self._open:
            for feed in sink.waits():
                if feed not in mark.get(sink, ()):
                    feed.push(End.SCOPE_OVER)

    async def rewind(self, mark: dict[OpenSink, list[Feed[WebhookCall]]]) -> None:
        """Close the sinks that were opened since ``mark``."""
        for sink in [each for each in self._open if each not in mark]:
            await sink.close(End.SCOPE_OVER)

    async def close(self) -> None:
        """Close every sink."""
        for sink in [*self._open]:
            await sink.close()


class Host(Protocol):
    """What a sink asks of where it lives. Coroutines run on the host's loop."""

    thread: LoopThread
    errors: Sequence[BaseException]
    """Errors of the user's functions that only the sink's ``check`` raises."""

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits by default."""
        ...

    @property
    def within(self) -> float:
        """Seconds of real time that ``assert_nothing`` watches by default."""
        ...

    def start(self) -> None:
        """Have the thread run."""

    def stop(self) -> None:
        """Have it end, if it was the sink's own."""

    def now(self) -> float:
        """Return the time that signatures are judged by, in seconds since the epoch."""
        ...

    def opened(self, sink: OpenSink) -> None:
        """Note that ``sink`` listens."""

    def closed(self, sink: OpenSink) -> None:
        """Note that ``sink`` closes."""

    async def secrets(self, url: str) -> list[str]:
        """Return the secrets of webhooks that point below ``url``."""
        ...

    async def finished(self, delivery: str) -> None:
        """Return when whoever sent ``delivery`` has noted what came of it."""

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:
        """Return what a failure says about deliveries to ``url``, which was ``called`` or not: a hint, and sections."""
        ...

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait until nothing is in progress, ``seconds`` at most; return what still is."""
        ...

    def crashed(self, error: BaseException) -> None:
        """Note what failed in a user's callable."""


class Alone:
    """A thread of the sink's own."""

    def __init__(self, timeout: float) -> None:
        self.thread = LoopThread("webhook-sink")
        self.timeout = timeout
        self.within = 0.0
        self.errors: Sequence[BaseException] = ()

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def stop(self) -> None:
        """End it."""
        self.thread.stop()

    def now(self) -> float:
        """Return the system's time."""
        return _wall()

    def opened(self, sink: OpenSink) -> None:
        """Do nothing: the sink is stopped by its user."""

    def closed(self, sink: OpenSink) -> None:
        """Do nothing."""

    async def secrets(self, url: str) -> list[str]:  # noqa: ARG002 - nobody here has any
        """Return none."""
        return []

    async def finished(self, delivery: str) -> None:
        """Return at once: what the sender does is not known."""

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:
        """Return that nobody called, if so: more is not known."""
        if called:
            return "", []
        hint = f"Nobody called {url}"
        return hint, [Section(f"{hint}: is the application set to send its webhooks there?")]

    async def settled(self, seconds: float) -> Sequence[Activity]:  # noqa: ARG002 - nothing is known to be in progress
        """Return at once."""
        return ()

    def crashed(self, error: BaseException) -> None:
        """Keep it for ``check``."""
        self.errors = (*self.errors, error)


class InServer:
    """The thread of a mail server."""

    errors: Sequence[BaseException] = ()

    def __init__(
        self,
        thread: LoopThread,
        backend: Backend,
        control: ServerControl,
        finished: Callable[[str], Awaitable[None]],
        sinks: Sinks,
    ) -> None:
        self.thread = thread
        self._backend = backend
        self._control = control
        self._finished = finished
        self.opened = sinks.add
        self.closed = sinks.discard

    def start(self) -> None:
        """Do nothing: the server owns the thread."""

    def stop(self) -> None:
        """Do nothing: the server owns the thread."""

    def now(self) -> float:
        """Return the kit's time."""
        return self._backend.clock.now() / 1000

    async def secrets(self, url: str) -> list[str]:
        """Return the secrets of the server's webhooks that point below ``url``."""
        return [each.secret for each in await self._webhooks(url) if each.secret]

    async def finished(self, delivery: str) -> None:
        """Return when the server has noted what came of its attempt."""
        await self._finished(delivery)

    @property
    def timeout(self) -> float:
        """The server's own."""
        return self._control.timeout

    @property
    def within(self) -> float:
        """The server's own."""
        return self._control.within

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:  # noqa: ARG002 - it knows more
        """Return each delivery's attempts, or that no webhook points here."""
        webhooks = await self._webhooks(url)
        if not webhooks:
            hint = f"No webhook points to {url}"
            return hint, [Section(f"{hint}: mailserver.add_webhook(webhook_sink.url) makes one.")]
        ids = {each.id for each in webhooks}
        events = self._backend.events.after()
        lines = [attempted(each) for each in events if isinstance(each, DeliveryAttempted) and each.webhook in ids]
        for webhook in webhooks:
            where = {"webhook": webhook.id, "status": "pending"}
            for each in await self._backend.store.find(Delivery, where, limit=5):
                if each.due_at:
                    due = datetime.fromtimestamp(each.due_at / 1000, UTC).isoformat()
                    lines.append(f"{each.event} is pending; its next attempt is due {due}")
                else:
                    lines.append(f"{each.event} is due, or is being delivered and not answered yet")
            if not webhook.enabled:
                lines.append(f"the webhook {webhook.url} is disabled")
        if not lines:
            return "No mail for which this webhook is called has arrived", []
        return "", [Section("Deliveries:", lines, 20)]

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait until the server has settled."""
        return await self._control.settled(seconds)

    def crashed(self, error: BaseException) -> None:
        """Let the server's own ``check`` raise it."""
        self._backend.crashed("answering a webhook", error)

    async def _webhooks(self, url: str) -> list[Webhook]:
        return await self._backend.store.find(Webhook, match=lambda each: each.url.startswith(url))
