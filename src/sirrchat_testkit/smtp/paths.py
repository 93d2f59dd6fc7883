"""The arguments of MAIL and RCPT: paths and ESMTP parameters (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

1. An error is raised as ``Malformed``, which holds the reply. Nothing else is raised.
2. The plain case, ``FROM:<local@domain>``, costs at most one regular expression. It accepts nothing that the full
   parser refuses.
3. Spaces between the colon and the path are accepted, since many clients send one and real servers accept it. Missing
   angle brackets are not accepted. Source routes are ignored (RFC 5321 section 4.1.1.3).
4. A sender without a domain, such as ``<root>``, is accepted as it comes, since programs of the same host send it. A
   recipient needs a domain, except ``<postmaster>`` (RFC 5321 section 4.5.1).
5. Parameters are checked, and kept as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import NamedTuple

from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.smtp.replies import Reply, syntax

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = rf"({_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*)"
_PLAIN = re.compile(rf"(?:FROM|TO): *<{_MAILBOX}>", re.IGNORECASE | re.ASCII)
_CACHED = 1024  # plain paths
_MAIL = re.compile(r"FROM: *", re.IGNORECASE | re.ASCII)
_RCPT = re.compile(r"TO: *", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?= |$)')
_ROUTE = re.compile(r"@[^:@,]+(?:,@[^:@,]+)*:")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?")

_SURROGATE = re.compile(r"[\ud800-\udfff]")

_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
_SYNTAX: Mapping[str, Mapping[str, re.Pattern[str] | None]] = {
    "MAIL": {
        "SIZE": re.compile(r"[0-9]{1,20}"),
        "BODY": re.compile(r"7BIT|8BITMIME|BINARYMIME", re.IGNORECASE | re.ASCII),
        "SMTPUTF8": None,
        "AUTH": re.compile(rf"<>|{_XTEXT}"),
    },
    "RCPT": {},
}
"""The parameters of each command and the syntax of their values; None if a parameter has no value.

Those of DSN (RFC 3461) are refused, because no delivery status notifications are sent.
"""


class Malformed(Exception):
    """The argument of a command is malformed; ``reply`` is the reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Path(NamedTuple):
    """The argument of MAIL or RCPT.

    Attributes:
        address: Empty for the null reverse-path; without a domain if the path has none.
        parameters: The parameters as they were sent.
        size: The declared size of the message in bytes; 0 if there is none.
        utf8: Whether SMTPUTF8 was given.
        binary: Whether BODY=BINARYMIME was given.
    """

    address: str
    parameters: tuple[str, ...] = ()
    size: int = 0
    utf8: bool = False
    binary: bool = False


def parse_mail(argument: str, *, extended: bool = True, hidden: Container[str] = ()) -> Path:
    """Return the reverse-path after MAIL.

    Args:
        argument: The text after the command.
        extended: Whether the client greeted with EHLO. If not, no parameter is accepted.
        hidden: Names of parameters, and values of BODY, that are not accepted.

    Raises:
        Malformed: The path is malformed, or a parameter is malformed, unknown or repeated.
    """
    if (plain := plain_path(argument)) and argument[0] in "Ff":
        return plain
    address, rest = _path("MAIL", _MAIL, argument)
    values = _parameters("MAIL", rest, extended=extended, hidden=hidden)
    utf8 = "SMTPUTF8" in values
    if address:
        _check_address("5.1.7", address, utf8=utf8)
    binary = (values.get("BODY") or "").upper() == "BINARYMIME"
    return Path(address, tuple(rest.split()), int(values.get("SIZE") or 0), utf8, binary)


def parse_rcpt(argument: str, *, extended: bool = True, utf8: bool = False, hidden: Container[str] = ()) -> Path:
    """Return the forward-path after RCPT.

    Args:
        argument: The text after the command.
        extended: Whether the client greeted with EHLO. If not, no parameter is accepted.
        utf8: Whether MAIL had the parameter SMTPUTF8.
        hidden: Names of parameters that are not accepted.

    Raises:
        Malformed: The path is malformed, or a parameter is malformed, unknown or repeated.
    """
    if (plain := plain_path(argument)) and argument[0] in "Tt":
        return plain
    address, rest = _path("RCPT", _RCPT, argument)
    _parameters("RCPT", rest, extended=extended, hidden=hidden)
    _check_address("5.1.3", address, utf8=utf8)
    if address.lower() != "postmaster" and not addressing.is_mailbox(address):
        raise Malformed(Reply(553, "5.1.3", f"{address} has no domain"))
    return Path(address, tuple(rest.split()))


_plain: dict[str, Path] = {}


def plain_path(argument: str) -> Path | None:
    """Return the path in ``argument`` if it is ``FROM:<address>`` or ``TO:<address>`` and nothing else, or None.

    The same few are sent again and again, so they are cached. No other argument is, because it may hold credentials.
    """
    path = _plain.get(argument)
    if path is None and (found := _PLAIN.fullmatch(argument)) and len(found[1]) <= addressing.MAX_LOCAL:
        if len(_plain) >= _CACHED:
            _plain.clear()
        path = _plain[argument] = Path(found[1])
    return path


def _path(verb: str, keyword: re.Pattern[str], argument: str) -> tuple[str, str]:
    """Return the address, without a source route, and the text after the path."""
    start = keyword.match(argument)
    path = _PATH.match(argument, start.end()) if start else None
    if path is None:
        raise Malformed(syntax(verb))
    return _ROUTE.sub("", path[1], count=1) if path[1].startswith("@") else path[1], argument[path.end() :]


def _check_address(status: str, address: str, *, utf8: bool) -> None:
    if not address.isascii() and not utf8:
        raise Malformed(Reply(553, "5.6.7", "A non-ASCII address requires the SMTPUTF8 parameter of MAIL"))
    if len(address.encode("utf-8", "surrogatepass")) > addressing.MAX_ADDRESS:
        raise Malformed(Reply(501, status, f"The address is longer than {addressing.MAX_ADDRESS} bytes"))
    valid = addressing.is_mailbox(address) or addressing.is_local_part(address)
    if not valid or _SURROGATE.search(address):
        raise Malformed(Reply(553, status, "The address is malformed"))


def _parameters(verb: str, rest: str, *, extended: bool, hidden: Container[str]) -> dict[str, str | None]:
    """Return the parameters in ``rest`` by their names in upper case."""
    values: dict[str, str | None] = {}
    for word in rest.split():
        found = _PARAMETER.fullmatch(word)
        if found is None:
            raise Malformed(Reply(501, "5.5.4", "Parameters must be NAME or NAME=value"))
        name, value = found[1].upper(), found[2]
        if name not in _SYNTAX[verb] or not extended or name in hidden:
            raise Malformed(Reply(555, "5.5.4", f"{verb} has no parameter {name}"))
        if name in values:
            raise Malformed(Reply(501, "5.5.4", f"Parameter {name} is repeated"))
        shape = _SYNTAX[verb][name]
        if (value is None) != (shape is None) or (shape and not shape.fullmatch(value or "")):
            raise Malformed(Reply(501, "5.5.4", f"The value of {name} is invalid"))
        if value and value.upper() in hidden:
            raise Malformed(Reply(555, "5.5.4", f"{name}={value} is not offered"))
        values[name] = value
    return values
