"""One SMTP session: the extensions that it offers, and its commands (RFC 5321).

1. Decisions about mail are made in ``domain.delivery``; ``replies`` translates them to SMTP.
2. A session is busy from MAIL until the reply that ends its transaction, which is written in the same step of the loop.
3. Settings are read at every command, so a change takes effect from the next command on.
4. EHLO lists every extension that is not hidden. A hidden extension is not accepted either: its command is refused as
   unknown, its parameters with 555, and without PIPELINING a command sent before the last reply with 503.
5. A refusal at the end of the data is logged once for every recipient.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final, NamedTuple

from sirrchat_testkit.domain.events import TlsFailed
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import Refused, StoreError
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.settings import EXTENSIONS, Settings
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.faults import FaultPoints
from sirrchat_testkit.smtp.login import Login
from sirrchat_testkit.smtp.paths import Malformed, Path, parse_mail, parse_rcpt
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.transaction import Transaction
from sirrchat_testkit.smtp.writer import ReplyWriter

_log = logging.getLogger("sirrchat_testkit.smtp")

_REFUSED = 100  # refused recipients that a transaction may have, even if max_recipients is lower
_DIGITS = 20  # of a chunk's size: what fits into 64 bits

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "SIZE": ("SIZE",),
    "8BITMIME": ("BODY",),
    "SMTPUTF8": ("SMTPUTF8",),
    "DSN": ("RET", "ENVID", "NOTIFY", "ORCPT"),
    "BINARYMIME": ("BINARYMIME",),
    "AUTH": ("AUTH",),
}
"""The parameters of MAIL and RCPT, or values of BODY, that each extension brings."""


class Offer(NamedTuple):
    """``lines`` is what EHLO says, ``names`` what is offered, ``hidden`` the parameters that are not taken."""

    lines: tuple[str, ...]
    names: frozenset[str]
    hidden: frozenset[str]
    mechanisms: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def offer(hidden: tuple[str, ...], size_limit: int, mechanisms: tuple[str, ...], *, starttls: bool) -> Offer:
    """Return the extensions to offer if the settings hide ``hidden``."""
    left = tuple(each for each in mechanisms if each not in hidden)
    absent = {*hidden, *(() if starttls else ("STARTTLS",)), *(() if left else ("AUTH",))}
    if "CHUNKING" in absent:
        absent.add("BINARYMIME")  # RFC 3030 section 3: binary text goes by BDAT alone
    names = tuple(each for each in EXTENSIONS if each not in absent)
    more = {"SIZE": f"SIZE {size_limit}", "AUTH": f"AUTH {' '.join(left)}"}
    return Offer(
        lines=tuple(more.get(each, each) for each in names),
        names=frozenset(names),
        hidden=frozenset(name for each in absent for name in PARAMETERS.get(each, ())),
        mechanisms=left,
    )


class SmtpSession:
    """The commands of one connection, each a method that returns its reply.

    Attributes:
        session: What other parts of the server know of the connection.
        transaction: The transaction in progress; None between transactions.
        extended: Whether the client greeted with EHLO.
        chunk: The size of the chunk that BDAT announced last, and whether it is the last one.
    """

    def __init__(self, backend: Backend, hostname: str, peer: str, writer: ReplyWriter) -> None:
        self._backend = backend
        self._hostname = hostname
        self._faults = backend.faults.of(SMTP)
        self.extended = False
        self._messages = 0
        self.chunk = (0, False)
        self.session = backend.sessions.open(peer)
        self.transaction: Transaction | None = None
        self.fault_points = FaultPoints(backend, self.session, writer)
        self.login = Login(backend, hostname, self.session, self.fault_points.auth)

    @property
    def offer(self) -> Offer:
        """What is offered now."""
        settings, session = self._backend.settings.value, self.session
        mechanisms = () if settings.auth == "tls" and not session.tls else self._backend.logins.mechanisms
        starttls = settings.starttls and not session.tls
        return offer(settings.hide_extensions, settings.max_message_size, mechanisms, starttls=starttls)

    @property
    def size_limit(self) -> int:
        """The maximum size of a message, in bytes."""
        return self._backend.settings.value.max_message_size

    def greet(self) -> Answer:
        """Welcome the client (RFC 5321 section 3.1); one that is not welcome is sent away."""
        if self._faults.planned:
            return self.fault_points.connect(self._welcome)
        return self._welcome()

    def _welcome(self) -> Reply:
        most = self._backend.settings.value.max_sessions
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

    def mail(self, argument: str) -> Answer:
        """Begin a transaction."""
        settings = self._backend.settings.value
        if refusal := self._unready(settings):
            return refusal
        try:
            path = parse_mail(argument, extended=self.extended, hidden=self.offer.hidden)
        except Malformed as error:
            return error.reply
        if path.size > settings.max_message_size:
            return replies.TOO_BIG
        if self._faults.planned:
            known = {"mail_from": path.address, "size": path.size}
            return self.fault_points.at("mail", lambda: self._begin(path), **known)
        return self._begin(path)

    def _begin(self, path: Path) -> Reply:
        self.transaction = Transaction(path)
        self._messages += 1
        self.session.begin(path.address)
        return replies.SENDER_OK

    def rcpt(self, argument: str) -> Answer:
        """Add a recipient, if the post office takes mail for it."""
        transaction = self.transaction
        if transaction is None:
            return replies.MAIL_FIRST if self.session.ehlo else replies.HELLO_FIRST
        try:
            path = parse_rcpt(argument, extended=self.extended, utf8=transaction.utf8, hidden=self.offer.hidden)
        except Malformed as error:
            return error.reply
        recipient = path.address
        if "@" not in recipient:  # <postmaster>, RFC 5321 section 4.5.1
            recipient = f"{recipient}@{self._backend.settings.value.domains[0]}"
        if full := self._full(transaction, recipient):
            return full
        if self._faults.planned:
            return self.fault_points.rcpt(transaction, recipient, lambda: self._admit(transaction, recipient, path))
        if self._backend.postoffice.takes(recipient):
            return self._admitted(transaction, recipient, path)
        return self._admit(transaction, recipient, path)

    def _full(self, transaction: Transaction, recipient: str) -> Reply | None:
        """Refuse ``recipient`` if ``transaction`` takes no further one; return None if it does."""
        most = self._backend.settings.value.max_recipients
        if len(transaction.refused) >= max(most, _REFUSED):
            return replies.TOO_MANY_RECIPIENTS
        return (
            transaction.refuse(recipient, replies.TOO_MANY_RECIPIENTS) if len(transaction.recipients) >= most else None
        )

    async def _admit(self, transaction: Transaction, recipient: str, path: Path) -> Reply:
        try:
            await self._backend.postoffice.admit(recipient, transaction.sender)
        except Refused as refusal:
            return transaction.refuse(recipient, replies.for_error(refusal))
        except StoreError as error:
            return transaction.refuse(recipient, self._failed("RCPT", error))
        return self._admitted(transaction, recipient, path)

    @staticmethod
    def _admitted(transaction: Transaction, recipient: str, path: Path) -> Reply:
        transaction.recipients.append(recipient)
        if path.parameters:
            transaction.parameters[recipient] = list(path.parameters)
        return replies.RECIPIENT_OK

    def data(self, argument: str) -> Answer:
        """Answer DATA."""
        if self.transaction is None:
            return replies.MAIL_FIRST if self.session.ehlo else replies.HELLO_FIRST
        if argument:
            return replies.NO_ARGUMENT
        if not self.transaction.recipients:
            return replies.RECIPIENTS_FIRST
        if self.transaction.chunks is not None:
            return replies.MIXED
        if self.transaction.binary:
            return replies.BINARY_BY_BDAT
        return self.fault_points.data(self.transaction) if self._faults.planned else replies.GO_AHEAD

    def bdat(self, argument: str) -> Answer:
        """Let a chunk of the message come (RFC 3030 section 2); what is wrong is said behind its octets."""
        if "CHUNKING" not in self.offer.names:
            return replies.UNKNOWN
        octets, _, last = argument.upper().partition(" ")
        if not (octets.isdigit() and len(octets) < _DIGITS) or last not in {"", "LAST"}:
            return replies.syntax("BDAT")
        self.chunk = (int(octets), bool(last))
        if self._faults.planned and self.transaction is not None and self.keeps_chunk:
            return self.fault_points.chunk(self.transaction)
        return replies.CHUNK

    @property
    def keeps_chunk(self) -> bool:
        """Whether the chunk that comes is for a message that can take it."""
        transaction = self.transaction
        if transaction is None or not transaction.recipients:
            return False
        return transaction.has_room(self.chunk[0], self.size_limit)

    def take_chunk(self, raw: bytes, *, kept: bool) -> Answer:
        """Add the chunk ``raw`` to the message; the last one ends it."""
        transaction = self.transaction
        if transaction is None:
            return replies.MAIL_FIRST if self.session.ehlo else replies.HELLO_FIRST
        if not transaction.recipients:
            return replies.RECIPIENTS_FIRST
        if not kept:
            return self.overflow()
        if transaction.chunks is None and (upload := self.fault_points.upload_of(transaction)):
            return self.fault_points.first_chunk(
                upload, lambda: self._add_chunk(transaction, raw), lambda _: self.end()
            )
        return self._add_chunk(transaction, raw)

    def _add_chunk(self, transaction: Transaction, raw: bytes) -> Answer:
        octets, last = self.chunk
        if transaction.chunks is None:
            if last:
                return self.deliver(raw)
            transaction.chunks = bytearray()
        transaction.chunks += raw
        return self.deliver(bytes(transaction.chunks)) if last else replies.chunk_taken(octets)

    def deliver(self, raw: bytes) -> Coroutine[Any, Any, Reply]:
        """Hand ``raw`` to the post office for every recipient, and so end the transaction."""
        transaction = self.transaction
        assert transaction is not None
        return self._post_under_faults(transaction, raw) if self._faults.planned else self._post(transaction, raw)

    async def _post_under_faults(self, transaction: Transaction, raw: bytes) -> Reply:
        try:
            return await self.fault_points.end(transaction, raw, lambda: self._post(transaction, raw))
        finally:
            self.end()

    async def _post(self, transaction: Transaction, raw: bytes) -> Reply:
        if transaction.is_for_nobody:
            self.end()
            return replies.STORED
        try:
            copies = await self._backend.postoffice.deliver(transaction.envelope(self.session), raw)
            self._backend.sessions.transcripts.keep(copies[0].envelope, self.session.log.of_message())
        except Refused as refusal:
            for recipient in transaction.recipients:
                self._backend.postoffice.note_refusal(recipient, transaction.sender, refusal)
            return replies.for_error(refusal)
        except StoreError as error:
            return self._failed("end of data", error)
        finally:
            self.end()
        return replies.STORED

    def overflow(self) -> Reply:
        """End the transaction, whose message was bigger than the limit."""
        self.end()
        return replies.TOO_BIG

    def end(self) -> None:
        """Note that the transaction, if there is one, is over."""
        if self.transaction is not None:
            self.transaction = None
            self.session.end()

    def leave(self) -> None:
        """Note that nothing more is to come."""
        self.transaction = None
        self.session.end()

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
        settings = self._backend.settings.value
        if self._wants_tls:
            return replies.TLS_FIRST
        if settings.auth == "tls" and not self.session.tls and "AUTH" not in settings.hide_extensions:
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

    def _unready(self, settings: Settings) -> Reply | None:
        """Return why no transaction may begin now, None if one may."""
        session = self.session
        if not session.ehlo:
            return replies.HELLO_FIRST
        if self.transaction is not None:
            return replies.NESTED_MAIL
        if settings.tls_required and not session.tls:
            return replies.TLS_FIRST
        if settings.auth != "optional" and not session.login and (settings.auth == "required" or session.tls):
            return replies.LOGIN_FIRST
        if settings.max_session_messages and self._messages >= settings.max_session_messages:
            return replies.TOO_MANY_MESSAGES
        return None

    def _failed(self, during: str, error: StoreError) -> Reply:
        """Log what the client is not told of ``error``; return what it is told."""
        _log.error("SMTP %s from %s: %s: %s", during, self.session.peer, type(error).__name__, error)
        return replies.for_error(error)

    @property
    def _wants_tls(self) -> bool:
        return self._backend.settings.value.tls_required and not self.session.tls

    def _greeted(self, name: str, *, extended: bool) -> Reply:
        self.end()
        self.session.log.turn(between=True)
        self.session.ehlo = name
        self.extended = extended
        return replies.offers(self._hostname, self.offer.lines) if extended else replies.hello(self._hostname)
