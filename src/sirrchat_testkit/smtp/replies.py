"""The replies of the server, as data.

1. A reply is a code (RFC 5321 section 4.2), an enhanced status code (RFC 3463) and a human-readable text.
2. Replies of class 2, 4 and 5 carry the status code on every line (RFC 2034 section 4); the greeting, the replies to
   HELO and EHLO, and 354 do not.
3. A reply is sent in ASCII: other characters of an address are escaped, since only some clients accept UTF-8.
4. The table ``BY_ERROR`` maps a class of ``errors`` to a reply; a subclass without a row has that of its parent.
   Errors that are not refusals have fixed texts; the texts of the store's errors are only logged.
"""

from __future__ import annotations

import base64
import enum
import functools
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sirrchat_testkit.errors import (
    FaultRefused,
    ForeignDomain,
    NoSuchAddress,
    OverQuota,
    Refused,
    Simulated,
    StoreBroken,
    StoreBusy,
    StoreError,
    StoreFull,
    TestkitError,
    TooBusy,
    TooManyRecipients,
)
from sirrchat_testkit.smtp.reader import Flaw

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_LONGEST = 500  # bytes of text in a line: RFC 5321 section 4.5.3.1.5 allows 512 for the whole line


class Next(enum.Enum):
    """The action after a reply, other than reading the next command."""

    DATA = "the message"
    CHUNK = "a chunk of the message"
    WATCHED_DATA = "the message, which a fault may break off"
    WATCHED_CHUNK = "a chunk, which a fault may break off"
    RESPONSE = "the response to a challenge"
    TLS = "the TLS handshake"
    CLOSE = "the end of the connection, after the reply is sent"
    ABORT = "the end of the connection at once"


_NEXT = {221: Next.CLOSE, 334: Next.RESPONSE, 354: Next.DATA, 421: Next.CLOSE}
"""The action that follows a reply with one of these codes (RFC 5321 sections 3.8 and 4.2.3)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. A text of several lines makes a reply of several lines.

    Attributes:
        code: The reply code; 0 if nothing is sent.
        status: The enhanced status code; empty if there is none.
        text: The text, without codes.
        next: The action after the reply; None to read the next command.
        wire: The bytes to send.
    """

    code: int
    status: str
    text: str
    next: Next | None = None
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wire", _render(self))
        if self.next is None:
            object.__setattr__(self, "next", _NEXT.get(self.code))

    @property
    def wire_without_status(self) -> bytes:
        """The bytes to send if ENHANCEDSTATUSCODES is not offered."""
        return _render(self, enhanced=False)

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.status, self.text)))


Answer: TypeAlias = Reply | Coroutine[Any, Any, Reply]
"""A reply, or a coroutine that returns one."""


def _render(reply: Reply, *, enhanced: bool = True) -> bytes:
    if not reply.code:
        return b""
    status = f"{reply.status} " if reply.status and enhanced else ""
    text = _CONTROL.sub("?", reply.text).encode("ascii", "backslashreplace").decode("ascii")
    *before, last = (f"{status}{line[:_LONGEST]}\r\n" for line in text.split("\n"))
    return "".join([f"{reply.code}-{line}" for line in before] + [f"{reply.code} {last}"]).encode("ascii")


OK = Reply(250, "2.0.0", "OK")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
STORED = Reply(250, "2.0.0", "Message stored")
HANG_UP = Reply(0, "", "", Next.CLOSE)
"""Sends nothing: the connection is closed."""
BROKEN_OFF = Reply(0, "", "", Next.ABORT)
"""Sends nothing: the connection is aborted while the client is sending."""
WRITTEN = Reply(0, "", "")
"""Sends nothing: the reply has been written already."""

CHUNK = Reply(0, "", "", Next.CHUNK)
"""Sends nothing: the bytes of the chunk are read before the reply to BDAT."""

BYE = Reply(221, "2.0.0", "Bye")
BEGIN_TLS = Reply(0, "", "", Next.TLS)
"""Sends nothing: the connection begins with TLS."""

READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS", Next.TLS)
AUTHENTICATED = Reply(235, "2.7.0", "Authentication succeeded")
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot verify; will accept the message and decide on delivery")

STOPPING = Reply(421, "4.3.2", "The server is stopping")
SCOPE_ENDED = Reply(421, "4.3.2", "Closing connection: the test scope has ended")
HTTP = Reply(421, "4.7.0", "HTTP is not served on this port; closing connection")
LOGIN_GONE = Reply(421, "4.7.0", "Closing connection: the account of this login no longer exists")
TIMED_OUT = Reply(421, "4.4.2", "Timeout: closing connection")
CRASHED = Reply(451, "4.3.0", "Server error; it is reported to the test that owns the server")
OUT_OF_MEMORY = Reply(452, "4.3.1", "Insufficient memory; try again later")

TOO_MANY_SESSIONS = Reply(421, "4.7.0", "Too many connections")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in this connection; open another one")
TOO_MANY_UNKNOWN = Reply(421, "4.7.0", "Too many unknown commands; closing connection")
TOO_MANY_FAILED_LOGINS = Reply(421, "4.7.0", "Too many failed logins; closing connection")
SESSION_OVER = Reply(421, "4.7.0", "Session time limit exceeded")

