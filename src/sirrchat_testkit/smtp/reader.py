"""From received bytes to command lines, messages and chunks, without input or output.

1. However the stream is split into packets, the result is the same, at a cost that is linear in its length.
2. A message ends at ``CRLF . CRLF`` and nowhere else (RFC 5321 section 4.1.1.4). A bare CR, a bare LF and every other
   sequence that some servers accept as an end are bytes of the message, so nothing can be smuggled after them.
3. The message is kept as received, without the dot that section 4.5.2 adds to lines that begin with one.
4. A command line ends at LF. One without a CR before it is a flaw: it is answered with an error and not executed.
5. Lines of a message may be longer than the 1000 octets of section 4.5.3.1.6, since real servers accept them. The size
   of a message counts without the added dots, as RFC 1870 section 5 says.
6. A line or message that is too long is read to its end and discarded in the meantime, so it never fills the memory.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

COMMAND_LIMIT: Final = 512
"""The maximum length of a command line, CRLF included (RFC 5321 section 4.5.3.1.4), in bytes."""

EXTENDED_LIMIT: Final = 2048
"""The same for MAIL and RCPT, which extensions lengthen: DSN alone by 500 (RFC 3461 section 5.4)."""

AUTH_LIMIT: Final = 12_288
"""The same for AUTH and its responses, which carry tokens (RFC 4954 section 4)."""

_LIMITS = {b"MAIL ": EXTENDED_LIMIT, b"RCPT ": EXTENDED_LIMIT, b"AUTH ": AUTH_LIMIT}
_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_POINT = ord(".")
_TAIL = len(_END) - 1  # the most bytes of an end that may have been received without the rest


class Flaw(enum.Enum):
    """What is wrong with a line or a message that was read to its end."""

    TOO_LONG = "the command line is too long"
    BARE_LINE_FEED = "the command line ends with a bare LF"
    TOO_BIG = "the message is bigger than the limit"


class Reader:
    """The bytes of one connection that were received and not parsed yet."""

    __slots__ = ("_at", "_buffer", "_limit", "_overflowed", "_seen", "_started")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # the bytes before were returned
        self._seen = 0  # the bytes before were searched for an end; never less than _at
        self._overflowed = False  # the beginning of the line, message or chunk was discarded
        self._started = False  # the message does not end within its first three bytes
        self._limit = 0

    @property
    def pending(self) -> int:
        """The number of bytes that were not returned yet."""
        return len(self._buffer) - self._at

    def feed(self, chunk: bytes) -> None:
        """Add ``chunk`` to the bytes to parse."""
        if self._at == len(self._buffer):
            self._buffer = chunk
            self._at = self._seen = 0
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._at :])
        else:
            del self._buffer[: self._at]
        self._seen = max(0, self._seen - self._at)
        self._at = 0
        self._buffer += chunk

    def line(self) -> bytes | Literal[Flaw.TOO_LONG] | None:
        """Return the next line with its end, ``TOO_LONG`` if it was discarded, or None if it is incomplete.

        ``content`` returns its text, or what is wrong with it.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._seen) + 1
        if not end:
            self._seen = len(buffer)
            if self._seen - self._at > AUTH_LIMIT:
                self._discard(0)
            return None
        line = buffer[self._at : end]
        self._at = self._seen = end
        if self._overflowed:
            self._overflowed = False
            return Flaw.TOO_LONG
        return line if isinstance(line, bytes) else bytes(line)

    def expect_message(self, limit: int) -> None:
        """Read a message of at most ``limit`` bytes next."""
        self._limit = limit
        self._overflowed = self._started = False
        self._seen = self._at

    def message(self) -> bytes | Literal[Flaw.TOO_BIG] | None:
        """Return the message, ``TOO_BIG`` if it exceeds the limit, or None if it is incomplete."""
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
        raw = bytes(buffer[start : end + len(b"\r\n")])
        if searched > start or end > dot:  # there may be added dots
            plain = dot - start if searched == start else 0
            raw = raw[:plain] + raw[plain:].replace(_DOT, b"\r\n")
        return self._finish(raw.removeprefix(b"."))

    def expect_chunk(self, size: int, *, keep: bool) -> None:
        """Read a chunk of ``size`` bytes next (RFC 3030 section 2), and discard it in the meantime unless ``keep``."""
        self._limit = size
        self._overflowed = not keep

    def chunk(self) -> bytes | None:
        """Return the chunk, empty if it was discarded, or None if it is incomplete."""
        if self._overflowed:
            discarded = min(self.pending, self._limit)
            self._at += discarded
            self._limit -= discarded
            self._seen = self._at
            if self._limit:
                return None
            self._overflowed = False
            return b""
        if self.pending < self._limit:
            return None
        raw = bytes(self._buffer[self._at : self._at + self._limit])
        self._at = self._seen = self._at + self._limit
        return raw

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
        if self._overflowed or self.pending > self._limit * 4 // 3 + _TAIL:
            self._discard(_TAIL)

    def _finish(self, raw: bytes) -> bytes | Literal[Flaw.TOO_BIG]:
        """Go to the end that was found and return ``raw``, unless it is too big."""
        self._at = self._seen
        if self._at == len(self._buffer):
            self._buffer = b""
            self._at = self._seen = 0
        if self._overflowed or len(raw) > self._limit:
            self._overflowed = False
            return Flaw.TOO_BIG
        return raw

    def _discard(self, keep: int) -> None:
        """Discard the buffer except for its last ``keep`` bytes."""
        self._overflowed = True
        self._buffer = self._buffer[len(self._buffer) - keep :]
        self._at = 0
        self._seen = keep


def content(
    line: bytes | Literal[Flaw.TOO_LONG], limit: int = 0
) -> bytes | Literal[Flaw.TOO_LONG, Flaw.BARE_LINE_FEED]:
    """Return ``line`` without its CRLF, or what is wrong with it.

    ``limit`` is its maximum length, 0 for the maximum of its command.
    """
    if isinstance(line, Flaw):
        return line
    if len(line) > COMMAND_LIMIT and len(line) > (limit or _LIMITS.get(line[:5].upper(), COMMAND_LIMIT)):
        return Flaw.TOO_LONG
    return line[:-2] if line.endswith(b"\r\n") else Flaw.BARE_LINE_FEED
