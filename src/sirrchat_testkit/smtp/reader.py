"""Split received bytes into command lines, messages and chunks, without I/O.

1. The result does not depend on how the stream is split into packets. The cost is linear in its length.
2. A message ends at ``CRLF . CRLF`` and nowhere else (RFC 5321 section 4.1.1.4). A bare CR, a bare LF and every other
   sequence that some servers accept as an end are bytes of the message, so nothing can be smuggled after them.
3. The message is kept as received, without the dot that section 4.5.2 adds to lines that begin with one.
4. A command line ends at LF. One without a CR before it is a flaw: it is answered with an error and not executed.
5. Lines of a message may be longer than the 1000 bytes of section 4.5.3.1.6, since real servers accept them. The size
   of a message counts without the added dots, as RFC 1870 section 5 says.
6. A line or message that is too long is read to its end and discarded in the meantime, so it never fills the memory.
   The same is done with a message if there is no memory for it.
"""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias

COMMAND_LIMIT: Final = 512
"""The maximum length of a command line, CRLF included (RFC 5321 section 4.5.3.1.4), in bytes."""

EXTENDED_LIMIT: Final = 2048
"""The same for MAIL and RCPT, which extensions lengthen: AUTH alone by 500 (RFC 4954 section 3)."""

AUTH_LIMIT: Final = 12_288
"""The same for AUTH and its responses, which carry tokens (RFC 4954 section 4)."""

_LIMITS = {b"MAIL ": EXTENDED_LIMIT, b"RCPT ": EXTENDED_LIMIT, b"AUTH ": AUTH_LIMIT}
_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_POINT = ord(".")
_TAIL = len(_END) - 1  # the most bytes of an end that can arrive without the rest


class Flaw(enum.Enum):
    """An error in a line or a message that was read to its end."""

    TOO_LONG = "the command line is too long"
    BARE_LINE_FEED = "the command line ends with a bare LF"
    TOO_BIG = "the message is bigger than the limit"
    OUT_OF_MEMORY = "there is no memory for the message"


LineFlaw: TypeAlias = Literal[Flaw.TOO_LONG, Flaw.BARE_LINE_FEED]
MessageFlaw: TypeAlias = Literal[Flaw.TOO_BIG, Flaw.OUT_OF_MEMORY]


