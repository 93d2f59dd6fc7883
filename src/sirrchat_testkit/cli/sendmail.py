"""``sendmail``: sends a message from stdin, for programs that call sendmail: PHP's ``mail()``, cron, mail clients.

1. The flags are those of sendmail. Those that make no difference here, such as ``-oem``, are ignored; modes other than
   ``-bm`` are refused.
2. The message is sent as it is, with CRLF. From, Date and Message-ID are added if they are missing, and Bcc is removed.
3. The exit statuses are those of sysexits.h, as sendmail uses them.
4. An address without a domain gets the name of this machine, as with sendmail.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from sirrchat_testkit.cli.parser import CommandFailed, Parser, fail
from sirrchat_testkit.cli.smtp import NotSent, add_smtp, smtp_server, with_crlf

USAGE, NO_USER, UNAVAILABLE, IO, TEMPORARY, CONFIG = 64, 67, 69, 74, 75, 78
"""``EX_USAGE``, ``EX_NOUSER``, ``EX_UNAVAILABLE``, ``EX_IOERR``, ``EX_TEMPFAIL``, ``EX_CONFIG``."""

_NO_SUCH_USER: Final = frozenset({550, 551, 553})
_PERMANENT: Final = range(500, 600)

_TO: Final = frozenset({"to", "cc", "bcc"})
_FIELD = re.compile(rb"([!-9;-~]+[ \t]*:.*(?:\r\n[ \t].*)*)(?:\r\n|\Z)")
"""A header field; the ends of its lines are CRLF."""

_IGNORED: Final = "GUmnv"
_IGNORED_WITH_VALUE: Final = "ABCDLNOQRVXdeopq"


def add_sendmail(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s [-t] [-i] [-f ADDRESS] [-F NAME] [flags] [ADDRESS ...]"
    command.description = (
        "Send the message on stdin, as sendmail does, for PHP's mail(), cron and mail clients. Other flags of sendmail "
        "are ignored. The exit status is 0, or one of sysexits.h: 64 wrong use or no recipient, 67 "
        "recipient refused, 69 message refused, 75 no server, or try again later."
    )
    command.add_argument("recipients", nargs="*", metavar="ADDRESS", help="a recipient")
    command.rest = "recipients"
    command.add_argument("-t", action="store_true", dest="read", help="also send to the addresses of To, Cc and Bcc")
    command.add_argument(
        "-i", action="store_true", dest="whole", help="a line with a single dot does not end the message"
    )
    command.add_argument("-oi", action="store_true", dest="whole", help="the same")
    command.add_argument("-f", metavar="ADDRESS", dest="sender", help="the sender [default: the user on this machine]")
    command.add_argument("-F", metavar="NAME", dest="name", help="the name of the sender, if the message has no From")
    command.add_argument("-bm", action="store_true", help="send a message; the only mode")
    command.add_argument("-r", dest="sender", help=argparse.SUPPRESS)
    command.add_argument("-b", choices=["m"], dest="mode", help=argparse.SUPPRESS)
    for letter in _IGNORED:
        command.add_argument(f"-{letter}", action="store_true", help=argparse.SUPPRESS)
    for letter in _IGNORED_WITH_VALUE:
        command.add_argument(f"-{letter}", action="append", help=argparse.SUPPRESS)
    add_smtp(command)
    command.set_defaults(run=_sendmail)


def _sendmail(arguments: argparse.Namespace) -> int:
    try:
        server = smtp_server(arguments)
    except ValueError as error:
        raise CommandFailed(str(error), USAGE if arguments.smtp_port else CONFIG) from None
    fields, body = _split(_input(whole=arguments.whole))
    recipients = [*arguments.recipients, *(_recipients(fields) if arguments.read else ())]
    if not recipients:
        text = "name one, or use -t for those in the message"
        raise CommandFailed(f"a recipient is missing: {'To, Cc and Bcc have none' if arguments.read else text}", USAGE)
    sender = _qualified(_user() if arguments.sender is None else arguments.sender)
    header = b"\r\n".join([*_added(fields, sender, arguments.name), *(each for each in fields if _name(each) != "bcc")])
    try:
        refused = server.send(sender, [*dict.fromkeys(map(_qualified, recipients))], header + b"\r\n\r\n" + body)
    except NotSent as error:
        raise CommandFailed(str(error), TEMPORARY if error.is_temporary else UNAVAILABLE) from None
    return max((_refused(to, *reply) for to, reply in refused.items()), default=0)


def _refused(to: str, code: int, reply: str) -> int:
    status = NO_USER if code in _NO_SUCH_USER else UNAVAILABLE if code in _PERMANENT else TEMPORARY
    return fail(f"{to} was refused: {code} {reply}", status)


def _input(*, whole: bool) -> bytes:
    """Return the message on stdin with CRLF at the ends of its lines; unless it is ``whole``, to a line with a dot."""
    try:
        raw = with_crlf(sys.stdin.buffer.read())
    except OSError as error:
        raise CommandFailed(f"cannot read stdin: {error.strerror}", IO) from None
    return raw if whole else re.split(rb"^\.\r\n", raw, maxsplit=1, flags=re.MULTILINE)[0]


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    """Return the header fields of ``raw``, without their last CRLF, and its body, which begins at any other line."""
    fields: list[bytes] = []
    at = raw.index(b"\r\n") + 2 if raw.startswith(b"From ") and b"\r\n" in raw else 0  # the first line of an mbox
    while found := _FIELD.match(raw, at):
        fields.append(found[1])
        at = found.end()
    return fields, raw[at:].removeprefix(b"\r\n")


def _name(field: bytes) -> str:
    return field.partition(b":")[0].strip().lower().decode("ascii")


def _recipients(fields: Sequence[bytes]) -> list[str]:
    """Return the addresses of To, Cc and Bcc."""
    from sirrchat_testkit.mail.address_headers import ADDRESS_FIELDS, ADDRESSES, Allowance, bare_addresses

    allowance = Allowance()
    texts = [each.partition(b":")[2].decode("utf-8", "replace") for each in fields if _name(each) in _TO]
    found = [address for text in texts for address in bare_addresses(text, allowance)]
    if allowance.exceeded:
        raise CommandFailed(
            f"To, Cc and Bcc have more than {ADDRESSES} addresses, or are more than {ADDRESS_FIELDS} fields", USAGE
        )
    return found


def _added(fields: Sequence[bytes], sender: str, name: str | None) -> Iterator[bytes]:
    """Return the fields that every message has and this one does not."""
    from email.utils import formataddr, formatdate, make_msgid

    names = {*map(_name, fields)}
    if "from" not in names:
        address = sender or _qualified(_user())
        shown = f"{formataddr((name, '')).removesuffix('<>')}<{address}>" if name else address
        yield f"From: {shown}".encode("utf-8", "surrogateescape")
    if "date" not in names:
        yield f"Date: {formatdate(localtime=True)}".encode()
    if "message-id" not in names:
        yield f"Message-ID: {make_msgid(domain=_host())}".encode()


def _qualified(address: str) -> str:
    """Return ``address`` without a name and with a domain, as this machine means it; the empty sender stays empty."""
    named = re.search(r"<([^<>]*)>\s*$", address)
    bare = named[1] if named else address.strip()
    return f"{bare}@{_host()}" if bare and "@" not in bare else bare


def _host() -> str:
    return os.uname().nodename


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return f"user-{os.getuid()}"
