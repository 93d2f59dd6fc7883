r"""Delivery: from an envelope and its bytes to stored copies, in folders.

1. A delivery is all or nothing: every recipient gets its copy in one commit, or none does.
2. Nothing suspends between a decision (the address exists, the quota suffices) and its commit. The raw bytes are stored
   before both.
3. The event is appended after the commit.
4. If the client has logged in as an account, one more copy, already read, is stored in the account's Sent folder and
   announced as ``MessageSent``. It is in no inbox.
5. Nothing is relayed. Mail for a domain that is not served is stored as outgoing, for tests to read, or refused if
   ``foreign_recipients`` is ``reject``.
6. Every account has all ``FOLDERS``, empty ones too. A message's UID is its ``seq``. Reading a message through the
   SirrChat API sets ``\Seen``. Mail for disposable addresses is in no folder of an account.
7. The limits of ``retention`` are applied by the delivery that would exceed them, in its own commit, and by the hourly
   purge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.counters import Counters
from sirrchat_testkit.domain.deletion import SLICE, Deletion
from sirrchat_testkit.domain.directory import Directory
from sirrchat_testkit.domain.events import EventLog, MessageReceived, MessagesChanged, MessageSent, RecipientRefused
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import FOLDERS, SEEN, SENT, Account, Address, Envelope, Message
from sirrchat_testkit.domain.retention import Retention
from sirrchat_testkit.domain.store import Change, Patch, Put, Store
from sirrchat_testkit.errors import NotFound, OverQuota, Refused
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.mime import HeaderFields, read_header

if TYPE_CHECKING:
    from sirrchat_testkit.domain.sessions import Session

HOUR = 3_600_000


def _sent(copy: Message) -> Message:
    """Return ``copy`` as stored in the Sent folder: read, and without a recipient."""
    return replace(copy, folder=SENT, flags=(SEEN,), seen=True, recipient_key="")


class Page(NamedTuple):
    """A slice of a list, newest first, and the length of the whole list."""

    messages: list[Message]
    total: int


class MailDelivery:
    """Delivers, lists, reads and deletes messages."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        directory: Directory,
        retention: Retention,
        counters: Counters,
        events: EventLog,
        deletion: Deletion,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self._retention = retention
        self._counters = counters
        self._events = events
        self._deletion = deletion

    async def admit(self, recipient: str, sender: str, session: Session | None = None) -> None:
        """Check whether mail for ``recipient`` is accepted. If not, record the refusal and raise ``Refused``."""
        try:
            await self._directory.route(recipient)
        except Refused as refusal:
            await self.note_refusal(recipient, sender, refusal, session)
            raise

    async def note_refusal(self, recipient: str, sender: str, refusal: Refused, session: Session | None = None) -> None:
        """Count the refusal of mail for ``recipient``, and append ``RecipientRefused`` to the event log.

        ``session`` is the SMTP connection, if it came by one.
        """
        owner = await self._directory.owner(recipient)
        self._counters.reject(owner)
        self._events.append(
            RecipientRefused(
                at=self._clock.now(),
                recipient=recipient,
                sender=sender,
                code=refusal.code,
                reason=str(refusal),
                scope="" if owner else self._directory.former_scope(recipient),
                session=session.number if session else 0,
                login=session.login if session else "",
            )
        )

    async def deliver(self, envelope: Envelope, raw: bytes) -> list[Message]:
        """Store one copy of ``raw`` for each recipient of ``envelope``, complete ``envelope``, and append the events.

        Raises:
            Refused: A recipient no longer exists, or the message would exceed a quota. Nothing was stored.
            StoreError: The store failed. Nothing was stored.
        """
        header = read_header(raw)
        blob = await self._store.put_blob(raw)
        try:
            routes = await self._routes(envelope)
            sent_by = await self._directory.permanent_address(envelope.login) if envelope.login else None
            await self._check_quotas([*routes.values(), sent_by], len(raw))
            now = self._clock.now()
            envelope.note_receipt(self._ids.uuid(), now, blob, len(raw))
            copies = [self._copy(envelope, header, recipient, address) for recipient, address in routes.items()]
            if sent_by is not None:
                copies.append(_sent(self._copy(envelope, header, sent_by.text, sent_by)))
            changes: list[Change] = [Put(envelope), *map(Put, copies)]
            dropped = None
            if self._retention.bounded:
                dropped = await self._retention.make_room(messages=len(copies), size=len(copies) * len(raw))
                changes += dropped.changes
            foreign = await self._counters.foreign(copies)
            await self._store.commit(changes, lambda: self._counters.count(copies, foreign))
        finally:
            self._store.release_blob(blob)
        for message in copies:
            kind = MessageSent if message.folder == SENT else MessageReceived
            self._events.append(kind(at=now, message=message))
        if dropped is not None:
            self._deletion.announce(dropped.messages)
        return copies

    async def page(self, address: Address, *, before: int | None, limit: int) -> Page:
        """Return at most ``limit`` messages of ``address`` with a ``seq`` below ``before``, newest first."""
        where = {"address": address.id}
        return Page(*await self._store.page(Message, where, before=before, newest=True, limit=limit))

    async def messages(
        self,
        recipient: str | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int | None = None,
    ) -> list[Message]:
        """Return messages of ``recipient``, or of every recipient, oldest first.

        Args:
            recipient: Any spelling of the address. None returns every stored copy, including those in Sent folders.
            after: Only messages with a higher ``seq``.
            before: Only messages with a lower ``seq``.
            newest: Newest first.
            limit: The maximum number of messages.
        """
        if recipient is not None:
            where = {"recipient_key": addressing.key(recipient)}
            return await self._store.find(Message, where, after=after, before=before, newest=newest, limit=limit)
        return await self._store.find(Message, after=after, before=before, newest=newest, limit=limit)

    async def message(self, address: Address, message_id: str) -> Message:
        """Return the message ``message_id`` of ``address``. Raises ``NotFound``."""
        message = await self._store.get(Message, id=message_id)
        if message is None or message.address != address.id:
            raise NotFound("no such message")
        return message

    async def raw(self, message: Message | Envelope) -> bytes:
        """Return the raw bytes as received. Raises ``NotFound`` if they were deleted."""
        return await self._store.raw(message.blob)

    async def envelope(self, message: Message) -> Envelope:
        """Return the envelope that ``message`` came in. Raises ``NotFound``."""
        envelope = await self._store.get(Envelope, id=message.envelope)
        if envelope is None:
            raise NotFound("no such envelope")
        return envelope

    async def envelopes(self, after: int = 0, limit: int | None = None) -> list[Envelope]:
        """Return at most ``limit`` envelopes with a ``seq`` above ``after``, oldest first."""
        return await self._store.find(Envelope, after=after, limit=limit)

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete ``messages``, and the envelopes that have no copy left."""
        await self._deletion.delete_messages(messages)

    async def delete_address(self, address: Address) -> None:
        """Delete ``address`` and its messages."""
        await self._deletion.delete_addresses([address])

    async def purge(self) -> None:
        """Delete expired addresses with their messages, and drop what exceeds the limits of retention."""
        await self._delete_expired()
        await self.apply_limits()

    async def purge_hourly(self) -> None:
        """Delete expired addresses now, and purge at every full hour of the server's clock."""
        await self._delete_expired()
        self._clock.every(HOUR, self.purge)

    async def apply_limits(self) -> None:
        """Drop what exceeds the limits of retention."""
        dropped = await self._retention.make_room()
        if dropped.changes:
            await self._store.commit(dropped.changes)
            self._deletion.announce(dropped.messages)

    async def _delete_expired(self) -> None:
        while expired := await self._store.expired(self._clock.now(), limit=SLICE):
            self._directory.remember_expired(expired)
            await self._deletion.delete_addresses(expired)
            await asyncio.sleep(0)  # other work goes on between two slices

    async def _routes(self, envelope: Envelope) -> dict[str, Address | None]:
        if len(envelope.recipients) == 1:
            [recipient] = envelope.recipients
            return {recipient: await self._directory.route(recipient)}
        routes: dict[str, tuple[str, Address | None]] = {}
        for recipient in envelope.recipients:
            key = addressing.key(recipient)
            if key not in routes:
                routes[key] = recipient, await self._directory.route(recipient)
        return dict(routes.values())

    async def _check_quotas(self, addresses: Iterable[Address | None], size: int) -> None:
        added: dict[str, int] = {}  # bytes by account
        for address in addresses:
            if address is not None:
                added[address.account] = added.get(address.account, 0) + size
        for owner, more in added.items():
            account = await self._store.get(Account, id=owner)
            if account is None or account.hidden:  # the hidden account has no quota
                continue
            [used] = await self._store.sizes([owner])
            if used + more > account.quota:
                raise OverQuota(f"the mailbox of {account.email} is full")

    def _copy(self, envelope: Envelope, header: HeaderFields, recipient: str, address: Address | None) -> Message:
        return Message(
            id=self._ids.uuid(),
            account=address.account if address else "",
            address=address.id if address else "",
            recipient=address.text if address else recipient,
            recipient_key=address.key if address else addressing.key(recipient),
            envelope=envelope.id,
            blob=envelope.blob,
            size=envelope.size,
            received_at=envelope.received_at,
            mail_from=envelope.sender,
            sender=header.sender,
            to=header.to,
            subject=header.subject,
            message_id=header.message_id,
        )


