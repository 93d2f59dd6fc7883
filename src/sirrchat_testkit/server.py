"""``MailServer``: a running server as its user holds it."""

from __future__ import annotations

import contextlib
import os
import warnings
import weakref
from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import anyio.to_thread

from sirrchat_testkit.assembly import Assembly, assemble, netloc
from sirrchat_testkit.core.models import Envelope
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.core.settings import Policy, Settings
from sirrchat_testkit.core.stats import ServerStats
from sirrchat_testkit.loopthread import LoopThread
from sirrchat_testkit.testing import report
from sirrchat_testkit.testing.account import MailAccount
from sirrchat_testkit.testing.clock import Clock
from sirrchat_testkit.testing.desk import CALM, Desk, Refusal
from sirrchat_testkit.testing.faults import Faults
from sirrchat_testkit.testing.hints import misnamed
from sirrchat_testkit.testing.inbox import Inbox
from sirrchat_testkit.testing.receiver import Receiver
from sirrchat_testkit.testing.tls import Tls
from sirrchat_testkit.testing.webhookfaults import WebhookFaults
from sirrchat_testkit.testing.webhooks import WebhookDelivery, WebhookDesk, WebhookHandle
from sirrchat_testkit.webhooks import samples
from sirrchat_testkit.webhooks.calls import Call

if TYPE_CHECKING:
    from sirrchat_testkit.testing.message import ReceivedMessage
    from sirrchat_testkit.testing.sink import WebhookSink


