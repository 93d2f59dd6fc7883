"""``ServerControl`` gives handles access to a running server from any thread; ``TestAccount`` is the account of a test.

1. The messages that a test has taken are noted here, in an object shared by all threads, not in the records.
2. Contents are loaded when they are read. Those of a taken message are loaded at once, in the server's thread, without
   waiting for it, so that the message outlives its deletion.
3. Reports cover the time since their scope began. Waits end with the scope in which they began.
4. The account of a scope owns the addresses that the scope makes. It is made when first needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Final, NamedTuple

from sirrchat_testkit.domain.accounts import QUOTA
from sirrchat_testkit.domain.events import Event, MessageReceived, MessagesChanged, MessagesRemoved, RecipientRefused
from sirrchat_testkit.domain.models import Account, Address, Envelope, Message, Webhook
from sirrchat_testkit.domain.reset import Reset
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Activity, Session
from sirrchat_testkit.errors import Conflict, InvalidValue, NoSuchAddress, NotFound
from sirrchat_testkit.formatting import utc
from sirrchat_testkit.handles import diagnostics
from sirrchat_testkit.handles.diagnostics import Diagnostics, Refusal, Snapshot
from sirrchat_testkit.handles.failures import COMPARED
from sirrchat_testkit.handles.feed import (
    LOADED,
    Changed,
    End,
    Feeds,
    Removed,
    Steps,
    Taken,
    TakenMark,
    drive,
    pull,
    pull_recent,
    run,
)
from sirrchat_testkit.handles.mail_source import MailSource
from sirrchat_testkit.handles.message import Contents, ReceivedMessage, begin_to_load, hold, is_loaded, record_of
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.handles.outboxes import Dispatches, Outbox, Runner, outboxes, unsent
from sirrchat_testkit.handles.overview import Overview, ScopeMark
from sirrchat_testkit.handles.webhooks import WebhookControl, WebhookDelivery
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.compose import SENDER, MessageFields, check_fields, compose, to_bytes
from sirrchat_testkit.net import NAMES, netloc, reachable
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

TIMEOUT: Final = 10.0
"""Seconds of real time that ``receive`` waits by default."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The beginning of a scope: the taken items, the last event, the numbers of connections and addresses, the account.

    ``addresses`` counts those that ``make_inbox`` made; ``refusals`` is the last event when the refusals were read.
    """

    taken: TakenMark
    event: int
    connections: int
    owner: TestAccountMark
    addresses: int = 0
    refusals: int = 0


class Start(NamedTuple):
    """Where the server began, or was reset: the last event and the number of connections before that."""

    event: int
    connections: int


class TestMark(NamedTuple):
    """The beginning of a test: the last event, and the numbers of connections and of taken items."""

    event: int
    connections: int
    taken: int


class ServerControl:
    """Reads and changes one server of this process, from any thread.

    Args:
        thread: The thread of the server.
        services: What the server consists of.
        smtp: The addresses on which SMTP listens, the one without TLS first.

    Attributes:
        start: Where the server began, or was reset.
    """

    def __init__(self, thread: LoopThread, services: Services, smtp: Sequence[tuple[str, int]]) -> None:
        self.timeout = TIMEOUT
        self.within = 0.0
        self.runner: Runner = ""
        self.thread = thread
        self.services = services
        self.diagnostics = Diagnostics(services, netloc(smtp[0]))
        self.smtp = smtp
        self.start = Start(0, 0)
        self._reset = Reset(services)
        self.feeds: Feeds[ReceivedMessage] = Feeds()
        self.taken = Taken()
        self._test_account = TestAccount(services)
        self._addresses: list[str] = []
        self._at_stop: list[Callable[[], None]] = []
        self._mark = Mark(self.taken.mark(), 0, 0, self._test_account.mark())
        self._test = TestMark(0, 0, 0)
        self._dispatches = Dispatches()
        self._dispatches.begin()
        services.events.subscribe(self._push, self._is_wanted)

    @property
    def since(self) -> int:
        """The number of the last event before the scope."""
        return self._mark.event

    @property
    def addresses(self) -> list[str]:
        """The addresses that ``make_inbox`` made in the scope, in order."""
        return self._addresses[self._mark.addresses :]

    def is_smtp(self, host: str, port: int) -> bool:
        """Return whether SMTP of this server can be reached at ``host`` and ``port``."""
        listening = self.smtp[0][0]
        hosts = {listening, reachable(listening), self.services.settings.value.advertise}
        if not hosts.isdisjoint(NAMES):
            hosts |= {*NAMES}
        return host in hosts and port in {each for _, each in self.smtp}

    def source(self, recipient: str | None) -> MailSource:
        """Return the mail for ``recipient``, or all mail, as a source for waits."""
        return MailSource(self, recipient, None if recipient is None else addressing.key(recipient))

    def received(self, message: Message) -> ReceivedMessage:
        """Return ``message`` as a handle."""
        return ReceivedMessage(message, self._load)

    async def load(self, messages: Sequence[ReceivedMessage]) -> None:
        """Load the contents of ``messages``, except deleted ones. Runs on the server's loop."""
        for message in messages:
            if not is_loaded(message):
                with contextlib.suppress(NotFound):
                    hold(message, await self._contents(record_of(message)))

    def prefetch(self, message: ReceivedMessage) -> None:
        """Start loading the contents of ``message`` before any later request to the server."""
        with contextlib.suppress(RuntimeError):  # the server has stopped
            begin_to_load(message)

    def new_address(
        self, prefix: str | None, exact: str | None, domain: str | None, expires_in: timedelta | None
    ) -> Address:
        """Make a new address that this scope's account owns."""
        if expires_in is not None and not isinstance(expires_in, timedelta):
            raise TypeError(f"expires_in must be a timedelta such as timedelta(hours=1), not {expires_in!r}")
        milliseconds = None if expires_in is None else round(expires_in / timedelta(milliseconds=1))
        if exact is not None:
            self._check_address(exact)
            made = self.thread.call(self._test_account.add_exact(exact, milliseconds))
            self._addresses.append(made.text)
            return made
        address = None
        while address is None:
            local = self._test_account.local_part(prefix)
            address = self.thread.call(self._test_account.add(local, domain, milliseconds))
        self._addresses.append(address.text)
        return address

    def new_account(self, address: str | None, password: str | None, quota: int | None) -> NewAccount:
        """Make an account with a user key; None generates a value. Raises ``InvalidValue`` or ``Conflict``."""
        made = None
        while made is None:
            email = address or f"{self._test_account.local_part(None)}@{self.services.settings.value.domains[0]}"
            with contextlib.suppress(*() if address else (Conflict,)):
                made = self.thread.call(self._test_account.add_account(email, password, quota))
        return made

    def find_address(self, text: str) -> Address | None:
        """Return the address ``text``, or None if it does not exist. Raises ``InvalidValue`` if it is malformed."""
        self._check_address(text)
        return self.thread.call(self._test_account.find(text))

    def _check_address(self, text: str) -> None:
        if flaw := addressing.flaw(text):
            like = f"ann@{self.services.settings.value.domains[0]}"
            words = f"address must be an e-mail address such as {like!r}, not {text!r}: {flaw}"
            raise InvalidValue(words, field="address", value=text)

    def deliver(self, recipient: str, message: bytes | EmailMessage | None, fields: MessageFields) -> ReceivedMessage:
        """Store ``message``, or one made of ``fields``, without SMTP, and return it.

        Raises:
            Refused: The recipient does not exist, or its quota is exceeded.
            TypeError: Both are given, or neither; or a field is unknown or has a value of a wrong type.
        """
        check_fields(fields)
        if (message is None) == (not fields):
            raise TypeError("deliver needs a message (bytes or an EmailMessage) or fields such as subject= and text=")
        if isinstance(message, bytes):
            sender, raw = SENDER, message
        else:
            sender, raw = to_bytes(self._compose(recipient, fields) if message is None else message)
        envelope = Envelope(id="", sender=sender, recipients=(recipient,))
        return self.received(self.thread.call(self._deliver(envelope, raw)))

    def _compose(self, recipient: str, fields: MessageFields) -> EmailMessage:
        async def stamp() -> tuple[int, str]:
            return self.services.clock.now(), self.services.ids.token(_MESSAGE_ID)

        at, unique = self.thread.call(stamp())
        return compose(recipient, fields, now=utc(at), unique=unique)

    def clear(self, recipient: str) -> list[ReceivedMessage]:
        """Delete the messages for ``recipient``, and return them with their contents."""
        return run(self.thread, lambda _: self._clear(recipient))

    def login(self) -> tuple[str, str]:
        """Return the user name and the password of this scope's account."""
        return self.thread.call(self._test_account.login())

    def sessions(self) -> list[Session]:
        """Return the connections opened since the scope began, open or closed, oldest first."""
        return self.services.sessions.known(self._mark.connections)

    def api_key(self) -> str:
        """Return the API key of this scope's account."""
        return self.thread.call(self._test_account.key())

    @property
    def refusals_read(self) -> int:
        """The number of the last event before the refusals of the scope that the test has not read."""
        return max(self._mark.event, self._mark.refusals)

    def refusals(self) -> list[Refusal]:
        """Return the recipients that were refused since the scope began, without late mail of other scopes."""
        self._mark = replace(self._mark, refusals=self.services.events.last)
        refused = (each for each in self.services.events.after(self.since) if isinstance(each, RecipientRefused))
        events = [each for each in refused if not each.scope]
        return run(self.thread, lambda _: self.diagnostics.refusals(events))

    async def settled(self, seconds: float) -> Sequence[Activity]:
        """Wait at most ``seconds`` until no work is in progress; return what remains. Runs on the server's loop."""
        return await self.services.sessions.settled(seconds, self._mark.connections)

    async def still_open(self, seconds: float) -> list[Session]:
        """Wait at most ``seconds`` until the connections of this scope are closed; return those that are not."""
        return await self.services.sessions.still_open(seconds, self._mark.connections)

    async def snapshot(self, recipient: str | None = None) -> Snapshot:
        """Return a snapshot of this scope, and why mail for ``recipient`` is refused. Runs on the server's loop."""
        return await self.diagnostics.snapshot(self._mark.connections, recipient)

    def overview(self) -> Overview:
        """Return what has happened in the scope so far."""
        return run(self.thread, lambda _: self._overview(self.scope_mark()))

    def outboxes(self) -> list[Outbox]:
        """Return the mail that the frameworks of this process kept or dropped, with the remedy."""
        return outboxes(self.runner, self._dispatches)

    def unsent(self, *, idle: bool = True) -> list[str]:
        """Return why the frameworks of this process sent no mail here, with the remedy; see ``outboxes.unsent``."""
        return unsent(self.is_smtp, self.runner, self._dispatches, idle=idle)

    async def final_overview(self, mark: ScopeMark) -> Overview:
        """Return what happened in a scope that is about to be rewound. Runs on the server's loop."""
        return await drive(self._overview(mark))

    def begin_test(self) -> None:
        """Begin a test: its overview leaves out mail that arrived earlier, or was received earlier."""
        self._test = TestMark(self.services.events.last, self.services.sessions.opened, self.taken.count)
        self._dispatches.begin()

    def scope_mark(self) -> ScopeMark:
        """Return the parts of the open scope that its overview needs."""
        began, taken = self._test, self.taken.keys(self._test.taken)
        if not self._test_account.mark().scope:
            return ScopeMark(0, began.connections, taken, began.event, is_outermost=True)
        return ScopeMark(self._mark.event, self._mark.connections, taken, began.event, is_outermost=False)

    def name_after(self, seed: str) -> None:
        """Make names from ``seed`` outside of scopes."""
        self._test_account.begin("", seed)

    def mark(self, name: str, seed: str) -> Mark:
        """Begin the scope ``name``, whose names are made from ``seed``; return the mark of the outer scope."""
        outer = replace(self._mark, taken=self.taken.mark(), owner=self._test_account.mark())
        self._test_account.begin(name, seed)
        self._mark = replace(
            outer,
            event=self.services.events.last,
            connections=self.services.sessions.opened,
            addresses=len(self._addresses),
        )
        return outer

    def rewind(self, outer: Mark) -> None:
        """End a scope: go back to the mark ``outer``, and end the waits that began since."""
        self.diagnostics.note_past(self._test_account.mark().scope, self._mark.event, self._mark.connections)
        self.taken.rewind(outer.taken)
        self.feeds.end_scope()
        del self._addresses[self._mark.addresses :]
        self._test_account.rewind(outer.owner)
        self._mark = outer

    async def reset(self) -> None:
        """Go back to the state right after the start. Raises ``Conflict`` while a scope is open."""
        await self._reset.reset()
        self._test_account.rewind(self._mark.owner)
        self._addresses.clear()
        self.start = Start(self.services.events.last, self.services.sessions.opened)
        self._mark = replace(self._mark, event=self.start.event, connections=self.start.connections, addresses=0)
        self.begin_test()

    def at_stop(self, end: Callable[[], None]) -> None:
        """Call ``end`` when the server stops, in its thread."""
        self._at_stop.append(end)

    def stop(self) -> None:
        """End every wait, because the server stops. Runs in the server's thread."""
        for end in self._at_stop:
            end()
        for feed in self.feeds.all():
            feed.push(End.STOPPED)

    def _is_wanted(self, event: Event) -> bool:
        if isinstance(event, MessageReceived):
            return self.feeds.wanted((event.message.recipient_key, None))
        if isinstance(event, MessagesChanged):
            return self.feeds.wanted((*(each.recipient_key for each in event.messages), None))
        return isinstance(event, MessagesRemoved) and self.feeds.wanted((*event.recipients, None))

    def _push(self, _number: int, event: Event) -> None:
        if isinstance(event, MessageReceived):
            message = self.received(event.message)
            begin_to_load(message)  # here it costs less than in the wait that takes it
            self.feeds.push((event.message.recipient_key, None), message)
        elif isinstance(event, MessagesRemoved):
            self.feeds.push((*event.recipients, None), Removed(frozenset(event.ids)))
        elif isinstance(event, MessagesChanged):
            for each in event.messages:
                self.feeds.push((each.recipient_key, None), Changed([self.received(each)]))

    def _overview(self, mark: ScopeMark) -> Steps[Overview]:
        snapshot: Snapshot = yield self.diagnostics.snapshot(mark.connections, None, mark.test)
        concerned = mark.taken | {each.message.id for each in snapshot.of(MessageReceived, mark.test)}
        if mark.is_outermost:
            snapshot = snapshot.outside_of_scopes()
        refusals = yield from self.diagnostics.refusals(diagnostics.to_explain(snapshot, mark.event))
        messages = [each for each in (yield from pull_recent(self.source(None), COMPARED)) if each.id in concerned]
        for start in range(0, len(messages), LOADED):
            yield self.load(messages[start : start + LOADED])
        deliveries: list[WebhookDelivery] = []
        if (yield self.services.store.count(Webhook)):
            deliveries = yield from WebhookControl(self.thread, self.services, self.api_key, self.api_key).read()
        return Overview(snapshot, mark, refusals, messages, deliveries, self.thread.calls.pending(), self.runner)

    def _clear(self, recipient: str) -> Steps[list[ReceivedMessage]]:
        found = yield from pull(self.source(recipient))
        for start in range(0, len(found), LOADED):
            some = found[start : start + LOADED]
            yield self.load(some)
            yield self.services.delivery.delete([record_of(each) for each in some])
        return found

    async def _deliver(self, envelope: Envelope, raw: bytes) -> Message:
        try:
            [stored] = await self.services.delivery.deliver(envelope, raw)
        except NoSuchAddress as refusal:
            [recipient] = envelope.recipients
            raise NoSuchAddress(await self.diagnostics.unknown(recipient, str(refusal))) from None
        return stored

    def _load(self, message: Message) -> Future[Contents]:
        return self.thread.begin(self._contents(message))

    async def _contents(self, message: Message) -> Contents:
        delivery = self.services.delivery
        log = self.services.sessions.transcripts.get(message.envelope)
        return Contents(await delivery.envelope(message), await delivery.raw(message), log)


