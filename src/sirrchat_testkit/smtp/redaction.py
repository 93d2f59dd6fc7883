"""What a transcript shows of lines that may hold credentials: never the credentials.

They stand behind AUTH, in responses to challenges, and where a client goes on with a login that was refused: then what
is no command may be a password in base64.
"""

from __future__ import annotations


class Redaction:
    """Replaces credentials in the lines of one session."""

    __slots__ = ("_tried",)

    def __init__(self) -> None:
        self._tried = False

    def command(self, line: bytes) -> bytes:
        """Return ``line``, an AUTH or what is no command, as it may be shown."""
        word, _, rest = line.partition(b" ")
        if word.upper() != b"AUTH":
            return b"(%d octets)" % len(line) if self._tried else line
        self._tried = True
        mechanism, blank, _ = rest.partition(b" ")
        return b"AUTH %s%s" % (mechanism, b" (credentials)" if blank else b"")

    @staticmethod
    def response(line: object) -> bytes:
        """Return what stands for a response to a challenge."""
        return b"(a response of %d octets)" % len(line) if isinstance(line, bytes) else b"(a response)"
