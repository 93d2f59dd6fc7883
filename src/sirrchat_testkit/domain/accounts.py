"""Accounts: the owners of addresses, messages, keys and webhooks.

1. An account has one permanent address, which is made and deleted with it and is unique among all addresses.
2. Whether an account can be made is decided again after its password was hashed: hashing suspends, and nothing may
   suspend between the decision and the commit.
3. The hidden account, the server's own admin, is in no list and no count, and ``get`` raises ``NotFound`` for its id.
   The account that owns a test's inboxes is in no list and no count either, but ``get`` returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.deletion import Deletion
from sirrchat_testkit.domain.directory import Directory, Domains
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import Account, Address, Tally
from sirrchat_testkit.domain.passwords import Passwords
from sirrchat_testkit.domain.store import Change, Patch, Put, Store, Usage
from sirrchat_testkit.errors import InvalidValue, NotFound, TestkitError
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.records import record

QUOTA = 5_368_709_120
"""Default quota in bytes: 5 GiB, as in the SirrChat document."""

MAX_QUOTA = 2**53 - 1
"""The highest quota: the largest integer that every JSON reader represents exactly."""


@record
class NewAccount:
    """The fields of an account to be made. ``password`` is in plain text; if it is empty, no login is possible."""

    email: str
    password: str = ""
    quota: int = QUOTA
    blockchain_address: str | None = None
    hidden: bool = False
    listed: bool = True


class Accounts:
    """Makes, reads, changes and deletes the accounts of one server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        domains: Domains,
        directory: Directory,
        passwords: Passwords,
        deletion: Deletion,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._domains = domains
        self._directory = directory
        self._passwords = passwords
        self._deletion = deletion

    async def add(self, email: str, **details: Any) -> Account:
        """Make an account whose permanent address is ``email``; ``details`` are fields of ``NewAccount``.

        Raises:
            InvalidValue: ``email`` is not valid, its domain is not served, or the quota is out of bounds.
            Conflict: The address exists already.
        """
        [made] = await self.add_all([NewAccount(email=email, **details)])
        if isinstance(made, TestkitError):
            raise made
        return made

    async def add_all(self, wanted: Sequence[NewAccount]) -> list[Account | TestkitError]:
        """Make the accounts ``wanted`` in one commit; return each account, or the error if it cannot be made."""
        early = [await self._refusal(each) for each in wanted]
        hashes = await self._passwords.hash_all(
            ["" if refusal else each.password for each, refusal in zip(wanted, early, strict=True)]
        )
        made: list[Account | TestkitError] = []
        changes: list[Change] = []
        taken: set[str] = set()
        for each, refusal, password in zip(wanted, early, hashes, strict=True):
            late = refusal or await self._refusal(each, taken)  # another request may have taken it during the hashing
            if late is None:
                taken.add(addressing.key(each.email))
                account, others = self._new(each, password)
                changes += [Put(account), *others]
                made.append(account)
            else:
                made.append(late)
        if changes:
            await self._store.commit(changes)
        return made

    async def get(self, account_id: str) -> Account:
        """Return the account ``account_id``. Raises ``NotFound`` if it does not exist or is hidden."""
        account = await self.owner(account_id)
        if account.hidden:
            raise NotFound("no such user")
        return account

    async def owner(self, account_id: str) -> Account:
        """Return the account ``account_id``, even if it is hidden. Raises ``NotFound``."""
        account = await self._store.get(Account, id=account_id)
        if account is None:
            raise NotFound("no such user")
        return account

    async def of(self, email: str) -> Account:
        """Return the account whose permanent address is ``email``, even if it is hidden. Raises ``NotFound``."""
        address = await self._store.get(Address, key=addressing.key(email))
        account = address and not address.disposable and await self._store.get(Account, id=address.account)
        if not account:
            raise NotFound(f"no user has the address {email}")
        return account

    async def page(self, offset: int, limit: int, domain: str | None = None) -> tuple[list[Account], int]:
        """Return ``limit`` accounts after the oldest ``offset`` ones, at ``domain`` if given, and the total number."""
        where: dict[str, Any] = {} if domain is None else {"domain": addressing.domain_key(domain)}
        where["listed"] = True
        return await self._store.page(Account, where, offset=offset, limit=limit)

    async def usage(self, account: Account) -> Usage:
        """Return the number and the bytes of the messages that ``account`` stores, for all of its addresses."""
        return await self._store.usage(account.id)

    async def sizes(self, accounts: Sequence[Account]) -> list[int]:
        """Return the number of bytes that each of ``accounts`` stores, in order."""
        return await self._store.sizes([account.id for account in accounts])

    async def update(self, account_id: str, **changes: Any) -> Account:
        """Change the named fields: ``quota``, ``password`` (in plain text), ``blockchain_address``.

        Raises:
            NotFound: The account does not exist, or was deleted while the password was hashed.
            InvalidValue: The quota is out of bounds.
        """
        account = await self.get(account_id)
        if "quota" in changes:
            _check_quota(changes["quota"])
        if "password" in changes:
            [changes["password"]] = await self._passwords.hash_all([changes["password"]])
            account = await self.get(account_id)
        if changes:
            await self._store.commit([Patch(Account, account.seq, **changes)])
        return replace(account, **changes)

    async def delete(self, account: Account) -> None:
        """Delete ``account`` with its addresses, messages, keys, webhooks and counters."""
        await self._deletion.delete_account(account)

    async def _refusal(self, wanted: NewAccount, taken: set[str] | frozenset[str] = frozenset()) -> TestkitError | None:
        """Return the error if ``wanted`` cannot be made, else None; ``taken`` are keys of addresses to be made."""
        email = wanted.email
        try:
            _check_quota(wanted.quota)
            if not addressing.is_mailbox(email):
                raise InvalidValue("Invalid email format", field="email", value=email)
            if not await self._domains.serves(addressing.split(email)[1]):
                served = ", ".join(each.name for each in await self._domains.all())
                raise InvalidValue(f"email must be at a served domain: {served}", field="email", value=email)
            await self._directory.check_free(email, taken)
        except TestkitError as refusal:
            return refusal
        return None

    def _new(self, wanted: NewAccount, password: str) -> tuple[Account, list[Change]]:
        account = Account(
            id=self._ids.uuid(),
            email=wanted.email,
            domain=addressing.domain_key(addressing.split(wanted.email)[1]),
            created_at=self._clock.now(),
            quota=wanted.quota,
            password=password,
            blockchain_address=wanted.blockchain_address,
            hidden=wanted.hidden,
            listed=wanted.listed and not wanted.hidden,
        )
        address = self._directory.new_address(account.id, wanted.email, disposable=False)
        return account, [Put(address), Put(Tally(id=self._ids.uuid(), account=account.id))]


def _check_quota(quota: Any) -> None:
    if type(quota) is not int or not 0 <= quota <= MAX_QUOTA:
        raise InvalidValue(f"quota must be an integer from 0 to {MAX_QUOTA}", field="quota", value=quota)
