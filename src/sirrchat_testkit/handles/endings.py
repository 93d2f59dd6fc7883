"""How a connection ended that delivered no mail, in one line: the decisive command and its reply.

1. If every command from some point on was refused, the first of them is decisive, because the others were refused for
   the same reason. Otherwise it is the last command. QUIT is never decisive.
2. A reply of several lines is shown as one line. Long texts are cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from sirrchat_testkit.domain.sessions import Session
from sirrchat_testkit.domain.transcript import Transcript
from sirrchat_testkit.formatting import counted, printable

__tracebackhide__ = True

WIDTH: Final = 160
"""Characters of a command or a reply that are shown."""

_LEAVE = re.compile(r"(?:QUIT|RSET|NOOP)\b", re.IGNORECASE)
_NO_COMMAND = "(no command)"
_TLS = "; does the client start with TLS?"
_STARTTLS = "; does the client need STARTTLS? Settings(starttls=True) offers it"
_STOPPED = "; was the client stopped, or does it need STARTTLS? Settings(starttls=True) offers it"


@dataclass(slots=True, eq=False, repr=False)
class _Exchange:
    """A command and the lines of its reply. The greeting is the reply to an empty command."""

    command: str = ""
    replies: list[str] = field(default_factory=list)

    @property
    def is_unfinished(self) -> bool:
        """Whether the client's next line belongs to this command: a response of AUTH, or a message."""
        return bool(self.replies) and self.replies[-1][:1] == "3"

    @property
    def is_refused(self) -> bool:
        return bool(self.replies) and self.replies[-1][:1] in {"4", "5"}

    @property
    def lacks_starttls(self) -> bool:
        """Whether this is EHLO, and its reply does not offer STARTTLS."""
        return self.command[:4].upper() == "EHLO" and all(each[4:] != "STARTTLS" for each in self.replies)

    def add(self, line: str) -> None:
        """Add a line of the reply. A line after the last one begins a new reply, which replaces this one."""
        if self.replies and self.replies[-1][3:4] != "-":
            self.replies.clear()
        self.replies.append(line)

    def __str__(self) -> str:
        first, *more = self.replies or ["(no reply)"]
        reply = ", ".join([f"{first[:3]} {first[4:]}" if more else first, *(each[4:] for each in more)])
        command = f"C: {_cut(self.command)}  " if self.command else ""
        return f"{command}S: {_cut(reply)}"


def ending(session: Session, refused: Collection[str] = ()) -> str:
    """Return how far ``session`` got; empty if it was not greeted, or if ``refused`` recipients already explain it."""
    exchanges = _exchanges(session.transcript)
    others = 0
    quits = exchanges[-1].command[:4].upper() == "QUIT"
    while _LEAVE.match(exchanges[-1].command):
        exchanges.pop()
    if exchanges[-1].is_refused:
        last = [*takewhile(lambda each: each.is_refused, reversed(exchanges))]
        if any(each in exchange.command for exchange in last for each in refused):
            return ""
        decisive, others = last[-1], len(last) - 1
    else:
        decisive = exchanges[-1]
    if not exchanges[0].replies:
        return ""
    if not decisive.command and not decisive.is_refused:
        return f"sent no command{'' if session.tls else _TLS}"
    doubt = _TLS if decisive.command == _NO_COMMAND and not session.ehlo else ""
    if decisive.is_refused:
        more = f", and {counted(others, 'more command')} after it" if others else ""
        return f"was refused at {decisive}{more}{doubt}{'' if session.closed else '; it is still connected'}"
    if session.closed and not session.tls and decisive.lacks_starttls:
        doubt = _STARTTLS if quits else _STOPPED
    return f"{'ended with' if session.closed else 'is still connected after'} {decisive}{doubt}"


def _exchanges(transcript: Transcript) -> list[_Exchange]:
    exchanges = [_Exchange()]
    for line in transcript:
        if line.who == "C" and exchanges[-1].is_unfinished:
            exchanges[-1].replies.clear()
        elif line.who == "C":
            exchanges.append(_Exchange(line.text))
        elif line.who == "S":
            exchanges[-1].add(line.text)
    return exchanges


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."
