"""Parse command lines and find the method of the session that answers each. Only malformed lines are answered here.

An HTTP request ends the connection: a web page can make a browser send one to any port, with mail in its body.

The same few lines are sent again and again, so the commands parsed from them are cached: those of one word, and those
with a plain path and nothing else. No other line is cached, because a line sent by mistake may contain credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from sirrchat_testkit.domain.transcript import shortened
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.paths import plain_path
from sirrchat_testkit.smtp.reader import Flaw, content
from sirrchat_testkit.smtp.redaction import MAY_HIDE_AUTH
from sirrchat_testkit.smtp.replies import Answer, Reply
from sirrchat_testkit.smtp.session import SmtpSession

Execute: TypeAlias = Callable[[SmtpSession, str], Answer]
Line: TypeAlias = bytes | Literal[Flaw.TOO_LONG]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HTTP = re.compile(rb"host:.*|[^ ]+ .*HTTP/[0-9.]+", re.IGNORECASE | re.DOTALL)  # Host follows a line that is too long
_UTF8 = frozenset({b"MAIL", b"RCPT", b"VRFY"})  # the commands with addresses (RFC 6531 section 3.7.1)
_ONE_WORD = frozenset({b"DATA", b"RSET", b"NOOP", b"QUIT"})  # shown unchanged if nothing follows
_WITH_PATH = frozenset({b"MAIL", b"RCPT"})  # shown unchanged unless the argument may hide an AUTH
_CACHED = 1024  # lines

COMMANDS: Final[Mapping[bytes, Execute]] = {
    b"AUTH": SmtpSession.auth,
    b"BDAT": SmtpSession.bdat,
    b"DATA": SmtpSession.data,
    b"EHLO": SmtpSession.ehlo,
    b"EXPN": SmtpSession.expn,
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
"""Every known command."""


class Command(NamedTuple):
    """A parsed command line.

    Attributes:
        name: The command in upper case; empty if the line is refused, and then ``execute`` returns the reply.
        execute: The method that answers it.
        argument: The text after the command.
        line: The line without its end; None if it is malformed.
        shown: The line as transcripts show it; None if that depends on earlier lines.
        known: Whether the line begins with a known command.
    """

    name: bytes
    execute: Execute
    argument: str
    line: bytes | None
    shown: bytes | None
    known: bool


_cache: dict[Line, Command] = {}


def parse(line: Line) -> Command:
    """Return the command in ``line``, which comes from ``Reader.line``."""
    command = _cache.get(line)
    if command is None:
        text = content(line)
        if isinstance(text, Flaw):
            return _unknown(replies.BY_FLAW[text], None, None)
        command = _parse(text)
        if text.upper() in _ONE_WORD or (command.name in _WITH_PATH and plain_path(command.argument)):
            if len(_cache) >= _CACHED:
                _cache.clear()
            _cache[line] = command
    return command


def _parse(line: bytes) -> Command:
    word, _, rest = line.partition(b" ")
    name = word.upper()
    harmless = rest[:1] not in MAY_HIDE_AUTH if name in _WITH_PATH else not rest and name in _ONE_WORD
    shown = shortened(line) if harmless else None
    execute = COMMANDS.get(name)
    if _HTTP.fullmatch(line):
        return _refused(replies.HTTP, line, shown, known=False)
    if execute is None:
        return _unknown(replies.UNKNOWN if word.isalpha() else replies.BAD_SYNTAX, line, shown)
    try:
        argument = rest.decode("utf-8" if name in _UTF8 else "ascii").strip(" ")
    except UnicodeDecodeError:
        return _refused(replies.BAD_CHARACTERS, line, shown)
    if not argument.isprintable() and _CONTROL.search(argument):
        return _refused(replies.BAD_CHARACTERS, line, shown)
    return Command(name, execute, argument, line, shown, known=True)


def _unknown(reply: Reply, line: bytes | None, shown: bytes | None) -> Command:
    return Command(b"", lambda session, _argument: session.unknown(reply), "", line, shown, known=False)


def _refused(reply: Reply, line: bytes | None, shown: bytes | None, *, known: bool = True) -> Command:
    return Command(b"", lambda _session, _argument: reply, "", line, shown, known)
