"""Authentication: API keys, and the credentials of logins.

1. An API key is ``mk_live_`` and 32 random characters; its secret is ``sk_live_`` and 32 more, and gives no access.
2. Only the SHA-256 of both is stored. Key and secret are returned once, by ``Keys.add``.
3. The role of a key is ``admin`` or ``user``. The permissions of a role are in the adapter's table.
4. An expired key, by the server's clock, gives no access. Its record is kept, and shown in lists, until it is revoked.
5. A user logs in with the address of an account. Without a domain, it is at the first served domain.
6. The client does not learn why a login failed. The event log records the reason, so a failing test can show it.
7. The function in ``oauth_tokens`` is the user's code: it runs in a worker thread, and its exceptions reach the caller.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import NamedTuple

from sirrchat_testkit.domain.accounts import Accounts
from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import EventLog, LoginAccepted, LoginRefused
from sirrchat_testkit.domain.ids import Ids, hash_key
from sirrchat_testkit.domain.models import Account, ApiKey
from sirrchat_testkit.domain.passwords import Passwords
from sirrchat_testkit.domain.store import Change, Delete, Put, Store
from sirrchat_testkit.domain.webhooks import Webhooks
from sirrchat_testkit.errors import NotFound, TooBusy, Unauthorized
from sirrchat_testkit.settings import CurrentSettings


class NewKey(NamedTuple):
    """A new key with its secret, both in plain text, and its record."""

    key: str
    secret: str
    record: ApiKey


class Keys:
    """Makes, finds and revokes the API keys of one server."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, webhooks: Webhooks) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._webhooks = webhooks
        self._until_close: dict[str, ApiKey] = {}

    async def add(self, account: Account, role: str, *, expires_in: int | None = None) -> NewKey:
        """Make a key for ``account`` with ``role`` ``admin`` or ``user``.

        It expires in ``expires_in`` milliseconds of the server's clock, or never if that is None.
        """
        now = self._clock.now()
        text = f"mk_live_{self._ids.token(32)}"
        secret = f"sk_live_{self._ids.token(32)}"
        record = ApiKey(
            id=self._ids.uuid(),
            account=account.id,
            role=role,
            key_hash=hash_key(text),
            secret_hash=hash_key(secret),
            created_at=now,
            expires_at=0 if expires_in is None else now + expires_in,
        )
        await self._store.commit([Put(record)])
        return NewKey(text, secret, record)

    def accept_until_close(self, account: Account, role: str, key: str) -> None:
        """Accept ``key`` as a key of ``account`` until the server stops, without storing it."""
        hashed = hash_key(key)
        self._until_close[hashed] = ApiKey(
            id=self._ids.uuid(), account=account.id, role=role, key_hash=hashed, created_at=self._clock.now()
        )

    async def find(self, key: str) -> ApiKey | None:
        """Return the record of ``key``, or None if it is empty, wrong, revoked or expired.

        Compares in constant time.
        """
        hashed = hash_key(key)
        record = self._until_close.get(hashed) or await self._store.get(ApiKey, key_hash=hashed)
        if record is None or not hmac.compare_digest(record.key_hash, hashed) or self._has_expired(record):
            return None
        return record

    async def page(self, offset: int, limit: int) -> tuple[list[ApiKey], int]:
        """Return ``limit`` keys, oldest first, after skipping ``offset``; and the total number."""
        return await self._store.page(ApiKey, offset=offset, limit=limit)

    async def revoke(self, key_id: str) -> None:
        """Revoke the key ``key_id``. Its account keeps its webhooks. Raises ``NotFound``.

        With the last admin key of the account, its webhooks for the mail of all accounts are disabled.
        """
        record = await self._store.get(ApiKey, id=key_id)
        if record is None:
            raise NotFound("no such API key")
        changes: list[Change] = [Delete(ApiKey, record.seq)]
        if not await self._has_admin_key(record.account, without=record):
            changes += await self._webhooks.disabling(record.account)
        await self._store.commit(changes)

    async def _has_admin_key(self, account: str, *, without: ApiKey) -> bool:
        owner = await self._store.get(Account, id=account)
        if owner is not None and owner.hidden:
            return True  # the server's own account: each start makes it one
        stored = await self._store.find(ApiKey, {"account": account})
        keys = [*self._until_close.values(), *(each for each in stored if each.id != without.id)]
        return any(each.account == account and each.role == "admin" and not self._has_expired(each) for each in keys)

    def _has_expired(self, key: ApiKey) -> bool:
        return bool(key.expires_at) and key.expires_at <= self._clock.now()


