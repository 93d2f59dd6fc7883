"""The schema: which table and which indexes each kind of record has.

An index is here because somebody asks for it by name: a read that names no index is refused, not scanned.
"""

from __future__ import annotations

from dataclasses import fields

from sirrchat_testkit.domain.models import Address, Envelope, Message
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage.index import Equal, Index, Ordered, Total
from sirrchat_testkit.storage.references import BlobReferences

_EQUAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "accounts": (("listed",), ("domain", "listed")),
    "keys": (("key_hash",), ("account",)),
    "domains": (("name",),),
    "addresses": (("key",), ("account",), ("domain",), ("account", "disposable")),
    "messages": (
        ("address",),
        ("account",),
        ("recipient_key",),
        ("envelope",),
        ("address", "folder"),
        ("account", "seen"),
    ),
    "tallies": (("account",),),
    "webhooks": (("account",), ("dialect",), ("everyone",), ("account", "everyone")),
    "deliveries": (("account",), ("webhook",), ("status",), ("webhook", "status")),
}
"""Beside ``id``, which every kind has."""

EXPIRY = "expires_at"
"""The field of an address that says when its time is over."""

_HOLDERS: tuple[type[Record], ...] = (Envelope, Message)
"""The kinds whose ``blob`` names raw bytes; bytes that none of them names are dropped."""


def indexes(kind: type[Record], references: BlobReferences) -> list[Index]:
    """Return new, empty indexes for the table of ``kind``; ``references`` counts the blobs that it names."""
    wanted = (("id",), *_EQUAL.get(kind.kind, ()))
    made: list[Index] = [Equal(*names, defaults=kind._defaults) for names in wanted]  # noqa: SLF001
    if kind is Address:
        made.append(Ordered(EXPIRY))
    if kind is Message:
        made.append(Total("account", "size"))
    if kind in _HOLDERS:
        made.append(references.index("blob"))
    return made


def nested(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of ``kind`` that hold mappings somewhere, which a reader must get a copy of."""
    return tuple(each.name for each in fields(kind) if "Mapping" in str(each.type))
