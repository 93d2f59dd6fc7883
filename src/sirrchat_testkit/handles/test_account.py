"""Who owns what a scope makes: an account of its own, made when it is first needed."""

from __future__ import annotations

from typing import NamedTuple

from sirrchat_testkit.domain.accounts import QUOTA
from sirrchat_testkit.domain.models import Account, Address
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import Conflict, InvalidValue
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.mail import addresses as addressing

__tracebackhide__ = True

_PASSWORD = 16
"""Characters of a password that is made up."""


class OwnedAccount(NamedTuple):
    """A scope's account and its key."""

    account: Account
    key: str
    password: str = ""


class NewAccount(NamedTuple):
    """An account that a test asked for, its permanent address, its password as typed, and a user key."""

    account: Account
    address: Address
    password: str
    key: str


class TestAccountMark(NamedTuple):
    """Where an owner stands: the scope's name and seed, its account if there is one, the names made."""

    scope: str
    seed: str
    owned: OwnedAccount | None
    made: int


class TestAccount:
    """Makes the addresses of the scope that is open; ``make`` runs in the test's thread, the rest in the server's."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._names = Names(backend.settings.seed or backend.ids.token(8))
        self._scope = self._seed = ""
        self._owned: OwnedAccount | None = None

    def mark(self) -> TestAccountMark:
        """Return where it stands."""
        return TestAccountMark(self._scope, self._seed, self._owned, self._names.made)

    def begin(self, scope: str, seed: str) -> None:
        """Make names from ``seed`` from now on, for ``scope``; what the scope around it made stays its owner's."""
        self._scope, self._seed = scope, seed
        self._names.made = 0

    def rewind(self, mark: TestAccountMark) -> None:
        """Go back to ``mark``."""
        self._scope, self._seed, self._owned, self._names.made = mark

    def local_part(self, hint: str | None) -> str:
        """Return a new local part: a person's, or ``hint`` with a suffix of its own."""
        return self._names.make(self._seed, hint)

    async def key(self) -> str:
        """Return a user key of the scope's account."""
        return (await self._own()).key

    async def add(self, local: str, domain: str | None, expires_in: int | None) -> Address | None:
        """Make the address ``local@domain`` (default: the first domain); None if somebody has it.

        Raises:
            InvalidValue: ``domain`` is not served; the text names those that are.
        """
        if domain is not None:
            await self._check_served("domain", domain)
        text = f"{local}@{domain or self._backend.settings.domains[0]}"
        owner = (await self._own()).account.id
        try:
            return await self._backend.directory.add_address(owner, text, expires_in=expires_in)
        except Conflict:
            return None

    async def add_account(self, email: str, password: str | None, quota: int | None) -> NewAccount:
        """Make an account beside the scope's own. Raises ``InvalidValue`` or ``Conflict``."""
        backend = self._backend
        if not addressing.is_mailbox(email):
            text = f"address takes a mailbox at one of {await self._served()}, not {email!r}"
            raise InvalidValue(text, field="address", value=email)
        await self._check_served("address", addressing.split(email)[1])
        password = backend.ids.token(_PASSWORD) if password is None else password
        account = await backend.accounts.add(email, password=password, quota=QUOTA if quota is None else quota)
        key = await backend.keys.add(account, "user")
        return NewAccount(account, await backend.directory.permanent(account), password, key.key)

    async def add_exact(self, text: str, expires_in: int | None) -> Address:
        """Make the address ``text``.

        Raises:
            InvalidValue: Its domain is not served; the text names those that are.
            Conflict: It exists already.
        """
        await self._check_served("address", addressing.split(text)[1])
        return await self._backend.directory.add_address((await self._own()).account.id, text, expires_in=expires_in)

    async def find(self, text: str) -> Address | None:
        """Return the address ``text``, or None if there is none; mail for it is this scope's from now on."""
        found = await self._backend.directory.find_address(text)
        if found is None:
            self._backend.directory.forget_former(text)
        return found

    async def login(self) -> tuple[str, str]:
        """Return user and password of the scope's account."""
        owned = await self._own()
        if not owned.password:
            password = self._backend.ids.token(16)
            account = await self._backend.accounts.update(owned.account.id, password=password)
            owned = self._owned = OwnedAccount(account, owned.key, password)
        return owned.account.email, owned.password

    async def _check_served(self, field: str, domain: str) -> None:
        if not await self._backend.domains.serves(domain):
            text = f"{domain} is not served here; {await self._served()} are"
            raise InvalidValue(text, field=field, value=domain)

    async def _served(self) -> str:
        return ", ".join(each.name for each in await self._backend.domains.all())

    async def _own(self) -> OwnedAccount:
        if self._owned is None:
            email = f"owner-{self._backend.ids.token(10).lower()}@{self._backend.settings.domains[0]}"
            account = await self._backend.accounts.add(email, listed=False)
            self._owned = OwnedAccount(account, (await self._backend.keys.add(account, "user")).key)
        return self._owned
