"""The accounts and addresses of the open scope, on the server and in the mirror."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sirrchat_testkit.attached.mirror import Mirror
from sirrchat_testkit.domain.models import Account, Address
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import Conflict, NotFound
from sirrchat_testkit.formatting import milliseconds
from sirrchat_testkit.handles.control import NewAccount, OwnedAccount, TestAccount
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas.sirrchat import User

__tracebackhide__ = True


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
        account = await self._keep(made.id, made.email, made.quota, made.api_key, listed=email is not None)
        self._services.keys.accept_until_close(account, "user", made.api_key)
        return made

    async def adopt(self, user: User) -> None:
        """Have ``user``, who was made with the key of the admin, belong to the open scope."""
        await self._keep(user.id, user.email, user.quota, "", listed=True)

    async def owns(self, user: str) -> bool:
        """Return whether the user with the id or e-mail address ``user`` belongs to this process."""
        accounts = self._services.accounts
        try:
            account = await (accounts.of(user) if "@" in user else accounts.get(user))
        except NotFound:
            return False
        return account.id in self._mirror.keys

    async def _keep(self, identifier: str, email: str, quota: int, key: str, *, listed: bool) -> Account:
        """Store an account of the server, which is deleted there at the end of the open scope."""
        account = Account(
            id=identifier,
            email=email,
            domain=addressing.domain_key(addressing.split(email)[1]),
            created_at=self._services.clock.now(),
            quota=quota,
            listed=listed,
        )
        address = self._services.directory.new_address(identifier, email, disposable=False)
        await self._services.store.commit([Put(account), Put(address)])
        self._mirror.add_account(identifier, key)
        return account

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
