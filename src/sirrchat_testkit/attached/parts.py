"""The parts of a mirror that differ from those of a server of this process, because they ask or change the server.

Records, events, scopes, faults, waits and failure texts are those of ``domain`` and ``handles``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from sirrchat_testkit.attached.connection import Rest, TempMail
from sirrchat_testkit.attached.mirror import Mirror, catch_up
from sirrchat_testkit.client.calls import Call, one
from sirrchat_testkit.client.errors import ServerError
from sirrchat_testkit.domain.accounts import QUOTA
from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.concern import Concern
from sirrchat_testkit.domain.delivery import MailDelivery
from sirrchat_testkit.domain.events import EventLog
from sirrchat_testkit.domain.models import Account, Address, ApiKey, Delivery, Envelope, Message, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Activity, Session, Sessions
from sirrchat_testkit.domain.store import Change, Patch, Put
from sirrchat_testkit.domain.transcript import MessageLog, Page, SessionLog
from sirrchat_testkit.domain.webhooks import Webhooks
from sirrchat_testkit.errors import Conflict, InvalidValue, NotFound, OverQuota, SharedServerError
from sirrchat_testkit.formatting import milliseconds
from sirrchat_testkit.handles.control import NewAccount, OwnedAccount, ServerControl, TestAccount
from sirrchat_testkit.handles.diagnostics import Diagnostics, Refusal, Snapshot
from sirrchat_testkit.handles.findings import Findings, Late, Planned
from sirrchat_testkit.handles.message import Contents
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas.webhook_events import NEW_MESSAGE, WebhookEvent
from sirrchat_testkit.storage.store import TinyStore
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

R = TypeVar("R", bound=Record)

REMEMBERED: Final = 1000
"""Connections that a mirror knows, at most."""

OWN_SERVER: Final = 'start one of your own for it: "with MailServer() as server:"'
"""The remedy for what cannot be kept apart."""


class MirrorStore(TinyStore):
    """A store in memory that asks the server for raw bytes, and for webhook deliveries when they are read."""

    mirror: Mirror

    async def raw(self, blob: str) -> bytes:
        """Return the bytes of the message ``blob``. Raises ``NotFound``."""
        return await self.mirror.load(blob)

    async def commit(self, changes: Sequence[Change], applied: Callable[[], None] | None = None) -> list[int]:
        """Apply all ``changes``. A message keeps the ``seq`` that it has on the server: its uid."""
        for each in changes:
            if isinstance(each, Put) and isinstance(each.record, Message):
                self._storage.next_ids[Message.kind] = each.record.seq
        return await super().commit(changes, applied)

    async def find(
        self,
        kind: type[R],
        where: Mapping[str, Any] | None = None,
        match: Callable[[R], bool] | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> list[R]:
        """Return records as every store does. Deliveries are those that the server has now."""
        if kind is Delivery and not after:
            await self._read_deliveries()
        return await super().find(
            kind, where, match, after=after, before=before, newest=newest, offset=offset, limit=limit
        )

    async def _read_deliveries(self) -> None:
        """Store the deliveries of the webhooks that were made here."""
        webhooks = await super().find(Webhook)
        for account in dict.fromkeys(each.account for each in webhooks):
            ids = {each.id for each in webhooks}
            push = next((each.id for each in webhooks if each.account == account and each.dialect == "tempmail"), "")
            found = [each async for each in self.mirror.client.deliveries(account=account)]
            for each in reversed(found):
                webhook = push if each.event == NEW_MESSAGE else each.webhook
                if webhook in ids:
                    await self._keep(_delivery(each, account, webhook))

    async def _keep(self, delivery: Delivery) -> None:
        known = await self.get(Delivery, id=delivery.id)
        if known is None:
            await self.commit([Put(delivery)])
        elif replace(delivery, seq=known.seq) != known:
            changing = ("status", "attempts", "due_at", "request_body")
            await self.commit([Patch(Delivery, known.seq, **{name: getattr(delivery, name) for name in changing})])


class MirrorDelivery(MailDelivery):
    """Delivers and deletes messages on the server."""

    mirror: Mirror

    async def deliver(self, envelope: Envelope, raw: bytes) -> list[Message]:
        """Store ``raw`` on the server for each recipient, and return the copies. Raises ``Refused``."""
        await self._routes(envelope)
        try:
            made = await self.mirror.client.messages.deliver(raw, envelope.recipients, sender=envelope.sender)
        except ServerError as error:
            if error.code == "insufficient_storage":
                raise OverQuota(error.message) from None
            raise
        return [await self.mirror.adopt(each.id) for each in made]

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete ``messages`` on the server, when the contents that are being loaded have arrived."""
        await self.mirror.finish_loading()
        for each in messages:
            try:
                await self.mirror.client.messages.delete(each.id)
            except NotFound:  # somebody else was faster
                continue
        await self.mirror.catch_up()