_PASSWORD = 16
"""Characters of a generated password."""

_MESSAGE_ID = 20
"""Characters of the local part of a generated Message-ID."""


class OwnedAccount(NamedTuple):
    """The account of a scope with its key and, once needed, its password."""

    account: Account
    key: str
    password: str = ""


class NewAccount(NamedTuple):
    """An account made by ``add_account``, with its permanent address, its password in plain text, and a user key."""

    account: Account
    address: Address
    password: str
    key: str


class TestAccountMark(NamedTuple):
    """The state of a ``TestAccount``: the scope's name and seed, its account or None, the number of names made."""

    scope: str
    seed: str
    owned: OwnedAccount | None
    made: int


class TestAccount:
    """Makes the addresses of the open scope. ``local_part`` runs in the test's thread, coroutines in the server's."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._names = Names(services.settings.value.seed or services.ids.token(8))
        self._scope = self._seed = ""
        self._owned: OwnedAccount | None = None

    def mark(self) -> TestAccountMark:
        """Return the current state."""
        return TestAccountMark(self._scope, self._seed, self._owned, self._names.made)

    def begin(self, scope: str, seed: str) -> None:
        """Make names for ``scope`` from ``seed``. Addresses belong to the account of the outer scope, if it has one."""
        self._scope, self._seed = scope, seed
        self._names.made = 0

    def rewind(self, mark: TestAccountMark) -> None:
        """Go back to ``mark``."""
        self._scope, self._seed, self._owned, self._names.made = mark

    def local_part(self, hint: str | None) -> str:
        """Return a new local part: a person's name, or ``hint``, with a unique suffix."""
        return self._names.make(self._seed, hint)

    async def key(self) -> str:
        """Return a user key of the scope's account."""
        return (await self._own()).key

    async def add(self, local: str, domain: str | None, expires_in: int | None) -> Address | None:
        """Make the address ``local@domain`` (default: the first domain); return None if it already exists.

        Raises:
            InvalidValue: ``domain`` is not served; the error lists the served domains.
        """
        if domain is not None:
            await self._check_served("domain", domain)
        text = f"{local}@{domain or self._services.settings.value.domains[0]}"
        owner = (await self._own()).account.id
        try:
            return await self._services.directory.add_address(owner, text, expires_in=expires_in)
        except Conflict:
            return None

    async def add_account(self, email: str, password: str | None, quota: int | None) -> NewAccount:
        """Make an account in addition to the scope's own. Raises ``InvalidValue`` or ``Conflict``."""
        services = self._services
        await self._check_email(email)
        password = services.ids.token(_PASSWORD) if password is None else password
        account = await services.accounts.add(email, password=password, quota=QUOTA if quota is None else quota)
        key = await services.keys.add(account, "user")
        return NewAccount(account, await services.directory.permanent(account), password, key.key)

    async def add_exact(self, text: str, expires_in: int | None) -> Address:
        """Make the address ``text``.

        Raises:
            InvalidValue: Its domain is not served; the error lists the served domains.
            Conflict: It already exists.
        """
        await self._check_served("address", addressing.split(text)[1])
        owner = (await self._own()).account.id
        try:
            return await self._services.directory.add_address(owner, text, expires_in=expires_in)
        except Conflict as conflict:
            if await self._services.directory.find_address(text) is None:
                raise Conflict(f"{text} has expired, and is free after the next full hour", field="address") from None
            remedy = f"get its inbox with mailserver.inbox_for({text!r})"
            raise Conflict(f"{conflict}; {remedy}", field="address", value=text) from None

    async def find(self, text: str) -> Address | None:
        """Return the address ``text``, or None if it does not exist. Its mail no longer counts as late mail."""
        found = await self._services.directory.find_address(text)
        if found is None:
            self._services.directory.forget_former(text)
        return found

    async def login(self) -> tuple[str, str]:
        """Return the user name and the password of the scope's account."""
        owned = await self._own()
        if not owned.password:
            password = self._services.ids.token(16)
            account = await self._services.accounts.update(owned.account.id, password=password)
            owned = self._owned = OwnedAccount(account, owned.key, password)
        return owned.account.email, owned.password

    async def _check_email(self, email: str) -> None:
        if flaw := addressing.flaw(email):
            text = f"address must be an e-mail address at one of {await self._served()}, not {email!r}: {flaw}"
            raise InvalidValue(text, field="address", value=email)
        await self._check_served("address", addressing.split(email)[1])

    async def _check_served(self, field: str, domain: str) -> None:
        if not await self._services.domains.serves(domain):
            remedy = f"add it with mailserver.add_domain({domain!r})"
            text = f"{domain} is not a served domain ({await self._served()}); {remedy}"
            raise InvalidValue(text, field=field, value=domain)

    async def _served(self) -> str:
        return ", ".join(each.name for each in await self._services.domains.all())

    async def _own(self) -> OwnedAccount:
        if self._owned is None:
            email = f"owner-{self._services.ids.token(10).lower()}@{self._services.settings.value.domains[0]}"
            account = await self._services.accounts.add(email, listed=False)
            self._owned = OwnedAccount(account, (await self._services.keys.add(account, "user")).key)
        return self._owned
