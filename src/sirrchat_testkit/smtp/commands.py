"""From a command line to what the handler is asked; nothing is answered here but lines that are no command.

The same few lines come again and again, so what they mean is remembered: of those that are one word, or have a plain
path and nothing else. No other is kept, since what a client says by mistake may be a credential.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from sirrchat_testkit.domain.transcript import shortened
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.paths import plain_path
from sirrchat_testkit.smtp.reader import Flaw, content
from sirrchat_testkit.smtp.redaction import HIDING
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.session import SmtpSession

Ask: TypeAlias = Callable[[SmtpSession, str], Answer]
Came: TypeAlias = bytes | Literal[Flaw.TOO_LONG]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UTF8 = frozenset({b"MAIL", b"RCPT", b"VRFY"})  # the commands with addresses (RFC 6531 section 3.7.1)
_BARE = frozenset({b"DATA", b"RSET", b"NOOP", b"QUIT"})  # shown as they are, if nothing follows
_PATHS = frozenset({b"MAIL", b"RCPT"})  # what follows them is shown, unless it is no path
_REMEMBERED = 1024  # lines

FLAWS: Final = {
    Flaw.TOO_LONG: replies.LINE_TOO_LONG,
    Flaw.BARE_LINE_FEED: replies.BARE_LINE_FEED,
}
"""What a line is answered that is none."""

COMMANDS: Final[Mapping[bytes, Ask]] = {
    b"AUTH": SmtpSession.auth,
    b"BDAT": SmtpSession.bdat,
    b"DATA": SmtpSession.data,
    b"EHLO": SmtpSession.ehlo,
    b"EXPN": SmtpSession.not_here,
    b"HELO": SmtpSession.helo,
    b"HELP": SmtpSession.help,
    b"MAIL": SmtpSession.mail,
    b"NOOP": SmtpSession.noop,
    b"QUIT": SmtpSession.quit,
    b"RCPT": SmtpSession.rcpt,
    b"RSET": SmtpSession.rset,
    b"STARTTLS": SmtpSession.starttls,
    b"VRFY": SmtpSession.vrfy,
}
"""Every command that is known."""


class Command(NamedTuple):
    """What a line asks for; ``name`` is empty where it is no command, and then ``ask`` returns why.

    ``line`` is what it says, and ``shown`` what a transcript shows of it, None where that depends on what was said
    before. ``known`` is whether there is such a command.
    """

    name: bytes
    ask: Ask
    argument: str
    line: bytes
    shown: bytes | None
    known: bool


_understood: dict[Came, Command] = {}


def understand(line: Came) -> Command:
    """Return what ``line``, as the reader gave it, asks for."""
    command = _understood.get(line)
    if command is None:
        said = content(line)
        if isinstance(said, Flaw):
            return _refused(FLAWS[said], b"", shown=b"(no command)")
        command = _read(said)
        if said.upper() in _BARE or (command.name in _PATHS and plain_path(command.argument)):
            if len(_understood) >= _REMEMBERED:
                _understood.clear()
            _understood[line] = command
    return command


def _read(line: bytes) -> Command:
    word, _, rest = line.partition(b" ")
    name = word.upper()
    harmless = rest[:1] not in HIDING if name in _PATHS else not rest and name in _BARE
    shown = shortened(line) if harmless else None
    ask = COMMANDS.get(name)
    if ask is None:
        return _refused(replies.UNKNOWN if word.isalpha() else replies.BAD_SYNTAX, line, shown, known=False)
    try:
        argument = rest.decode("utf-8" if name in _UTF8 else "ascii").strip(" ")
    except UnicodeDecodeError:
        return _refused(replies.BAD_CHARACTERS, line, shown)
    if not argument.isprintable() and _CONTROL.search(argument):
        return _refused(replies.BAD_CHARACTERS, line, shown)
    return Command(name, ask, argument, line, shown, known=True)


def _refused(reply: Reply, line: bytes, shown: bytes | None, *, known: bool = True) -> Command:
    return Command(b"", lambda _handler, _argument: reply, "", line, shown, known)