class Reader:
    """The received bytes of one connection that are not parsed yet."""

    __slots__ = ("_at", "_buffer", "_flaw", "_limit", "_overflowed", "_reading", "_seen", "_started")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # the bytes before this position were returned
        self._seen = 0  # the bytes before this position were searched for an end; at least _at
        self._reading: Literal["line", "message", "chunk"] = "line"
        self._limit = 0  # the maximum size of the message, or the rest of the chunk
        self._flaw: MessageFlaw | None = None  # why the message or chunk is being discarded
        self._overflowed = False  # the beginning of the line was discarded
        self._started = False  # the message does not end within its first three bytes

    @property
    def pending(self) -> int:
        """The number of bytes that have not been returned yet."""
        return len(self._buffer) - self._at

    @property
    def held(self) -> int:
        """The number of bytes that are held of an incomplete message or chunk; 0 if it is being discarded."""
        return 0 if self._flaw else self.pending

    def feed(self, data: bytes) -> None:
        """Add ``data`` to the bytes to parse. Without memory for it, the incomplete message or chunk is discarded."""
        try:
            self._append(data)
        except MemoryError:
            if self._reading == "line":
                raise
            self.discard(Flaw.OUT_OF_MEMORY)
            self._append(data)

    def _append(self, data: bytes) -> None:
        if self._at == len(self._buffer):
            self._buffer = data
            self._at = self._seen = 0
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._at :])
        else:
            del self._buffer[: self._at]
        self._seen = max(0, self._seen - self._at)
        self._at = 0
        self._buffer += data

    def line(self) -> bytes | Literal[Flaw.TOO_LONG] | None:
        """Return the next line with its end, ``TOO_LONG`` if it was discarded, or None if it is incomplete.

        ``content`` returns its text, or its flaw.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._seen) + 1
        if not end:
            self._seen = len(buffer)
            if self._seen - self._at > AUTH_LIMIT:
                self._overflowed = True
                self._keep(0)
            return None
        line = buffer[self._at : end]
        self._at = self._seen = end
        if self._overflowed:
            self._overflowed = False
            return Flaw.TOO_LONG
        return line if isinstance(line, bytes) else bytes(line)

    def expect_message(self, limit: int) -> None:
        """Read a message of at most ``limit`` bytes next."""
        self._reading = "message"
        self._limit = limit
        self._flaw = None
        self._started = False
        self._seen = self._at

    def message(self) -> bytes | MessageFlaw | None:
        """Return the message, its flaw, or None if it is incomplete."""
        buffer, start = self._buffer, self._at
        if start == len(buffer):
            return None
        if not self._started and not self._start():
            return None if self._at == self._seen else self._finish(b"")
        searched = self._seen - _TAIL
        searched = max(searched, start)
        dot = end = buffer.find(_DOT, searched)
        if dot >= 0 and not buffer.startswith(_END, dot):
            end = buffer.find(_END, dot)
        if end < 0:
            self._note_searched()
            return None
        self._seen = end + len(_END)
        raw = self._copy(start, end + len(b"\r\n"))
        if searched > start or end > dot:  # there may be added dots
            raw = self._without_dots(raw, dot - start if searched == start else 0)
        return self._finish(raw.removeprefix(b"."))

    def expect_chunk(self, size: int, flaw: MessageFlaw | None = None) -> None:
        """Read a chunk of ``size`` bytes next (RFC 3030 section 2), and discard it if it has a ``flaw``."""
        self._reading = "chunk"
        self._limit = size
        self._flaw = flaw

    def chunk(self) -> bytes | MessageFlaw | None:
        """Return the chunk, the flaw for which it was discarded, or None if it is incomplete."""
        if self._flaw:
            self._skip()
            return None if self._limit else self._finish(b"")
        if self.pending < self._limit:
            return None
        raw = self._copy(self._at, self._at + self._limit)
        self._seen = self._at + self._limit
        return self._finish(raw)

    def discard(self, flaw: MessageFlaw) -> None:
        """Discard the incomplete message or chunk, and the rest of it when it arrives."""
        if self._reading == "line":
            return
        self._flaw = self._flaw or flaw
        if self._reading == "chunk":
            self._skip()
        elif self._started:
            self._keep(_TAIL)

    def _start(self) -> bool:
        """Return whether the message goes on after its first bytes; ``.CRLF`` alone is an empty one."""
        buffer, start = self._buffer, self._at
        if buffer[start] != _POINT:
            self._started = True
            return True
        head = bytes(buffer[start : start + 3])
        if head == b".\r\n":
            self._seen = start + 3
            return False
        self._started = not b".\r\n".startswith(head)
        return self._started

    def _note_searched(self) -> None:
        """Note that the buffer contains no end of the message, and discard a message that is too big."""
        self._seen = len(self._buffer)
        # At most every third byte is an added dot: a message that is longer than this is too big without them.
        if self._flaw or self.pending > self._limit * 4 // 3 + _TAIL:
            self.discard(Flaw.TOO_BIG)

    def _copy(self, start: int, end: int) -> bytes:
        """Return a part of the buffer. Without memory for it, note the flaw and return nothing."""
        buffer = self._buffer
        try:
            if isinstance(buffer, bytes):
                return buffer[start:end]
            with memoryview(buffer) as view:
                return bytes(view[start:end])
        except MemoryError:
            self._flaw = self._flaw or Flaw.OUT_OF_MEMORY
            return b""

    def _without_dots(self, raw: bytes, plain: int) -> bytes:
        """Return ``raw`` without added dots; its first ``plain`` bytes have none."""
        try:
            return raw[:plain] + raw[plain:].replace(_DOT, b"\r\n")
        except MemoryError:
            self._flaw = self._flaw or Flaw.OUT_OF_MEMORY
            return b""

    def _finish(self, raw: bytes) -> bytes | MessageFlaw:
        """Advance to the end of the message; return ``raw``, or its flaw."""
        self._at = self._seen
        self._reading = "line"
        self._release()
        flaw, self._flaw = self._flaw, None
        return flaw or (Flaw.TOO_BIG if len(raw) > self._limit else raw)

    def _keep(self, size: int) -> None:
        """Remove everything but the last ``size`` bytes from the buffer."""
        self._buffer = self._buffer[max(self._at, len(self._buffer) - size) :]
        self._at = 0
        self._seen = len(self._buffer)

    def _skip(self) -> None:
        """Remove what was received of the chunk."""
        skipped = min(self.pending, self._limit)
        self._at += skipped
        self._seen = self._at
        self._limit -= skipped
        self._release()

    def _release(self) -> None:
        """Release the buffer if everything was returned."""
        if self._at == len(self._buffer):
            self._buffer = b""
            self._at = self._seen = 0


def content(line: bytes | Literal[Flaw.TOO_LONG], limit: int = 0) -> bytes | LineFlaw:
    """Return ``line`` without its CRLF, or its flaw.

    ``limit`` is its maximum length; 0 means the maximum for its command.
    """
    if isinstance(line, Flaw):
        return line
    if len(line) > COMMAND_LIMIT and len(line) > (limit or _LIMITS.get(line[:5].upper(), COMMAND_LIMIT)):
        return Flaw.TOO_LONG
    return line[:-2] if line.endswith(b"\r\n") else Flaw.BARE_LINE_FEED