UNKNOWN = Reply(500, "5.5.1", "Command not recognized")
BAD_SYNTAX = Reply(500, "5.5.2", "Syntax error, command unrecognized")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
BARE_LINE_FEED = Reply(500, "5.5.2", "Lines must end with <CR><LF>, not a bare <LF>")
BAD_CHARACTERS = Reply(501, "5.5.4", "Arguments must be printable ASCII, or UTF-8 in addresses")
NO_ARGUMENT = Reply(501, "5.5.4", "No argument allowed")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64 = Reply(501, "5.5.2", "Cannot decode base64")
BAD_RESPONSE = Reply(501, "5.5.2", "Malformed authentication response")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO or HELO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RECIPIENTS_FIRST = Reply(503, "5.5.1", "Send RCPT first")
NESTED_MAIL = Reply(503, "5.5.1", "A transaction is in progress; send DATA or RSET")
ONE_AT_A_TIME = Reply(503, "5.5.0", "PIPELINING is not offered; wait for each reply")
MIXED = Reply(503, "5.5.1", "DATA and BDAT cannot be mixed; send BDAT or RSET")
BINARY_BY_BDAT = Reply(503, "5.5.1", "BODY=BINARYMIME requires BDAT")
TLS_IS_ON = Reply(503, "5.5.1", "TLS already active")
LOGGED_IN = Reply(503, "5.5.1", "Already authenticated")
NOT_NOW = Reply(503, "5.5.1", "Not allowed during a transaction; send RSET first")
NO_MECHANISM = Reply(504, "5.5.4", "Authentication mechanism not supported")
LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
TLS_FIRST = Reply(530, "5.7.0", "Send STARTTLS first")
WRONG_CREDENTIALS = Reply(535, "5.7.8", "Authentication credentials invalid")
LOGIN_NEEDS_TLS = Reply(538, "5.7.11", "Encryption required for authentication")
TOO_BIG = Reply(552, "5.3.4", "Message size exceeds the limit")

BY_FLAW = {
    Flaw.TOO_LONG: LINE_TOO_LONG,
    Flaw.BARE_LINE_FEED: BARE_LINE_FEED,
    Flaw.TOO_BIG: TOO_BIG,
    Flaw.OUT_OF_MEMORY: OUT_OF_MEMORY,
}
"""The replies to malformed lines and to messages that cannot be received."""

SYNTAX = {
    "AUTH": "AUTH mechanism [initial-response]",
    "BDAT": "BDAT size [LAST]",
    "DATA": "DATA",
    "EHLO": "EHLO hostname",
    "HELO": "HELO hostname",
    "HELP": "HELP [command]",
    "MAIL": "MAIL FROM:<address> [parameters]",
    "NOOP": "NOOP [anything]",
    "QUIT": "QUIT",
    "RCPT": "RCPT TO:<address> [parameters]",
    "RSET": "RSET",
    "STARTTLS": "STARTTLS",
    "VRFY": "VRFY address",
}
"""The syntax of each command that HELP lists."""

BY_ERROR: dict[type[TestkitError], tuple[int, str]] = {
    Refused: (550, "5.7.1"),
    NoSuchAddress: (550, "5.1.1"),
    ForeignDomain: (550, "5.7.1"),
    OverQuota: (552, "5.2.2"),
    TooManyRecipients: (452, "4.5.3"),
    Simulated: (550, "5.1.1"),
    FaultRefused: (550, "5.7.1"),
    StoreError: (451, "4.3.0"),
    StoreFull: (452, "4.3.1"),
    StoreBusy: (451, "4.3.2"),
    StoreBroken: (452, "4.3.0"),
    TooBusy: (454, "4.7.0"),
}
"""Code and enhanced status code of each error that receiving mail or a login may raise."""

FAILURES: dict[type[TestkitError], str] = {
    StoreError: "Local error in processing",
    StoreFull: "Insufficient system storage",
    StoreBusy: "Insufficient system resources, try again later",
    StoreBroken: "The store is read-only, because a write failed",
    TooBusy: "Temporary authentication failure, try again later",
}
"""The texts for errors whose own texts are not for clients, such as those of the store, which contain file names."""


@functools.lru_cache
def greeting(hostname: str) -> Reply:
    """Return the greeting."""
    return Reply(220, "", f"{hostname} ESMTP sirrchat_testkit")


@functools.lru_cache
def helo(hostname: str) -> Reply:
    """Return the reply to HELO."""
    return Reply(250, "", hostname)


@functools.lru_cache
def ehlo(hostname: str, extensions: tuple[str, ...]) -> Reply:
    """Return the reply to EHLO, with a line for each extension (RFC 5321 section 4.1.1.1)."""
    return Reply(250, "", "\n".join([hostname, *extensions]))


def challenge(data: bytes) -> Reply:
    """Return the 334 that requests the next response of a SASL mechanism (RFC 4954 section 4)."""
    return Reply(334, "", base64.b64encode(data).decode("ascii"))


def chunk_received(size: int) -> Reply:
    """Return the reply to a chunk that is not the last one (RFC 3030 section 2)."""
    return Reply(250, "2.0.0", f"{size} bytes received")


def for_error(error: Refused | StoreError | TooBusy) -> Reply:
    """Return the reply for ``error``, with the text of a refusal, or a fixed text for any other error."""
    kind = next(each for each in type(error).__mro__ if each in BY_ERROR)
    return Reply(*BY_ERROR[kind], FAILURES.get(kind) or str(error))


def syntax(verb: str) -> Reply:
    """Return the 501 that shows the syntax of ``verb``."""
    return Reply(501, "5.5.4", f"Syntax: {SYNTAX[verb]}")


def help_for(topic: str) -> Reply:
    """Return the reply to HELP: the names of the commands, or the syntax of ``topic``."""
    if topic.upper() in SYNTAX:
        return Reply(214, "2.0.0", f"Syntax: {SYNTAX[topic.upper()]}")
    if topic:
        return Reply(504, "5.5.4", "No help for that; HELP lists the commands")
    return Reply(214, "2.0.0", f"Commands: {' '.join(SYNTAX)}")
