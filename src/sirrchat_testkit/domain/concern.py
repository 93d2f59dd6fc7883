"""What concerns some accounts on a server that others use too: what belongs to one of them, or to no account.

1. A message belongs to the account of its recipient, or else to that of the login. A refusal and a connection belong to
   the accounts of the recipients and of the login, a webhook and its calls to its account.
2. What belongs to no account, such as the refusal of an unknown recipient without a login, may concern any account. The
   one who asks has to decide.
3. Without accounts, everything is included.
"""

from __future__ import annotations

from collections.abc import Collection

from sirrchat_testkit.domain.directory import Directory
from sirrchat_testkit.domain.events import (
    DeliveryAttempted,
    Event,
    FaultFired,
    LoginAccepted,
    LoginRefused,
    MessageReceived,
    MessagesChanged,
    MessageSent,
    MessagesRemoved,
    RecipientRefused,
    SessionClosed,
    SessionOpened,
)
from sirrchat_testkit.domain.models import Envelope, Message, Webhook
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.store import Store


class Concern:
    """Decides what concerns ``accounts``, given by their ids."""

    def __init__(self, store: Store, directory: Directory, accounts: Collection[str]) -> None:
        self.accounts = frozenset(accounts)
        self._store = store
        self._directory = directory

    async def includes(self, event: Event) -> bool:
        """Return whether ``event`` may concern the accounts. Events of connections do not: ask about the session."""
        if not self.accounts:
            return True
        if isinstance(event, SessionOpened | SessionClosed):
            return False
        return self._include(await self._owners(event))

    async def includes_session(self, session: Session) -> bool:
        """Return whether anything on the connection ``session`` may concern the accounts."""
        return self._include(await self._owners_of(session.login, *session.recipients))

    async def includes_transaction(self, session: Session) -> bool:
        """Return whether the transaction in progress on ``session``, or about to begin, may concern the accounts."""
        return self._include(await self._owners_of(session.login, *session.current_recipients))

    async def includes_calls(self, url: str) -> bool:
        """Return whether calls of webhooks at ``url`` may concern the accounts; it is empty if it is not known yet."""
        return self._include({each.account for each in await self._store.find(Webhook) if each.url == url})

    def _include(self, owners: set[str]) -> bool:
        return not (self.accounts and owners) or not self.accounts.isdisjoint(owners)

    async def _owners(self, event: Event) -> set[str]:
        """Return the accounts to which ``event`` belongs."""
        if isinstance(event, MessageReceived | MessageSent):
            return await self._owner_of_message(event.message)
        if isinstance(event, MessagesChanged):
            return {each.account for each in event.messages} - {""}
        if isinstance(event, DeliveryAttempted):
            webhook = await self._store.get(Webhook, id=event.webhook)
            return {webhook.account} if webhook else set()
        if isinstance(event, LoginAccepted | LoginRefused):
            return await self._owners_of(event.login)
        if isinstance(event, RecipientRefused):
            return await self._owners_of(event.login, event.recipient)
        return await self._owners_of(*event.recipients) if isinstance(event, MessagesRemoved | FaultFired) else set()

    async def _owner_of_message(self, message: Message) -> set[str]:
        if message.account:
            return {message.account}
        envelope = await self._store.get(Envelope, id=message.envelope)
        return await self._owners_of(envelope.login) if envelope else set()

    async def _owners_of(self, *addresses: str) -> set[str]:
        """Return the accounts of those of ``addresses`` that have one."""
        return {await self._directory.owner(each) for each in addresses if "@" in each} - {""}
