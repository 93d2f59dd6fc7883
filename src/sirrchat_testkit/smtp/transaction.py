"""The transaction in progress: the sender, recipients and chunks received so far (RFC 5321 section 3.3, RFC 3030)."""

from __future__ import annotations

from typing import Final

from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.smtp.paths import Path
from sirrchat_testkit.smtp.replies import Reply

_NO_RECIPIENTS: Final = frozenset[str]()


class Transaction:
    """One mail transaction, which becomes an envelope.

    Attributes:
        sender: The address given in MAIL; empty for the null reverse-path.
        size: The size of the message declared in MAIL, in bytes; 0 if it was not declared.
        utf8: Whether MAIL had the parameter SMTPUTF8.
        binary: Whether MAIL had the parameter BODY=BINARYMIME.
        chunks: The chunks received by BDAT; None before the first.
        recipients: The accepted recipients.
        refused: The refused recipients, with their replies.
        lost: Recipients that were accepted but get no mail, because of a fault.
        parameters: The parameters of RCPT by recipient; those of MAIL under the empty string.
    """

    __slots__ = ("binary", "chunks", "lost", "parameters", "recipients", "refused", "sender", "size", "utf8")

    def __init__(self, path: Path) -> None:
        self.sender = path.address
        self.size = path.size
        self.utf8 = path.utf8
        self.binary = path.binary
        self.chunks: bytearray | None = None
        self.recipients: list[str] = []
        self.refused: dict[str, str] = {}
        self.lost: frozenset[str] = _NO_RECIPIENTS
        self.parameters: dict[str, list[str]] = {"": list(path.parameters)} if path.parameters else {}

    @property
    def has_lost_all(self) -> bool:
        """Whether every recipient is lost."""
        return bool(self.lost) and self.lost.issuperset(self.recipients)

    def refuse(self, recipient: str, reply: Reply) -> Reply:
        """Note that ``recipient`` was refused with ``reply``; return the reply."""
        self.refused[recipient] = str(reply)
        return reply

    @property
    def received(self) -> int:
        """The number of bytes in ``chunks``."""
        return len(self.chunks) if self.chunks else 0

    def envelope(self, session: Session) -> Envelope:
        """Return the envelope for delivery, without the lost recipients."""
        recipients = [each for each in self.recipients if each not in self.lost] if self.lost else self.recipients
        return Envelope(
            id="",
            sender=self.sender,
            recipients=tuple(recipients),
            refused=self.refused,
            parameters=self.parameters,
            login=session.login,
            tls=session.tls,
            ehlo=session.ehlo,
            peer=session.peer,
        )
