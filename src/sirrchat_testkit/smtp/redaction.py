"""Redaction: transcripts never show credentials.

1. A line whose first two words contain AUTH, in any case, is shown only up to AUTH. An unknown command with AUTH
   after them is shown as its length.
2. A response to a challenge is shown as its length.
3. A client may continue a login that was refused. After an AUTH, an unknown command may therefore be a password in
   base64, and is shown as its length.
4. A line that is too long or ends with a bare LF is not shown at all, and may have been an AUTH.
"""

from __future__ import annotations

import re
from typing import Final

from sirrchat_testkit.domain.sasl import MECHANISMS

MAY_HIDE_AUTH: Final = frozenset({b"A", b"a", b" ", b"\t", b"="})
"""The first bytes of an argument of MAIL or RCPT that may be an AUTH instead of ``FROM`` or ``TO``."""

_BLANKS = b" \t"
_WORDS = re.compile(rb"([ \t=]*)([^ \t=]*)([ \t=]*)([^ \t=]*)(.*)", re.DOTALL)
_NAMES = frozenset(name.encode("ascii") for name in MECHANISMS)
_GLUED = re.compile(rb"X?AUTH(?:%s)?" % b"|".join(map(re.escape, sorted(_NAMES))), re.IGNORECASE)
_LONGEST_VERB = 10  # letters


class Redaction:
    """Replaces credentials in the lines of one session."""

    __slots__ = ("_auth_seen",)

    def __init__(self) -> None:
        self._auth_seen = False

    def command(self, line: bytes | None, *, known: bool) -> bytes:
        """Return what transcripts show of a command line.

        Args:
            line: The line; None if it is malformed.
            known: Whether it begins with a known command.
        """
        if line is None:
            self._auth_seen = True
            return b"(no command)"
        if b"AUTH" in line.upper():
            shown = _without_credentials(line, known=known)
            self._auth_seen |= shown is not None or not known
            if shown is not None:
                return shown
        return b"(%d bytes)" % len(line) if self._auth_seen and not known else line

    @staticmethod
    def response(line: object) -> bytes:
        """Return what transcripts show in place of a response to a challenge."""
        return b"(a response of %d bytes)" % len(line) if isinstance(line, bytes) else b"(a response)"


def _without_credentials(line: bytes, *, known: bool) -> bytes | None:
    """Return what to show of ``line`` if it is an AUTH, else None."""
    words = _WORDS.fullmatch(line)
    assert words is not None
    before, verb, gap, second, rest = words.groups()
    first, then = verb.upper(), second.upper()
    if b"AUTH" in first:
        verb = verb if _GLUED.fullmatch(verb) else b""
    elif b"AUTH" not in then or (known and not rest.strip(_BLANKS)):  # EHLO auth.example.com
        return None
    elif not (known or (verb.isalpha() and len(verb) <= _LONGEST_VERB)):
        verb = b""
    second = second if then in _NAMES or _GLUED.fullmatch(second) else b""
    shown = before + verb + (gap + second if second else b"")
    return shown if shown == line.rstrip(_BLANKS) else (shown + b" (credentials)").removeprefix(b"" if before else b" ")
