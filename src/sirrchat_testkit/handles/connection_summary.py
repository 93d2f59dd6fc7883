"""How far a connection came that brought no mail: the command that tells, and the reply to it, in one line.

1. Of commands that were refused one after the other, to the last, the first tells: the rest were refused because of it.
   Where the last one was not refused, it tells. Taking leave tells nothing.
2. A reply of several lines is shown as one; what is long is cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.transcript import Transcript
from sirrchat_testkit.formatting import counted

__tracebackhide__ = True

WIDTH: Final = 160
"""Characters of a command or a reply that are shown."""

_LEAVE = re.compile(r"(?:QUIT|RSET|NOOP)\b", re.IGNORECASE)
_NO_COMMAND = "(no command)"
_TLS = "; does the client begin with TLS?"


@dataclass(slots=True, eq=False, repr=False)
class _Exchange:
    """A command and the lines of the reply to it; the greeting answers an empty one."""

    command: str = ""
    replies: list[str] = field(default_factory=list)

    @property
    def is_asked_more(self) -> bool:
        """Whether what the client says next belongs to this command: a response of AUTH, a message."""
        return bool(self.replies) and self.replies[-1][:1] == "3"

    @property
    def is_refused(self) -> bool:
        return bool(self.replies) and self.replies[-1][:1] in {"4", "5"}

    def add(self, line: str) -> None:
        """Add a line of the reply; one behind its last begins another, which tells more."""
        if self.replies and self.replies[-1][3:4] != "-":
            self.replies.clear()
        self.replies.append(line)

    def __str__(self) -> str:
        first, *more = self.replies or ["(no reply)"]
        reply = ", ".join([f"{first[:3]} {first[4:]}" if more else first, *(each[4:] for each in more)])
        said = f"C: {_cut(self.command)}  " if self.command else ""
        return f"{said}S: {_cut(reply)}"


def ending(session: Session, refused: Collection[str] = ()) -> str:
    """Return how far ``session`` came; empty if it was not greeted, or ended with the refusal of ``refused``."""
    exchanges = _exchanges(session.transcript)
    others = 0
    while _LEAVE.match(exchanges[-1].command):
        exchanges.pop()
    if exchanges[-1].is_refused:
        last = [*takewhile(lambda each: each.is_refused, reversed(exchanges))]
        if any(each in exchange.command for exchange in last for each in refused):
            return ""
        telling, others = last[-1], len(last) - 1
    else:
        telling = exchanges[-1]
    if not exchanges[0].replies:
        return ""
    if not telling.command and not telling.is_refused:
        return f"sent no command{'' if session.tls else _TLS}"
    doubt = _TLS if telling.command == _NO_COMMAND and not session.ehlo else ""
    if telling.is_refused:
        more = f", and {counted(others, 'more command')} behind it" if others else ""
        return f"was refused at {telling}{more}{doubt}{'' if session.closed else '; it is still connected'}"
    return f"{'ended with' if session.closed else 'is still connected after'} {telling}{doubt}"


def _exchanges(transcript: Transcript) -> list[_Exchange]:
    exchanges = [_Exchange()]
    for line in transcript:
        if line.who == "C" and exchanges[-1].is_asked_more:
            exchanges[-1].replies.clear()
        elif line.who == "C":
            exchanges.append(_Exchange(line.text))
        elif line.who == "S":
            exchanges[-1].add(line.text)
    return exchanges


def _cut(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."
