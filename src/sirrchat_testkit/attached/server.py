"""``AttachedServer``: the handle of a server in another process, which others use too."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never

from sirrchat_testkit.assembly import Assembly, report_uncaught
from sirrchat_testkit.attached.connection import Control, Rest, describe, host_and_port
from sirrchat_testkit.attached.faults import on_server
from sirrchat_testkit.attached.mirror import Mirror, MirrorThread, catch_up
from sirrchat_testkit.attached.parts import (
    OWN_SERVER,
    MirrorControl,
    MirrorDelivery,
    MirrorFindings,
    MirrorStore,
    MirrorWebhooks,
    SharedClock,
)
from sirrchat_testkit.attached.sessions import MirrorSessions
from sirrchat_testkit.client.control import ControlClient
from sirrchat_testkit.client.sirrchat import Client
from sirrchat_testkit.domain.counters import ServerStats
from sirrchat_testkit.domain.models import Account, Domain, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import SharedServerError
from sirrchat_testkit.faults.rest_handle import RestFaults
from sirrchat_testkit.faults.smtp_handle import Faults
from sirrchat_testkit.faults.webhook_handle import WebhookFaults
from sirrchat_testkit.formatting import milliseconds
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.webhooks import WebhookControl
from sirrchat_testkit.net import Tls, netloc
from sirrchat_testkit.schemas.control import Server
from sirrchat_testkit.server import MailServer
from sirrchat_testkit.settings import ROWS, RuntimeChanges, Settings
from sirrchat_testkit.sink.host import Sinks
from sirrchat_testkit.storage.database import Database

if TYPE_CHECKING:
    from typing import Unpack

__tracebackhide__ = True

_LOCAL: Final = frozenset(
    {"data", "fsync", "api_key", "oauth_tokens", "seed", "start_at", "strict", "tls_cert", "tls_key"}
)
"""The settings that are not those of the server: they are secret, or concern its machine or the tests."""


class AttachedServer(MailServer):
    """A server that runs elsewhere, for tests: what belongs to others is neither seen nor changed.

    Each scope has an account of its own, which is deleted with everything that belongs to it when the scope ends. What
    would affect others raises ``SharedServerError``.

    Args:
        url: The URL of its REST API.
        key: The API key of an admin.
        settings: The settings of the tests: ``seed``, from which names are made, and ``strict``. The others are those
            that the server has.
        seed: The seed of names. Default: that of ``settings``, or a random one if it is not set there.

    Raises:
        ConnectionError: By ``start``: the server cannot be used; the error says why, in one line.
    """

    def __init__(self, url: str, key: str, settings: Settings | None = None, seed: str = "") -> None:
        given = settings or Settings()
        chosen = given.seed if given.seed != Settings().seed else ""
        super().__init__(given, seed=seed or chosen or secrets.token_hex(4))
        self._url, self._key = url.rstrip("/"), key
        self._thread = self._mirror_thread = MirrorThread("sirrchat-testkit-mirror")

    def find_settings(self) -> Settings:
        """Return the settings of the server, before ``start``. Raises ``ConnectionError``."""
        describe(self._url, self._key)
        with ControlClient(self._key, self._url) as client:
            return _settings(client.settings.get(), self._settings)

    def _assemble(self) -> Coroutine[Any, Any, Assembly]:
        described = describe(self._url, self._key)
        return attach(self._url, self._key, described, self._settings, self._mirror_thread)

    def stop(self) -> None:
        """Delete what was made on the server, and end the connection to it. The server keeps running."""
        if self._shared_by:
            raise SharedServerError.refuse("stopping it", OWN_SERVER)
        self._mirror_thread.mirror = None  # the server may have stopped already
        super().stop()

    @property
    def api_url(self) -> str:
        """The URL of the REST API, without a trailing slash."""
        return self._url

    def _mail_client(self) -> Client:
        control = self._control
        assert isinstance(control, MirrorControl)
        return control.client(self._url, self._key)

    @property
    def _web_inbox(self) -> tuple[str, str]:
        """The URL of the web inbox of the server, and how to sign in; only the server itself makes links that do."""
        return f"{self._url}/", "sign in with the API key" if self._web_asks else ""

    @property
    def faults(self) -> Faults:
        """The faults of SMTP for recipients and logins of these tests."""
        return on_server(Faults, self._now.services.faults, self._thread)

    @property
    def webhook_faults(self) -> WebhookFaults:
        """The faults of the webhook sender for recipients and webhooks of these tests."""
        return on_server(WebhookFaults, self._now.services.faults, self._thread)

    @property
    def rest_faults(self) -> RestFaults:
        """The faults of both REST APIs for accounts of these tests."""
        return on_server(RestFaults, self._now.services.faults, self._thread)

    def configure(self, **changes: Unpack[RuntimeChanges]) -> None:
        """Change the setting ``strict`` of these tests. Raises ``SharedServerError`` for others."""
        if changes.keys() - {"strict"}:
            raise SharedServerError.refuse("changing settings", OWN_SERVER)
        super().configure(**changes)

    def rate_limit(self, requests: int) -> None:  # noqa: ARG002
        """Raise ``SharedServerError``."""
        raise SharedServerError.refuse("a rate limit", OWN_SERVER)

    def add_domain(self, name: str) -> None:
        """Raise ``SharedServerError``."""
        remedy = f"name {name} at its start, in mailserver_settings or with --domain, or use make_inbox(domain=...)"
        raise SharedServerError.refuse("serving another domain", remedy)

    def reset(self, *, durable: bool = False) -> None:  # noqa: ARG002
        """Raise ``SharedServerError``."""
        raise SharedServerError.refuse("a reset", "use mailserver.scope(), whose end deletes what it made")

    @property
    def late_mail(self) -> list[Refusal]:
        """The mail refused since the connection began because the scope of its recipient had ended."""
        catch_up(self._thread)
        return super().late_mail

    @property
    def stats(self) -> ServerStats:
        """Raise ``SharedServerError``."""
        raise SharedServerError("the statistics count the mail of others too; count mailserver.messages instead")

    @property
    def database(self) -> Never:
        """Raise ``SharedServerError``."""
        raise SharedServerError(f"the database of a server in another process cannot be read; {OWN_SERVER}")

    def _placeholders(self) -> dict[str, str | int]:
        made = super()._placeholders()
        return made if self.settings.advertise else made | {"api_url": self.api_url}

    @property
    def _webhooks(self) -> WebhookControl:
        return WebhookControl(self._thread, self._now.services, self._control.api_key, self._control.api_key)


AttachedServer.__name__ = "MailServer"  # for texts: to tests, it is one


_MACHINE: Final = frozenset(
    {
        "host",
        "advertise",
        "shared",
        "smtp_port",
        "smtps_port",
        "http_port",
        "password_cost",
        "allowed_hosts",
        "web_auth",
    }
)
"""The settings that concern how a server runs on its machine, which tests need not know."""


def differences(wanted: Settings, found: Settings) -> str:
    """Return, in words, the ``wanted`` settings that a server with the settings ``found`` does not have; or ""."""
    rows = [row for row in ROWS if row.name not in _LOCAL | _MACHINE and getattr(wanted, row.name) != row.default]
    pairs = [(row.name, getattr(found, row.name), getattr(wanted, row.name)) for row in rows]
    return "; ".join(f"{name} is {its!r}, not {mine!r}" for name, its, mine in pairs if its != mine)


class Remote(NamedTuple):
    """A listener of a server in another process."""

    address: tuple[str, int]

    def close_in_child(self) -> None:
        """Do nothing: there is no socket."""

    async def load(self) -> None:
        """Do nothing: the other process has the API."""


async def attach(url: str, key: str, described: Server, settings: Settings, thread: MirrorThread) -> Assembly:
    """Return the parts of a mirror of the server at ``url``, connected to it. Runs on the loop of ``thread``."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as exits:
        client = Control(key, url)
        exits.push_async_callback(client.aclose)
        store = MirrorStore()
        exits.push_async_callback(store.close)
        in_force = _settings(await client.settings.get(), settings)
        services = _mirrored(Services.build(in_force, store, loop))
        exits.push_async_callback(services.close)
        loop.set_exception_handler(lambda _, context: report_uncaught(services, context))
        mirror = Mirror(client, services, (await client.changes()).last)
        _connect(services, mirror)
        await _serve_domains(services, url, key)
        services.keys.accept_until_close(Account(id="", email="", created_at=0, quota=0), "admin", key)
        sinks = Sinks()
        for part in (services.deletion, sinks, mirror):
            services.scopes.join(part)
        exits.push_async_callback(sinks.close)
        exits.push_async_callback(mirror.close)
        host, port = host_and_port(url)
        smtp = Remote((host, described.smtp_port))
        smtps = None if described.smtps_port is None else Remote((host, described.smtps_port))
        tls = Tls(described.certificate.encode()) if described.certificate else None
        if tls is not None:
            exits.callback(tls.close)
        control = MirrorControl(thread, mirror, [each.address for each in (smtp, smtps) if each], netloc(smtp.address))
        exits.callback(control.stop)
        thread.mirror = mirror
        return Assembly(
            services=services,
            control=control,
            database=Database(thread, store),
            clock=Clock(thread, SharedClock(services.clock)),
            api_key=key,
            smtp=smtp,
            smtps=smtps,
            tls=tls,
            http=Remote((host, port)),
            finished=lambda _: _finished(services),
            findings=MirrorFindings(services.events, services.faults.all, thread),
            sinks=sinks,
            exits=exits.pop_all(),
        )
    raise AssertionError("unreachable: an exit stack suppresses no errors")


