"""One SMTP session: the extensions that it offers, and its commands (RFC 5321).

1. Decisions about mail are made in ``domain.delivery``; ``replies`` translates them to SMTP.
2. A session is busy from MAIL until the reply that ends its transaction, which is written in the same step of the loop.
3. Settings are read at every command, so a change takes effect from the next command on.
4. EHLO lists every extension that is not hidden. A hidden extension is not accepted either: its command is refused as
   unknown, its parameters with 555, and without PIPELINING a command sent before the last reply with 503.
5. A refusal at the end of the data is logged once for every recipient.
6. The incomplete messages of all sessions together hold at most ``SHARE`` times the size limit in memory. A command
   that would exceed that is answered 452.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final, NamedTuple

from sirrchat_testkit.domain.events import TlsFailed
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import Refused, StoreError, TooManyRecipients
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.settings import EXTENSIONS, Settings
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.faults import FaultPoints
from sirrchat_testkit.smtp.login import Login
from sirrchat_testkit.smtp.paths import Malformed, Path, parse_mail, parse_rcpt
from sirrchat_testkit.smtp.reader import Flaw, MessageFlaw
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.transaction import Transaction
from sirrchat_testkit.smtp.writer import ReplyWriter

_log = logging.getLogger("sirrchat_testkit.smtp")

_MAX_REFUSED = 100  # refused recipients that a transaction may have, even if max_recipients is lower
_MAX_DIGITS = 19  # of the size of a chunk, which has 64 bits

SHARE: Final = 4
"""The memory for the incomplete messages of all sessions, as a multiple of ``max_message_size``."""

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "SIZE": ("SIZE",),
    "8BITMIME": ("BODY",),
    "SMTPUTF8": ("SMTPUTF8",),
    "BINARYMIME": ("BINARYMIME",),
    "AUTH": ("AUTH",),
}
"""The parameters of MAIL and RCPT, or values of BODY, that each extension defines."""


class Offer(NamedTuple):
    """The extensions offered to a client.

    Attributes:
        lines: The lines of the reply to EHLO.
        names: The names of the extensions.
        hidden: The parameters that are not accepted.
        mechanisms: The SASL mechanisms.
    """

    lines: tuple[str, ...]
    names: frozenset[str]
    hidden: frozenset[str]
    mechanisms: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def offer(hidden: tuple[str, ...], size_limit: int, mechanisms: tuple[str, ...], *, starttls: bool) -> Offer:
    """Return the extensions to offer if the settings hide ``hidden``."""
    offered = tuple(each for each in mechanisms if each not in hidden)
    absent = {*hidden, *(() if starttls else ("STARTTLS",)), *(() if offered else ("AUTH",))}
    if "CHUNKING" in absent:
        absent.add("BINARYMIME")  # RFC 3030 section 3: it requires BDAT
    names = tuple(each for each in EXTENSIONS if each not in absent)
    lines = {"SIZE": f"SIZE {size_limit}", "AUTH": f"AUTH {' '.join(offered)}"}
    return Offer(
        lines=tuple(lines.get(each, each) for each in names),
        names=frozenset(names),
        hidden=frozenset(name for each in absent for name in PARAMETERS.get(each, ())),
        mechanisms=offered,
    )


class SmtpSession:
    """The commands of one connection, each a method that returns its reply.

    Attributes:
        record: The session as other parts of the server see it.
        transaction: The transaction in progress; None between transactions.
        extended: Whether the client greeted with EHLO.
        chunk: The size of the chunk that the latest BDAT announced, and whether it is the last one of its message.
    """

    def __init__(self, services: Services, hostname: str, peer: str, writer: ReplyWriter) -> None:
        self._services = services
        self._hostname = hostname
        self._faults = services.faults.of(SMTP)
        self._messages = 0
        self._unknown = 0
        self._held = 0  # bytes of the incomplete message
        self._offer: Offer | None = None  # under the settings ``_offer_under``, and the present TLS
        self._offer_under = services.settings.value
        self.record = services.sessions.open(peer)
        self.transaction: Transaction | None = None
        self.extended = False
        self.chunk = (0, False)
        self.fault_points = FaultPoints(services, self.record, writer)
        self.login = Login(services, hostname, self.record, self.fault_points)

    @property
    def offer(self) -> Offer:
        """The extensions offered now."""
        settings = self._services.settings.value
        if self._offer is None or self._offer_under is not settings:
            tls = self.record.tls
            mechanisms = () if settings.auth == "tls" and not tls else self._services.logins.mechanisms
            starttls = settings.starttls and not tls
            self._offer = offer(settings.hide_extensions, settings.max_message_size, mechanisms, starttls=starttls)
            self._offer_under = settings
        return self._offer

    @property
    def size_limit(self) -> int:
        """The maximum size of a message, in bytes."""
        return self._services.settings.value.max_message_size

    # The session: greeting, TLS, login.

    def greet(self) -> Answer:
        """Return the greeting (RFC 5321 section 3.1), or 421 if there are too many connections."""
        if self._faults.planned:
            return self.fault_points.connect(self._greet)
        return self._greet()

    def _greet(self) -> Reply:
        limit = self._services.settings.value.max_sessions
        if limit and len(self._services.sessions) > limit:
            return replies.TOO_MANY_SESSIONS
        return replies.greeting(self._hostname)

    def helo(self, name: str) -> Answer:
        """Answer HELO, which also ends a transaction (RFC 5321 section 4.1.4)."""
        if not name:
            return replies.syntax("HELO")
        if self._lacks_tls:
            return replies.TLS_FIRST
        return self._begin_session(name, extended=False)

    def ehlo(self, name: str) -> Answer:
        """Answer EHLO, which does what HELO does and lists the extensions."""
        if not name:
            return replies.syntax("EHLO")
        return self._begin_session(name, extended=True)

    def _begin_session(self, name: str, *, extended: bool) -> Answer:
        def begin() -> Reply:
            self.end_transaction()
            self.record.log.begin_page(shared=True)
            self.record.ehlo = name
            self.extended = extended
            return replies.ehlo(self._hostname, self.offer.lines) if extended else replies.helo(self._hostname)

        return self.fault_points.at("ehlo", begin, ehlo=name) if self._faults.planned else begin()

    def starttls(self, argument: str) -> Reply:
        """Answer STARTTLS (RFC 3207); the connection then starts TLS."""
        if self.record.tls:
            return replies.TLS_IS_ON
        if "STARTTLS" not in self.offer.names:
            return replies.NOT_IMPLEMENTED
        if argument:
            return replies.NO_ARGUMENT
        self.record.log.begin_page(shared=True)
        return replies.READY_FOR_TLS

    def tls_started(self, tls: str) -> None:
        """Start over under ``tls``: forget what the client sent before, its login too (RFC 3207 section 4.2)."""
        self.end_transaction()
        self.record.ehlo = self.record.login = ""
        self.extended = False
        self.record.tls = tls
        self._offer = None

    def tls_failed(self, alert: str) -> None:
        """Append the event that TLS failed, with the alert or OpenSSL's reason."""
        services, record = self._services, self.record
        services.events.append(TlsFailed(at=services.clock.now(), peer=record.peer, alert=alert))

    def auth(self, argument: str) -> Answer:
        """Answer AUTH: begin a login."""
        settings = self._services.settings.value
        if self._lacks_tls:
            return replies.TLS_FIRST
        if settings.auth == "tls" and not self.record.tls and "AUTH" not in settings.hide_extensions:
            return replies.LOGIN_NEEDS_TLS
        if "AUTH" not in self.offer.names:
            return replies.NOT_IMPLEMENTED
        if not self.extended:
            return replies.HELLO_FIRST
        if self.transaction is not None:
            return replies.NOT_NOW
        self.record.log.begin_page(shared=True)
        return self.login.begin(argument, self.offer.mechanisms)

    @property
    def _lacks_tls(self) -> bool:
        return self._services.settings.value.tls_required and not self.record.tls

    # The transaction.

    def mail(self, argument: str) -> Answer:
        """Answer MAIL: begin a transaction."""
        settings = self._services.settings.value
        if refusal := self._refuse_mail(settings):
            return refusal
        try:
            path = parse_mail(argument, extended=self.extended, hidden=self.offer.hidden)
        except Malformed as error:
            return error.reply
        if path.size > settings.max_message_size:
            return replies.TOO_BIG
        if self._faults.planned:
            known = {"mail_from": path.address, "size": path.size}
            return self.fault_points.at("mail", lambda: self._begin_transaction(path), **known)
        return self._begin_transaction(path)

    def _refuse_mail(self, settings: Settings) -> Reply | None:
        """Return the reply if no transaction may begin now, None if one may."""
        record = self.record
        if not record.ehlo:
            return replies.HELLO_FIRST
        if self.transaction is not None:
            return replies.NESTED_MAIL
        if settings.tls_required and not record.tls:
            return replies.TLS_FIRST
        if settings.auth != "optional" and not record.login and (settings.auth == "required" or record.tls):
            return replies.LOGIN_FIRST
        if settings.max_session_messages and self._messages >= settings.max_session_messages:
            return replies.TOO_MANY_MESSAGES
        return None

    def _begin_transaction(self, path: Path) -> Reply:
        self.transaction = Transaction(path)
        self._messages += 1
        self.record.begin(path.address)
        return replies.SENDER_OK

    def rcpt(self, argument: str) -> Answer:
        """Answer RCPT: add a recipient, if mail for it is accepted."""
        transaction = self.transaction
        if transaction is None:
            return self._out_of_sequence()
        try:
            path = parse_rcpt(argument, extended=self.extended, utf8=transaction.utf8, hidden=self.offer.hidden)
        except Malformed as error:
            return error.reply
        recipient = path.address
        if "@" not in recipient:  # <postmaster>, RFC 5321 section 4.5.1
            recipient = f"{recipient}@{self._services.settings.value.domains[0]}"
        self.record.name(recipient)
        if self._is_full(transaction):
            return self._refuse_more(transaction, recipient)
        admit = self._admit if self._services.settings.value.simulators else self._accept
        if self._faults.planned:
            return self.fault_points.rcpt(transaction, recipient, lambda: admit(transaction, recipient, path))
        return admit(transaction, recipient, path)

    def _is_full(self, transaction: Transaction) -> bool:
        """Return whether ``transaction`` takes no more recipients."""
        limit = self._services.settings.value.max_recipients
        return len(transaction.recipients) >= limit or len(transaction.refused) >= max(limit, _MAX_REFUSED)

    async def _refuse_more(self, transaction: Transaction, recipient: str) -> Reply:
        """Refuse ``recipient`` because ``transaction`` is full."""
        refusal = TooManyRecipients("Too many recipients")
        await self._services.delivery.note_refusal(recipient, transaction.sender, refusal, self.record)
        reply = replies.for_error(refusal)
        if len(transaction.refused) < max(self._services.settings.value.max_recipients, _MAX_REFUSED):
            transaction.refuse(recipient, reply)
        return reply

    async def _admit(self, transaction: Transaction, recipient: str, path: Path) -> Reply:
        simulator = await self._services.directory.simulator(recipient)
        if simulator is not None:
            work = functools.partial(self._accept, transaction, recipient, path)
            return await self.fault_points.simulate(simulator, transaction, recipient, work)
        return await self._accept(transaction, recipient, path)

    async def _accept(self, transaction: Transaction, recipient: str, path: Path) -> Reply:
        try:
            await self._services.delivery.admit(recipient, transaction.sender, self.record)
        except Refused as refusal:
            return transaction.refuse(recipient, replies.for_error(refusal))
        except StoreError as error:
            return transaction.refuse(recipient, self._store_failed("RCPT", error))
        transaction.recipients.append(recipient)
        if path.parameters:
            transaction.parameters[recipient] = list(path.parameters)
        return replies.RECIPIENT_OK

    def data(self, argument: str) -> Answer:
        """Answer DATA."""
        transaction = self.transaction
        if transaction is None:
            return self._out_of_sequence()
        if refusal := self._refuse_data(transaction, argument):
            return refusal
        return self.fault_points.data(transaction) if self._faults.planned else replies.GO_AHEAD

    def _refuse_data(self, transaction: Transaction, argument: str) -> Reply | None:
        """Return the reply if the message may not be sent by DATA now, None if it may."""
        if argument:
            return replies.NO_ARGUMENT
        if not transaction.recipients:
            return replies.RECIPIENTS_FIRST
        if transaction.chunks is not None:
            return replies.MIXED
        if transaction.binary:
            return replies.BINARY_BY_BDAT
        return None if self._has_memory(transaction.size or 1) else replies.OUT_OF_MEMORY

    def bdat(self, argument: str) -> Answer:
        """Answer BDAT (RFC 3030 section 2). An error is replied after the bytes of the chunk."""
        if "CHUNKING" not in self.offer.names:
            return self.unknown(replies.UNKNOWN)
        size, _, last = argument.upper().partition(" ")
        if not (size.isdigit() and len(size) <= _MAX_DIGITS) or last not in {"", "LAST"}:
            return replies.syntax("BDAT")
        self.chunk = (int(size), bool(last))
        if self._faults.planned and self.transaction is not None and self.chunk_flaw is None:
            return self.fault_points.chunk(self.transaction)
        return replies.CHUNK

    @property
    def chunk_flaw(self) -> MessageFlaw | None:
        """Why the announced chunk is not accepted; None if it is."""
        transaction = self.transaction
        if transaction is None or not transaction.recipients:
            return Flaw.TOO_BIG
        size = transaction.received + self.chunk[0]
        if size > self.size_limit:
            return Flaw.TOO_BIG
        return None if self._has_memory(size) else Flaw.OUT_OF_MEMORY

    def add_chunk(self, raw: bytes | MessageFlaw) -> Answer:
        """Add the chunk ``raw`` to the message; the last one ends it."""
        transaction = self.transaction
        if transaction is None:
            return self._out_of_sequence()
        if not transaction.recipients:
            return replies.RECIPIENTS_FIRST
        if isinstance(raw, Flaw):
            return self.reject_message(raw)
        if transaction.chunks is None and (upload := self.fault_points.upload_of(transaction)):
            return self.fault_points.first_chunk(upload, lambda: self._append(transaction, raw), self._end_refused)
        return self._append(transaction, raw)

    async def _end_refused(self, _: Reply) -> None:
        self.end_transaction()

    def _append(self, transaction: Transaction, raw: bytes) -> Answer:
        size, last = self.chunk
        if transaction.chunks is None:
            if last:
                return self.deliver(raw)
            transaction.chunks = bytearray()
        transaction.chunks += raw
        self._count_held(transaction.received)
        return self.deliver(bytes(transaction.chunks)) if last else replies.chunk_received(size)

    def deliver(self, raw: bytes) -> Coroutine[Any, Any, Reply]:
        """Deliver the message ``raw`` to every recipient, which ends the transaction."""
        transaction = self.transaction
        assert transaction is not None
        return self._deliver_with_faults(transaction, raw) if self._faults.planned else self._deliver(transaction, raw)

    async def _deliver_with_faults(self, transaction: Transaction, raw: bytes) -> Reply:
        try:
            return await self.fault_points.end(transaction, raw, lambda: self._deliver(transaction, raw))
        finally:
            self.end_transaction()

    async def _deliver(self, transaction: Transaction, raw: bytes) -> Reply:
        if transaction.has_lost_all:
            self.end_transaction()
            return replies.STORED
        try:
            copies = await self._services.delivery.deliver(transaction.envelope(self.record), raw)
            self._services.sessions.transcripts.keep(copies[0].envelope, self.record.log.of_message())
        except Refused as refusal:
            for recipient in transaction.recipients:
                await self._services.delivery.note_refusal(recipient, transaction.sender, refusal, self.record)
            return replies.for_error(refusal)
        except StoreError as error:
            return self._store_failed("end of data", error)
        finally:
            self.end_transaction()
        return replies.STORED

    def reject_message(self, flaw: MessageFlaw) -> Reply:
        """End the transaction because its message has a ``flaw``."""
        self.end_transaction()
        return replies.BY_FLAW[flaw]

    def hold(self, size: int) -> bool:
        """Count ``size`` bytes that are held of an incomplete message or chunk.

        Return False if there is no memory for them: then earlier chunks are discarded, and the caller discards these.
        """
        transaction = self.transaction
        size += transaction.received if transaction is not None else 0
        if size <= self._held or self._has_memory(size):
            self._count_held(size)
            return True
        if transaction is not None and transaction.chunks is not None:
            transaction.chunks.clear()
        self._count_held(0)
        return False

    def _has_memory(self, size: int) -> bool:
        """Return whether the message in progress may hold ``size`` bytes."""
        return self._services.sessions.held - self._held + size <= SHARE * self.size_limit

    def _count_held(self, size: int) -> None:
        self._services.sessions.held += size - self._held
        self._held = size

    def rset(self, argument: str) -> Reply:
        """Answer RSET: end the transaction."""
        if argument:
            return replies.NO_ARGUMENT
        self.end_transaction()
        return replies.OK

    def end_transaction(self) -> None:
        """End the transaction in progress, if there is one."""
        if self.transaction is not None:
            self._release_message()
            self.record.end()

    def _release_message(self) -> None:
        self.transaction = self.fault_points.upload = None
        self._count_held(0)

    def _out_of_sequence(self) -> Reply:
        return replies.MAIL_FIRST if self.record.ehlo else replies.HELLO_FIRST

    # Other commands.

    def unknown(self, reply: Reply) -> Reply:
        """Count an unknown or malformed command; return ``reply``, or 421 after too many."""
        self._unknown += 1
        limit = self._services.settings.value.max_unknown_commands
        return replies.TOO_MANY_UNKNOWN if limit and self._unknown >= limit else reply

    def vrfy(self, argument: str) -> Reply:
        """Answer VRFY, without saying whether the address exists (RFC 5321 section 3.5.3)."""
        if self._lacks_tls:
            return replies.TLS_FIRST
        return replies.CANNOT_VERIFY if argument else replies.syntax("VRFY")

    def expn(self, argument: str) -> Reply:  # noqa: ARG002 - every command has one
        """Refuse EXPN: there are no mailing lists."""
        return replies.NOT_IMPLEMENTED

    def help(self, argument: str) -> Reply:
        """Answer HELP: name the commands, or show the syntax of one."""
        return replies.help_for(argument) if "HELP" in self.offer.names else replies.NOT_IMPLEMENTED

    def noop(self, argument: str) -> Reply:  # noqa: ARG002 - it is ignored, RFC 5321 section 4.1.1.9
        """Answer NOOP."""
        return replies.OK

    def quit(self, argument: str) -> Reply:
        """Answer QUIT; the connection is then closed."""
        return replies.NO_ARGUMENT if argument else replies.BYE

    # The end.

    def finish(self) -> None:
        """End the session's work: the server closes the connection and executes no further command."""
        self._release_message()
        self.record.end()

    def close(self) -> None:
        """Note that the connection is closed."""
        self._release_message()
        self._services.sessions.close(self.record)

    def failed(self, during: str, error: Exception) -> Reply:
        """Report ``error`` to the test that owns the server, or log it if the server is out of memory.

        Args:
            during: The command.
            error: An error that no command expects.

        Returns:
            The reply for the client.
        """
        if isinstance(error, MemoryError):
            self.end_transaction()
            _log.error("SMTP %s from %s: out of memory", during, self.record.peer)
            return replies.OUT_OF_MEMORY
        self._services.crashed(f"SMTP {during} from {self.record.peer}", error)
        return replies.CRASHED

    def _store_failed(self, during: str, error: StoreError) -> Reply:
        """Log ``error``, whose text is not for clients; return the reply for it."""
        _log.error("SMTP %s from %s: %s: %s", during, self.record.peer, type(error).__name__, error)
        return replies.for_error(error)
