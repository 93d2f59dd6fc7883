"""The directory: served domains, existing addresses, and the address that mail for a recipient goes to.

1. An address is unique among permanent and disposable ones, compared by ``mail.addresses.key``.
2. An expired address no longer exists, but it can be made again only after the next purge, on the full hour.
3. The addresses of ended scopes are remembered. Mail for them is refused, whatever the settings and domains, until they
   are made or looked up again.
4. ``ann+news`` is a sub-address of ``ann`` (RFC 5233), unless ``ann+news`` is an address itself, or was one until it
   expired or its scope ended. The separator is the setting ``subaddressing``.
5. A record of another account raises ``NotFound``, as a record that does not exist.
6. Domains are compared and shown in lower case, international labels in their ASCII form.
7. A simulator is a recipient without an address. It exists only where no address does.
8. A domain can be deleted only if it has no addresses; expired ones do not count and are deleted with it. The domain of
   the hidden admin account cannot be deleted, so a server always has one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, TypeVar

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.deletion import Deletion
from sirrchat_testkit.domain.ids import Ids
from sirrchat_testkit.domain.models import Account, Address, Domain
from sirrchat_testkit.domain.simulators import Simulator, simulator_named
from sirrchat_testkit.domain.store import Delete, Put, Store
from sirrchat_testkit.errors import (
    Conflict,
    ForeignDomain,
    InvalidValue,
    LimitReached,
    NoSuchAddress,
    NotFound,
    Refused,
    Simulated,
)
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.settings import CurrentSettings

V = TypeVar("V")

EXPIRY_TIMES = (3_600_000, 86_400_000, 259_200_000, 0)
"""The lifetimes that ``generate`` accepts, in milliseconds: one hour, one day, three days, 0 for unlimited."""

_KEPT = 10_000  # former and expired addresses that are remembered, the latest of each


class Directory:
    """Makes and finds the addresses of one server."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, settings: CurrentSettings, domains: Domains) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._domains = domains
        self._former: dict[str, str] = {}
        self._expired: dict[str, int] = {}
        self._made: list[dict[str, None]] = []  # the keys that each open scope made, the innermost last

    async def generate(self, account_id: str, name: Any, expiry: Any, domain: Any) -> Address:
        """Make a disposable address as the disposable-address API does, checking in that API's order.

        Args:
            account_id: The account that will own it.
            name: The local part. This and the next two are values from the request: of any type, None if missing.
            expiry: The lifetime in milliseconds, one of ``EXPIRY_TIMES``.
            domain: A served domain.

        Raises:
            LimitReached: The account has as many active addresses as ``max_addresses`` allows.
            InvalidValue: The expiry is not one of ``EXPIRY_TIMES``, the domain is not served, or the name is not valid;
                or one of them is missing.
            Conflict: The address exists already, or has expired and is not purged yet.
        """
        most = self._settings.value.max_addresses
        if most and await self.count_active(account_id) >= most:
            raise LimitReached(f"the limit of {most} active addresses is reached")
        if type(expiry) is not int or expiry not in EXPIRY_TIMES:
            raise _invalid("expiryTime", f"one of {', '.join(map(str, EXPIRY_TIMES))}", expiry)
        if not isinstance(domain, str) or not await self._domains.serves(domain):
            raise _invalid("domain", "one of the served domains", domain)
        if not isinstance(name, str) or not addressing.is_name(name):
            raise _invalid("name", "1 to 64 of A-Z a-z 0-9 . _ + -", name)
        return await self.add_address(account_id, f"{name}@{domain}", expires_in=expiry or None)

    async def add_address(self, account_id: str, text: str, *, expires_in: int | None = None) -> Address:
        """Make a disposable address that expires in ``expires_in`` milliseconds, or never if it is None.

        Raises:
            InvalidValue: ``text`` is not a valid address, or its domain is not served.
            Conflict: The address exists already.
            NotFound: The account does not exist, because it was deleted in the meantime.
        """
        if not addressing.is_mailbox(text) or not await self._domains.serves(addressing.split(text)[1]):
            raise InvalidValue("an address must be a mailbox at a served domain", field="address", value=text)
        await self.check_free(text)
        if not await self._store.count(Account, id=account_id):
            raise NotFound("no such user")
        address = self.new_address(account_id, text, expires_in=expires_in)
        await self._store.commit([Put(address)])
        return address

    async def address(self, account_id: str, address_id: str) -> Address:
        """Return the account's disposable address. Raises ``NotFound`` if it does not exist or has expired."""
        address = await self._store.get(Address, id=address_id)
        if address is None or not address.disposable or address.account != account_id or self.has_expired(address):
            raise NotFound("no such address")
        return address

    async def permanent(self, account: Account) -> Address:
        """Return the account's permanent address. Raises ``NotFound`` if the account was deleted in the meantime."""
        address = await self._store.get(Address, account=account.id, disposable=False)
        if address is None:
            raise NotFound("no such user")
        return address

    async def find_address(self, text: str) -> Address | None:
        """Return the address that is spelled ``text``, or None if it does not exist or has expired."""
        address = await self._store.get(Address, key=addressing.key(text))
        return None if address is None or self.has_expired(address) else address

    async def permanent_address(self, text: str) -> Address | None:
        """Return the permanent address that is spelled ``text``, or None if there is none."""
        address = await self._store.get(Address, key=addressing.key(text)) if "@" in text else None
        return None if address is None or address.disposable else address

    async def addresses(self, account_id: str, *, before: int | None, limit: int) -> list[Address]:
        """Return the account's active disposable addresses, newest first, with ``seq`` below ``before``."""
        where = {"account": account_id, "disposable": True}
        return await self._store.find(
            Address, where, lambda each: not self.has_expired(each), before=before, newest=True, limit=limit
        )

    async def count_active(self, account_id: str) -> int:
        """Return how many disposable addresses of the account have not expired."""
        expired = await self._store.expired(self._clock.now())
        own = sum(each.account == account_id for each in expired)
        return await self._store.count(Address, account=account_id, disposable=True) - own

    async def route(self, recipient: str) -> Address | None:
        """Return the address that mail for ``recipient`` goes to, or None if the mail is kept without one.

        Raises:
            NoSuchAddress: The domain is served here and the address does not exist, or it belonged to an ended scope.
            ForeignDomain: The domain is not served here, and ``foreign_recipients`` is ``reject``.
            Simulated: The recipient is a simulator that never accepts mail.
        """
        address = await self._address_of(recipient)
        if address is not None and not self.has_expired(address):
            return address
        simulator = await self.simulator(recipient)
        if simulator is not None:
            if simulator.never_accepts:
                raise Simulated(f"{recipient} is a simulator: it {simulator.does}")
            return None
        settings = self._settings.value
        served = await self._domains.serves(addressing.split(recipient)[1])
        if self.former_scope(recipient) or (served and settings.unknown_recipients == "reject"):
            raise NoSuchAddress(f"{recipient} does not exist here")
        if not served and settings.foreign_recipients == "reject":
            raise ForeignDomain(f"the domain of {recipient} is not served here")
        return None

    async def simulator(self, recipient: str) -> Simulator | None:
        """Return the simulator that ``recipient`` is; None if it is none, or an address takes its place."""
        settings = self._settings.value
        if not settings.simulators:
            return None
        local, domain = addressing.split(addressing.key(recipient))
        found = simulator_named(local, settings.subaddressing)
        if found is None or self.former_scope(recipient) or await self._address_of(recipient) is not None:
            return None
        return found if await self._domains.serves(domain) else None

    async def is_local(self, sender: str) -> bool:
        """Return whether mail for ``sender`` goes to an address here, or is kept without one at a served domain."""
        if not addressing.is_mailbox(sender):
            return False
        try:
            if await self.route(sender) is not None:
                return True
        except Refused:
            return False
        return await self._domains.serves(addressing.split(sender)[1]) and await self.simulator(sender) is None

    async def owner(self, recipient: str) -> str:
        """Return the id of the account whose address, expired or not, ``recipient`` is; empty if there is none."""
        address = await self._address_of(recipient)
        return address.account if address is not None else ""

    async def _address_of(self, recipient: str) -> Address | None:
        """Return the address of ``recipient``, expired or not: its own, or that of which it is a sub-address."""
        key = addressing.key(recipient)
        exact = await self._store.get(Address, key=key)
        if exact is not None:
            return exact
        main = addressing.main_key(key, self._settings.value.subaddressing)
        was_an_address = key in self._former or key in self._expired
        return await self._store.get(Address, key=main) if main != key and not was_an_address else None

    async def latest(self, before: int | None, limit: int) -> tuple[list[str], int | None]:
        """Return the latest addresses, to suggest one for a misspelt recipient.

        Args:
            before: Only addresses with a lower ``seq``; None begins with the latest.
            limit: The number of addresses to read.

        Returns:
            The addresses among them that exist and belong to an inbox or a listed account, the latest first; and
            ``before`` for the next call, None if no addresses are left.
        """
        found = await self._store.find(Address, before=before, newest=True, limit=limit)
        known = [each.text for each in found if not self.has_expired(each) and await self._is_visible(each)]
        return known, found[-1].seq if len(found) == limit else None

    async def expired_at(self, recipient: str, at: int) -> int:
        """Return the time at which the address ``recipient`` expired, or 0 if it had not expired by the time ``at``."""
        key = addressing.key(recipient)
        address = await self._store.get(Address, key=key)
        expired = address.expires_at if address else self._expired.get(key, 0)
        return expired if expired <= at else 0

    def remember_expired(self, addresses: Iterable[Address]) -> None:
        """Remember when ``addresses`` expired, which are about to be purged."""
        _remember(self._expired, {each.key: each.expires_at for each in addresses})

    def begin_scope(self) -> None:
        """Record the addresses that are made from now on, including those deleted before the scope ends."""
        self._made.append({})

    def end_scope(self, name: str) -> None:
        """End the innermost scope: remember the addresses made in it, with its ``name``."""
        _remember(self._former, dict.fromkeys(self._made.pop(), name))

    def forget_former(self, recipient: str) -> None:
        """Forget that ``recipient`` belonged to an ended scope, because it is used again."""
        self._former.pop(addressing.key(recipient), None)

    def former_scope(self, recipient: str) -> str:
        """Return the ended scope that ``recipient`` or its main address belonged to; empty if there is none.

        An address that was made again belongs to the open scope, even if it has expired or was deleted since.
        """
        key = addressing.key(recipient)
        main = addressing.main_key(key, self._settings.value.subaddressing)
        if any(key in made or main in made for made in self._made):
            return ""
        return self._former.get(key, "") or self._former.get(main, "")

    def was_used(self, recipient: str) -> bool:
        """Return whether ``recipient`` was an address of a scope that has ended."""
        return addressing.key(recipient) in self._former

    def has_expired(self, address: Address) -> bool:
        """Return whether ``address`` has expired."""
        return bool(address.expires_at) and address.expires_at <= self._clock.now()

    async def _is_visible(self, address: Address) -> bool:
        """Return whether ``address`` is disposable, as that of an inbox, or belongs to a listed account."""
        account = None if address.disposable else await self._store.get(Account, id=address.account)
        return account is None or (account.listed and not account.hidden)

    async def check_free(self, text: str, taken: Container[str] = ()) -> None:
        """Raise ``Conflict`` if the address ``text`` exists, or its key is among ``taken``."""
        key = addressing.key(text)
        if key in taken or await self._store.get(Address, key=key):
            raise Conflict(f"{text} already exists", field="email", value=text)

    def new_address(
        self, account_id: str, text: str, *, expires_in: int | None = None, disposable: bool = True
    ) -> Address:
        """Return an address to be stored. The caller has checked that it is free."""
        key, now = addressing.key(text), self._clock.now()
        if self._made:
            self._made[-1][key] = None
        return Address(
            id=self._ids.uuid(),
            account=account_id,
            text=text,
            key=key,
            domain=addressing.split(key)[1],
            created_at=now,
            expires_at=0 if expires_in is None else now + expires_in,
            disposable=disposable,
        )


