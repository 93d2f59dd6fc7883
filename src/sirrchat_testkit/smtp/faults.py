"""The planned faults in one session: what each stage knows, and what a refusal means there.

1. Nothing here runs while no fault of SMTP is planned: the handler looks at ``ProtocolFaults.planned`` first.
2. A message sent by BDAT is at stage ``data`` when its first chunk is announced. The decision is carried out after the
   chunk's octets, since its sender does not wait for a reply (RFC 3030 section 2).
3. A message that is broken off is not stored for any recipient, and no refusal is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from sirrchat_testkit.domain.logins import Claim
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.errors import FaultRefused
from sirrchat_testkit.faults.smtp import SMTP, SmtpContext, SmtpDecision
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.fault_actions import Work, act
from sirrchat_testkit.smtp.replies import Reply, Turn
from sirrchat_testkit.smtp.transaction import Draft
from sirrchat_testkit.smtp.writer import Line

Refusing = Callable[[Reply], None]

_REFUSAL: Final = 400  # codes from here on are refusals (RFC 5321 section 4.2.1)


class Upload:
    """One message that is being sent, and the decision made when it began."""

    __slots__ = ("_came", "decision", "draft")

    def __init__(self, draft: Draft, decision: SmtpDecision) -> None:
        self.draft = draft
        self.decision = decision
        self._came = 0

    def breaks(self, used: int, held: int) -> bool:
        """Return whether to break off, now that ``used`` more octets have been read and ``held`` are waiting."""
        self._came += used
        strike = self.decision.strike
        return strike is not None and self._came + held >= self.decision.cut and strike()


class Misbehaviour:
    """Carries out the planned faults at each stage of one session."""

    def __init__(self, backend: Backend, session: Session, line: Line) -> None:
        self._backend = backend
        self._faults = backend.faults.of(SMTP)
        self._session = session
        self._line = line
        self.upload: Upload | None = None

    async def at(self, stage: str, work: Work, **known: Any) -> Reply:
        """Do ``work`` as the faults decide; ``known`` is what ``stage`` knows besides the session."""
        return await act(await self._decide(stage, **known), work, _ignore, self._line)

    async def connect(self, work: Work) -> Reply:
        """Greet by ``work``; a refusal closes the connection."""
        reply = await self.at("connect", work)
        return replace(reply, turn=Turn.CLOSE) if reply.code >= _REFUSAL else reply

    async def auth(self, claim: Claim, work: Work) -> Reply:
        """Check ``claim`` by ``work``."""

        def refused(reply: Reply) -> None:
            self._backend.logins.refused(claim, f"refused {reply.code} by a fault")

        return await act(await self._decide("auth", login=claim.user), work, refused, self._line)

    async def rcpt(self, draft: Draft, recipient: str, work: Work) -> Reply:
        """Admit ``recipient`` by ``work``; a lost one is admitted and gets nothing."""

        def lose() -> Reply:
            draft.recipients.append(recipient)
            draft.lost |= {recipient}
            return replies.RECIPIENT_OK

        decision = await self._decide("rcpt", mail_from=draft.sender, recipients=(recipient,))
        refused = self._refusing("at RCPT", draft, recipient)
        return await act(decision, lose if decision.lose else work, refused, self._line)

    async def data(self, draft: Draft) -> Reply:
        """Answer DATA."""
        self.upload = await self._begun(draft)
        return await act(self.upload.decision, lambda: self._watched(replies.GO_AHEAD), _ignore, self._line)

    async def chunk(self, draft: Draft) -> Reply:
        """Answer the announcement of a chunk."""
        if draft.chunks is None:
            self.upload = await self._begun(draft)
        return self._watched(replies.CHUNK) if self.upload_of(draft) else replies.CHUNK

    def upload_of(self, draft: Draft) -> Upload | None:
        """Return the decision for the message of ``draft``, if one was made."""
        return self.upload if self.upload is not None and self.upload.draft is draft else None

    async def first_chunk(self, upload: Upload, work: Work, refused: Refusing) -> Reply:
        """Take the first chunk of ``upload`` by ``work``, or call ``refused``."""
        return await act(upload.decision, work, refused, self._line)

    async def end(self, draft: Draft, raw: bytes, work: Work) -> Reply:
        """Store ``raw`` by ``work``; a lost message gets the same reply and is not stored."""
        decision = await self._decide("end", draft, size=len(raw), raw=raw)
        refused = self._refusing("at the end of data", draft, *draft.recipients)
        return await act(decision, (lambda: replies.STORED) if decision.lose else work, refused, self._line)

    async def _begun(self, draft: Draft) -> Upload:
        return Upload(draft, await self._decide("data", draft))

    def _watched(self, reply: Reply) -> Reply:
        assert self.upload is not None
        turns = {Turn.DATA: Turn.WATCHED_DATA, Turn.CHUNK: Turn.WATCHED_CHUNK}
        return replace(reply, turn=turns[reply.turn]) if self.upload.decision.cut and reply.turn else reply

    async def _decide(self, stage: str, draft: Draft | None = None, **known: Any) -> SmtpDecision:
        session = self._session
        about: dict[str, Any] = {"ehlo": session.ehlo, "login": session.login, "tls": session.tls}
        if draft is not None:
            about |= {"mail_from": draft.sender, "recipients": tuple(draft.recipients)}
        return await self._faults.decide(SmtpContext(stage, session.peer, **(about | known)))

    def _refusing(self, where: str, draft: Draft, *recipients: str) -> Refusing:
        """Return a callback that notes that a fault refused ``recipients``."""

        def refused(reply: Reply) -> None:
            fault = FaultRefused(f"refused {reply.code} {where} by a fault")
            for recipient in recipients:
                draft.refuse(recipient, reply)
                self._backend.postoffice.note_refusal(recipient, draft.sender, fault)

        return refused


def _ignore(_: Reply) -> None:
    """Do nothing: there is no recipient or login to note the refusal for."""
