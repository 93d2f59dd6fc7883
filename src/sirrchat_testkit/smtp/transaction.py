"""The transaction in progress: what MAIL, RCPT and BDAT said so far (RFC 5321 section 3.3, RFC 3030)."""

from __future__ import annotations

from typing import Final

from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.smtp.paths import Path
from sirrchat_testkit.smtp.replies import Reply

_NOBODY: Final = frozenset[str]()


class Transaction:
    """What becomes an envelope; ``lost`` are recipients that a fault takes and gives nothing."""

    __slots__ = ("binary", "chunks", "lost", "parameters", "recipients", "refused", "sender", "utf8")

    def __init__(self, path: Path) -> None:
        self.sender = path.address
        self.utf8 = path.utf8
        self.binary = path.binary
        self.chunks: bytearray | None = None
        self.recipients: list[str] = []
        self.refused: dict[str, str] = {}
        self.lost: frozenset[str] = _NOBODY
        self.parameters: dict[str, list[str]] = {"": list(path.parameters)} if path.parameters else {}

    @property
    def is_for_nobody(self) -> bool:
        """Whether every recipient is lost."""
        return bool(self.lost) and self.lost.issuperset(self.recipients)

    @property
    def kept(self) -> list[str]:
        """The recipients that are not lost."""
        return [each for each in self.recipients if each not in self.lost]

    def refuse(self, recipient: str, reply: Reply) -> Reply:
        """Note that ``recipient`` was refused with ``reply``; return it."""
        self.refused[recipient] = str(reply)
        return reply

    def has_room(self, octets: int, limit: int) -> bool:
        """Return whether ``octets`` more fit into a message of ``limit``."""
        return len(self.chunks or b"") + octets <= limit

    def envelope(self, session: Session) -> Envelope:
        """Return what was said, as the post office takes it."""
        return Envelope(
            id="",
            sender=self.sender,
            recipients=tuple(self.recipients if not self.lost else self.kept),
            refused=self.refused,
            parameters=self.parameters,
            login=session.login,
            tls=session.tls,
            ehlo=session.ehlo,
            peer=session.peer,
        )