class MirrorWebhooks(Webhooks):
    """Makes and changes webhooks on the server, each with a key of the account that it belongs to."""

    mirror: Mirror

    async def add(self, key: ApiKey, url: str, events: Sequence[WebhookEvent], secret: str = "") -> Webhook:
        """Make a webhook for the account's mail."""
        async with self._rest(key.account) as client:
            made = await client.webhooks.create(url, [each for each in events if each != NEW_MESSAGE], secret=secret)
        webhook = Webhook(
            id=made.id,
            account=key.account,
            url=url,
            events=tuple(dict.fromkeys(events)),
            created_at=self._clock.now(),
            secret=secret,
        )
        return await self._put(webhook)

    async def update(self, webhook: Webhook, **changes: Any) -> Webhook:
        """Change the given fields: ``url``, ``events``, ``enabled``, ``secret``."""
        changed = replace(webhook, **changes)
        if webhook.dialect == "tempmail":
            await self._push(webhook.account, changed.url, enabled=changed.enabled)
        else:
            async with self._rest(webhook.account) as client:
                await client.webhooks.update(webhook.id, **changes)
        await self._store.commit([Patch(Webhook, webhook.seq, **changes)])
        return changed

    async def delete(self, webhook: Webhook) -> None:
        """Delete ``webhook``."""
        if webhook.dialect == "tempmail":
            await self._push(webhook.account, "", enabled=False)
        else:
            async with self._rest(webhook.account) as client:
                await client.webhooks.delete(webhook.id)
        await super().delete(webhook)

    async def set_push(self, account: str, url: str, *, enabled: bool) -> None:
        """Set the URL that is called for new messages of the account's disposable addresses."""
        if await self.push_of(account) is None:
            await self._push(account, url, enabled=enabled)
        await super().set_push(account, url, enabled=enabled)

    async def redeliver(self, webhook: Webhook, delivery_id: str) -> Delivery:
        """Set a delivery pending again. Raises ``Conflict``, ``NotFound`` or ``InvalidValue``."""
        if webhook.dialect == "tempmail":
            raise InvalidValue("a call of the event new_message is not repeated by a server in another process")
        async with self._rest(webhook.account) as client:
            await client.webhooks.redeliver(webhook.id, delivery_id)
        [found] = await self._store.find(Delivery, match=lambda each: each.id == delivery_id)
        return found

    async def _push(self, account: str, url: str, *, enabled: bool) -> None:
        async with TempMail(self.mirror.keys[account], self.mirror.client.base_url) as client:
            await client.webhook.set(url, enabled=enabled)

    def _rest(self, account: str) -> Rest:
        return Rest(self.mirror.keys[account], self.mirror.client.base_url)


