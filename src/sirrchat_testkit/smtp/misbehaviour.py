"""The planned faults as one session meets them: who asks at which stage, and what a refusal means there.

1. Nothing here runs while no fault is planned: the handler looks at ``Faults.planned`` first.
2. A message that comes by BDAT is at stage ``data`` when its first chunk is announced. What is ruled then is acted on
   behind the chunk's octets, since its sender does not wait for a reply (RFC 3030 section 2).
3. A message that is broken off is stored for nobody, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.effects import Ruling
from sirrchat_testkit.core.errors import FaultRefused
from sirrchat_testkit.core.logins import Claim
from sirrchat_testkit.core.moments import Moment
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.acting import Work, act
from sirrchat_testkit.smtp.draft import Draft
from sirrchat_testkit.smtp.line import Line
from sirrchat_testkit.smtp.replies import Reply, Turn

Refusing = Callable[[Reply], None]

_REFUSAL: Final = 400  # codes from here on are refusals (RFC 5321 section 4.2.1)


class Upload:
    """One message on its way in, and what was ruled when it began."""

    __slots__ = ("_came", "draft", "ruling")

    def __init__(self, draft: Draft, ruling: Ruling) -> None:
        self.draft = draft
        self.ruling = ruling
        self._came = 0

    def breaks(self, used: int, held: int) -> bool:
        """Tell whether to break off, now that ``used`` more octets have been read and ``held`` are waiting."""
        self._came += used
        strike = self.ruling.strike
        return strike is not None and self._came + held >= self.ruling.cut and strike()


class Misbehaviour:
    """Asks the planned faults at each stage of one session, and acts as they say."""

    def __init__(self, backend: Backend, session: Session, line: Line) -> None:
        self._backend = backend
        self._session = session
        self._line = line
        self.upload: Upload | None = None

    async def at(self, stage: str, work: Work, **known: Any) -> Reply:
        """Do ``work`` as the faults have it; ``known`` is what ``stage`` knows beside the session."""
        return await act(await self._ruling(stage, **known), work, _nobody, self._line)

    async def connect(self, work: Work) -> Reply:
        """Greet by ``work``; a client that is refused is sent away."""
        reply = await self.at("connect", work)
        return replace(reply, turn=Turn.CLOSE) if reply.code >= _REFUSAL else reply

    async def auth(self, claim: Claim, work: Work) -> Reply:
        """Check ``claim`` by ``work``."""

        def refused(reply: Reply) -> None:
            self._backend.logins.refused(claim, f"refused {reply.code} by a fault")

        return await act(await self._ruling("auth", login=claim.user), work, refused, self._line)

    async def rcpt(self, draft: Draft, recipient: str, work: Work) -> Reply:
        """Admit ``recipient`` by ``work``; one that is lost is admitted, and will get nothing."""

        def lose() -> Reply:
            draft.recipients.append(recipient)
            draft.lost |= {recipient}
            return replies.RECIPIENT_OK

        ruling = await self._ruling("rcpt", mail_from=draft.sender, recipients=(recipient,))
        return await act(ruling, lose if ruling.lose else work, self._refusing("at RCPT", draft, recipient), self._line)

    async def data(self, draft: Draft) -> Reply:
        """Answer DATA."""
        self.upload = await self._begun(draft)
        return await act(self.upload.ruling, lambda: self._watched(replies.GO_AHEAD), _nobody, self._line)

    async def chunk(self, draft: Draft) -> Reply:
        """Let a chunk of BDAT come."""
        if draft.chunks is None:
            self.upload = await self._begun(draft)
        return self._watched(replies.CHUNK) if self.upload_of(draft) else replies.CHUNK

    def upload_of(self, draft: Draft) -> Upload | None:
        """Return what was ruled for the message of ``draft``, if anything was."""
        return self.upload if self.upload is not None and self.upload.draft is draft else None

    async def first_chunk(self, upload: Upload, work: Work, refused: Refusing) -> Reply:
        """Take the first chunk of ``upload`` by ``work``, or tell ``refused``."""
        return await act(upload.ruling, work, refused, self._line)

    async def end(self, draft: Draft, raw: bytes, work: Work) -> Reply:
        """Store ``raw`` by ``work``; what is lost is not, and its sender does not know."""
        ruling = await self._ruling("end", draft, size=len(raw), raw=raw)
        refused = self._refusing("at the end of data", draft, *draft.recipients)
        return await act(ruling, (lambda: replies.STORED) if ruling.lose else work, refused, self._line)

    async def _begun(self, draft: Draft) -> Upload:
        return Upload(draft, await self._ruling("data", draft))

    def _watched(self, reply: Reply) -> Reply:
        assert self.upload is not None
        turns = {Turn.DATA: Turn.WATCHED_DATA, Turn.CHUNK: Turn.WATCHED_CHUNK}
        return replace(reply, turn=turns[reply.turn]) if self.upload.ruling.cut and reply.turn else reply

    async def _ruling(self, stage: str, draft: Draft | None = None, **known: Any) -> Ruling:
        session = self._session
        about: dict[str, Any] = {"ehlo": session.ehlo, "login": session.login, "tls": session.tls}
        if draft is not None:
            about |= {"mail_from": draft.sender, "recipients": tuple(draft.recipients)}
        return await self._backend.faults.next_for(stage, Moment(stage, session.peer, **(about | known)))

    def _refusing(self, where: str, draft: Draft, *recipients: str) -> Refusing:
        """Return what remembers that a fault refused ``recipients``."""

        def refused(reply: Reply) -> None:
            fault = FaultRefused(f"refused {reply.code} {where} by a fault")
            for recipient in recipients:
                draft.refuse(recipient, reply)
                self._backend.postoffice.note_refusal(recipient, draft.sender, fault)

        return refused


def _nobody(_: Reply) -> None:
    """Tell nobody."""
