"""What one client says and what it is answered: received bytes become commands, messages, responses, and then replies.

1. Nothing is parsed here (``reader``, ``commands``), worded here (``replies``) or decided here (``session``).
2. Nothing waits here and nothing is written here: the connection runs what may have to wait, and goes on itself where
   something does, or where something else comes than a command or a message.
3. Nothing a client sends may raise, hang or print. What fails in the server is answered 451 and told to its owner.
4. What is said is noted in the transcript as it is said, credentials replaced.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.transcript import LONGEST, shortened
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.commands import FLAWS, understand
from sirrchat_testkit.smtp.faults import Upload
from sirrchat_testkit.smtp.reader import AUTH_LIMIT, Flaw, Reader, content
from sirrchat_testkit.smtp.redaction import Redaction
from sirrchat_testkit.smtp.replies import Answer, Reply, Turn
from sirrchat_testkit.smtp.session import SmtpSession
from sirrchat_testkit.smtp.writer import ReplyWriter

Reading: TypeAlias = Callable[[], Answer | None]
Run: TypeAlias = Callable[[Coroutine[Any, Any, Reply]], Reply | None]

MANY: Final = 100
"""Replies that are written although more commands are waiting."""


class Conversation:
    """Answers the commands and messages of one client, in order; the replies are gathered in its ``writer``.

    ``heard_at`` is the time of the last received bytes; once ``over`` is set, nothing more is parsed.
    """

    __slots__ = (
        "_keeps",
        "_log",
        "_reading",
        "_received",
        "_redaction",
        "_said",
        "_settings",
        "_tls_has_failed",
        "_verb",
        "heard_at",
        "mail",
        "over",
    )

    def __init__(self, backend: Backend, hostname: str, writer: ReplyWriter, began_at: float) -> None:
        self.mail = SmtpSession(backend, hostname, writer.peer, writer)
        self.mail.session.tls = writer.tls
        self.heard_at = began_at
        self.over = False
        self._settings = backend.settings
        self._log = self.mail.session.log
        self._said = writer.replies
        self._received = Reader()
        self._redaction = Redaction()
        self._reading: Reading = self._read_command
        self._keeps = False
        self._tls_has_failed = False
        self._verb = b"a connection"

    @property
    def pending(self) -> int:
        """How many received bytes have not been parsed yet."""
        return self._received.pending

    @property
    def login_attempt(self) -> object | None:
        """The login that waits for a response to a challenge of AUTH; None if there is none."""
        return self.mail.login.attempt if self._reading == self._read_response and not self.over else None

    def hear(self, data: bytes, at: float) -> None:
        """Take what arrived."""
        self.heard_at = at
        if len(self._log.page) > LONGEST:
            self._log.trim()
        self._received.feed(data)

    def next(self) -> Answer | None:
        """Return the answer to the next command or message, or None where nothing else has come."""
        if self.over:
            return None
        try:
            return self._reading()
        except Exception as error:  # noqa: BLE001 - it is told to the owner of the server, as itself
            return self.crashed(error)

    def answer(self, run: Run) -> Reply | None:
        """Answer complete commands and messages until one has to wait; ``run`` starts those that may.

        Return the reply that needs action by the connection (TLS, close, flush), or None when more input is needed or
        an answer is in progress.
        """
        for _ in range(MANY):
            answer = self.next()
            reply = answer if answer is None or isinstance(answer, Reply) else run(answer)
            if reply is None:
                return None
            turn = reply.turn
            if turn is Turn.DATA:
                self._expect_message()
            elif turn is not None:
                return reply
            self.say(reply)
        return replies.WRITTEN

    def say(self, reply: Reply) -> None:
        """Add ``reply`` to what is to be written."""
        if reply.code:
            hides = self._settings.value.hide_extensions
            wire = reply.bare if hides and "ENHANCEDSTATUSCODES" in hides else reply.wire
            self._said.append(wire)
            self._log.page += (self.heard_at, wire)

    def turn(self, turn: Turn) -> bool:
        """Go on as the last reply has it; return False where that is for the connection to do."""
        if turn is Turn.DATA:
            self._expect_message()
        elif turn is Turn.CHUNK:
            self._expect_chunk()
        elif turn is Turn.RESPONSE:
            self._reading = self._read_response
        elif turn is Turn.WATCHED_DATA:
            self._expect_message()
            self._watch()
        elif turn is Turn.WATCHED_CHUNK:
            self._expect_chunk()
            self._watch()
        else:
            return False
        return True

    def end(self) -> None:
        """Look at nothing more."""
        self.over = True
        self.mail.leave()

    def forget(self) -> None:
        """Drop what was received and not yet understood."""
        self._received = Reader()

    def secured(self, tls: str, at: float) -> None:
        """Begin anew under ``tls``."""
        self.mail.secured(tls)
        self._log.page += (at, f"under {tls}")

    def tls_failed(self, error: Exception) -> None:
        """Note, once, that TLS could not be established, or that the client ended it because of ``error``."""
        if self._tls_has_failed:
            return
        self._tls_has_failed = True
        alert = (getattr(error, "reason", "") or "").replace("_", " ").lower()
        self._log.page += (self.heard_at, f"TLS failed: {alert or 'the client closed the connection'}")
        self.mail.tls_failed(alert)

    def crashed(self, error: Exception) -> Reply:
        """Tell the server's owner of ``error``; return what the client is told."""
        self.mail.crashed(self._verb.decode(), error)
        return replies.CRASHED

    def _read_command(self) -> Answer | None:
        line = self._received.line()
        if line is None:
            return None
        command = understand(line)
        shown = command.shown
        if shown is None:
            shown = shortened(self._redaction.command(command.line, known=command.known))
        self._log.page += (self.heard_at, shown)
        self._verb = command.name or b"a line"
        if self._settings.value.hide_extensions and self._hurries(command.name):
            return replies.ONE_AT_A_TIME
        return command.ask(self.mail, command.argument)

    def _hurries(self, name: bytes) -> bool:
        """Return whether other commands came along with this one, although PIPELINING is hidden."""
        return bool(self._received.pending and name and name != b"BDAT" and "PIPELINING" not in self.mail.offer.names)

    def _read_message(self) -> Answer | None:
        message = self._received.message()
        if message is None:
            return None
        self._reading = self._read_command
        self._verb = b"end of data"
        if isinstance(message, Flaw):
            return self.mail.overflow()
        self._note((len(message),))
        return self.mail.deliver(message)

    def _read_chunk(self) -> Answer | None:
        chunk = self._received.chunk()
        if chunk is None:
            return None
        self._reading = self._read_command
        self._note((self.mail.chunk[0],))
        return self.mail.take_chunk(chunk, kept=self._keeps)

    def _read_response(self) -> Answer | None:
        came = self._received.line()
        if came is None:
            return None
        self._reading = self._read_command
        line = content(came, AUTH_LIMIT)
        self._note(self._redaction.response(line))
        return FLAWS[line] if isinstance(line, Flaw) else self.mail.login.respond(line.decode("ascii", "replace"))

    def _read_watched(self, read: Reading, upload: Upload) -> Answer | None:
        """Do as ``read``, unless so much has come that ``upload`` is broken off."""
        held = self._received.pending
        answer = read()
        left = self._received.pending
        if not upload.breaks(held - left, left if answer is None else 0):
            return answer
        if answer is None:
            self._note((left,))
        elif isinstance(answer, Coroutine):
            answer.close()
        return replies.BROKEN_OFF

    def _expect_message(self) -> None:
        self._reading = self._read_message
        self._received.expect_message(self.mail.size_limit)

    def _expect_chunk(self) -> None:
        self._reading = self._read_chunk
        self._keeps = self.mail.keeps_chunk
        self._received.expect_chunk(self.mail.chunk[0], keep=self._keeps)

    def _watch(self) -> None:
        assert self.mail.fault_points.upload is not None
        self._reading = functools.partial(self._read_watched, self._reading, self.mail.fault_points.upload)

    def _note(self, what: bytes | tuple[int]) -> None:
        self._log.page += (self.heard_at, what)