def _settings(found: dict[str, Any], settings: Settings) -> Settings:
    """Return the settings that a server has, with those of the tests."""
    known = {row.name: found[row.name] for row in ROWS if row.name in found and row.name not in _LOCAL}
    return Settings(**known, seed=settings.seed, strict=settings.strict)


def _mirrored(services: Services) -> Services:
    """Return ``services`` with the parts that ask or change the server."""
    of = services
    return replace(
        of,
        delivery=MirrorDelivery(
            of.store, of.clock, of.ids, of.directory, of.retention, of.counters, of.events, of.deletion
        ),
        webhooks=MirrorWebhooks(of.store, of.clock, of.ids, of.events, of.deletion),
        sessions=MirrorSessions(),
    )


def _connect(services: Services, mirror: Mirror) -> None:
    for part in (services.store, services.delivery, services.webhooks, services.sessions):
        part.mirror = mirror  # type: ignore[union-attr]


async def _serve_domains(services: Services, url: str, key: str) -> None:
    """Store the domains that the server serves."""
    async with Rest(key, url) as client:
        async for each in client.domains.list():
            made = Domain(id=each.id, name=each.name, created_at=milliseconds(each.created_at))
            await services.store.commit([Put(made)])


async def _finished(services: Services) -> None:
    """Wait until the server has recorded the results of the attempts in progress, if there are webhooks."""
    if await services.store.count(Webhook):
        await services.sessions.settled(1.0)
