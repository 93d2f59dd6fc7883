"""``MailServer``: a running server as its user holds it.

1. It holds nothing that a scope puts back: what it shows, it asks of ``_now`` and ``_control``, in the server's thread.
2. Members stand in the order of use: start and stop, connect an application, make who receives mail, webhooks, change
   how the server behaves, look at what happened, scopes. Waiting for mail is inherited from ``Receiver``.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from sirrchat_testkit.assembly import Assembly, assemble, netloc
from sirrchat_testkit.domain.counters import ServerStats
from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.webhooks import WebhookEvent
from sirrchat_testkit.faults.api import Faults, WebhookFaults
from sirrchat_testkit.faults.webhook import Tampering
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.feed import arun, pull_records, run
from sirrchat_testkit.handles.findings import Findings
from sirrchat_testkit.handles.inbox import Inbox, MailAccount, Receiver
from sirrchat_testkit.handles.mail_source import MailSource
from sirrchat_testkit.handles.message import ReceivedMessage, record_of
from sirrchat_testkit.handles.service import RUNNING, Service
from sirrchat_testkit.handles.wait import settle
from sirrchat_testkit.handles.webhooks import WebhookControl, WebhookDelivery, WebhookHandle
from sirrchat_testkit.net import Tls
from sirrchat_testkit.settings import RuntimeChanges, Settings, SettingsChanges
from sirrchat_testkit.threads import LoopThread
from sirrchat_testkit.webhooks.calls import PreparedCall, make_call

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.sink.sink import WebhookSink

__tracebackhide__ = True


class MailServer(Service, Receiver):
    """A whole mail server in this process: SMTP and a REST API on ports of its own, in one daemon thread.

    ``with MailServer() as server:`` or ``async with``; several run side by side. A block that ends without an error
    raises what ``check`` raises. Without a ``with``, ``start`` and ``stop``, which do not check. As a receiver it waits
    for mail of every address, mail for other domains included.

    Args:
        settings: A ``Settings``; the defaults if None.
        changes: Settings that differ, such as ``domains=["shop.example"]``.

    Raises:
        ValueError: A setting is wrong; the text names it and says what it takes.
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
        self._shared_by = ""  # who else uses it, such as the other tests of a session: then stop() raises

    def start(self) -> Self:
        """Bind both ports and serve; return the server.

        Raises:
            OSError: A port is taken, or the host is not of this machine.
            RuntimeError: The server runs already.
        """
        if self._running is not None:
            raise RuntimeError(f"{self!r} runs already")
        self._thread.start()
        try:
            self._running = self._thread.call(assemble(self._settings, self._thread))
        except BaseException:
            self._thread.stop()
            raise
        self._thread.owner = f"the mail server {netloc(self._running.smtp.address)}"
        self._findings = self._running.findings
        RUNNING.add(self)
        return self

    def stop(self) -> None:
        """Finish the transactions in progress (for a second at most), then stop serving. Twice does nothing.

        Raises:
            RuntimeError: It is the server of the fixtures, which all tests of the session use.
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

    @property
    def smtp_host(self) -> str:
        """The host that SMTP listens on."""
        return self._now.smtp.address[0]

    @property
    def smtp_port(self) -> int:
        """The port that SMTP listens on."""
        return self._now.smtp.address[1]

    @property
    def smtp_url(self) -> str:
        """``smtp://host:port``."""
        return f"smtp://{netloc(self._now.smtp.address)}"

    @property
    def smtps_port(self) -> int | None:
        """The port where SMTP begins with TLS; None where the setting ``smtps_port`` is None."""
        return self._now.smtps.address[1] if self._now.smtps else None

    @property
    def smtp_username(self) -> str:
        """A login that works, of an account of this scope; mail sent with it is also in that account's Sent folder."""
        return self._control.login()[0]

    @property
    def smtp_password(self) -> str:
        """The password of ``smtp_username``."""
        return self._control.login()[1]

    @property
    def tls(self) -> Tls:
        """What clients need to trust the server: ``ca_file``, ``ssl_context()``.

        Raises:
            RuntimeError: There is no TLS: set ``starttls=True``, or an ``smtps_port``.
        """
        if self._now.tls is None:
            raise RuntimeError("this server speaks no TLS: set starttls=True, or an smtps_port such as 0")
        return self._now.tls

    @property
    def api_url(self) -> str:
        """``http://host:port``, without a trailing slash."""
        return f"http://{netloc(self._now.http.address)}"

    @property
    def api_key(self) -> str:
        """An admin key for the REST API."""
        return self._now.api_key

    def env(self, **templates: str) -> dict[str, str]:
        """Return environment variables that point an application here.

        They are ``SMTP_HOST, SMTP_PORT, SMTP_URL, SMTP_USERNAME, SMTP_PASSWORD, MAIL_API_URL, MAIL_API_KEY``, and
        ``SMTP_CA_FILE`` where there is TLS.

        Args:
            templates: Names of your own, such as ``EMAIL_URL="smtp://{smtp_host}:{smtp_port}"``; then only those.
        """
        values: dict[str, Any] = {
            "smtp_host": self.smtp_host,
            "smtp_port": self.smtp_port,
            "smtp_url": self.smtp_url,
            "smtps_port": self.smtps_port,
            "api_url": self.api_url,
            "api_key": self.api_key,
        }
        defaults = {
            "SMTP_HOST": "{smtp_host}",
            "SMTP_PORT": "{smtp_port}",
            "SMTP_URL": "{smtp_url}",
            "MAIL_API_URL": "{api_url}",
            "MAIL_API_KEY": "{api_key}",
        }
        if "AUTH" not in self._now.backend.settings.value.hide_extensions:
            values["smtp_username"], values["smtp_password"] = self._control.login()
            defaults |= {"SMTP_USERNAME": "{smtp_username}", "SMTP_PASSWORD": "{smtp_password}"}
        if self._now.tls is not None:
            values["smtp_ca_file"] = self._now.tls.ca_file
            defaults["SMTP_CA_FILE"] = "{smtp_ca_file}"
        return {name: text.format(**values) for name, text in (templates or defaults).items()}

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
            prefix: How the local part begins: ``user`` gives ``user-3f9ax2@example.com``. Default: a person's name.
            address: The exact address instead, without ``prefix`` and ``domain``.
            domain: One of the served domains. Default: the first.
            expires_in: How long the address receives mail, on the kit's clock. Default: for ever.

        Raises:
            InvalidValue: ``address`` is not an address, or the domain is not served.
            Conflict: ``address`` exists already: ``inbox_for`` returns its inbox.
            ValueError: ``expires_in`` is not above 0, or ``address`` is given with ``prefix`` or ``domain``.
        """
        _check_texts(prefix=prefix, address=address, domain=domain)
        if address is not None and (prefix is not None or domain is not None):
            raise ValueError("address is the whole address: it takes no prefix and no domain")
        if isinstance(expires_in, timedelta) and expires_in <= timedelta():
            raise ValueError(f"expires_in takes a time above 0, not {expires_in!r}")
        made = self._control.new_address(prefix, address, domain, expires_in)
        return Inbox(self._control, made.text, made)

    def inbox_for(self, address: str) -> Inbox:
        """Return the inbox of ``address``, which shows the mail that was sent there; it makes no address.

        An address of a domain that is not served has the mail that was stored as outgoing. At a served domain, mail for
        an address that does not exist is refused: ``make_inbox(address=...)`` makes it.

        Raises:
            InvalidValue: ``address`` is not an address.
        """
        _check_texts(address=address)
        return Inbox(self._control, address, self._control.find_address(address))

    def add_account(
        self, address: str | None = None, password: str | None = None, quota: int | None = None
    ) -> MailAccount:
        """Make a user of the SirrChat API; what is left out is made up.

        Args:
            address: The permanent address, at one of the served domains.
            password: What opens it.
            quota: Bytes it may store. Default: 5 GiB, as over the API.

        Raises:
            InvalidValue: ``address`` is no mailbox, its domain is not served, or ``quota`` is out of bounds.
            Conflict: Somebody has the address.
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
        """Serve ``name`` from now on. Raises ``InvalidValue`` or ``Conflict``."""
        self._thread.call(self._now.backend.domains.add(name))

    def add_webhook(
        self, url: str | WebhookSink, events: Sequence[WebhookEvent] | None = None, secret: str | None = None
    ) -> WebhookHandle:
        """Tell ``url`` of everybody's mail from now on; what is there is not told again.

        Args:
            url: Where calls go, or a sink: at loopback, or at a host of ``webhook_hosts``.
            events: Some of ``email.received`` and ``email.sent`` (default: both); or ``new_message`` alone, for what
                the disposable-address API pushes, of this scope's own addresses.
            secret: What calls are signed with; without one they are not.

        Raises:
            InvalidValue: It is no URL of http or https, an event is unknown, or the secret is malformed.
        """
        target: Any = getattr(url, "url", url)
        return self._webhooks.add(target, events, secret)

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """What webhooks were told, or are to be, oldest first, with every attempt."""
        return self._webhooks.deliveries()

    @property
    def webhook_faults(self) -> WebhookFaults:
        """The planned faults of the webhook sender; put back when the scope ends."""
        return WebhookFaults(self._thread, self._now.backend.faults)

    def webhook_call(
        self,
        event: WebhookEvent = "email.received",
        message: ReceivedMessage | None = None,
        secret: str = "",
        tamper: Tampering | Literal[""] = "",
    ) -> PreparedCall:
        """Return a call as an object with ``headers`` and ``body``, for a consumer that is tested without a URL.

        Args:
            event: ``email.received``, ``email.sent`` or ``new_message``.
            message: What it tells of. Default: a sample.
            secret: What it is signed with; without one it is not.
            tamper: What is wrong with it: ``signature``, ``timestamp``, ``json``, ``content_type`` or ``huge``.

        Raises:
            InvalidValue: There is no such event or tampering.
        """
        record = record_of(message) if message is not None else None
        return self._thread.call(make_call(self._now.backend, event, record, secret, tamper))

    def make_webhook_sink(self, secret: str | None = None) -> WebhookSink:
        """Return a receiver of webhooks that runs in this server's thread, on its clock.

        It stops when the scope ends, or the server; or stop it earlier, by ``stop`` or ``with``.
        """
        from sirrchat_testkit.sink.host import InServer
        from sirrchat_testkit.sink.sink import WebhookSink

        now = self._now
        host = InServer(self._thread, now.backend, now.control, now.dispatcher.finished, now.sinks)
        return WebhookSink(secret, _host=host).start()

    @property
    def clock(self) -> Clock:
        """The clock of mail time: expiry and timestamps."""
        return self._now.clock

    @property
    def faults(self) -> Faults:
        """The planned faults of SMTP; put back when the scope ends."""
        return Faults(self._thread, self._now.backend.faults)

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits unless told otherwise."""
        return self._control.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._control.timeout = seconds

    @property
    def within(self) -> float:
        """Seconds of real time in which ``assert_nothing`` lets nothing arrive unless told otherwise."""
        return self._control.within

    @within.setter
    def within(self, seconds: float) -> None:
        self._control.within = seconds

    @property
    def settings(self) -> Settings:
        """The settings in force: those that it was started with, and the changes that ``configure`` made since."""
        return self._settings if self._running is None else self._running.backend.settings.value

    def configure(self, **changes: Unpack[RuntimeChanges]) -> None:
        """Change settings until the scope ends, such as ``mailserver.configure(max_recipients=3)``.

        Raises:
            ValueError: A value is not accepted, there is no such setting, or it can only be set at the start.
        """
        self._thread.call(self._configure(changes))

    def rate_limit(self, requests: int) -> None:
        """Allow ``requests`` REST requests an hour per API key, and per IP address without one; then answer 429.

        The count begins with this call; ``clock.advance`` past the full hour opens the next window.
        """
        if type(requests) is not int or requests < 0:
            raise ValueError(f"requests must be a whole number of at least 0, not {requests!r}")
        self.configure(rate_limit="custom", rate_limit_key=requests, rate_limit_ip=requests)

    @property
    def stats(self) -> ServerStats:
        """What the server did and holds: the figures of ``GET /api/v1/stats``."""
        return self._thread.call(self._now.backend.stats.server())

    @property
    def envelopes(self) -> list[Envelope]:
        """Every stored envelope, oldest first."""
        return run(self._thread, lambda _: pull_records(self._now.backend.postoffice.envelopes))

    @property
    def refusals(self) -> list[Refusal]:
        """The recipients that were refused since the scope began, each with the nearest existing address."""
        return self._control.refusals()

    @property
    def late_mail(self) -> list[Refusal]:
        """The mail that was refused because the scope of its recipient had ended, since the server started.

        Each has ``recipient``, ``sender`` and ``scope``: the test that caused it. The first 1000 are kept.
        """
        return [
            Refusal(each.recipient, each.sender, each.code, each.reason, each.scope, None)
            for each in self._now.findings.late
        ]

    @property
    def sessions(self) -> list[Session]:
        """The SMTP connections that are open or were closed lately, of this scope, oldest first.

        Each has ``peer``, ``ehlo``, ``login``, ``tls`` (version and cipher) and ``transcript``.
        """
        return self._control.sessions()

    def settle(self) -> None:
        """Wait until every connection is between transactions. Raises ``NotSettled`` after a second."""
        run(self._thread, lambda _: settle(self._control.source(None)))

    async def asettle(self) -> None:
        """Do as ``settle`` does without blocking the loop that this task runs on."""
        await arun(self._thread, lambda _: settle(self._control.source(None)))

    def check(self) -> None:
        """Raise the errors of the server since the scope began: one as itself, several as a group.

        What was raised once is not raised again. Leaving a scope, or the server's ``with`` block, checks as well.

        Raises:
            FaultNeverFired: There was no error, and a fault that was planned since never struck.
        """
        self._now.findings.check()

    def overview(self, told: str = "") -> str:
        """Return what happened since the scope began: mail, refusals, connections, errors, webhooks' attempts.

        Args:
            told: A text, such as that of a failure; what it has already is left out.
        """
        return self._control.overview(told)

    @contextlib.contextmanager
    def scope(self, name: str = "scope", *, check: bool = True) -> Iterator[Self]:
        """Undo on exit what changes from now on: records, clock, settings, faults, and which mail was taken.

        What began in the scope ends with it: open transactions are closed with 421, delays and retries are cancelled.
        Connections that idle between transactions stay open.

        Args:
            name: What names and ids are made from. Mail that arrives after the scope has ended is reported with it; the
                name of a scope within another one is added to that one's.
            check: Raise what ``check()`` raises, if the block itself raised nothing.

        Raises:
            FaultNeverFired: A fault that was planned in the scope never struck.
        """
        __tracebackhide__ = True
        scopes, findings = self._now.backend.scopes, self._now.findings
        scope = self._thread.call(scopes.open(name))
        outer, around = self._control.mark(scope.name, scope.seed), findings.begin()
        try:
            yield self
            if check:
                findings.check()
        finally:
            findings.end(around)
            self._control.rewind(outer)
            self._thread.call(scopes.close(scope))

    def _name_after(self, seed: str) -> None:
        """Make the names and ids of what is outside of scopes from ``seed``."""

        async def reseed() -> None:
            self._now.backend.ids.reseed(seed)

        self._thread.call(reseed())
        self._control.name_after(seed)

    async def _configure(self, changes: RuntimeChanges) -> None:
        current = self._now.backend.settings
        current.value = current.value.configured(**changes)

    @property
    def _webhooks(self) -> WebhookControl:
        return WebhookControl(self._thread, self._now.backend, self._control.api_key)

    @property
    def _source(self) -> MailSource:
        return self._control.source(None)

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
        "host": "smtp_host",
        "smtp": "smtp_port",
        "http_port": "api_url",
        "message_id": "receive().message_id",
        "urls": "receive().links",
        "body": "receive().text",
        "port": "smtp_port",
        "url": "api_url",
        "base_url": "api_url",
        "http_url": "api_url",
        "rest_url": "api_url",
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
        "outbox": "messages",
        "create_account": "add_account",
        "add_user": "add_account",
        "create_user": "add_account",
        "create_webhook": "add_webhook",
        "webhooks": "deliveries",
        "webhook_sink": "make_webhook_sink",
        "make_sink": "make_webhook_sink",
    }


def _check_texts(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} takes a text, not {value!r}")
