"""Who exists: accounts, keys, served domains, addresses.

1. An address is unique over permanent and disposable ones, compared by ``addressing.key``.
2. An expired address exists no more for anybody, but its name is free only after the next purge, on the full hour.
3. Keys are stored as hashes; the text of one is returned once, by the call that makes it.
4. Whoever may not see something is told ``NotFound``: foreign and absent look the same.
"""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.clock import Clock
from sirrchat_testkit.core.errors import (
    Conflict,
    ForeignDomain,
    InvalidValue,
    LimitReached,
    NoSuchAddress,
    NotFound,
    Unauthorized,
)
from sirrchat_testkit.core.identity import Ids, hash_key
from sirrchat_testkit.core.models import Account, Address, ApiKey, Domain, Tally
from sirrchat_testkit.core.settings import CurrentPolicy
from sirrchat_testkit.core.store import Patch, Put, Store

QUOTA = 5_368_709_120
"""Bytes an account may store unless told otherwise: the SirrChat document's 5 GiB."""

EXPIRY_TIMES = (3_600_000, 86_400_000, 259_200_000, 0)
"""Milliseconds that ``generate`` takes: one hour, one day, three days, never."""

_NEAREST_AMONG = 1000
_FORMER_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only time its text can be had."""

    key: str
    secret: str
    record: ApiKey


class Directory:
    """Accounts, keys, domains and addresses, on a store and a clock."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, policy: CurrentPolicy) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._until_close: dict[str, ApiKey] = {}
        self._former: dict[str, str] = {}

    async def add_account(self, email: str, *, password: str = "", quota: int = QUOTA, hidden: bool = False) -> Account:
        """Make an account whose permanent address is ``email``; ``password`` is already hashed.

        Raises:
            InvalidValue: ``email`` is no mailbox, or its domain is not served.
            Conflict: Somebody has the address.
        """
        if not addressing.is_mailbox(email) or not await self.serves(addressing.split(email)[1]):
            raise InvalidValue("email must be an address at a served domain", field="email", value=email)
        now = self._clock.now()
        account = Account(
            id=self._ids.uuid(), email=email, created_at=now, quota=quota, password=password, hidden=hidden
        )
        address = await self._free(account.id, email, expires_at=0, disposable=False)
        await self._store.commit([Put(account), Put(address), Put(Tally(id=self._ids.uuid(), account=account.id))])
        return account

    async def account(self, account_id: str) -> Account:
        """Return the account. Raises ``NotFound``."""
        account = await self._store.get(Account, id=account_id)
        if account is None:
            raise NotFound("no such account")
        return account

    async def account_of(self, email: str) -> Account:
        """Return the account whose permanent address is ``email``. Raises ``NotFound``."""
        address = await self._store.get(Address, key=addressing.key(email))
        if address is None or address.disposable:
            raise NotFound(f"no account has the address {email}")
        return await self.account(address.account)

    async def add_key(self, account: Account, role: str) -> NewKey:
        """Make a key for ``account`` with ``role`` ``admin`` or ``user``."""
        text = f"mk_live_{self._ids.token(32)}"
        secret = f"sk_live_{self._ids.token(32)}"
        record = ApiKey(
            id=self._ids.uuid(),
            account=account.id,
            role=role,
            key_hash=hash_key(text),
            secret_hash=hash_key(secret),
            created_at=self._clock.now(),
        )
        [seq] = await self._store.commit([Put(record)])
        return NewKey(text, secret, await self._store.get(ApiKey, seq=seq) or record)

    def admit_until_close(self, account: Account, role: str, key: str) -> None:
        """Take ``key`` as one of ``account`` until the server stops; it is stored nowhere."""
        hashed = hash_key(key)
        self._until_close[hashed] = ApiKey(
            id=self._ids.uuid(), account=account.id, role=role, key_hash=hashed, created_at=self._clock.now()
        )

    async def authenticate(self, key: str) -> ApiKey:
        """Return the key's record. Raises ``Unauthorized`` if it is missing, wrong or revoked."""
        hashed = hash_key(key)
        record = self._until_close.get(hashed) or await self._store.get(ApiKey, key_hash=hashed)
        if record is None or not hmac.compare_digest(record.key_hash, hashed):
            raise Unauthorized("the API key is missing, wrong or revoked")
        return record

    async def add_domain(self, name: str) -> Domain:
        """Serve ``name`` from now on. Raises ``InvalidValue`` or ``Conflict``."""
        if not addressing.is_domain(name):
            raise InvalidValue("name must be a host name such as example.com", field="name", value=name)
        known = addressing.domain_key(name)
        if await self._store.get(Domain, name=known):
            raise Conflict(f"domain {known} already exists")
        domain = Domain(id=self._ids.uuid(), name=known, created_at=self._clock.now())
        [seq] = await self._store.commit([Put(domain)])
        return await self._store.get(Domain, seq=seq) or domain

    async def domains(self) -> list[Domain]:
        """Return the served domains, oldest first."""
        return await self._store.find(Domain)

    async def serves(self, domain: str) -> bool:
        """Tell whether mail for ``domain`` is for here."""
        return await self._store.get(Domain, name=addressing.domain_key(domain)) is not None

    async def generate(self, account_id: str, name: str | None, expiry: int | None, domain: str | None) -> Address:
        """Make a disposable address as the disposable-address API does, checking in that API's order.

        Raises:
            LimitReached: The account has as many active addresses as the policy allows.
            InvalidValue: The expiry is none of ``EXPIRY_TIMES``, the domain is not served, or the name is not valid.
            Conflict: The address exists already, or existed until it expired and is not purged yet.
        """
        most = self._policy.value.max_addresses
        if most and await self.count_active(account_id) >= most:
            raise LimitReached(f"the limit of {most} active addresses is reached")
        if expiry not in EXPIRY_TIMES:
            raise InvalidValue(f"expiryTime must be one of {', '.join(map(str, EXPIRY_TIMES))}", field="expiryTime")
        if not domain or not await self.serves(domain):
            raise InvalidValue("domain must be one of the served domains", field="domain", value=domain)
        if not name or not addressing.is_name(name):
            raise InvalidValue("name must be 1 to 64 of A-Z a-z 0-9 . _ + -", field="name", value=name)
        return await self.add_address(account_id, f"{name}@{domain}", expires_in=expiry or None)

    async def add_address(self, account_id: str, text: str, *, expires_in: int | None = None) -> Address:
        """Make a disposable address that expires in ``expires_in`` milliseconds, or never.

        Raises:
            InvalidValue: ``text`` is no mailbox, or its domain is not served.
            Conflict: Somebody has the address.
        """
        if not addressing.is_mailbox(text) or not await self.serves(addressing.split(text)[1]):
            raise InvalidValue("an address must be a mailbox at a served domain", field="address", value=text)
        expires_at = 0 if expires_in is None else self._clock.now() + expires_in
        address = await self._free(account_id, text, expires_at=expires_at, disposable=True)
        [seq] = await self._store.commit([Put(address)])
        return await self._store.get(Address, seq=seq) or address

    async def address(self, account_id: str, address_id: str) -> Address:
        """Return the account's disposable address. Raises ``NotFound``, also when it has expired."""
        address = await self._store.get(Address, id=address_id)
        if address is None or not address.disposable or address.account != account_id or self.has_expired(address):
            raise NotFound("no such address")
        return address

    async def find_address(self, text: str) -> Address | None:
        """Return the address that is ``text``, unless it has expired."""
        address = await self._store.get(Address, key=addressing.key(text))
        return None if address is None or self.has_expired(address) else address

    async def addresses(self, account_id: str, *, before: int | None, limit: int) -> list[Address]:
        """Return the account's active disposable addresses, newest first, with ``seq`` below ``before``."""
        where = {"account": account_id, "disposable": True}
        return await self._store.find(
            Address, where, lambda each: not self.has_expired(each), before=before, newest=True, limit=limit
        )

    async def count_active(self, account_id: str) -> int:
        """Return how many disposable addresses of the account have not expired."""
        lapsed = await self._store.expired(self._clock.now())
        mine = sum(each.account == account_id for each in lapsed)
        return await self._store.count(Address, account=account_id, disposable=True) - mine

    async def route(self, recipient: str) -> Address | None:
        """Return the address that mail for ``recipient`` goes to, None where it is kept as outgoing or unknown.

        Raises:
            NoSuchAddress: The domain is served here, and nobody has the address.
            ForeignDomain: The domain is not served here, and the policy keeps no outgoing mail.
        """
        address = await self.find_address(recipient)
        if address is not None:
            return address
        policy = self._policy.value
        if await self.serves(addressing.split(recipient)[1]):
            if policy.unknown_recipients == "reject":
                raise NoSuchAddress(f"{recipient} does not exist here")
        elif policy.foreign_recipients == "reject":
            raise ForeignDomain(f"{recipient} is at no domain that is served here")
        return None

    async def nearest(self, recipient: str) -> str | None:
        """Return the existing address that ``recipient`` was perhaps meant to be."""
        near = await self._store.find(Address, newest=True, limit=_NEAREST_AMONG)
        texts = {each.key: each.text for each in near if not self.has_expired(each)}
        found = difflib.get_close_matches(addressing.key(recipient), texts, 1)
        return texts[found[0]] if found else None

    def remember_former(self, keys: Iterable[str], scope: str) -> None:
        """Note that the addresses ``keys`` belonged to ``scope``, which is closed."""
        for key in keys:
            self._former[key] = scope
        while len(self._former) > _FORMER_KEPT:
            del self._former[next(iter(self._former))]

    def former_scope(self, recipient: str) -> str:
        """Return the closed scope that ``recipient`` belonged to, or an empty text."""
        return self._former.get(addressing.key(recipient), "")

    async def set_webhook(self, account_id: str, url: str, *, enabled: bool) -> None:
        """Set where the account's disposable addresses push new messages."""
        account = await self.account(account_id)
        await self._store.commit([Patch(Account, account.seq, webhook_url=url, webhook_enabled=enabled)])

    def has_expired(self, address: Address) -> bool:
        """Tell whether the address's time is over."""
        return bool(address.expires_at) and address.expires_at <= self._clock.now()

    async def _free(self, account_id: str, text: str, *, expires_at: int, disposable: bool) -> Address:
        known = addressing.key(text)
        if await self._store.get(Address, key=known):
            raise Conflict(f"{text} already exists")
        return Address(
            id=self._ids.uuid(),
            account=account_id,
            text=text,
            key=known,
            domain=addressing.split(known)[1],
            created_at=self._clock.now(),
            expires_at=expires_at,
            disposable=disposable,
        )
