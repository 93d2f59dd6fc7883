"""The mail transactions of one connection (RFC 5321 section 3.3): MAIL, RCPT, DATA and BDAT, and what ends them.

1. Nothing is decided here about mail: the post office does, and ``replies`` says what that is in SMTP.
2. A session is busy from MAIL until the reply that ends its transaction, which is written in the same step of the loop.
3. What is refused at the end of the data was refused for every recipient: the log says so of each.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import Refused, StoreError
from sirrchat_testkit.faults.smtp import SMTP
from sirrchat_testkit.policy import Policy
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.extensions import Offer, offer
from sirrchat_testkit.smtp.faults import FaultPoints
from sirrchat_testkit.smtp.paths import Malformed, Path, parse_mail, parse_rcpt
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.transaction import Transaction
from sirrchat_testkit.smtp.writer import ReplyWriter

_log = logging.getLogger("sirrchat_testkit.smtp")

_REFUSED = 100  # recipients that a transaction may name in vain, however few the policy takes
_DIGITS = 20  # of a chunk's size: what fits into 64 bits


class Transactions:
    """Turns what one client says about mail into envelopes; ``transaction`` is the one in progress.

    ``extended`` says that the client greeted with EHLO, and so was offered extensions.
    """

    def __init__(self, backend: Backend, peer: str, writer: ReplyWriter) -> None:
        self._backend = backend
        self._faults = backend.faults.of(SMTP)
        self.extended = False
        self._messages = 0
        self.chunk = (0, False)
        self.session = backend.sessions.open(peer)
        self.transaction: Transaction | None = None
        self.fault_points = FaultPoints(backend, self.session, writer)

    @property
    def offer(self) -> Offer:
        """What is offered now."""
        policy, session = self._backend.policy.value, self.session
        mechanisms = () if policy.auth == "tls" and not session.tls else self._backend.logins.mechanisms
        starttls = self._backend.settings.starttls and not session.tls
        return offer(policy.hide_extensions, policy.max_message_size, mechanisms, starttls=starttls)

    @property
    def size_limit(self) -> int:
        """Octets of a message that the policy takes now."""
        return self._backend.policy.value.max_message_size

    def mail(self, argument: str) -> Answer:
        """Begin a transaction."""
        policy = self._backend.policy.value
        if refusal := self._unready(policy):
            return refusal
        try:
            path = parse_mail(argument, extended=self.extended, hidden=self)
        except Malformed as error:
            return error.reply
        if path.size > policy.max_message_size:
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
            path = parse_rcpt(argument, extended=self.extended, utf8=transaction.utf8, hidden=self)
        except Malformed as error:
            return error.reply
        recipient = path.address
        if "@" not in recipient:  # <postmaster>, RFC 5321 section 4.5.1
            recipient = f"{recipient}@{self._backend.settings.domains[0]}"
        if full := self._full(transaction, recipient):
            return full
        if self._faults.planned:
            return self.fault_points.rcpt(transaction, recipient, lambda: self._admit(transaction, recipient, path))
        if self._backend.postoffice.takes(recipient):
            return self._admitted(transaction, recipient, path)
        return self._admit(transaction, recipient, path)

    def _full(self, transaction: Transaction, recipient: str) -> Reply | None:
        """Refuse ``recipient`` if ``transaction`` takes no further one; return None if it does."""
        most = self._backend.policy.value.max_recipients
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

    def _unready(self, policy: Policy) -> Reply | None:
        """Return why no transaction may begin now, None if one may."""
        session = self.session
        if not session.ehlo:
            return replies.HELLO_FIRST
        if self.transaction is not None:
            return replies.NESTED_MAIL
        if policy.tls_required and not session.tls:
            return replies.TLS_FIRST
        if policy.auth != "optional" and not session.login and (policy.auth == "required" or session.tls):
            return replies.LOGIN_FIRST
        if policy.max_session_messages and self._messages >= policy.max_session_messages:
            return replies.TOO_MANY_MESSAGES
        return None

    def __contains__(self, parameter: object) -> bool:
        """Return whether a parameter is hidden; asked only where a command has parameters."""
        return parameter in self.offer.hidden

    def _failed(self, during: str, error: StoreError) -> Reply:
        """Log what the client is not told of ``error``; return what it is told."""
        _log.error("SMTP %s from %s: %s: %s", during, self.session.peer, type(error).__name__, error)
        return replies.for_error(error)