def _invalid(field: str, takes: str, value: Any) -> InvalidValue:
    missing = "; it is missing" if value is None else ""
    return InvalidValue(f"{field} must be {takes}{missing}", field=field, value=value)


def _remember(known: dict[str, V], more: Mapping[str, V]) -> None:
    """Add ``more`` to ``known``, and drop the oldest entries beyond the limit."""
    known.update(more)
    while len(known) > _KEPT:
        del known[next(iter(known))]


class Domains:
    """Adds, finds and deletes the served domains of one server."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, deletion: Deletion) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._deletion = deletion

    async def add(self, name: str) -> Domain:
        """Serve ``name`` from now on.

        Raises:
            InvalidValue: ``name`` is not a host name.
            Conflict: The domain is served already.
        """
        if not addressing.is_domain(name):
            raise InvalidValue("name must be a host name such as example.com", field="name", value=name)
        key = addressing.domain_key(name)
        if await self._store.get(Domain, name=key):
            raise Conflict(f"domain {key} already exists", field="name", value=name)
        domain = Domain(id=self._ids.uuid(), name=key, created_at=self._clock.now())
        await self._store.commit([Put(domain)])
        return domain

    async def get(self, domain_id: str) -> Domain:
        """Return the domain ``domain_id``. Raises ``NotFound``."""
        domain = await self._store.get(Domain, id=domain_id)
        if domain is None:
            raise NotFound("no such domain")
        return domain

    async def all(self) -> list[Domain]:
        """Return the served domains, oldest first."""
        return await self._store.find(Domain)

    async def page(self, offset: int, limit: int) -> tuple[list[Domain], int]:
        """Return ``limit`` domains after the oldest ``offset`` ones, and the total number."""
        return await self._store.page(Domain, offset=offset, limit=limit)

    async def serves(self, name: str) -> bool:
        """Return whether the domain ``name`` is served."""
        return await self._store.get(Domain, name=addressing.domain_key(name)) is not None

    async def users(self, domain: Domain) -> int:
        """Return the number of listed accounts with their permanent address at ``domain``."""
        return await self._store.count(Account, domain=domain.name, listed=True)

    async def delete(self, domain: Domain) -> None:
        """Stop serving ``domain``. Raises ``Conflict`` if it has an account or an address that has not expired."""
        now = self._clock.now()
        addresses = await self._store.find(Address, {"domain": domain.name})
        if any(not each.expires_at or each.expires_at > now for each in addresses):
            raise Conflict(f"domain {domain.name} still has users or addresses")
        await self._deletion.delete_addresses(addresses, also=[Delete(Domain, domain.seq)])
