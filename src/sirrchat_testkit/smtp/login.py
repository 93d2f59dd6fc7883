"""The AUTH command of one session (RFC 4954): when it may be given, the exchange, and how it ends.

1. ``*`` and invalid base64 end the exchange with 501.
2. A failed login is answered 535, with no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sirrchat_testkit.domain import sasl
from sirrchat_testkit.domain.auth import Credentials
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import Unauthorized
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.faults import Work
from sirrchat_testkit.smtp.replies import Answer, Reply

Under = Callable[[Credentials, Work], Coroutine[Any, Any, Reply]]


class Login:
    """The AUTH dialogues of one session; ``under`` lets the planned faults have their say first.

    ``attempt`` identifies the dialogue that began last, however many challenges it has.
    """

    def __init__(self, backend: Backend, hostname: str, session: Session, under: Under) -> None:
        self._backend = backend
        self._hostname = hostname
        self._session = session
        self._under = under
        self._exchange: sasl.Exchange | None = None
        self.attempt = object()

    def begin(self, argument: str, mechanisms: tuple[str, ...]) -> Answer:
        """Answer AUTH, of which ``mechanisms`` are offered."""
        if self._session.login:
            return replies.LOGGED_IN
        self.attempt = object()
        name, _, word = argument.partition(" ")
        if not name:
            return replies.syntax("AUTH")
        if name.upper() not in mechanisms:
            return replies.NO_MECHANISM
        try:
            word = word.strip(" ")
            initial = sasl.decode("" if word == "=" else word) if word else None  # RFC 4954 section 4
            self._exchange = sasl.MECHANISMS[name.upper()](initial, self._hostname)
            return replies.challenge(next(self._exchange))
        except StopIteration as done:
            return self._decide(done.value)
        except sasl.MalformedResponse as error:
            return _malformed(error)

    def respond(self, line: str) -> Answer:
        """Answer the response to a challenge."""
        exchange = self._exchange
        if exchange is None:  # XOAUTH2 was refused already
            return replies.WRONG_CREDENTIALS
        if line == "*":
            return replies.CANCELLED
        try:
            return replies.challenge(exchange.send(sasl.decode(line)))
        except StopIteration as done:
            return self._decide(done.value)
        except sasl.MalformedResponse as error:
            return _malformed(error)

    async def _decide(self, credentials: Credentials) -> Reply:
        self._exchange = None
        if self._backend.faults.of(SMTP).planned:
            return await self._under(credentials, lambda: self._check(credentials))
        return await self._check(credentials)

    async def _check(self, credentials: Credentials) -> Reply:
        try:
            self._session.login = await self._backend.logins.check(credentials, self._backend.settings.value.domains[0])
        except Unauthorized:
            return replies.challenge(sasl.TOKEN_REFUSED) if credentials.token is not None else replies.WRONG_CREDENTIALS
        return replies.AUTHENTICATED


def _malformed(error: sasl.MalformedResponse) -> Reply:
    return replies.BAD_BASE64 if isinstance(error, sasl.NotBase64) else replies.BAD_RESPONSE
