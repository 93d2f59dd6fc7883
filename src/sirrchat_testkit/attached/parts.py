"""The parts of a mirror that differ from those of a server of this process, because they ask or change the server.

Records, events, scopes, faults, waits and failure texts are those of ``domain`` and ``handles``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from sirrchat_testkit.attached.accounts import MirrorAccount
from sirrchat_testkit.attached.client import OwnClient
from sirrchat_testkit.attached.connection import Rest, TempMail
from sirrchat_testkit.attached.mirror import Mirror, catch_up
from sirrchat_testkit.attached.records import delivery_record, transcript_page
from sirrchat_testkit.attached.sessions import MirrorDiagnostics, MirrorSessions
from sirrchat_testkit.client.errors import ServerError
from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.delivery import MailDelivery
from sirrchat_testkit.domain.events import EventLog
from sirrchat_testkit.domain.models import ApiKey, Delivery, Envelope, Message, Webhook
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.store import Change, Patch, Put
from sirrchat_testkit.domain.transcript import MessageLog
from sirrchat_testkit.domain.webhooks import Webhooks
from sirrchat_testkit.errors import InvalidValue, NotFound, OverQuota, SharedServerError
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.findings import Findings, Late, Planned
from sirrchat_testkit.handles.message import Contents
from sirrchat_testkit.records import Record
from sirrchat_testkit.schemas.webhook_events import NEW_MESSAGE, WebhookEvent
from sirrchat_testkit.storage.store import TinyStore
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

R = TypeVar("R", bound=Record)

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
                    await self._keep(delivery_record(each, account, webhook))

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
            except NotFound:  # another client was faster
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
            raise InvalidValue("a server in another process cannot repeat a call of the event new_message")
        async with self._rest(webhook.account) as client:
            await client.webhooks.redeliver(webhook.id, delivery_id)
        [found] = await self._store.find(Delivery, match=lambda each: each.id == delivery_id)
        return found

    async def _push(self, account: str, url: str, *, enabled: bool) -> None:
        async with TempMail(self.mirror.keys[account], self.mirror.client.base_url) as client:
            await client.webhook.set(url, enabled=enabled)

    def _rest(self, account: str) -> Rest:
        return Rest(self.mirror.keys[account], self.mirror.client.base_url)


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

    def client(self, url: str, key: str) -> OwnClient:
        """Return a client of the server at ``url`` with the key of its admin, for a test."""
        account = self._test_account
        assert isinstance(account, MirrorAccount)
        return OwnClient(
            key,
            url,
            lambda user: self.thread.call(account.owns(user)),
            lambda user: self.thread.call(account.adopt(user)),
        )

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
        page = transcript_page((each.at, each.who, each.text) for each in transcript.lines)
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