class Credentials(NamedTuple):
    """A user with a password, the response to a challenge, or a token."""

    mechanism: str
    user: str
    password: str | None = None
    challenge: bytes = b""
    digest: str | None = None
    token: str | None = None
    acting_for: str = ""

    def __repr__(self) -> str:
        """Leave out the secrets."""
        return f"<Credentials {self.mechanism} of {self.user!r}>"


class Logins:
    """Checks the credentials of logins."""

    def __init__(
        self, accounts: Accounts, passwords: Passwords, settings: CurrentSettings, clock: Clock, events: EventLog
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._settings = settings
        self._clock = clock
        self._events = events

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that the settings allow now."""
        challenges = ("CRAM-MD5",) if self._passwords.answers_challenges else ()
        return ("PLAIN", "LOGIN", *challenges, *(("XOAUTH2",) if self._settings.value.oauth_tokens else ()))

    async def check(self, credentials: Credentials, domain: str) -> str:
        """Return the address of the account that logged in, or the user of the token, and note the login.

        Raises:
            Unauthorized: The credentials are wrong; the event log has the reason.
            TooBusy: Too many passwords are being hashed; the event log has this reason.
        """
        login = await self._identity(credentials, domain)
        self._events.append(LoginAccepted(at=self._clock.now(), mechanism=credentials.mechanism, login=login))
        return login

    async def _identity(self, credentials: Credentials, domain: str) -> str:
        if credentials.acting_for not in {"", credentials.user}:
            raise self.refused(credentials, f"not allowed to act for {credentials.acting_for!r}")
        if credentials.token is not None:
            if not await self._has_token(credentials.user, credentials.token):
                raise self.refused(credentials, "wrong token")
            return credentials.user
        account = await self._account(credentials.user, domain)
        if credentials.password is not None:
            self._check_load(credentials)
        if account is None:
            if credentials.password is not None:
                await self._passwords.verify(credentials.password, "")
            raise self.refused(credentials, "there is no such user")
        if not await self._proves(credentials, account):
            raise self.refused(credentials, "wrong password" if account.password else "this user has no password")
        return account.email

    def _check_load(self, credentials: Credentials) -> None:
        try:
            self._passwords.check_load()
        except TooBusy as error:
            self.refused(credentials, f"refused for now: {error}")
            raise

    def refused(self, credentials: Credentials, reason: str) -> Unauthorized:
        """Append ``LoginRefused`` to the event log; return the error to raise."""
        self._events.append(
            LoginRefused(at=self._clock.now(), mechanism=credentials.mechanism, login=credentials.user, reason=reason)
        )
        return Unauthorized(reason)

    async def _account(self, user: str, domain: str) -> Account | None:
        try:
            account = await self._accounts.of(user if "@" in user else f"{user}@{domain}")
        except NotFound:
            return None
        return account

    async def _proves(self, credentials: Credentials, account: Account) -> bool:
        if credentials.digest is not None:
            return self._passwords.verify_digest(credentials.challenge, credentials.digest, account.password)
        return await self._passwords.verify(credentials.password or "", account.password)

    async def _has_token(self, user: str, token: str) -> bool:
        tokens = self._settings.value.oauth_tokens
        if not isinstance(tokens, tuple):
            return bool(await asyncio.get_running_loop().run_in_executor(None, tokens, user, token))
        return f"{user}={token}" in tokens
