"""The header of a message: found by slicing, read by regular expressions.

1. ``read_header`` runs for each received message, between its last byte and the 250. It takes microseconds, never
   raises, and is slower only for rare forms: encoded-words, quoted names, groups, comments.
2. The header ends at the first line that is neither a field nor a continuation: the blank line, or the first line of
   the body if that is missing (as in Postfix and Python's ``email``).
3. The raw bytes of a field are UTF-8 (RFC 6532), or else windows-1252. No value has a line end or a lone surrogate;
   white space is folded.
4. ``parse`` in ``mime.py`` reads the same block with the same functions, so both always agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.address_headers import ADDRESS_FIELDS, Allowance, MailAddress, bare_addresses, mail_addresses
from sirrchat_testkit.mail.encoded_words import decode_bytes, decode_header

LIMIT = 102_400
"""Bytes of a header that are interpreted (Postfix: ``header_size_limit``). The rest is stored, but not read."""

FIELDS = 500
"""Fields of a header that are interpreted. A field may have three folded lines; every three more count as a field."""

PART_LIMIT = 8192
PART_FIELDS = 100
"""The same of the header of a part."""


def _fields(most: int) -> re.Pattern[bytes]:
    line = rb"[^\n]*+(?:\n|\Z)"
    return re.compile(rb"(?:[!-9;-~]++[ \t]*+:%b(?:[ \t]%b){0,3}+|(?:[ \t]%b){1,3}+){0,%d}+" % (line, line, line, most))


_SEPARATOR = 1000  # bytes of an mbox separator, which may come before the header, at most
_FIELDS, _PART_FIELDS = _fields(FIELDS), _fields(PART_FIELDS)
# These begin with a literal line feed, which lets the search skip from line to line.
_END = re.compile(rb"\n(?![!-9;-~]++[ \t]*+:|[ \t])")
_WANTED = re.compile(rb"\n(?=[sftm])(subject|from|to|message-id)[ \t]*+:(.*+(?:\n[ \t].*+)*+)", re.IGNORECASE)
_TO, _FROM, _SUBJECT = len("to"), len("from"), len("subject")  # what tells them apart in any case
_FIELD = re.compile(rb"\n([!-9;-~]++)[ \t]*+:(.*+(?:\n[ \t].*+)*+)")
_FIRST = re.compile(rb"[!-9;-~]++[ \t]*+:|[ \t]")


class HeaderFields(NamedTuple):
    """The header fields that the server stores on receipt.

    ``sender`` is the bare address of From, ``to`` are those of To; ``message_id`` is as sent, with its angle brackets.
    An absent field is "" or ().
    """

    subject: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    message_id: str = ""


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block, without the blank line after it, and the body."""
    start = _begin(raw)
    if not _FIRST.match(raw, start):
        end = start - 1
    else:
        found = _END.search(raw, start)
        end = found.start() if found else len(raw)
    body = end + 1
    for blank in (b"\r\n", b"\n"):
        if raw.startswith(blank, body):
            body += len(blank)
            break
    return raw[start : max(end, 0)], raw[body:]


def read_block(block: bytes, *, part: bool = False) -> bytes:
    """Return what is read of a header block, or of that of a ``part``."""
    found = _PART_FIELDS.match(block, 0, PART_LIMIT) if part else _FIELDS.match(block, 0, LIMIT)
    return found[0] if found else b""


def _begin(raw: bytes) -> int:
    """Return where the header begins: an mbox separator may come before it, which is no field."""
    return raw.find(b"\n") + 1 if raw.startswith(b"From ") and not _FIRST.match(raw) else 0


def read_header(raw: bytes) -> HeaderFields:
    """Return the fields that are stored on receipt. Never raises. If a field is repeated, the first one counts.

    The addresses of several To fields are one list.
    """
    subject = message_id = sender = b""
    to: list[bytes] = []
    for name, value in reversed(_WANTED.findall(b"\n" + read_block(raw[: LIMIT + _SEPARATOR][_begin(raw) :]))):
        length = len(name)
        if length == _TO:
            to.append(value)
        elif length == _FROM:
            sender = value
        elif length == _SUBJECT:
            subject = value
        else:
            message_id = value
    allowance = Allowance()
    senders = bare_addresses(_text(sender), allowance)
    to.reverse()
    lists = [bare_addresses(_text(each), allowance) for each in to[:ADDRESS_FIELDS]]
    return HeaderFields(
        decode_header(_text(subject)),
        senders[0] if senders else "",
        lists[0] if len(lists) == 1 else tuple(chain.from_iterable(lists)),
        fold(_text(message_id)),
    )


def _text(value: bytes) -> str:
    """Return the value of a field as text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return decode_bytes(value)


class Headers(Mapping[str, str]):
    """The header fields of a message: a mapping from names, in any case, to decoded and unfolded values.

    ``headers[name]`` is the first field with that name and raises ``KeyError`` if there is none. Iteration yields each
    name once, as it was first written, in order.

    Example:
        assert message.headers["X-Tag"] == "welcome"
        assert message.headers.get("X-Spam") is None
        assert len(message.headers.get_all("Received")) == 2
    """

    __slots__ = ("_names", "_raw")

    def __init__(self, block: bytes = b"", *, part: bool = False) -> None:
        self._names: dict[str, str] = {}
        self._raw: dict[str, list[str]] = {}
        for name, value in _FIELD.findall(b"\n" + read_block(block, part=part)):
            written = name.decode("ascii")
            key = written.lower()
            if key in self._raw:
                self._raw[key].append(_text(value))
            else:
                self._raw[key] = [_text(value)]
                self._names[key] = written

    def __getitem__(self, name: str) -> str:
        """Return the value of the first field. Raises ``KeyError`` if there is none."""
        return decode_header(self._raw[name.lower()][0])

    def get_all(self, name: str) -> list[str]:
        """Return the values of all fields with this name, in order; an empty list if there are none."""
        return [decode_header(value) for value in self._raw.get(name.lower(), ())]

    def undecoded(self, name: str) -> str:
        """Return the first field's value, folded, with its encoded-words as sent; empty if there is no such field."""
        return fold(self._raw[name.lower()][0]) if name in self else ""

    def as_sent(self, name: str) -> list[str]:
        """Return the values of all fields with this name as sent, with their folds and encoded-words, in order."""
        return list(self._raw.get(name.lower(), ()))

    def named_addresses(self, name: str) -> tuple[MailAddress, ...]:
        """Return the addresses in all fields of this name, with their display names."""
        return mail_addresses(self.as_sent(name), Allowance())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._raw

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"
