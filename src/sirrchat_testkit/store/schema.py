"""The schema: which table and which indexes each kind of record has.

An index is here because somebody asks for it by name: a read that names no index is refused, not scanned.
"""

from __future__ import annotations

from dataclasses import fields

from sirrchat_testkit.core.models import Account, Address, ApiKey, Domain, Envelope, Message, Record, Tally
from sirrchat_testkit.store.index import Equal, Index, Ordered, Total

_EQUAL: dict[type[Record], tuple[tuple[str, ...], ...]] = {
    Account: (("id",), ("hidden",)),
    ApiKey: (("id",), ("key_hash",), ("account",)),
    Domain: (("id",), ("name",)),
    Address: (("id",), ("key",), ("account",), ("domain",), ("account", "disposable")),
    Envelope: (("id",), ("blob",)),
    Message: (
        ("id",),
        ("address",),
        ("account",),
        ("recipient_key",),
        ("envelope",),
        ("blob",),
        ("address", "folder"),
    ),
    Tally: (("id",), ("account",)),
}

EXPIRY = "expires_at"
"""The field of an address that says when its time is over."""

BLOB = "blob"
"""The field of messages and envelopes that names raw bytes."""

HOLDERS: tuple[type[Record], ...] = (Envelope, Message)
"""The kinds whose records name raw bytes; bytes that none of them names are dropped."""


def indexes(kind: type[Record]) -> list[Index]:
    """Return new, empty indexes for the table of ``kind``."""
    made: list[Index] = [Equal(*names, defaults=kind._defaults) for names in _EQUAL[kind]]  # noqa: SLF001
    if kind is Address:
        made.append(Ordered(EXPIRY))
    if kind is Message:
        made.append(Total("account", "size"))
    return made


def nested(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of ``kind`` that hold mappings, which a reader must get a copy of."""
    return tuple(each.name for each in fields(kind) if str(each.type).startswith("Mapping"))