class MailServer(Receiver):
    """A whole mail server in this process: SMTP and a REST API on ports of its own, in one daemon thread.

    ``with MailServer() as server:`` or ``async with``; several run side by side. Without a ``with``, ``start`` and
    ``stop``. As a receiver it waits for mail of every address, mail for other domains included.

    Args:
        settings: A ``Settings``; the defaults if None.
        changes: Fields of ``Settings`` or ``Policy`` that differ, such as ``domains=["shop.example"]``.

    Raises:
        ValueError: A setting is wrong; the text names it and says what it takes.
    """

    _recipient = None
    _guesses = {  # noqa: RUF012 - read by ``misnamed`` alone
        "host": "smtp_host",
        "port": "smtp_port",
        "url": "api_url",
        "base_url": "api_url",
        "inbox": "open_inbox",
        "create_inbox": "open_inbox",
        "make_inbox": "open_inbox",
        "close": "stop",
        "shutdown": "stop",
        "wait_for_message": "receive",
        "time": "clock",
        "outbox": "messages",
        "create_account": "add_account",
        "add_user": "add_account",
        "create_user": "add_account",
        "create_webhook": "add_webhook",
        "webhooks": "deliveries",
        "webhook_sink": "open_sink",
    }

    def __init__(self, settings: Settings | None = None, **changes: Any) -> None:
        self.settings = Settings.of(settings, **changes)
        self._thread = LoopThread("sirrchat-testkit")
        self._running: Assembly | None = None

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
            self._running = self._thread.call(assemble(self.settings, self._thread))
        except BaseException:
            self._thread.stop()
            raise
        _SERVERS.add(self)
        return self

    def stop(self) -> None:
        """Let transactions in flight finish (for a second at most), then let go of everything. Twice does nothing."""
        running, self._running = self._running, None
        _SERVERS.discard(self)
        if running is not None and self._thread.running:
            try:
                self._thread.call(running.close())
            finally:
                self._thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)

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
        return self._desk.login()[0]

    @property
    def smtp_password(self) -> str:
        """The password of ``smtp_username``."""
        return self._desk.login()[1]

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

    @property
    def clock(self) -> Clock:
        """The clock of mail time: expiry and timestamps."""
        return self._now.clock

    @property
    def faults(self) -> Faults:
        """What the server is to do wrong; put back when the scope ends."""
        return Faults(self._thread, self._now.backend.faults)

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits unless told otherwise."""
        return self._desk.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._desk.timeout = seconds

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
        if "AUTH" not in self._now.backend.policy.value.hide_extensions:
            values["smtp_username"], values["smtp_password"] = self._desk.login()
            defaults |= {"SMTP_USERNAME": "{smtp_username}", "SMTP_PASSWORD": "{smtp_password}"}
        if self._now.tls is not None:
            values["smtp_ca_file"] = self._now.tls.ca_file
            defaults["SMTP_CA_FILE"] = "{smtp_ca_file}"
        return {name: text.format(**values) for name, text in (templates or defaults).items()}

    def open_inbox(
        self, name: str | None = None, domain: str | None = None, expires_in: timedelta | None = None
    ) -> Inbox:
        """Make a new address and return its inbox.

        Args:
            name: A hint: ``user`` gives ``user-3f9ax2@example.com``. Default: a person's name.
            domain: One of the served domains. Default: the first.
            expires_in: How long it lives, on the kit's clock. Default: for ever.

        Raises:
            InvalidValue: ``domain`` is not served.
        """
        address = self._desk.new_address(name, domain, expires_in)
        return Inbox(self._desk, address.text, address)

    def inbox_for(self, address: str) -> Inbox:
        """Return the inbox of ``address``: made if its domain is served, else what was sent there from here."""
        return Inbox(self._desk, address, self._desk.address_for(address))

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
        made = self._desk.new_account(address, password, quota)
        account = made.account
        inbox = Inbox(self._desk, account.email, made.address)
        return MailAccount(account.email, account.id, made.password, made.key, account.quota, inbox)

    def add_domain(self, name: str) -> None:
        """Serve ``name`` from now on. Raises ``InvalidValue`` or ``Conflict``."""
        self._thread.call(self._now.backend.domains.add(name))

    def add_webhook(self, url: str, events: Sequence[str] | None = None, secret: str | None = None) -> WebhookHandle:
        """Tell ``url`` of everybody's mail from now on; what is there is not told again.

        Args:
            url: Where calls go: at loopback, unless the policy's ``webhook_hosts`` names the host.
            events: Some of ``email.received`` and ``email.sent`` (default: both); or ``new_message`` alone, for what
                the disposable-address API pushes, of this scope's own addresses.
            secret: What calls are signed with; without one they are not.

        Raises:
            InvalidValue: An event is unknown, or the secret is malformed.
        """
        return self._webhooks.add(url, events, secret)

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """What webhooks were told, or are to be, oldest first, with every attempt."""
        return self._webhooks.deliveries()

    @property
    def webhook_faults(self) -> WebhookFaults:
        """What the sender of webhooks is to do wrong; put back when the scope ends."""
        return WebhookFaults(self._thread, self._now.dispatcher.faults)

    def webhook_call(
        self,
        event: str = "email.received",
        message: ReceivedMessage | None = None,
        secret: str = "",
        tamper: str = "",
    ) -> Call:
        """Return a call as an object with ``headers`` and ``body``, for a consumer that is tested without a URL.

        Args:
            event: ``email.received``, ``email.sent`` or ``new_message``.
            message: What it tells of. Default: a sample.
            secret: What it is signed with; without one it is not.
            tamper: What is wrong with it: ``signature``, ``timestamp``, ``json``, ``content_type`` or ``huge``.

        Raises:
            InvalidValue: There is no such event or tampering.
        """
        record = message.record if message is not None else None
        return self._thread.call(samples.make(self._now.backend, event, record, secret, tamper))

    def open_sink(self, secret: str | None = None) -> WebhookSink:
        """Return a receiver of webhooks that runs in this server's thread, on its clock; stop it, or use ``with``."""
        from sirrchat_testkit.testing.sink import SECRET, WebhookSink
        from sirrchat_testkit.testing.sinkhost import InServer

        host = InServer(self._thread, self._now.backend, self._desk, self._now.dispatcher.landed)
        return WebhookSink(secret or SECRET, timeout=self.timeout, host=host).start()

    def policy(self, **changes: Any) -> Policy:
        """Change the policy while the server runs, until the scope ends; return the one in force.

        Raises:
            ValueError: There is no such field, or it does not take the value.
        """
        return self._thread.call(self._change_policy(changes))

    def rate_limit(self, requests: int) -> Policy:
        """Answer ``requests`` requests an hour for each key, and for each IP address without one, then 429.

        Counting begins with this call; ``clock.advance`` past the full hour opens the next window.
        """
        return self.policy(rate_limit="own", rate_limit_key=requests, rate_limit_ip=requests)

    @property
    def stats(self) -> ServerStats:
        """What the server did and holds: the figures of ``GET /api/v1/stats``."""
        return self._thread.call(self._now.backend.stats.server())

    @property
    def envelopes(self) -> list[Envelope]:
        """Every stored envelope, oldest first."""
        return self._thread.call(self._now.backend.postoffice.envelopes())

    @property
    def refusals(self) -> list[Refusal]:
        """The recipients that were refused since the scope began, each with the nearest existing address."""
        return self._desk.refusals()

    @property
    def sessions(self) -> list[Session]:
        """The SMTP connections that are open or were closed lately, of this scope, oldest first.

        Each has ``peer``, ``ehlo``, ``login``, ``tls`` (version and cipher) and ``transcript``.
        """
        return self._desk.sessions()

    def settle(self) -> None:
        """Wait until every connection is between transactions. Raises ``NotSettled`` after a second."""
        __tracebackhide__ = True
        if busy := self._desk.settle():
            raise report.not_settled(busy, CALM)

    async def asettle(self) -> None:
        """Do as ``settle`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        if busy := await self._desk.asettle():
            raise report.not_settled(busy, CALM)

    @contextlib.contextmanager
    def scope(self, name: str = "scope") -> Iterator[Self]:
        """Put everything back on exit that changes from now on: records, clock, policy, faults, what was taken.

        Args:
            name: What names and ids are made from, and what late mail is charged to.
        """
        scopes = self._now.backend.scopes
        scope = self._thread.call(scopes.open(name))
        outer = self._desk.mark(name)
        try:
            yield self
        finally:
            self._desk.rewind(outer)
            self._thread.call(scopes.close(scope))

    def check(self) -> None:
        """Raise what failed in the server since the scope began: as itself, or several as a group.

        Raises:
            FaultNeverFired: Nothing failed, and a fault that was planned since never struck.
        """
        __tracebackhide__ = True
        errors = [crash.error for crash in self._desk.crashes()]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("several things failed in the mail server", errors)
        if unfired := self._desk.unfired():
            raise report.never_fired(unfired)
        if idle := self._now.dispatcher.faults.unfired():
            raise report.never_fired(idle)

    def overview(self) -> str:
        """Return what happened since the scope began: mail, refusals, connections, errors."""
        return report.overview(self._desk.situation())

    @property
    def _webhooks(self) -> WebhookDesk:
        return WebhookDesk(self._thread, self._now.backend, self._desk.api_key)

    @property
    def _desk(self) -> Desk:
        return self._now.desk

    @property
    def _now(self) -> Assembly:
        if self._running is None:
            raise RuntimeError(f"{self!r} is not running: use it in a with block, or call start()")
        return self._running

    async def _change_policy(self, changes: dict[str, Any]) -> Policy:
        current = self._now.backend.policy
        changed = current.value.changed(**changes)
        Settings.of(self.settings, policy=changed)  # what goes together is checked there
        current.value = changed
        return current.value

    def __del__(self) -> None:
        if getattr(self, "_running", None) is not None and self._thread.running:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __getattr__(self, name: str) -> NoReturn:
        raise misnamed(self, name, self._guesses)

    def __repr__(self) -> str:
        if self._running is None:
            return "<MailServer stopped>"
        return f"<MailServer smtp={netloc(self._running.smtp.address)} http={netloc(self._running.http.address)}>"


_SERVERS: weakref.WeakSet[MailServer] = weakref.WeakSet()
"""The running servers of this process: a forked child lets go of what it inherits of them."""


def _abandon_all() -> None:
    for server in tuple(_SERVERS):
        server._now.abandon()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_abandon_all)
