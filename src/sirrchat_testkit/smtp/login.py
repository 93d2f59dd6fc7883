"""The AUTH command of one session (RFC 4954): the exchange with the client, and its result.

1. ``*`` and invalid base64 end the exchange with 501.
2. A failed login is answered 535, with no reason. The last one that ``max_failed_logins`` allows is answered 421.
3. A login that cannot be checked now is answered 454. It does not count as failed.
"""

from __future__ import annotations

from sirrchat_testkit.domain import sasl
from sirrchat_testkit.domain.auth import Credentials
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import TooBusy, Unauthorized
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.faults import FaultPoints
from sirrchat_testkit.smtp.replies import Answer, Reply


class Login:
    """The AUTH exchanges of one session.

    Attributes:
        attempt: Identifies the exchange that began last, however many challenges it has.
    """

    def __init__(self, services: Services, hostname: str, session: Session, fault_points: FaultPoints) -> None:
        self._services = services
        self._hostname = hostname
        self._session = session
        self._fault_points = fault_points
        self._exchange: sasl.Exchange | None = None
        self._failed = 0
        self.attempt = object()

    def begin(self, argument: str, mechanisms: tuple[str, ...]) -> Answer:
        """Answer AUTH; ``mechanisms`` are the ones offered."""
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
        """Answer the client's response to a challenge."""
        exchange = self._exchange
        if exchange is None:  # the token of XOAUTH2 was refused, and this is the empty response to the error
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
        if self._services.faults.of(SMTP).planned:
            return await self._fault_points.auth(credentials, lambda: self._check(credentials))
        return await self._check(credentials)

    async def _check(self, credentials: Credentials) -> Reply:
        settings = self._services.settings.value
        try:
            self._session.login = await self._services.logins.check(credentials, settings.domains[0])
        except TooBusy as error:
            return replies.for_error(error)
        except Unauthorized:
            self._failed += 1
            if settings.max_failed_logins and self._failed >= settings.max_failed_logins:
                return replies.TOO_MANY_FAILED_LOGINS
            return replies.challenge(sasl.TOKEN_REFUSED) if credentials.token is not None else replies.WRONG_CREDENTIALS
        return replies.AUTHENTICATED


def _malformed(error: sasl.MalformedResponse) -> Reply:
    return replies.BAD_BASE64 if isinstance(error, sasl.NotBase64) else replies.BAD_RESPONSE
