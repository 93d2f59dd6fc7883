"""Who may log in: credentials, checked against accounts and tokens.

1. ``Credentials`` are what a client sent; the exchange of each SASL mechanism is the adapter's.
2. The client hears only that it is refused, the log hears why, so that a failed test can say it.
3. A login is an account's address; one without a domain is at the first one.
4. A function that checks tokens is the user's code: it runs in a thread of its own, and what it raises is the caller's.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from sirrchat_testkit.domain.accounts import Accounts
from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.events import EventLog, LoginRefused
from sirrchat_testkit.domain.models import Account
from sirrchat_testkit.domain.passwords import Passwords
from sirrchat_testkit.errors import NotFound, Unauthorized
from sirrchat_testkit.policy import CurrentPolicy


class Credentials(NamedTuple):
    """A user and one proof: a password, the answer to a challenge, or a token."""

    mechanism: str
    user: str
    password: str | None = None
    challenge: bytes = b""
    digest: str | None = None
    token: str | None = None
    acting_for: str = ""


class Logins:
    """Checks credentials."""

    def __init__(
        self, accounts: Accounts, passwords: Passwords, policy: CurrentPolicy, clock: Clock, events: EventLog
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._policy = policy
        self._clock = clock
        self._events = events

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms that can work now."""
        challenges = ("CRAM-MD5",) if self._passwords.answers_challenges else ()
        return ("PLAIN", "LOGIN", *challenges, *(("XOAUTH2",) if self._policy.value.oauth_tokens else ()))

    async def check(self, credentials: Credentials, domain: str) -> str:
        """Return who has logged in: the account's address, or the user that a token is for.

        Raises:
            Unauthorized: The credentials are wrong; the log holds the reason.
        """
        if credentials.acting_for not in {"", credentials.user}:
            raise self.refused(credentials, f"it cannot act for {credentials.acting_for!r}")
        if credentials.token is not None:
            if not await self._has_token(credentials.user, credentials.token):
                raise self.refused(credentials, "wrong token")
            return credentials.user
        account = await self._account(credentials.user, domain)
        if account is None:
            await self._passwords.verify(credentials.password or "", "")
            raise self.refused(credentials, "there is no such user")
        if not await self._proves(credentials, account):
            raise self.refused(credentials, "wrong password" if account.password else "this user has no password")
        return account.email

    def refused(self, credentials: Credentials, reason: str) -> Unauthorized:
        """Record that ``credentials`` were refused; return the error."""
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
        tokens = self._policy.value.oauth_tokens
        if not isinstance(tokens, tuple):
            return bool(await asyncio.get_running_loop().run_in_executor(None, tokens, user, token))
        return f"{user}={token}" in tokens
