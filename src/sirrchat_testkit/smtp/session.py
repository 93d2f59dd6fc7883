"""Everything else a client can say: each command comes in as text and goes out as a reply.

The policy is read at every command, so a change counts from the next one on.
"""

from __future__ import annotations

from sirrchat_testkit.domain.events import TlsFailed
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.login import Login
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.transactions import Transactions
from sirrchat_testkit.smtp.writer import ReplyWriter


class Handler(Transactions):
    """Answers the commands of one connection."""

    def __init__(self, backend: Backend, hostname: str, peer: str, writer: ReplyWriter) -> None:
        super().__init__(backend, peer, writer)
        self._hostname = hostname
        self.login = Login(backend, hostname, self.session, self.fault_points.auth)

    def greet(self) -> Answer:
        """Welcome the client (RFC 5321 section 3.1); one that is not welcome is sent away."""
        if self._faults.planned:
            return self.fault_points.connect(self._welcome)
        return self._welcome()

    def _welcome(self) -> Reply:
        most = self._backend.policy.value.max_sessions
        if most and len(self._backend.sessions) > most:
            return replies.TOO_MANY_SESSIONS
        return replies.greeting(self._hostname)

    def helo(self, name: str) -> Answer:
        """Answer HELO, which also ends a transaction (RFC 5321 section 4.1.4)."""
        if not name:
            return replies.syntax("HELO")
        if self._wants_tls:
            return replies.TLS_FIRST
        if self._faults.planned:
            return self.fault_points.at("ehlo", lambda: self._greeted(name, extended=False), ehlo=name)
        return self._greeted(name, extended=False)

    def ehlo(self, name: str) -> Answer:
        """Answer EHLO, which does what HELO does, and offers extensions."""
        if not name:
            return replies.syntax("EHLO")
        if self._faults.planned:
            return self.fault_points.at("ehlo", lambda: self._greeted(name, extended=True), ehlo=name)
        return self._greeted(name, extended=True)

    def rset(self, argument: str) -> Reply:
        """Give up the transaction."""
        if argument:
            return replies.NO_ARGUMENT
        self.end()
        return replies.OK

    def noop(self, argument: str) -> Reply:  # noqa: ARG002 - any is ignored, RFC 5321 section 4.1.1.9
        """Do nothing."""
        return replies.OK

    def help(self, argument: str) -> Reply:
        """Tell what there is."""
        return replies.helped(argument) if "HELP" in self.offer.names else replies.NOT_HERE

    def vrfy(self, argument: str) -> Reply:
        """Leave open whether an address exists: RCPT tells (RFC 5321 section 3.5.3)."""
        if self._wants_tls:
            return replies.TLS_FIRST
        return replies.CANNOT_VERIFY if argument else replies.syntax("VRFY")

    def not_here(self, argument: str) -> Reply:  # noqa: ARG002 - a command takes one
        """Refuse a command that is known and not offered."""
        return replies.NOT_HERE

    def auth(self, argument: str) -> Answer:
        """Begin a login."""
        policy = self._backend.policy.value
        if self._wants_tls:
            return replies.TLS_FIRST
        if policy.auth == "tls" and not self.session.tls and "AUTH" not in policy.hide_extensions:
            return replies.LOGIN_NEEDS_TLS
        if "AUTH" not in self.offer.names:
            return replies.NOT_HERE
        if not self.extended:
            return replies.HELLO_FIRST
        if self.transaction is not None:
            return replies.NOT_NOW
        self.session.log.turn(between=True)
        return self.login.begin(argument, self.offer.mechanisms)

    def starttls(self, argument: str) -> Reply:
        """Let TLS begin (RFC 3207); a second time is an error."""
        if self.session.tls:
            return replies.TLS_IS_ON
        if "STARTTLS" not in self.offer.names:
            return replies.NOT_HERE
        if argument:
            return replies.NO_ARGUMENT
        self.session.log.turn(between=True)
        return replies.READY_FOR_TLS

    def secured(self, tls: str) -> None:
        """Begin anew under TLS: what was known before, the login too, is forgotten (RFC 3207 section 4.2)."""
        self.end()
        self.session.ehlo = self.session.login = ""
        self.extended = False
        self.session.tls = tls

    def tls_failed(self, alert: str) -> None:
        """Note that TLS failed, with the alert or OpenSSL's reason."""
        backend, session = self._backend, self.session
        backend.events.append(TlsFailed(at=backend.clock.now(), peer=session.peer, alert=alert))

    def quit(self, argument: str) -> Reply:
        """Take leave."""
        return replies.NO_ARGUMENT if argument else replies.BYE

    def close(self) -> None:
        """Note that the connection is gone."""
        self.transaction = None
        self._backend.sessions.close(self.session)

    def crashed(self, during: str, error: BaseException) -> None:
        """Tell the test that owns the server what failed, and that ``during`` was under way."""
        self._backend.crashed(f"SMTP {during} from {self.session.peer}", error)

    @property
    def _wants_tls(self) -> bool:
        return self._backend.policy.value.tls_required and not self.session.tls

    def _greeted(self, name: str, *, extended: bool) -> Reply:
        self.end()
        self.session.log.turn(between=True)
        self.session.ehlo = name
        self.extended = extended
        return replies.offers(self._hostname, self.offer.lines) if extended else replies.hello(self._hostname)
