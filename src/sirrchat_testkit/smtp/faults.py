"""The planned faults of one session: the context of each stage, and how a decision is carried out.

1. Nothing here runs unless an SMTP fault is planned, which the session checks first with ``ProtocolFaults.planned``, or
   a recipient is a simulator, whose decision is carried out as that of a fault.
2. A message sent by BDAT passes stage ``data`` when its first chunk is announced. The decision is carried out after the
   chunk's bytes, because the client does not wait for a reply before it sends them (RFC 3030 section 2).
3. A message that is broken off is not stored for any recipient, and no refusal is noted.
4. If the client hangs up during a delay, its command is not carried out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from sirrchat_testkit.domain.auth import Credentials
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.simulators import Simulator
from sirrchat_testkit.errors import FaultRefused, Simulated
from sirrchat_testkit.faults.smtp import SMTP, FaultReply, SmtpContext, SmtpDecision
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.replies import Answer, Next, Reply
from sirrchat_testkit.smtp.transaction import Transaction
from sirrchat_testkit.smtp.writer import ReplyWriter

Work = Callable[[], Answer]
Refused = Callable[[Reply], Awaitable[None]]


async def act(decision: SmtpDecision, work: Work, refused: Refused, writer: ReplyWriter) -> Reply:
    """Do ``work`` according to ``decision``, or call ``refused`` with the reply to send instead; return the reply."""
    if decision.delay and not await writer.pause(decision.delay):
        return replies.HANG_UP
    if decision.drop == "before":
        return replies.HANG_UP
    if decision.refusal is not None:
        reply = Reply(decision.refusal.code, decision.refusal.status, decision.refusal.text)
        await refused(reply)
    else:
        answer = work()
        reply = answer if isinstance(answer, Reply) else await answer
    if decision.drop == "instead":
        return replies.HANG_UP
    if decision.pause:
        reply = await writer.trickle(reply, decision.pause)
    return replace(reply, next=Next.CLOSE) if decision.drop else reply


_REFUSAL: Final = 400  # the lowest code of a refusal (RFC 5321 section 4.2.1)


class Upload:
    """A message that the client is sending, and the decision made when it began."""

    __slots__ = ("_received", "decision", "transaction")

    def __init__(self, transaction: Transaction, decision: SmtpDecision) -> None:
        self.transaction = transaction
        self.decision = decision
        self._received = 0

    def breaks(self, parsed: int, pending: int) -> bool:
        """Return whether to break off after ``parsed`` more bytes were parsed and ``pending`` more were received."""
        self._received += parsed
        fire = self.decision.fire
        return fire is not None and self._received + pending >= self.decision.cut and fire()


class FaultPoints:
    """Applies the planned faults at each stage of one session."""

    def __init__(self, services: Services, session: Session, writer: ReplyWriter) -> None:
        self._services = services
        self._faults = services.faults.of(SMTP)
        self._session = session
        self._writer = writer
        self.upload: Upload | None = None

    async def at(self, stage: str, work: Work, **known: Any) -> Reply:
        """Do ``work`` according to the faults; ``known`` are the attributes of the context that ``stage`` adds."""
        return await act(await self._decide(stage, **known), work, _ignore, self._writer)

    async def connect(self, work: Work) -> Reply:
        """Greet the client with ``work``. A refusal closes the connection."""
        reply = await self.at("connect", work)
        return replace(reply, next=Next.CLOSE) if reply.code >= _REFUSAL else reply

    async def auth(self, credentials: Credentials, work: Work) -> Reply:
        """Check ``credentials`` with ``work``. A refusal is noted as a failed login."""

        async def refused(reply: Reply) -> None:
            self._services.logins.refused(credentials, f"refused with {reply.code} by a fault")

        return await act(await self._decide("auth", login=credentials.user), work, refused, self._writer)

    async def rcpt(self, transaction: Transaction, recipient: str, work: Work) -> Reply:
        """Accept ``recipient`` with ``work``. A lost recipient is accepted but gets no mail."""

        def lose() -> Reply:
            transaction.recipients.append(recipient)
            transaction.lost |= {recipient}
            return replies.RECIPIENT_OK

        decision = await self._decide("rcpt", mail_from=transaction.sender, recipients=(recipient,))
        refused = self._refusing("at RCPT", transaction, recipient)
        return await act(decision, lose if decision.lose else work, refused, self._writer)

    async def simulate(self, simulator: Simulator, transaction: Transaction, recipient: str, work: Work) -> Reply:
        """Answer RCPT as ``simulator`` does; ``work`` accepts the recipient."""
        services, by = self._services, f"by the simulator {simulator.name}@"

        async def refused(reply: Reply) -> None:
            if reply.code:
                transaction.refuse(recipient, reply)
            what = f"refused with {reply.code} at RCPT" if reply.code else "connection closed at RCPT"
            refusal = Simulated(f"{what} {by}")
            await services.delivery.note_refusal(recipient, transaction.sender, refusal, self._session)

        if simulator.drops:
            await refused(replies.HANG_UP)
            return replies.HANG_UP
        refuses = services.simulation.refuses(simulator, transaction.sender, recipient)
        refusal = FaultReply(*simulator.reply) if refuses and simulator.reply else None
        return await act(SmtpDecision(refusal=refusal, delay=simulator.delay), work, refused, self._writer)

    async def data(self, transaction: Transaction) -> Reply:
        """Answer DATA."""
        self.upload = await self._begin(transaction)
        return await act(self.upload.decision, lambda: self._watched(replies.GO_AHEAD), _ignore, self._writer)

    async def chunk(self, transaction: Transaction) -> Reply:
        """Answer BDAT before its chunk is read."""
        if transaction.chunks is None:
            self.upload = await self._begin(transaction)
        return self._watched(replies.CHUNK) if self.upload_of(transaction) else replies.CHUNK

    def upload_of(self, transaction: Transaction) -> Upload | None:
        """Return the upload of ``transaction``, if the faults have decided about it."""
        return self.upload if self.upload is not None and self.upload.transaction is transaction else None

    async def first_chunk(self, upload: Upload, work: Work, refused: Refused) -> Reply:
        """Accept the first chunk of ``upload`` with ``work``, or call ``refused``."""
        return await act(upload.decision, work, refused, self._writer)

    async def end(self, transaction: Transaction, raw: bytes, work: Work) -> Reply:
        """Store ``raw`` with ``work``. A lost message gets the same reply but is not stored."""
        decision = await self._decide("end", transaction, size=len(raw), raw=raw)
        refused = self._refusing("at the end of data", transaction, *transaction.recipients)
        return await act(decision, (lambda: replies.STORED) if decision.lose else work, refused, self._writer)

    async def _begin(self, transaction: Transaction) -> Upload:
        return Upload(transaction, await self._decide("data", transaction))

    def _watched(self, reply: Reply) -> Reply:
        assert self.upload is not None
        watched = {Next.DATA: Next.WATCHED_DATA, Next.CHUNK: Next.WATCHED_CHUNK}
        return replace(reply, next=watched[reply.next]) if self.upload.decision.cut and reply.next else reply

    async def _decide(self, stage: str, transaction: Transaction | None = None, **known: Any) -> SmtpDecision:
        session = self._session
        attributes: dict[str, Any] = {"ehlo": session.ehlo, "login": session.login, "tls": session.tls}
        if transaction is not None:
            attributes |= {"mail_from": transaction.sender, "recipients": tuple(transaction.recipients)}
        return await self._faults.decide(SmtpContext(stage, session.peer, **(attributes | known)))

    def _refusing(self, where: str, transaction: Transaction, *recipients: str) -> Refused:
        """Return a callback that notes that a fault refused ``recipients``."""

        async def refused(reply: Reply) -> None:
            fault = FaultRefused(f"refused with {reply.code} {where} by a fault")
            for recipient in recipients:
                transaction.refuse(recipient, reply)
                await self._services.delivery.note_refusal(recipient, transaction.sender, fault, self._session)

        return refused


async def _ignore(_: Reply) -> None:
    """Do nothing: there is no recipient or login to note the refusal for."""