class MirrorSessions(Sessions):
    """The connections of the server that concern this process, as of the last ``refresh``."""

    mirror: Mirror

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, Session] = {}
        self._unknown: dict[int, Session] = {}  # those that named nobody: they may be of this process's applications
        self._possible: dict[int, bool] = {}  # whether they are open: all that are not known to be of others

    def __iter__(self) -> Iterator[Session]:
        return iter([each for each in [*self._seen.values()] if not each.closed])

    def __len__(self) -> int:
        return sum(not each.closed for each in self._seen.values())

    def known(self, after: int = 0) -> list[Session]:
        """Return the sessions opened after number ``after``, oldest first."""
        return [each for number, each in sorted(self._seen.items()) if number > after]

    def unknown(self, after: int) -> list[Session]:
        """Return the sessions after number ``after`` that named nobody: they may be from an own application."""
        return [each for number, each in self._unknown.items() if number > after]

    def possible(self, after: int) -> int:
        """Return how many connections are not known to be of others, of those that are open or later than ``after``."""
        return sum(is_open or number > after for number, is_open in self._possible.items())

    async def refresh(self) -> None:
        """Ask the server for its connections."""
        self._possible.clear()
        for each in await self.mirror.client.sessions(accounts=self.mirror.accounts):
            self._possible[each.number] = not each.closed
            if await self._is_mine(each):
                self._seen[each.number] = _session(each)
            elif not each.login and not each.recipients:
                self._unknown[each.number] = _session(each)
        self._unknown = {number: each for number, each in self._unknown.items() if number not in self._seen}
        for sessions in (self._seen, self._unknown):
            for number in sorted(sessions)[:-REMEMBERED]:
                del sessions[number]

    async def settled(
        self,
        timeout: float,  # noqa: ASYNC109 - it does not raise
        after: int = 0,
        concern: Concern | None = None,  # noqa: ARG002 - it is always that of this process
    ) -> list[Activity]:
        """Wait until the server has settled, as far as it concerns this process."""
        mirror = self.mirror
        query = {"timeout": timeout, "account": mirror.accounts, "opened": after}
        call = Call("GET", "/settle", one(schemas.Settled), query=query, wait=timeout)
        settled = await mirror.client._send(call)  # noqa: SLF001 - its method raises what is in progress
        await mirror.catch_up()
        return [Activity(each.where, each.what) for each in settled.busy]

    async def still_open(self, timeout: float, after: int = 0) -> list[Session]:  # noqa: ASYNC109 - it does not raise
        """Return the connections after number ``after`` that are still open after ``timeout`` seconds."""
        await self.refresh()
        if any(not each.closed for each in self.known(after)):
            await self._change(timeout)
            await self.refresh()
        return [each for each in self.known(after) if not each.closed]

    async def _is_mine(self, session: schemas.Session) -> bool:
        names = [session.login, *session.recipients]
        return any([await self.mirror.is_mine(each) or await self.mirror.is_nearly_mine(each) for each in names])


class MirrorDiagnostics(Diagnostics):
    """Explains with the connections that the server has now."""

    sessions: MirrorSessions

    async def snapshot(self, connection: int, recipient: str | None, after: int = 0) -> Snapshot:
        """Return a snapshot."""
        await self.sessions.refresh()
        snapshot = await super().snapshot(connection, recipient, after)
        unknown = self.sessions.unknown(connection)
        return replace(
            snapshot,
            connections=self.sessions.possible(connection),
            idle=sorted([*snapshot.idle, *(each for each in unknown if not each.busy)], key=lambda each: each.number),
            busy=[*snapshot.busy, *(each for each in unknown if each.busy)],
        )


