"""The parts list of a running server: ``assemble`` builds, connects and starts them; ``Assembly.close`` stops them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.findings import Findings
from sirrchat_testkit.http.listener import serve_rest
from sirrchat_testkit.net import Ports, Tls
from sirrchat_testkit.records import record
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.sink.host import Sinks
from sirrchat_testkit.smtp.listener import serve_smtp
from sirrchat_testkit.storage.database import Database
from sirrchat_testkit.storage.store import TinyStore
from sirrchat_testkit.threads import LoopThread
from sirrchat_testkit.webhooks.dispatcher import Dispatcher

if TYPE_CHECKING:
    from sirrchat_testkit.http.operations import Api
    from sirrchat_testkit.http.pages import Pages


class Listener(Protocol):
    """A server of one protocol, bound to ``address``."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        ...

    def close_in_child(self) -> None:
        """Close every inherited socket. Call it in a forked child only."""


class HttpListener(Listener, Protocol):
    """The HTTP server."""

    async def load(self) -> None:
        """Import the API, and the web inbox if it is installed, before the first request for them."""


@record
class Assembly:
    """The parts of a running server.

    ``finished`` waits until the result of an attempt of the webhook delivery with an id is recorded.
    """

    services: Services
    control: ServerControl
    database: Database
    clock: Clock
    api_key: str
    smtp: Listener
    smtps: Listener | None
    tls: Tls | None
    http: HttpListener
    finished: Callable[[str], Awaitable[None]]
    findings: Findings
    sinks: Sinks
    exits: contextlib.AsyncExitStack

    async def close(self) -> None:
        """Stop every part, the last one first. Transactions in progress can finish."""
        await self.exits.aclose()

    @property
    def ports(self) -> Ports:
        """Where SMTP listens."""
        return _ports(self.smtp, self.smtps, self.tls)

    def abandon(self) -> None:
        """Close the sockets that a forked child has inherited; the parent keeps its own."""
        for listener in (self.smtp, self.smtps, self.http):
            if listener is not None:
                listener.close_in_child()


async def assemble(settings: Settings, thread: LoopThread) -> Assembly:
    """Build and start every part on the running loop. If one raises, the others are stopped and the error is raised."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as exits:
        store = TinyStore(Path(settings.data), fsync=settings.fsync) if settings.data else TinyStore()
        exits.push_async_callback(store.close)
        services = Services.build(settings, store, loop)
        exits.push_async_callback(services.close)
        loop.set_exception_handler(lambda _, context: report_uncaught(services, context))
        api_key = await services.set_up()
        dispatcher = await exits.enter_async_context(Dispatcher(services).running())
        findings = Findings(services.events, services.faults.all, thread.calls)
        tls, context = _secure(settings, exits)
        smtp = await exits.enter_async_context(serve_smtp(services, context))
        smtps = None
        if settings.smtps_port is not None:
            smtps = await exits.enter_async_context(serve_smtp(services, context, tls=True))
        control = ServerControl(thread, services, [each.address for each in (smtp, smtps) if each])
        http = await exits.enter_async_context(
            serve_rest(
                services,
                lambda: [_control_api(control, tls)],
                lambda: _pages(control, _ports(smtp, smtps, tls), api_key),
            )
        )
        exits.callback(control.stop)
        clock = Clock(thread, services.clock)
        sinks = Sinks()
        services.scopes.join(sinks)
        exits.push_async_callback(sinks.close)
        return Assembly(
            services=services,
            control=control,
            database=Database(thread, store),
            clock=clock,
            api_key=api_key,
            smtp=smtp,
            smtps=smtps,
            tls=tls,
            http=http,
            finished=dispatcher.finished,
            findings=findings,
            sinks=sinks,
            exits=exits.pop_all(),
        )
    raise AssertionError("unreachable: an exit stack suppresses no errors")


def _control_api(control: ServerControl, tls: Tls | None) -> Api:
    """Import the control API and return it."""
    from sirrchat_testkit.control.api import control_api

    return control_api(control, tls)


def _ports(smtp: Listener, smtps: Listener | None, tls: Tls | None) -> Ports:
    return Ports(smtp.address, smtps.address if smtps else None, tls.ca_file if tls else "")


def _pages(control: ServerControl, ports: Ports, api_key: str) -> Pages:
    """Import the web inbox and return it."""
    from sirrchat_testkit.web.site import Site

    return Site(control, ports, api_key).serve


def _secure(settings: Settings, exits: contextlib.AsyncExitStack) -> tuple[Tls | None, ssl.SSLContext | None]:
    """Return the certificate for clients to trust and the server's SSL context, or None for both without TLS."""
    if not settings.tls:
        return None, None
    from sirrchat_testkit.net import identity

    server = identity(settings.tls_cert, settings.tls_key, settings.host, settings.advertise or "")
    tls = Tls(server.authority)
    exits.callback(tls.close)
    return tls, server.context


def report_uncaught(services: Services, context: dict[str, Any]) -> None:
    """Report an exception that no code caught."""
    error = context.get("exception") or RuntimeError(context.get("message"))
    services.crashed(context.get("message") or "the event loop", error)
