"""The dialogue with one client: received bytes become commands, messages and responses, and those become replies.

1. Parsing is in ``reader`` and ``commands``, the texts are in ``replies``, and the decisions in ``session``.
2. Nothing here waits or writes to the socket. The connection runs everything that may have to wait.
3. No input from a client may raise, hang or print. An error in the server is answered 451 and reported to the test
   that owns the server; a lack of memory is answered 452 and logged.
4. Every line is noted in the transcript, with credentials replaced, when it is received or replied.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.transcript import LONGEST, shortened
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.commands import parse
from sirrchat_testkit.smtp.faults import Upload
from sirrchat_testkit.smtp.reader import AUTH_LIMIT, Flaw, Reader, content
from sirrchat_testkit.smtp.redaction import Redaction
from sirrchat_testkit.smtp.replies import Answer, Next, Reply
from sirrchat_testkit.smtp.session import SmtpSession
from sirrchat_testkit.smtp.writer import ReplyWriter

Read: TypeAlias = "Callable[[Conversation], Answer | None]"
Run: TypeAlias = Callable[[Coroutine[Any, Any, Reply]], Reply | None]

MANY: Final = 100
"""The number of collected replies after which they are written, even if more commands have been received."""


class Conversation:
    """Answers the commands and messages of one client in order. Replies are collected in ``writer``.

    Attributes:
        session: The commands.
        received_at: When bytes were last received, in seconds of the loop's clock.
        over: Whether the connection is being closed. Nothing is parsed any more.
    """

    __slots__ = (
        "_log",
        "_read",
        "_reader",
        "_redaction",
        "_replies",
        "_settings",
        "_tls_has_failed",
        "_verb",
        "over",
        "received_at",
        "session",
    )

    def __init__(self, services: Services, hostname: str, writer: ReplyWriter) -> None:
        self.session = SmtpSession(services, hostname, writer.peer, writer)
        self.session.record.tls = writer.tls
        self.over = False
        self._settings = services.settings
        self._log = self.session.record.log
        self.received_at = self._log.began
        self._replies = writer.replies
        self._reader = Reader()
        self._redaction = Redaction()
        self._read: Read = Conversation._read_command  # not a bound method, which would make a reference cycle
        self._tls_has_failed = False
        self._verb = b"a connection"

    @property
    def pending(self) -> int:
        """The number of received bytes that have not been parsed yet."""
        return self._reader.pending

    @property
    def login_attempt(self) -> object | None:
        """The login that waits for a response to a challenge of AUTH; None if there is none."""
        return self.session.login.attempt if self._read is Conversation._read_response and not self.over else None

    def receive(self, data: bytes, at: float) -> None:
        """Add ``data``, received at ``at``, to the bytes to parse."""
        if self.over:
            return
        self.received_at = at
        if len(self._log.page) > LONGEST:
            self._log.trim()
        self._reader.feed(data)

    def next_answer(self) -> Answer | None:
        """Return the answer to the next command or message, or None if more input is needed."""
        if self.over:
            return None
        try:
            return self._read(self)
        except Exception as error:  # noqa: BLE001 - it is reported to the owner of the server
            return self.failed(error)

    def answer(self, run: Run) -> Reply | None:
        """Answer complete commands and messages until one has to wait; ``run`` starts those that may have to.

        Return the reply that needs action by the connection (TLS, close, flush), or None when more input is needed or
        an answer is in progress.
        """
        for _ in range(MANY):
            answer = self.next_answer()
            reply = answer if answer is None or isinstance(answer, Reply) else run(answer)
            if reply is None:
                return None
            following = reply.next
            if following is Next.DATA:
                self._expect_message()
            elif following is not None:
                return reply
            self.add_reply(reply)
            if not self._reader.pending:
                return None
        return replies.WRITTEN

    def add_reply(self, reply: Reply) -> None:
        """Add ``reply`` to the replies to write."""
        if reply.code:
            hidden = self._settings.value.hide_extensions
            wire = reply.wire_without_status if hidden and "ENHANCEDSTATUSCODES" in hidden else reply.wire
            self._replies.append(wire)
            self._log.page += (self.received_at, wire)

    def expect(self, following: Next) -> bool:
        """Prepare to read ``following``; return False if the connection must act instead."""
        if following is Next.DATA:
            self._expect_message()
        elif following is Next.CHUNK:
            self._expect_chunk()
        elif following is Next.RESPONSE:
            self._read = Conversation._read_response
        elif following is Next.WATCHED_DATA:
            self._expect_message()
            self._watch()
        elif following is Next.WATCHED_CHUNK:
            self._expect_chunk()
            self._watch()
        else:
            return False
        return True

    def finish(self) -> None:
        """Stop parsing: the connection is being closed."""
        self.over = True
        self.discard_input()
        self.session.finish()

    def connection_lost(self) -> None:
        """Stop parsing: the connection is lost. An answer in progress is finished."""
        self.over = True
        self.discard_input()

    def discard_input(self) -> None:
        """Discard the bytes that were received and not parsed."""
        self._reader = Reader()

    def tls_started(self, tls: str, at: float) -> None:
        """Start over under ``tls``."""
        self.session.tls_started(tls)
        self._log.page += (at, f"under {tls}")

    def tls_failed(self, error: Exception) -> None:
        """Note once that the handshake failed, or that the client ended TLS, with ``error``."""
        if self._tls_has_failed:
            return
        self._tls_has_failed = True
        alert = (getattr(error, "reason", "") or "").replace("_", " ").lower()
        self._log.page += (self.received_at, f"TLS failed: {alert or 'the client closed the connection'}")
        self.session.tls_failed(alert)

    def free_memory(self) -> None:
        """Discard the message that is being received."""
        self._reader.discard(Flaw.OUT_OF_MEMORY)

    def failed(self, error: Exception) -> Reply:
        """Report ``error``, which is not a refusal; return the reply for the client."""
        return self.session.failed(self._verb.decode(), error)

    def _read_command(self) -> Answer | None:
        line = self._reader.line()
        if line is None:
            return None
        command = parse(line)
        shown = command.shown
        if shown is None:
            shown = shortened(self._redaction.command(command.line, known=command.known))
        self._log.page += (self.received_at, shown)
        self._verb = command.name or b"a line"
        if self._settings.value.hide_extensions and self._is_pipelined(command.name):
            return replies.ONE_AT_A_TIME
        return command.execute(self.session, command.argument)

    def _is_pipelined(self, name: bytes) -> bool:
        """Return whether other commands arrived with this one, although PIPELINING is hidden."""
        return bool(self.pending and name and name != b"BDAT" and "PIPELINING" not in self.session.offer.names)

    def _read_message(self) -> Answer | None:
        message = self._reader.message()
        if message is None:
            self._hold()
            return None
        self._read = Conversation._read_command
        self._verb = b"end of data"
        if isinstance(message, Flaw):
            return self.session.reject_message(message)
        self._note((len(message),))
        return self.session.deliver(message)

    def _read_chunk(self) -> Answer | None:
        chunk = self._reader.chunk()
        if chunk is None:
            self._hold()
            return None
        self._read = Conversation._read_command
        self._note((self.session.chunk[0],))
        return self.session.add_chunk(chunk)

    def _hold(self) -> None:
        """Count the bytes held of an incomplete message; discard it if there is no memory for them."""
        if not self.session.hold(self._reader.held):
            self._reader.discard(Flaw.OUT_OF_MEMORY)

    def _read_response(self) -> Answer | None:
        received = self._reader.line()
        if received is None:
            return None
        self._read = Conversation._read_command
        line = content(received, AUTH_LIMIT)
        self._note(self._redaction.response(line))
        return (
            self.session.unknown(replies.BY_FLAW[line])
            if isinstance(line, Flaw)
            else self.session.login.respond(line.decode("ascii", "replace"))
        )

    def _read_watched(self, *, read: Read, upload: Upload) -> Answer | None:
        """Do the same as ``read``, unless ``upload`` must be broken off after the bytes received so far."""
        before = self.pending
        answer = read(self)
        after = self.pending
        if not upload.breaks(before - after, after if answer is None else 0):
            return answer
        if answer is None:
            self._note((after,))
        elif isinstance(answer, Coroutine):
            answer.close()
        return replies.BROKEN_OFF

    def _expect_message(self) -> None:
        self._read = Conversation._read_message
        self._reader.expect_message(self.session.size_limit)

    def _expect_chunk(self) -> None:
        self._read = Conversation._read_chunk
        self._reader.expect_chunk(self.session.chunk[0], self.session.chunk_flaw)

    def _watch(self) -> None:
        upload = self.session.fault_points.upload
        assert upload is not None
        self._read = functools.partial(Conversation._read_watched, read=self._read, upload=upload)

    def _note(self, received: bytes | tuple[int]) -> None:
        self._log.page += (self.received_at, received)