class MirrorAccount(TestAccount):
    """Makes the accounts and addresses of the open scope on the server."""

    def __init__(self, services: Services, mirror: Mirror) -> None:
        super().__init__(services)
        self._mirror = mirror

    def begin(self, scope: str, seed: str) -> None:
        """Make names for ``scope`` from ``seed``. It gets an account of its own, with which all of it is deleted."""
        super().begin(scope, seed)
        self._owned = None

    async def add(self, local: str, domain: str | None, expires_in: int | None) -> Address | None:
        """Make the address ``local@domain``; return None if it already exists. Raises ``InvalidValue``."""
        if domain is not None:
            await self._check_served("domain", domain)
        try:
            return await self._make(local, domain or self._services.settings.value.domains[0], expires_in)
        except Conflict:
            return None

    async def find(self, text: str) -> Address | None:
        """Return the address ``text``, or None if it does not exist, or belongs to others."""
        self._mirror.seek(text)
        return await super().find(text)

    async def add_exact(self, text: str, expires_in: int | None) -> Address:
        """Make the address ``text``. Raises ``InvalidValue``, or ``Conflict`` if it already exists on the server."""
        local, domain = addressing.split(text)
        await self._check_served("address", domain)
        if await self._services.store.get(Address, key=addressing.key(text)):
            return await super().add_exact(text, expires_in)  # which raises
        try:
            return await self._make(local, domain, expires_in)
        except Conflict:
            remedy = "others use this server too: choose a name, or make_inbox(prefix)"
            raise Conflict(f"{text} already exists; {remedy}", field="address", value=text) from None

    async def add_account(self, email: str, password: str | None, quota: int | None) -> NewAccount:
        """Make an account in addition to the scope's own. Raises ``InvalidValue`` or ``Conflict``."""
        await self._check_email(email)
        made = await self._create(email, password, quota)
        account = await self._services.accounts.get(made.id)
        return NewAccount(account, await self._services.directory.permanent(account), made.password, made.api_key)

    async def login(self) -> tuple[str, str]:
        """Return the user name and the password of the scope's account."""
        owned = await self._own()
        return owned.account.email, owned.password

    async def _own(self) -> OwnedAccount:
        if self._owned is None:
            made = await self._create(None, None, None)
            account = await self._services.accounts.get(made.id)
            self._owned = OwnedAccount(account, made.api_key, made.password)
        return self._owned

    async def _create(self, email: str | None, password: str | None, quota: int | None) -> schemas.MadeAccount:
        made = await self._mirror.client.accounts.create(email, password=password, quota=quota)
        domain = addressing.domain_key(addressing.split(made.email)[1])
        now = self._services.clock.now()
        account = Account(
            id=made.id,
            email=made.email,
            domain=domain,
            created_at=now,
            quota=QUOTA if quota is None else quota,
            listed=email is not None,
        )
        address = self._services.directory.new_address(made.id, made.email, disposable=False)
        await self._services.store.commit([Put(account), Put(address)])
        self._services.keys.accept_until_close(account, "user", made.api_key)
        self._mirror.add_account(made.id, made.api_key)
        return made

    async def _make(self, local: str, domain: str, expires_in: int | None) -> Address:
        owner = (await self._own()).account.id
        lifetime = None if expires_in is None else timedelta(milliseconds=expires_in)
        made = await self._mirror.client.addresses.create(local, domain=domain, expires_in=lifetime, account=owner)
        address = replace(
            self._services.directory.new_address(owner, made.email),
            id=made.id,
            created_at=milliseconds(made.created_at),
            expires_at=milliseconds(made.expires_at) if made.expires_at else 0,
        )
        await self._services.store.commit([Put(address)])
        return address


