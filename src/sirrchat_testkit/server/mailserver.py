"""``MailServer``: a running server as its user holds it, put together from its parts."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from sirrchat_testkit.handles.mail_source import MailSource
from sirrchat_testkit.handles.receiver import Receiver
from sirrchat_testkit.server.connecting import Connecting
from sirrchat_testkit.server.looking import Looking
from sirrchat_testkit.server.making import Making
from sirrchat_testkit.server.running import Running
from sirrchat_testkit.server.steering import Steering
from sirrchat_testkit.server.webhooks import Webhooks

__tracebackhide__ = True


class MailServer(Connecting, Making, Webhooks, Steering, Looking, Receiver):
    """A whole mail server in this process: SMTP and a REST API on ports of its own, in one daemon thread.

    ``with MailServer() as server:`` or ``async with``; several run side by side. A block that ends without an error
    raises what ``check`` raises. Without a ``with``, ``start`` and ``stop``, which do not check. As a receiver it waits
    for mail of every address, mail for other domains included.

    Args:
        settings: A ``Settings``; the defaults if None.
        changes: Fields of ``Settings`` or ``Policy`` that differ, such as ``domains=["shop.example"]``.

    Raises:
        ValueError: A setting is wrong; the text names it and says what it takes.
    """

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
        "inbox": "open_inbox",
        "create_inbox": "open_inbox",
        "make_inbox": "open_inbox",
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
        "webhook_sink": "open_sink",
    }

    @contextlib.contextmanager
    def scope(self, name: str = "scope", *, check: bool = True) -> Iterator[Self]:
        """Undo on exit what changes from now on: records, clock, policy, faults, and which mail was taken.

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
        outer, around = self._desk.mark(scope.name, scope.seed), findings.begin()
        try:
            yield self
            if check:
                findings.check()
        finally:
            findings.end(around)
            self._desk.rewind(outer)
            self._thread.call(scopes.close(scope))

    def _name_after(self, seed: str) -> None:
        """Make the names and ids of what is outside of scopes from ``seed``."""

        async def reseed() -> None:
            self._now.backend.ids.reseed(seed)

        self._thread.call(reseed())
        self._desk.name_after(seed)

    @property
    def _source(self) -> MailSource:
        return self._desk.source(None)


for _part in (Running, Connecting, Making, Webhooks, Steering, Looking):
    for _function in filter(inspect.isfunction, vars(_part).values()):
        _function.__qualname__ = f"MailServer.{_function.__name__}"  # what Python says of a wrong argument
