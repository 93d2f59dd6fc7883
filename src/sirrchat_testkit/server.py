"""``MailServer``: the handle of a server.

1. It has no state that a scope would have to restore: it reads everything through ``_now`` and ``_control``, in the
   server's thread.
2. Members are in the order of use: start and stop, connect an application, make addresses and accounts, webhooks,
   change the behavior of the server, inspect, scopes. Waiting for mail is inherited from ``Receiver``.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from sirrchat_testkit.assembly import Assembly, assemble
from sirrchat_testkit.awaiting import asynchronous
from sirrchat_testkit.domain.counters import ServerStats
from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.scopes import Scope
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import Conflict
from sirrchat_testkit.faults.rest_handle import RestFaults
from sirrchat_testkit.faults.smtp_handle import Faults
from sirrchat_testkit.faults.webhook import Tampering
from sirrchat_testkit.faults.webhook_handle import WebhookFaults
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.environment import Connection, EnvPreset, connection, fill
from sirrchat_testkit.handles.environment import preset as preset_of
from sirrchat_testkit.handles.feed import arun, pull_records, run
from sirrchat_testkit.handles.findings import Findings
from sirrchat_testkit.handles.inbox import Inbox, MailAccount, Receiver
from sirrchat_testkit.handles.mail_source import MailSource
from sirrchat_testkit.handles.message import ReceivedMessage, record_of
from sirrchat_testkit.handles.overview import NOTHING, Overview, ScopeMark
from sirrchat_testkit.handles.service import RUNNING, Service
from sirrchat_testkit.handles.wait import settle
from sirrchat_testkit.handles.webhooks import WebhookControl, WebhookDelivery, WebhookHandle
from sirrchat_testkit.net import Tls, is_loopback, netloc, reachable
from sirrchat_testkit.schemas.webhook_events import WebhookEvent
from sirrchat_testkit.settings import RuntimeChanges, Settings, SettingsChanges
from sirrchat_testkit.suggestions import CollectionHints
from sirrchat_testkit.threads import LoopThread
from sirrchat_testkit.webhooks.calls import make_call

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.client.sirrchat import Client
    from sirrchat_testkit.sink.call import WebhookCall
    from sirrchat_testkit.sink.sink import WebhookSink
    from sirrchat_testkit.storage.database import Database

__tracebackhide__ = True


class MailServer(Service, CollectionHints, Receiver):
    """A complete mail server in this process: SMTP and a REST API on their own ports, in one daemon thread.

    Use it with ``with`` or ``async with``, or call ``start`` and ``stop``. A ``with`` block that ends without an error
    raises what ``check`` raises. Any number of servers can run at the same time. ``receive`` and the other verbs of the
    server wait for mail to any address, at any domain; those of an ``Inbox`` wait for mail to one address.

    Args:
        settings: The settings of the server. Default: ``Settings()``.
        changes: Single settings by name, such as ``domains=["shop.example"]``.

    Raises:
        ValueError: A setting has an invalid value; the error names the setting and the values that it accepts.

    Example:
        with MailServer(domains=["shop.example"]) as server:
            inbox = server.make_inbox()
            sign_up(inbox.address, smtp=(server.smtp_host, server.smtp_port))
            assert inbox.receive(subject="Welcome").link("confirm")
    """

    def __init__(self, settings: Settings | None = None, **changes: Unpack[SettingsChanges]) -> None:
        if settings is not None and not isinstance(settings, Settings):
            raise ValueError(
                f"settings must be a Settings, not {settings!r}; single settings are given by name, such as "
                'MailServer(domains=["shop.example"])'
            )
        self._settings = (settings or Settings()).replace(**changes)
        self._thread = LoopThread("sirrchat-testkit")
        self._running: Assembly | None = None
        self._findings: Findings | None = None
        self._ended: Overview | None = None
        self._checks_strictly = True
        self._shared_by = ""  # the other users of this server, such as all tests of a session; then stop() raises

    def start(self) -> Self:
        """Bind the ports, begin to serve, and return the server.

        Raises:
            OSError: A port is in use, or the host is not an address of this machine.
            RuntimeError: The server is already running.
        """
        if self._running is not None:
            raise RuntimeError(f"{self!r} is already running")
        self._thread.start()
        try:
            self._running = self._thread.call(self._assemble())
        except BaseException:
            self._thread.stop()
            raise
        self._thread.owner = f"the mail server {netloc(self._running.smtp.address)}"
        self._findings = self._running.findings
        RUNNING.add(self)
        return self

    def stop(self) -> None:
        """Wait for open transactions, at most a second, and stop. Does nothing if the server has already stopped.

        Raises:
            RuntimeError: This is the server of the fixtures, which all tests of the session share.
        """
        if self._shared_by:
            raise RuntimeError(
                f"Cannot stop {self!r}: {self._shared_by} use it. For a server that is down, plan "
                'mailserver.faults.reject(stage="connect", code=421) or mailserver.faults.drop(stage="connect"), '
                "or start and stop a MailServer() of your own"
            )
        running, self._running = self._running, None
        RUNNING.discard(self)
        if running is not None and self._thread.running:
            try:
                self._thread.call(running.close())
            finally:
                self._thread.stop()

    def _assemble(self) -> Coroutine[Any, Any, Assembly]:
        return assemble(self._settings, self._thread)

    @property
    def smtp_host(self) -> str:
        """The address that SMTP listens on."""
        return self._now.smtp.address[0]

    @property
    def smtp_port(self) -> int:
        """The SMTP port."""
        return self._now.smtp.address[1]

    @property
    def smtp_url(self) -> str:
        """``smtp://host:port``."""
        return f"smtp://{netloc(self._now.smtp.address)}"

    @property
    def smtps_port(self) -> int | None:
        """The port of SMTP over implicit TLS; None if the setting ``smtps_port`` is None."""
        return self._now.smtps.address[1] if self._now.smtps else None

    @property
    def smtp_username(self) -> str:
        """A user name to log in with: the address of an account of this scope, whose Sent folder gets the mail sent."""
        return self._control.login()[0]

    @property
    def smtp_password(self) -> str:
        """The password of ``smtp_username``."""
        return self._control.login()[1]

    @property
    def tls(self) -> Tls:
        """The certificate that clients must trust: as ``ca_file`` or in ``ssl_context()``.

        Raises:
            RuntimeError: The server has no TLS: set ``starttls=True`` or ``smtps_port=0``.
        """
        if self._now.tls is None:
            raise RuntimeError("this server has no TLS: set starttls=True or smtps_port=0")
        return self._now.tls

    @property
    def api_url(self) -> str:
        """``http://host:port``, without a trailing slash."""
        return f"http://{netloc(self._now.http.address)}"

    @property
    def web_url(self) -> str:
        """The URL of the web inbox, to look at the mail of a test in a browser. It needs the extra ``web``.

        If the inbox asks for an API key, because of the setting ``web_auth`` or since the server does not listen on
        loopback, the URL signs in once; then the property has another.
        """
        return self._web_inbox[0]

    @property
    def _web_inbox(self) -> tuple[str, str]:
        """The URL of the web inbox, and how one signs in there, or an empty string if it does not ask."""
        host, port = self._now.http.address
        url = f"http://{netloc((reachable(host), port))}/"
        if not self._web_asks:
            return url, ""
        return f"{url}ui/sign-in/{self._now.services.sign_in.current}", "signs in once; later, use the API key"

    def _mail_client(self) -> Client:
        """Return a client of the SirrChat API with the admin's key, which sends each request once."""
        from sirrchat_testkit.client.sirrchat import Client

        return Client(self.api_key, self.api_url, retries=0)

    @property
    def _web_asks(self) -> bool:
        """Whether the web inbox asks for an API key."""
        return self.settings.web_auth or not (is_loopback(self.settings.host) and is_loopback(self.smtp_host))

    @property
    def api_key(self) -> str:
        """An admin key for the REST API."""
        return self._now.api_key

    def env(self, preset: EnvPreset | None = None, /, **templates: str) -> dict[str, str]:
        """Return environment variables that configure an application to use this server.

        By default they are ``SMTP_HOST``, ``SMTP_PORT``, ``SMTP_URL``, ``SMTP_USERNAME``, ``SMTP_PASSWORD``,
        ``MAIL_API_URL`` and ``MAIL_API_KEY``, and ``SMTP_CA_FILE`` if the server has TLS. The host is the setting
        ``advertise``; without it, the address that the server listens on, or loopback if that is a wildcard.

        Args:
            preset: The name of a framework, to return the variables that it reads: ``django``, ``fastapi-mail``,
                ``flask``, ``laravel``, ``nodemailer``, ``rails``, ``spring`` or ``symfony``. They use TLS if the server
                offers it.
            templates: The variables to return instead of the default, or in addition to those of the preset, such as
                ``EMAIL_URL="smtp://{smtp_host}:{smtp_port}"``. The placeholders are ``smtp_host``, ``smtp_port``,
                ``smtp_url``, ``smtps_port``, ``smtp_username``, ``smtp_password``, ``smtp_ca_file``, ``api_url`` and
                ``api_key``.

        Raises:
            ValueError: There is no such preset or placeholder, or the server has no value for the placeholder.

        Example:
            subprocess.run(["./app"], env={**os.environ, **mailserver.env()})
            subprocess.run(["node", "app.js"], env={**os.environ, **mailserver.env("nodemailer")})
        """
        if preset is not None:
            made = preset_of(preset)(self._connection(self._advertised))
            return made | {name: fill(name, text, self._placeholders()) for name, text in templates.items()}
        values = self._placeholders()
        defaults = {
            "SMTP_HOST": "{smtp_host}",
            "SMTP_PORT": "{smtp_port}",
            "SMTP_URL": "{smtp_url}",
            "MAIL_API_URL": "{api_url}",
            "MAIL_API_KEY": "{api_key}",
        }
        if "smtp_username" in values:
            defaults |= {"SMTP_USERNAME": "{smtp_username}", "SMTP_PASSWORD": "{smtp_password}"}
        if "smtp_ca_file" in values:
            defaults["SMTP_CA_FILE"] = "{smtp_ca_file}"
        return {name: fill(name, text, values) for name, text in (templates or defaults).items()}

    def _placeholders(self) -> dict[str, str | int]:
        """Return the values that templates of ``env`` can use."""
        host, now = self._advertised, self._now
        values: dict[str, str | int] = {
            "smtp_host": host,
            "smtp_port": self.smtp_port,
            "smtp_url": f"smtp://{netloc((host, self.smtp_port))}",
            "api_url": f"http://{netloc((host, now.http.address[1]))}",
            "api_key": self.api_key,
        }
        if self.smtps_port is not None:
            values["smtps_port"] = self.smtps_port
        if self._offers_auth:
            values["smtp_username"], values["smtp_password"] = self._control.login()
        if now.tls is not None:
            values["smtp_ca_file"] = now.tls.ca_file
        return values

    def _connection(self, host: str | None = None) -> Connection:
        """Return how an application connects: with a login and TLS, if the server offers them.

        Without ``host``, the application runs in this process.
        """
        now = self._now
        login = self._control.login() if self._offers_auth else ("", "")
        return connection(self.settings, now.ports, host or reachable(now.smtp.address[0]), login)

    @property
    def _advertised(self) -> str:
        return self.settings.advertise or reachable(self._now.smtp.address[0])

    @property
    def _offers_auth(self) -> bool:
        settings = self.settings
        return "AUTH" not in settings.hide_extensions and (settings.auth != "tls" or settings.tls)

    def make_inbox(
        self,
        prefix: str | None = None,
        *,
        address: str | None = None,
        domain: str | None = None,
        expires_in: timedelta | None = None,
    ) -> Inbox:
        """Make a new address and return its inbox.

        Args:
            prefix: The beginning of the local part: ``user`` gives ``user-3f9ax2@example.com``. Default: a name.
            address: The exact address; ``prefix`` and ``domain`` cannot be given with it.
            domain: One of the served domains. Default: the first.
            expires_in: How long the address exists, on the server's clock. Default: it never expires.

        Raises:
            InvalidValue: ``address`` is malformed, or the domain is not served.
            Conflict: ``address`` already exists; ``inbox_for`` returns its inbox.
            ValueError: ``expires_in`` is not above 0, ``prefix`` is a whole address, or ``address`` is given with
                ``prefix`` or ``domain``.

        Example:
            inbox = mailserver.make_inbox("user", expires_in=timedelta(hours=1))
        """
        _check_texts(prefix=prefix, address=address, domain=domain)
        if address is not None and (prefix is not None or domain is not None):
            raise ValueError("address is the whole address: it cannot be given with prefix or domain")
        if prefix is not None and "@" in prefix:
            raise ValueError(f"prefix begins the local part of an address; for a whole one use address={prefix!r}")
        if isinstance(expires_in, timedelta) and expires_in <= timedelta():
            raise ValueError(f"expires_in must be a timedelta above 0, not {expires_in!r}")
        made = self._control.new_address(prefix, address, domain, expires_in)
        return Inbox(self._control, made.text, made)

    def inbox_for(self, address: str) -> Inbox:
        """Return the inbox of ``address`` without making the address.

        At a domain that is not served, the inbox has the mail that was stored as outgoing. At a served domain, mail for
        an address that does not exist is refused; ``make_inbox(address=...)`` makes it.

        Raises:
            InvalidValue: ``address`` is malformed.
        """
        _check_texts(address=address)
        return Inbox(self._control, address, self._control.find_address(address))

    def add_account(
        self, address: str | None = None, password: str | None = None, quota: int | None = None
    ) -> MailAccount:
        """Make an account, a user of the SirrChat API, and return it with its inbox.

        Args:
            address: The permanent address, at one of the served domains. Default: a generated one.
            password: The password. Default: a generated one.
            quota: The maximum size of its mail, in bytes. Default: 5 GiB.

        Raises:
            InvalidValue: ``address`` is malformed, its domain is not served, or ``quota`` is out of bounds.
            Conflict: ``address`` already exists.
        """
        _check_texts(address=address, password=password)
        made = self._control.new_account(address, password, quota)
        account = made.account
        inbox = Inbox(self._control, account.email, made.address)
        return MailAccount(
            address=account.email,
            id=account.id,
            password=made.password,
            api_key=made.key,
            quota=account.quota,
            inbox=inbox,
        )

    def add_domain(self, name: str) -> None:
        """Serve the domain ``name`` too, until the scope ends.

        Raises:
            InvalidValue: ``name`` is not a domain name.
            Conflict: The domain is already served.
        """
        self._thread.call(self._now.services.domains.add(name))

    def add_webhook(
        self, url: str | WebhookSink, events: Sequence[WebhookEvent] | None = None, secret: str | None = None
    ) -> WebhookHandle:
        """Make a webhook that calls ``url`` for all mail from now on, and return its handle.

        Args:
            url: The URL, or a sink. The host must be loopback, or listed in the setting ``webhook_hosts``.
            events: ``email.received``, ``email.sent`` or both (the default); or ``new_message`` alone, the event of the
                disposable-address API, for the addresses of this scope.
            secret: The secret to sign calls with. Default: calls are not signed.

        Raises:
            InvalidValue: The URL is not http or https, an event is unknown, or the secret is malformed.
        """
        target: Any = getattr(url, "url", url)
        return self._webhooks.add(target, events, secret)

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """All webhook deliveries, finished or pending, oldest first, each with its attempts."""
        return self._webhooks.deliveries()

    @property
    def webhook_faults(self) -> WebhookFaults:
        """The faults of the webhook sender; those planned in a scope are removed when it ends."""
        return WebhookFaults(self._now.services.faults, self._thread)

    def webhook_call(
        self,
        event: WebhookEvent = "email.received",
        message: ReceivedMessage | None = None,
        secret: str = "",
        tamper: Tampering | Literal[""] = "",
    ) -> WebhookCall:
        """Return a webhook call without sending it, to test a receiver that has no URL.

        Its ``headers`` and ``body`` are those that the server would send. ``verified`` is False if there is no secret,
        or if the signature or the timestamp was tampered with. ``answered`` is None, and ``url`` is empty.

        Example:
            call = mailserver.webhook_call("email.received", secret=SECRET)
            response = client.post("/mail", data=call.body, headers=call.headers)

        Args:
            event: ``email.received``, ``email.sent`` or ``new_message``.
            message: The message that the call reports. Default: a sample.
            secret: The secret to sign with. Default: the call is not signed.
            tamper: What to make wrong: ``signature``, ``timestamp``, ``json``, ``content_type`` or ``huge``.

        Raises:
            InvalidValue: The event or the tampering is unknown, or the secret is malformed.
        """
        from sirrchat_testkit.sink.call import prepared_call

        record = record_of(message) if message is not None else None
        made = self._thread.call(make_call(self._now.services, event, record, secret, tamper))
        return prepared_call(made.headers, made.body, secret, self._now.clock.now())

    def make_webhook_sink(self, secret: str | None = None) -> WebhookSink:
        """Start a receiver of webhooks in this server's thread, on its clock, and return it.

        It stops when the scope or the server ends; ``stop`` or ``with`` stop it earlier.

        Args:
            secret: The secret to verify signatures with. Default: the secret of the webhook that makes the call.
        """
        from sirrchat_testkit.sink.host import InServer
        from sirrchat_testkit.sink.sink import WebhookSink

        now = self._now
        host = InServer(self._thread, now.services, now.control, now.finished, now.sinks)
        return WebhookSink(secret, _host=host).start()

    @property
    def clock(self) -> Clock:
        """The clock of this server: expiry, timestamps, retries and rate limits follow it."""
        return self._now.clock

    @property
    def faults(self) -> Faults:
        """The faults of SMTP; those planned in a scope are removed when it ends."""
        return Faults(self._now.services.faults, self._thread)

    @property
    def rest_faults(self) -> RestFaults:
        """The faults of both REST APIs; those planned in a scope are removed when it ends."""
        return RestFaults(self._now.services.faults, self._thread)

    @property
    def timeout(self) -> float:
        """The default timeout of ``receive``, in seconds of real time."""
        return self._control.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._control.timeout = seconds

    @property
    def within(self) -> float:
        """The default of ``assert_nothing(within=)``, in seconds of real time."""
        return self._control.within

    @within.setter
    def within(self, seconds: float) -> None:
        self._control.within = seconds

    @property
    def settings(self) -> Settings:
        """The current settings: those that the server was started with, as changed by ``configure``."""
        return self._settings if self._running is None else self._running.services.settings.value

    def configure(self, **changes: Unpack[RuntimeChanges]) -> None:
        """Change settings until the scope ends, such as ``mailserver.configure(max_recipients=3)``.

        Raises:
            ValueError: A value is not accepted, there is no such setting, or it can only be set at the start.
        """
        self._thread.call(self._configure(changes))

    def rate_limit(self, requests: int) -> None:
        """Allow ``requests`` REST requests per hour for each API key, or IP address without one; refuse more with 429.

        Counting begins with this call; ``clock.advance`` past the full hour begins a new count.
        """
        if type(requests) is not int or requests < 0:
            raise ValueError(f"requests must be a whole number of at least 0, not {requests!r}")
        self.configure(rate_limit="custom", rate_limit_key=requests, rate_limit_ip=requests)

    @property
    def stats(self) -> ServerStats:
        """The statistics of ``GET /api/v1/stats``: counts of mail, users and storage.

        Example:
            shop.order("book")
            assert mailserver.stats.smtp.received == 1
        """
        return self._thread.call(self._now.services.stats.server())

    @property
    def database(self) -> Database:
        """The server's records as a read-only TinyDB, with tables such as ``messages``, ``accounts``, ``deliveries``.

        ``docs/database.md`` lists the tables and their fields.

        Example:
            from tinydb import where

            [message] = mailserver.database.table("messages").search(where("subject") == "Welcome")
        """
        return self._now.database

    @property
    def envelopes(self) -> list[Envelope]:
        """The envelopes of all stored messages, oldest first."""
        return run(self._thread, lambda _: pull_records(self._now.services.delivery.envelopes))

    @property
    def refusals(self) -> list[Refusal]:
        """The recipients that were refused in this scope, each with the nearest existing address.

        The strict check ``refused`` does not count the refusals that a test has read.
        """
        return self._control.refusals()

    @property
    def late_mail(self) -> list[Refusal]:
        """The mail refused since the server started because the scope of its recipient had ended.

        Each has ``recipient``, ``sender`` and ``scope``, the name of the test that caused it. The first 1000 are kept.
        """
        return [
            Refusal(each.recipient, each.sender, each.code, each.reason, each.scope, None)
            for each in self._now.findings.late
        ]

    @property
    def sessions(self) -> list[Session]:
        """The SMTP connections of this scope, open and recently closed, oldest first.

        Each has ``peer``, ``ehlo``, ``login``, ``tls`` (version and cipher) and ``transcript``.
        """
        return self._control.sessions()

    def settle(self) -> None:
        """Wait until no connection is in a transaction, and no webhook delivery is due.

        Raises:
            NotSettled: The server is still busy after a second; the error names what is in progress.
        """
        run(self._thread, lambda _: settle(self._control.source(None)))

    @asynchronous
    async def asettle(self) -> None:
        """Do the same as ``settle`` without blocking the event loop (asyncio or trio)."""
        await arun(self._thread, lambda _: settle(self._control.source(None)))

    def check(self) -> None:
        """Raise the errors that occurred in the server in this scope: one as itself, several as an exception group.

        An error is raised only once. Leaving a scope, or the ``with`` block of the server, checks too.

        Raises:
            NeverAwaited: There was no error, but an asynchronous verb was called without ``await``.
            FaultNeverFired: There was neither, but a fault that was planned in this scope never fired.
        """
        self._now.findings.check()

    def _check_at_end(self, *, without: Collection[str] = ()) -> None:
        """Raise what ``check`` raises; or else the error of the checks in the setting ``strict``, but ``without``."""
        self._now.findings.check()
        strict = self.settings.strict if isinstance(self.settings.strict, tuple) else ()  # the settings hold a tuple
        names = [each for each in strict if each not in without]
        if names:
            from sirrchat_testkit.handles.strictness import check

            error = run(self._thread, lambda _: check(self._control, names, in_force=strict))
            if error is not None:
                raise error

    def _explain(self, error: BaseException) -> None:
        """Add a report of this scope to ``error``, without what it says already, if there is anything to say."""
        if self._running is None or not isinstance(error, Exception):
            return
        try:
            text = self.overview("\n".join([str(error), *getattr(error, "__notes__", ())]))
        except Exception as another:  # noqa: BLE001 - it must not hide the error
            text = f"No report: {type(another).__name__}: {another}".partition("\n")[0]
        if text and text != NOTHING:
            error.add_note(f"Mail server {self._title}\n{text}")

    @property
    def _title(self) -> str:
        """The first line of its reports."""
        return f"{self!r} seed={self.settings.seed!r}"

    def overview(self, told: str = "") -> str:
        """Return a report of this scope: mail, refusals, connections, errors and webhook attempts, a line for each.

        Args:
            told: Text that is already shown, such as a failure; what it contains is left out.
        """
        return self._control.overview().text(told)

    def scope(self, name: str = "scope", *, check: bool = True) -> contextlib.AbstractContextManager[Self]:
        """Undo every change when the block ends: records, clock, settings, faults, and which mail was taken.

        Open transactions are closed with 421; delays and retries are cancelled. Idle connections stay open.

        Args:
            name: The name of the scope. Generated addresses and ids depend on it, and mail that arrives after the
                scope has ended is reported with it. The name of a nested scope begins with that of the outer one.
            check: Whether to call ``check()``, and run the checks of the setting ``strict``, if the block raised no
                error.

        Raises:
            NeverAwaited: An asynchronous verb was called in the scope without ``await``.
            FaultNeverFired: A fault that was planned in the scope never fired.
            StrictCheckFailed: A check that the setting ``strict`` names failed.

        Example:
            with mailserver.scope("outage"):
                mailserver.faults.drop(stage="connect")
                shop.order("book")
        """
        return self._scope(name, check=check)

    def reset(self, *, durable: bool = False) -> None:
        """Go back to the state right after the start.

        All mail and everything that was made is deleted. Settings, faults and the clock go back.

        It is for a server of your own that several tests use; the fixtures undo each test by a scope.

        Args:
            durable: Whether to delete the contents of a data folder, too.

        Raises:
            Conflict: A scope is open, or the server has a data folder and ``durable`` is False.
        """
        if self.settings.data is not None and not durable:
            raise Conflict("a reset deletes the contents of this server's data folder; to do that, add durable=True")
        self._thread.call(self._control.reset())

    @contextlib.contextmanager
    def _scope(self, name: str, *, check: bool, keep: Callable[[], bool] = bool) -> Iterator[Self]:
        """Do what ``scope`` does; if ``keep()`` when the block ends, ``_ended`` is the overview of the scope."""
        __tracebackhide__ = True
        scopes, findings = self._now.services.scopes, self._now.findings
        scope = self._thread.call(scopes.open(name))
        outer, around = self._control.mark(scope.name, scope.seed), findings.begin()
        try:
            yield self
            if check:
                self._check_at_end()
        finally:
            findings.end(around)
            mark = self._control.scope_mark() if keep() else None
            self._control.rewind(outer)
            self._thread.call(self._close(scope, mark))

    async def _close(self, scope: Scope, mark: ScopeMark | None) -> None:
        self._ended = None if mark is None else await self._control.final_overview(mark)
        await self._now.services.scopes.close(scope)

    def _name_after(self, seed: str) -> None:
        """Generate names and ids outside of scopes from ``seed``."""

        async def reseed() -> None:
            self._now.services.ids.reseed(seed)

        self._thread.call(reseed())
        self._control.name_after(seed)

    async def _configure(self, changes: RuntimeChanges) -> None:
        current = self._now.services.settings
        current.value = current.value.configured(**changes)

    @property
    def _webhooks(self) -> WebhookControl:
        return WebhookControl(self._thread, self._now.services, lambda: self.api_key, self._control.api_key)

    @property
    def _source(self) -> MailSource:
        return self._control.source(None)

    def _before_stop(self) -> None:
        if self._running is not None and self._checks_strictly and self.settings.strict:
            self._check_at_end()

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._findings is not None:
            self._findings.check()

    @property
    def _control(self) -> ServerControl:
        return self._now.control

    @property
    def _now(self) -> Assembly:
        if self._running is None:
            name = repr(self) if self._findings is None else self._thread.owner
            raise RuntimeError(f"{name} is not running: use it in a with block, or call start()")
        return self._running

    def _load_http(self) -> None:
        """Import what the first HTTP request and the first page of the web inbox would otherwise wait for."""
        self._thread.call(self._now.http.load())

    def _abandon(self) -> None:
        if self._running is not None:
            self._running.abandon()

    def __del__(self) -> None:
        if getattr(self, "_running", None) is not None and self._thread.running:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        if self._running is None:
            return "<MailServer stopped>"
        return f"<MailServer smtp={netloc(self._running.smtp.address)} http={netloc(self._running.http.address)}>"

    _items = "mailserver.messages"
    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("host", "hostname", "server", "smtp_server", "smtp_hostname", "ip"), "smtp_host"),
        **dict.fromkeys(("smtp", "addr", "address", "smtp_address"), "(smtp_host, smtp_port)"),
        **dict.fromkeys(("user", "username", "smtp_user", "login"), "smtp_username"),
        **dict.fromkeys(("password", "smtp_pass"), "smtp_password"),
        **dict.fromkeys(("key", "token", "admin_key"), "api_key"),
        **dict.fromkeys(("web", "ui", "ui_url", "web_inbox", "inbox_url"), "web_url"),
        **dict.fromkeys(("ca_file", "cert", "certificate"), "tls.ca_file"),
        **dict.fromkeys(("inboxes", "email", "make_address", "get_inbox"), "make_inbox"),
        **dict.fromkeys(("api", "rest", "http_port", "api_host", "api_port"), "api_url"),
        **dict.fromkeys(("deliver", "inject"), "make_inbox().deliver"),
        "domain": "settings.domains",
        "connections": "sessions",
        "received": "messages",
        "mail": "messages",
        "config": "configure()",
        "message_id": "receive().message_id",
        "urls": "receive().links",
        "body": "receive().text",
        "port": "smtp_port",
        "url": "api_url",
        "base_url": "api_url",
        "http_url": "api_url",
        "rest_url": "api_url",
        "api_faults": "rest_faults",
        "http_faults": "rest_faults",
        "domains": "settings.domains",
        "inbox": "make_inbox",
        "create_inbox": "make_inbox",
        "open_inbox": "make_inbox",
        "new_inbox": "make_inbox",
        "close": "stop",
        "shutdown": "stop",
        "wait": "receive",
        "wait_for": "receive",
        "wait_for_message": "receive",
        "wait_for_email": "receive",
        "wait_for_mail": "receive",
        "wait_for_messages": "receive_all",
        "drain": "receive_all",
        "wait_for_code": "receive().code()",
        "wait_for_link": "receive().link()",
        "first": "messages[0]",
        "last": "messages[-1]",
        "latest": "messages[-1]",
        "count": "len(mailserver.messages)",
        "emails": "messages",
        "mails": "messages",
        "assert_no_message": "assert_nothing",
        "assert_no_mail": "assert_nothing",
        "assert_empty": "assert_nothing",
        "time": "clock",
        "db": "database",
        "outbox": "messages",
        "chaos": "faults",
        "clear": "scope",
        "create_account": "add_account",
        "add_user": "add_account",
        "create_user": "add_account",
        "create_webhook": "add_webhook",
        "webhooks": "deliveries",
        "webhook_sink": "make_webhook_sink",
        "make_sink": "make_webhook_sink",
    }


def running() -> list[MailServer]:
    """Return the servers that run in this process, in no order."""
    return [each for each in tuple(RUNNING) if isinstance(each, MailServer)]


def _check_texts(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a string, not {value!r}")
