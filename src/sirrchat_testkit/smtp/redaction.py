"""What a transcript shows of lines that may hold credentials: never the credentials.

1. They stand behind AUTH, however it is spelt: what has it in its first two words is shown without what follows.
2. They are responses to challenges.
3. They come where a client goes on with a login that was refused: then what is no command may be a password in base64.
"""

from __future__ import annotations

import re
from typing import Final

from sirrchat_testkit.domain.sasl import MECHANISMS

HIDING: Final = frozenset({b"A", b"a", b" ", b"\t", b"="})
"""What an argument of MAIL or RCPT begins with where it is no path, and may be an AUTH; ``FROM`` and ``TO`` do not."""

_BLANKS = b" \t"
_WORDS = re.compile(rb"([ \t=]*)([^ \t=]*)([ \t=]*)([^ \t=]*)(.*)", re.DOTALL)
_NAMES = frozenset(name.encode("ascii") for name in MECHANISMS)
_GLUED = re.compile(rb"X?AUTH(?:%s)?" % b"|".join(map(re.escape, sorted(_NAMES))), re.IGNORECASE)
_VERB = 10  # letters of a word that is taken for a verb


class Redaction:
    """Replaces credentials in the lines of one session."""

    __slots__ = ("_tried",)

    def __init__(self) -> None:
        self._tried = False

    def command(self, line: bytes, *, known: bool) -> bytes:
        """Return ``line`` as it may be shown; ``known`` is whether it is a command that there is."""
        if b"AUTH" in line.upper():
            shown = _without_credentials(line, known=known)
            if shown is not None:
                self._tried = True
                return shown
        return b"(%d octets)" % len(line) if self._tried and not known else line

    @staticmethod
    def response(line: object) -> bytes:
        """Return what stands for a response to a challenge."""
        return b"(a response of %d octets)" % len(line) if isinstance(line, bytes) else b"(a response)"


def _without_credentials(line: bytes, *, known: bool) -> bytes | None:
    """Return what is shown of an AUTH, None where ``line`` is none."""
    words = _WORDS.fullmatch(line)
    assert words is not None
    before, verb, gap, second, rest = words.groups()
    first, then = verb.upper(), second.upper()
    if b"AUTH" in first:
        verb = verb if _GLUED.fullmatch(verb) else b""
    elif b"AUTH" not in then or (known and not rest.strip(_BLANKS)):  # EHLO auth.example.com
        return None
    elif not (known or (verb.isalpha() and len(verb) <= _VERB)):
        verb = b""
    second = second if then in _NAMES or _GLUED.fullmatch(second) else b""
    shown = before + verb + (gap + second if second else b"")
    return shown if shown == line.rstrip(_BLANKS) else (shown + b" (credentials)").removeprefix(b"" if before else b" ")