class Folders:
    """Lists and reads the messages in the folders of accounts."""

    def __init__(self, store: Store, clock: Clock, directory: Directory, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._directory = directory
        self._events = events

    async def page(self, account: Account, folder: str, offset: int, limit: int) -> tuple[list[Message], int]:
        """Return ``limit`` messages of a folder before the newest ``offset`` ones, newest first, and the total number.

        Raises:
            NotFound: The folder does not exist.
        """
        if folder not in FOLDERS:
            raise NotFound(f"there is no mailbox {folder}; the mailboxes are {', '.join(FOLDERS)}")
        where = {"address": (await self._directory.permanent(account)).id, "folder": folder}
        return await self._store.page(Message, where, newest=True, offset=offset, limit=limit)

    async def message(self, account: Account, uid: int) -> Message:
        """Return the message ``uid`` of any folder of ``account``. Raises ``NotFound``."""
        message = await self._store.get(Message, seq=uid)
        if message is None or message.address != (await self._directory.permanent(account)).id:
            raise NotFound("no such message")
        return message

    async def see(self, message: Message, *, seen: bool = True) -> Message:
        r"""Set or remove ``\Seen`` on ``message``, and return the changed message."""
        if message.seen is seen:
            return message
        flags = (*message.flags, SEEN) if seen else tuple(each for each in message.flags if each != SEEN)
        await self._store.commit([Patch(Message, message.seq, flags=flags, seen=seen)])
        changed = replace(message, flags=flags, seen=seen)
        self._events.append(MessagesChanged(at=self._clock.now(), messages=(changed,)))
        return changed
