"""From bytes as they arrive to command lines and messages; no input or output of its own.

1. However the stream is cut into chunks, the result is the same, at a cost that is linear in its length.
2. A message ends at ``CRLF . CRLF`` and nowhere else (RFC 5321 section 4.1.1.4). Bare CR, bare LF and every other
   sequence that some server takes for an end are bytes of the message: nothing can be smuggled behind them.
3. The message is kept as it came, but for the dot that section 4.5.2 puts before lines that begin with one.
4. A command line ends at LF. One that has no CR before it is a flaw, so its sender is answered and nothing is done.
5. Lines of text may be longer than the 1000 octets of section 4.5.3.1.6: real servers take them. The message's size
   counts as RFC 1870 section 5 says, without the added dots.
6. What is too long is read to its end and dropped on the way; it never fills the memory.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

COMMAND_LIMIT: Final = 512
"""Octets of a command line, CRLF included (RFC 5321 section 4.5.3.1.4)."""

EXTENDED_LIMIT: Final = 2048
"""The same for MAIL and RCPT, which extensions lengthen: DSN alone by 500 (RFC 3461 section 5.4)."""

AUTH_LIMIT: Final = 12_288
"""The same for AUTH and its responses, which carry tokens (RFC 4954 section 4)."""

_LIMITS = {b"MAIL ": EXTENDED_LIMIT, b"RCPT ": EXTENDED_LIMIT, b"AUTH ": AUTH_LIMIT}
_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_POINT = ord(".")
_KEEP = len(_END) - 1  # so many octets of an end may have come already


class Flaw(enum.Enum):
    """What is wrong with a line or a message that was read to its end."""

    TOO_LONG = "the command line is too long"
    BARE_LINE_FEED = "the command line ends with a bare LF"
    TOO_BIG = "the message is bigger than the limit"


class Reader:
    """The bytes of one connection that were received and not yet understood."""

    __slots__ = ("_at", "_buffer", "_limit", "_overflowed", "_seen", "_started")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # what is before has been handed out
        self._seen = 0  # what is before has been searched for an end; never before what was handed out
        self._overflowed = False  # the beginning of what is being read was dropped
        self._started = False  # the message is known not to end in its first three octets
        self._limit = 0

    @property
    def pending(self) -> int:
        """How many octets are held."""
        return len(self._buffer) - self._at

    def feed(self, chunk: bytes) -> None:
        """Take what arrived."""
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
        """Return the next line with its end, ``TOO_LONG`` if it was dropped, or None while it is unfinished.

        What it says, or what is wrong with it, is for ``content``.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._seen) + 1
        if not end:
            self._seen = len(buffer)
            if self._seen - self._at > AUTH_LIMIT:
                self._drop(0)
            return None
        line = buffer[self._at : end]
        self._at = self._seen = end
        if self._overflowed:
            self._overflowed = False
            return Flaw.TOO_LONG
        return line if isinstance(line, bytes) else bytes(line)

    def expect_message(self, limit: int) -> None:
        """Read a message of at most ``limit`` octets from here on."""
        self._limit = limit
        self._overflowed = self._started = False
        self._seen = self._at

    def message(self) -> bytes | Literal[Flaw.TOO_BIG] | None:
        """Return the message, ``TOO_BIG`` if it is, or None while it is unfinished."""
        buffer, start = self._buffer, self._at
        if start == len(buffer):
            return None
        if not self._started and not self._start():
            return None if self._at == self._seen else self._finish(b"")
        searched = self._seen - _KEEP
        searched = max(searched, start)
        dot = end = buffer.find(_DOT, searched)
        if dot >= 0 and not buffer.startswith(_END, dot):
            end = buffer.find(_END, dot)
        if end < 0:
            self._go_on()
            return None
        self._seen = end + len(_END)
        raw = bytes(buffer[start : end + len(b"\r\n")])
        if searched > start or end > dot:  # there are added dots, or may be
            plain = dot - start if searched == start else 0
            raw = raw[:plain] + raw[plain:].replace(_DOT, b"\r\n")
        return self._finish(raw.removeprefix(b"."))

    def expect_chunk(self, octets: int, *, keep: bool) -> None:
        """Read ``octets`` as they come (RFC 3030 section 2), and drop them on the way unless ``keep``."""
        self._limit = octets
        self._overflowed = not keep

    def chunk(self) -> bytes | None:
        """Return the chunk, empty if it is dropped, or None while it is unfinished."""
        if self._overflowed:
            dropped = min(self.pending, self._limit)
            self._at += dropped
            self._limit -= dropped
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
        """Return whether the message goes on after its first octets; ``.CRLF`` alone is an empty one."""
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

    def _go_on(self) -> None:
        """Note that no end has come so far."""
        self._seen = len(self._buffer)
        # Every third octet at most is an added dot: what is longer than this is too big without them.
        if self._overflowed or self.pending > self._limit * 4 // 3 + _KEEP:
            self._drop(_KEEP)

    def _finish(self, raw: bytes) -> bytes | Literal[Flaw.TOO_BIG]:
        """Go behind the end that was found and return ``raw``, unless it is too big."""
        self._at = self._seen
        if self._at == len(self._buffer):
            self._buffer = b""
            self._at = self._seen = 0
        if self._overflowed or len(raw) > self._limit:
            self._overflowed = False
            return Flaw.TOO_BIG
        return raw

    def _drop(self, keep: int) -> None:
        """Forget what is held but for its last ``keep`` octets."""
        self._overflowed = True
        self._buffer = self._buffer[len(self._buffer) - keep :]
        self._at = 0
        self._seen = keep


def content(
    line: bytes | Literal[Flaw.TOO_LONG], limit: int = 0
) -> bytes | Literal[Flaw.TOO_LONG, Flaw.BARE_LINE_FEED]:
    """Return what ``line`` says, without its CRLF, or what is wrong with it.

    ``limit`` is how long it may be, 0 for what its command may be.
    """
    if isinstance(line, Flaw):
        return line
    if len(line) > COMMAND_LIMIT and len(line) > (limit or _LIMITS.get(line[:5].upper(), COMMAND_LIMIT)):
        return Flaw.TOO_LONG
    return line[:-2] if line.endswith(b"\r\n") else Flaw.BARE_LINE_FEED
