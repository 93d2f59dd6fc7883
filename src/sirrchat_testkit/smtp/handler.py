"""One client's conversation, in the words of the domain: each command comes in as text and goes out as a reply.

1. The handler decides nothing about mail: the post office does, and ``replies`` says what that is in SMTP.
2. The policy is read at every command, so a change counts from the next one on.
3. A session is busy from MAIL until the reply that ends its transaction, which is written in the same step of the loop.
4. What is refused at the end of the data was refused for every recipient: the log says so of each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.errors import FaultRefused, Refused, StoreError
from sirrchat_testkit.core.models import Envelope
from sirrchat_testkit.core.moments import Moment
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.acting import Line, Work, act
from sirrchat_testkit.smtp.address import Malformed, Path, parse_mail, parse_rcpt
from sirrchat_testkit.smtp.replies import Reply, Turn

Answer: TypeAlias = Reply | Awaitable[Reply]


@dataclass(slots=True)
class Draft:
    """The transaction under way."""

    sender: str
    utf8: bool
    recipients: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    parameters: dict[str, list[str]] = field(default_factory=dict)


class Handler:
    """Turns the commands of one connection into envelopes."""

    def __init__(self, backend: Backend, hostname: str, peer: str, line: Line) -> None:
        self._backend = backend
        self._faults = backend.faults
        self._line = line
        self._hostname = hostname
        self._extended = False
        self.session = backend.sessions.open(peer, backend.clock.now())
        self.draft: Draft | None = None

    @property
    def size_limit(self) -> int:
        """Octets of a message that the policy takes now."""
        return self._backend.policy.value.max_message_size

    def greet(self) -> Answer:
        """Welcome the client (RFC 5321 section 3.1); one that is not welcome is sent away."""
        if self._faults.planned:
            return self._close_if_refused(self._under("connect", lambda: replies.greeting(self._hostname)))
        return replies.greeting(self._hostname)

    def helo(self, name: str) -> Answer:
        """Answer HELO, which also ends a transaction (RFC 5321 section 4.1.4)."""
        if not name:
            return replies.syntax("HELO")
        if self._faults.planned:
            return self._under("ehlo", lambda: self._greeted(name, extended=False), ehlo=name)
        return self._greeted(name, extended=False)

    def ehlo(self, name: str) -> Answer:
        """Answer EHLO, which does what HELO does, and offers extensions."""
        if not name:
            return replies.syntax("EHLO")
        if self._faults.planned:
            return self._under("ehlo", lambda: self._greeted(name, extended=True), ehlo=name)
        return self._greeted(name, extended=True)

    def mail(self, argument: str) -> Answer:
        """Begin a transaction."""
        if not self.session.ehlo:
            return replies.HELLO_FIRST
        if self.draft is not None:
            return replies.NESTED_MAIL
        try:
            path = parse_mail(argument, extended=self._extended)
        except Malformed as error:
            return error.reply
        if path.size > self.size_limit:
            return replies.TOO_BIG
        if self._faults.planned:
            return self._under("mail", lambda: self._begin(path), mail_from=path.address, size=path.size)
        return self._begin(path)

    def _begin(self, path: Path) -> Reply:
        self.draft = Draft(path.address, path.utf8)
        if path.parameters:
            self.draft.parameters[""] = list(path.parameters)
        self.session.transactions += 1
        self.session.begin(f"MAIL FROM:<{path.address}> from {self.session.peer}")
        return replies.SENDER_OK

    async def rcpt(self, argument: str) -> Reply:
        """Add a recipient, if the post office takes mail for it."""
        draft = self.draft
        if draft is None:
            return replies.MAIL_FIRST if self.session.ehlo else replies.HELLO_FIRST
        try:
            path = parse_rcpt(argument, extended=self._extended, utf8=draft.utf8)
        except Malformed as error:
            return error.reply
        recipient = path.address
        if "@" not in recipient:  # <postmaster>, RFC 5321 section 4.5.1
            recipient = f"{recipient}@{self._backend.settings.domains[0]}"
        if len(draft.recipients) >= self._backend.policy.value.max_recipients:
            return _refuse(draft, recipient, replies.TOO_MANY_RECIPIENTS)
        if self._faults.planned:
            return await self._under(
                "rcpt",
                lambda: self._admit(draft, recipient, path),
                refused=lambda reply: self._note(reply, "at RCPT", draft, recipient),
                lose=lambda: self._lose(draft, recipient),
                recipients=(recipient,),
            )
        return await self._admit(draft, recipient, path)

    async def _admit(self, draft: Draft, recipient: str, path: Path) -> Reply:
        try:
            await self._backend.postoffice.admit(recipient, draft.sender)
        except (Refused, StoreError) as error:
            return _refuse(draft, recipient, replies.for_error(error))
        draft.recipients.append(recipient)
        if path.parameters:
            draft.parameters[recipient] = list(path.parameters)
        return replies.RECIPIENT_OK

    def data(self, argument: str) -> Answer:
        """Tell whether the message may come."""
        if self.draft is None:
            return replies.MAIL_FIRST if self.session.ehlo else replies.HELLO_FIRST
        if argument:
            return replies.NO_ARGUMENT
        if not self.draft.recipients:
            return replies.RECIPIENTS_FIRST
        return self._under("data", lambda: replies.GO_AHEAD) if self._faults.planned else replies.GO_AHEAD

    async def deliver(self, raw: bytes) -> Reply:
        """Hand ``raw`` to the post office for every recipient, and so end the transaction."""
        draft = self.draft
        assert draft is not None
        if self._faults.planned:
            try:
                return await self._under(
                    "end",
                    lambda: self._post(draft, raw),
                    refused=lambda reply: self._note(reply, "at the end of data", draft, *draft.recipients),
                    lose=lambda: replies.STORED,
                    size=len(raw),
                    raw=raw,
                )
            finally:
                self.end()
        return await self._post(draft, raw)

    async def _post(self, draft: Draft, raw: bytes) -> Reply:
        if draft.lost.issuperset(draft.recipients):
            self.end()
            return replies.STORED
        try:
            await self._backend.postoffice.deliver(self._envelope(draft), raw)
        except Refused as refusal:
            for recipient in draft.recipients:
                self._backend.postoffice.note_refusal(recipient, draft.sender, refusal)
            return replies.for_error(refusal)
        except StoreError as error:
            return replies.for_error(error)
        finally:
            self.end()
        return replies.STORED

    def overflow(self) -> Reply:
        """End the transaction, whose message was bigger than the limit."""
        self.end()
        return replies.TOO_BIG

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
        return replies.helped(argument)

    def vrfy(self, argument: str) -> Reply:
        """Leave open whether an address exists: RCPT tells (RFC 5321 section 3.5.3)."""
        return replies.CANNOT_VERIFY if argument else replies.syntax("VRFY")

    def not_here(self, argument: str) -> Reply:  # noqa: ARG002 - a command takes one
        """Refuse a command that is known and not offered."""
        return replies.NOT_HERE

    def quit(self, argument: str) -> Reply:
        """Take leave."""
        return replies.NO_ARGUMENT if argument else replies.BYE

    def end(self) -> None:
        """Note that the transaction, if there is one, is over."""
        if self.draft is not None:
            self.draft = None
            self.session.end()

    def leave(self) -> None:
        """Note that nothing more is to come."""
        self.draft = None
        self.session.end()

    def close(self) -> None:
        """Note that the connection is gone."""
        self.draft = None
        self._backend.sessions.close(self.session)

    def crashed(self, during: str, error: BaseException) -> None:
        """Tell the test that owns the server what failed, and that ``during`` was under way."""
        self._backend.crashed(f"SMTP {during} from {self.session.peer}", error)

    def _greeted(self, name: str, *, extended: bool) -> Reply:
        self.end()
        self.session.ehlo = name
        self._extended = extended
        return replies.offers(self._hostname, self.size_limit) if extended else replies.hello(self._hostname)

    async def _under(
        self,
        stage: str,
        work: Work,
        *,
        refused: Callable[[Reply], None] = lambda _: None,
        lose: Work | None = None,
        **known: Any,
    ) -> Reply:
        """Do ``work`` as the planned faults have it; ``known`` is what ``stage`` knows beside the session."""
        session, draft = self.session, self.draft
        about: dict[str, Any] = {"ehlo": session.ehlo, "login": session.login, "tls": session.tls}
        if draft is not None:
            about |= {"mail_from": draft.sender, "recipients": tuple(draft.recipients)}
        ruling = await self._faults.next_for(stage, Moment(stage, session.peer, **(about | known)))
        return await act(ruling, lose if ruling.lose and lose else work, refused, self._line)

    async def _close_if_refused(self, answer: Awaitable[Reply]) -> Reply:
        reply = await answer
        return replace(reply, turn=Turn.CLOSE) if reply.code >= 400 else reply  # noqa: PLR2004 - RFC 5321 section 4.2.1

    def _note(self, reply: Reply, where: str, draft: Draft, *recipients: str) -> None:
        """Remember that a fault refused ``recipients``."""
        fault = FaultRefused(f"refused {reply.code} {where} by a fault")
        for recipient in recipients:
            draft.refused[recipient] = str(reply)
            self._backend.postoffice.note_refusal(recipient, draft.sender, fault)

    def _lose(self, draft: Draft, recipient: str) -> Reply:
        """Take ``recipient``, who will get nothing."""
        draft.recipients.append(recipient)
        draft.lost.add(recipient)
        return replies.RECIPIENT_OK

    def _envelope(self, draft: Draft) -> Envelope:
        session = self.session
        return Envelope(
            id="",
            sender=draft.sender,
            recipients=tuple(each for each in draft.recipients if each not in draft.lost),
            refused=draft.refused,
            parameters=draft.parameters,
            login=session.login,
            tls=session.tls,
            ehlo=session.ehlo,
            peer=session.peer,
        )


def _refuse(draft: Draft, recipient: str, reply: Reply) -> Reply:
    draft.refused[recipient] = str(reply)
    return reply


COMMANDS: Mapping[bytes, Callable[[Handler, str], Reply | Awaitable[Reply]]] = {
    b"AUTH": Handler.not_here,
    b"DATA": Handler.data,
    b"EHLO": Handler.ehlo,
    b"EXPN": Handler.not_here,
    b"HELO": Handler.helo,
    b"HELP": Handler.help,
    b"MAIL": Handler.mail,
    b"NOOP": Handler.noop,
    b"QUIT": Handler.quit,
    b"RCPT": Handler.rcpt,
    b"RSET": Handler.rset,
    b"STARTTLS": Handler.not_here,
    b"VRFY": Handler.vrfy,
}
"""Every command that is known."""
