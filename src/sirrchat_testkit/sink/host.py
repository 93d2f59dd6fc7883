"""The host of a sink: a thread of its own, or a mail server's thread, whose clock and secrets it then shares.

A sink of a mail server stops when the scope in which it was started ends. A wait ends with the scope in which it began.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import attempted
from sirrchat_testkit.handles.failures import Section
from sirrchat_testkit.handles.feed import End, Feed
from sirrchat_testkit.handles.remedies import FOR_TESTS
from sirrchat_testkit.handles.service import raise_all
from sirrchat_testkit.schemas.webhook_events import PENDING
from sirrchat_testkit.sink.call import WebhookCall
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

_wall = time.time


class OpenSink(Protocol):
    """A sink that listens, as its host uses it."""

    def waits(self) -> list[Feed[WebhookCall]]:
        """Return the open waits."""
        ...

    async def close(self, reason: End = ...) -> None:
        """Close the port and end every wait for ``reason``."""


class Sinks:
    """The sinks that listen in the thread of one mail server; scopes mark and rewind them."""

    def __init__(self) -> None:
        self._open: dict[OpenSink, None] = {}

    def add(self, sink: OpenSink) -> None:
        """Note that ``sink`` listens."""
        self._open[sink] = None

    def discard(self, sink: OpenSink) -> None:
        """Note that ``sink`` closes."""
        self._open.pop(sink, None)

    def mark(self) -> dict[OpenSink, list[Feed[WebhookCall]]]:
        """Return the open sinks with their waits."""
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
    """The thread that a sink runs in, and everything that the sink gets from it. Coroutines run on the host's loop."""

    thread: LoopThread

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits by default."""
        ...

    @property
    def within(self) -> float:
        """Seconds of real time that ``assert_nothing`` watches by default."""
        ...

    def start(self) -> None:
        """Start the thread, if it is the sink's own."""

    def stop(self) -> None:
        """Stop the thread, if it is the sink's own."""

    def now(self) -> float:
        """Return the time at which a call arrives, in seconds since the epoch."""
        ...

    def opened(self, sink: OpenSink) -> None:
        """Note that ``sink`` listens."""

    def closed(self, sink: OpenSink) -> None:
        """Note that ``sink`` closes."""

    async def secrets(self, url: str) -> list[str]:
        """Return the secrets of the webhooks whose URL begins with ``url``."""
        ...

    async def finished(self, delivery: str) -> None:
        """Wait until the sender of ``delivery`` has recorded the result of its attempt."""

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:
        """Return the hint and the sections of a failure about deliveries to ``url``.

        ``called`` is whether any call has arrived.
        """
        ...

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait at most ``seconds`` until nothing is in progress; return the work still in progress."""
        ...

    def crashed(self, error: BaseException) -> None:
        """Record the error of a user's function."""

    def check(self) -> None:
        """Raise the errors of the user's functions, and ``NeverAwaited``, if nothing else does."""


class Alone:
    """A host that gives the sink its own thread."""

    def __init__(self, timeout: float) -> None:
        self.thread = LoopThread("webhook-sink")
        self.timeout = timeout
        self.within = 0.0
        self._errors: list[BaseException] = []

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self.thread.stop()

    def now(self) -> float:
        """Return the system's time."""
        return _wall()

    def opened(self, sink: OpenSink) -> None:
        """Do nothing: the user stops the sink."""

    def closed(self, sink: OpenSink) -> None:
        """Do nothing."""

    async def secrets(self, url: str) -> list[str]:  # noqa: ARG002 - there are no webhooks
        """Return an empty list."""
        return []

    async def finished(self, delivery: str) -> None:
        """Return at once: the sender is not known."""

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:
        """Return the hint that no call arrived, if so."""
        return "" if called else f"No call arrived at {url}: check that the application sends its webhooks there", []

    async def settled(self, seconds: float) -> Sequence[Activity]:  # noqa: ARG002 - nothing is known to be in progress
        """Return at once."""
        return ()

    def crashed(self, error: BaseException) -> None:
        """Keep the error for ``check``."""
        self._errors.append(error)

    def check(self) -> None:
        """Raise the errors, or ``NeverAwaited``."""
        raise_all("several answer functions failed", self._errors)
        self.thread.calls.check()


_SENDERS: Final = (
    "from the application: configure it with webhook_sink.url, and with webhook_sink.secret if it signs calls",
    "from the mail server: add a webhook with mailserver.add_webhook(webhook_sink); none has this URL",
)
"""Where the calls to a sink may come from."""


class InServer:
    """A host that uses the thread of a mail server."""

    def __init__(
        self,
        thread: LoopThread,
        services: Services,
        control: ServerControl,
        finished: Callable[[str], Awaitable[None]],
        sinks: Sinks,
    ) -> None:
        self.thread = thread
        self._services = services
        self._control = control
        self._finished = finished
        self.opened = sinks.add
        self.closed = sinks.discard

    def start(self) -> None:
        """Do nothing: the server owns the thread."""

    def stop(self) -> None:
        """Do nothing: the server owns the thread."""

    def now(self) -> float:
        """Return the time of the server's clock."""
        return self._services.clock.now() / 1000

    async def secrets(self, url: str) -> list[str]:
        """Return the secrets of the server's webhooks whose URL begins with ``url``."""
        return [each.secret for each in await self._webhooks(url) if each.secret]

    async def finished(self, delivery: str) -> None:
        """Wait until the server has recorded the result of its attempt."""
        await self._finished(delivery)

    @property
    def timeout(self) -> float:
        """The default of the server."""
        return self._control.timeout

    @property
    def within(self) -> float:
        """The default of the server."""
        return self._control.within

    async def deliveries(self, url: str, *, called: bool) -> tuple[str, list[Section]]:
        """Return the attempts of each delivery; or, if no webhook points here and no call arrived, who may make one."""
        webhooks = await self._webhooks(url)
        if not webhooks:
            return "", [] if called else [Section("Where should calls come from?", _SENDERS)]
        ids = {each.id for each in webhooks}
        log = self._services.events.after()
        lines = [attempted(each) for each in log if isinstance(each, DeliveryAttempted) and each.webhook in ids]
        for webhook in webhooks:
            where = {"webhook": webhook.id, "status": PENDING}
            for each in await self._services.store.find(Delivery, where, limit=5):
                if (left := each.due_at - self._services.clock.now()) > 0:
                    lines.append(f"{each.event} is pending; its next attempt is due {FOR_TESTS.due(left)}")
                else:
                    lines.append(f"{each.event} is due, or its attempt is not answered yet")
            if not webhook.enabled:
                lines.append(f"the webhook {webhook.url} is disabled: webhook.enable()")
        if not lines:
            events = " or ".join(dict.fromkeys(name for webhook in webhooks for name in webhook.events))
            return f"No mail arrived that the webhook reports ({events})", []
        return "", [Section("Deliveries:", lines, 20)]

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait until the server has settled."""
        return await self._control.settled(seconds)

    def crashed(self, error: BaseException) -> None:
        """Report the error to the server, whose ``check`` raises it."""
        self._services.crashed("answering a webhook", error)

    def check(self) -> None:
        """Do nothing: the server's ``check`` covers its sinks."""

    async def _webhooks(self, url: str) -> list[Webhook]:
        return await self._services.store.find(Webhook, match=lambda each: each.url.startswith(url))