class MirrorControl(ServerControl):
    """Gives handles access to the mirror."""

    def __init__(self, thread: LoopThread, mirror: Mirror, smtp: Sequence[tuple[str, int]], address: str) -> None:
        super().__init__(thread, mirror.services, smtp)
        self._mirror = mirror
        self.feeds = mirror.feeds
        self._test_account = MirrorAccount(mirror.services, mirror)
        self._mark = replace(self._mark, owner=self._test_account.mark())
        self.diagnostics = MirrorDiagnostics(mirror.services, address)
        assert isinstance(mirror.services.sessions, MirrorSessions)
        self._sessions = self.diagnostics.sessions = mirror.services.sessions

    def sessions(self) -> list[Session]:
        """Return the connections since the scope began that concern this process, oldest first."""
        self.thread.call(self._sessions.refresh())
        return super().sessions()

    def refusals(self) -> list[Refusal]:
        """Return the recipients that were refused since the scope began, without late mail of other scopes."""
        catch_up(self.thread)
        return super().refusals()

    async def _contents(self, message: Message) -> Contents:
        delivery = self.services.delivery
        raw = await delivery.raw(message)
        transcript = await self._mirror.client.messages.transcript(message.id)
        page = _page((each.at, each.who, each.text) for each in transcript.lines)
        return Contents(await delivery.envelope(message), raw, MessageLog(0.0, (), page, 0) if page else None)


class MirrorFindings(Findings):
    """Findings that are complete when they are read."""

    def __init__(self, events: EventLog, planned: Callable[[], Iterable[Planned]], thread: LoopThread) -> None:
        super().__init__(events, planned, thread.calls)
        self._thread = thread

    def check(self) -> None:
        """Raise the errors of the scope that were not raised yet."""
        __tracebackhide__ = True
        catch_up(self._thread)
        super().check()

    def take_late(self) -> dict[Late, int]:
        """Return the counts of late mail since the last call."""
        catch_up(self._thread)
        return super().take_late()


class SharedClock(Clock):
    """The clock of the server, which others use too: it can be read, and moving it is refused."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._of = clock

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return self._of.now()

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._of.frozen

    def freeze(self, at: int | None = None) -> None:  # noqa: ARG002
        """Raise ``SharedServerError``."""
        raise _refused()

    def resume(self) -> None:
        """Raise ``SharedServerError``."""
        raise _refused()

    def follow(self) -> None:
        """Raise ``SharedServerError``."""
        raise _refused()

    async def advance(self, milliseconds: int) -> None:  # noqa: ARG002
        """Raise ``SharedServerError``."""
        raise _refused()

    async def move_to(self, to: int) -> None:  # noqa: ARG002
        """Raise ``SharedServerError``."""
        raise _refused()


def _refused() -> SharedServerError:
    return SharedServerError.refuse("moving the clock", OWN_SERVER)


def _delivery(delivery: schemas.Delivery, account: str, webhook: str) -> Delivery:
    attempts = [
        {
            "at": milliseconds(each.at),
            "http_status": each.status,
            "error": each.error,
            "duration_ms": round(each.duration * 1000),
        }
        for each in delivery.attempts
    ]
    return Delivery(
        id=delivery.id,
        account=account,
        webhook=webhook,
        event=cast("WebhookEvent", delivery.event),
        message=delivery.message,
        created_at=0,
        request_body=delivery.body,
        status=delivery.status,
        attempts=tuple(attempts),
        due_at=milliseconds(delivery.due_at) if delivery.due_at else 0,
    )


def _session(session: schemas.Session) -> Session:
    log = SessionLog(0.0)
    log.page.extend(_page(map(_line, session.transcript.splitlines())))
    log.messages = int(session.delivered)
    return Session(
        session.peer,
        ehlo=session.ehlo,
        login=session.login,
        tls=session.tls,
        sender=session.sender,
        busy=session.busy,
        fresh=session.busy and session.sender is None,
        closed=session.closed,
        number=session.number,
        recipients=session.recipients,
        log=log,
    )


def _line(line: str) -> tuple[float, str, str]:
    """Return the time, the side and the text of a line of a transcript."""
    head, _, text = line.partition(": ")
    at, who = head.split()
    return float(at), who, text


def _page(lines: Iterable[tuple[float, str, str]]) -> Page:
    """Return ``lines`` as they are recorded."""
    page: Page = []
    for at, who, text in lines:
        page += [at, text if who == "-" else text.encode() + (b"\r\n" if who == "S" else b"")]
    return page
