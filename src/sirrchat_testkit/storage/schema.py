"""The schema: the table and the indexes of each kind of record, and the values that a document may hold.

1. A read without a suitable index is refused; the table is not scanned.
2. Documents hold JSON values. A memory store refuses the values that a journal cannot hold, so a test cannot pass with
   data that a server with a data folder would refuse.
3. Documents are copied when they enter and leave the store, so it shares no mutable values with its callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType
from typing import Any, Final, TypeAlias

from sirrchat_testkit.domain.models import RECORDS, Address, Delivery, Envelope, Message
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage.blobs import BlobReferences
from sirrchat_testkit.storage.index import Equal, Index, Ordered, Total

SCALARS = frozenset({str, int, float, bool, NoneType})
"""The types whose values need neither a check nor a copy."""


_Path: TypeAlias = "str | tuple[_Path, str | int]"


def plain(doc: Mapping[Any, Any]) -> Doc:
    """Return a deep copy of ``doc`` made of JSON values only.

    Raises:
        TypeError: A value is not JSON, or a key is not a string; the message names the path to it.
    """
    copy: Doc = {}
    for name, value in doc.items():
        if type(name) is not str:
            name = _name(name, "document")  # noqa: PLW2901
        copy[name] = value if type(value) in SCALARS else plain_value(value, name)
    return copy


def plain_value(value: Any, path: _Path) -> Any:
    """Return a deep copy of ``value``, which is at ``path``. Raises ``TypeError`` as ``plain`` does."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list):
        for each in value:
            if type(each) not in SCALARS:
                return [plain_value(each, (path, place)) for place, each in enumerate(value)]
        return value.copy()
    if isinstance(value, Mapping):
        return {_name(name, path): plain_value(each, (path, name)) for name, each in value.items()}
    # A member of an enumeration becomes its value, as it would in a journal.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise TypeError(f"{_text(path)}: {type(value).__name__} is not JSON")


def plain_field(value: Any, field: str) -> Any:
    """Return a deep copy of the value of ``field``, as ``plain_value`` does; a record's tuple becomes a list."""
    return plain_value(list(value) if type(value) is tuple else value, field)


def _name(name: Any, path: _Path) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{_text(path)}: key {name!r} is a {type(name).__name__}, not a string")
    return name if type(name) is str else str.__str__(name)


def _text(path: _Path) -> str:
    if isinstance(path, str):
        return path
    outer, inner = path
    return f"{_text(outer)}[{inner}]" if isinstance(inner, int) else f"{_text(outer)}.{inner}"


_EQUAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "accounts": (("listed",), ("domain", "listed")),
    "keys": (("key_hash",), ("account",)),
    "domains": (("name",),),
    "folders": (("address",),),
    "addresses": (("key",), ("account",), ("domain",), ("account", "disposable")),
    "messages": (
        ("address",),
        ("account",),
        ("recipient_key",),
        ("envelope",),
        ("address", "folder"),
        ("account", "seen"),
        ("address", "seen"),
        ("seen",),
    ),
    "tallies": (("account",),),
    "webhooks": (("account",), ("dialect",), ("everyone",), ("account", "everyone")),
    "deliveries": (("account",), ("webhook",), ("status",), ("webhook", "status"), ("message",)),
}
"""The indexed fields of each kind; ``id`` is indexed for all."""

SECRETS = frozenset({"password", "key_hash", "secret_hash", "secret"})
"""Fields that the read-only database leaves out: hashes of passwords and keys, and the secrets of webhooks."""

EXPIRY = "expires_at"
"""The field of an address with the time when it expires."""

_WITH_BLOBS: tuple[type[Record], ...] = (Envelope, Message)
"""The kinds whose ``blob`` names raw bytes; bytes that no record names are deleted."""


def indexes(kind: type[Record], references: BlobReferences) -> list[Index]:
    """Return new, empty indexes for the table of ``kind``; ``references`` counts references to blobs."""
    wanted = (("id",), *_EQUAL.get(kind.kind, ()))
    made: list[Index] = [Equal(*names, defaults=kind._defaults) for names in wanted]  # noqa: SLF001
    if kind is Address:
        made.append(Ordered(EXPIRY))
    if kind is Message:
        made.append(Total("account", "size"))
    if kind is Delivery:
        made.append(Total("account", "request_body"))
    if kind in _WITH_BLOBS:
        made.append(references.index("blob"))
    return made


def nested(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of ``kind`` that contain mappings, so that a reader must copy them."""
    return tuple(each.name for each in fields(kind) if "Mapping" in str(each.type))


_KINDS: Final = {kind.kind: kind for kind in RECORDS}

_TYPES: Final[tuple[tuple[str, type | tuple[type, ...]], ...]] = (
    ("int", int),
    ("bool", bool),
    ("tuple", (list, tuple)),
    ("Mapping", dict),
    ("", str),
)
"""The types of JSON values for the beginnings of annotations."""


class WrongRecord(ValueError):
    """A document in ``table``, with the id ``key``, cannot be a record of that kind. The text says why."""

    def __init__(self, table: str, key: str, reason: str) -> None:
        super().__init__(f"the record {key} of {table} {reason}")
        self.table = table
        self.key = key


class Shapes:
    """Checks the names of the fields of many documents; documents with the same names are checked once."""

    def __init__(self) -> None:
        self._right: dict[str, set[tuple[str, ...]]] = {}

    def check(self, table: str, docs: Mapping[str, Doc | None]) -> None:
        """Raise ``WrongRecord`` if a document has an unknown field, or lacks one. Unknown tables are not checked."""
        right = self._right.setdefault(table, set())
        kind = _KINDS.get(table)
        for key, doc in docs.items():
            if doc is None:
                continue
            if type(doc) is not dict:
                raise TypeError(f"table {table} has an entry that is not a document")
            shape = tuple(doc)
            if shape in right:
                continue
            if kind is not None and (reason := wrong_names(kind, doc)):
                raise WrongRecord(table, key, reason)
            right.add(shape)


def check(table: str, docs: Mapping[str, Doc]) -> None:
    """Check the documents of one table, as ``Shapes.check`` does."""
    Shapes().check(table, docs)


def wrong_names(kind: type[Record], doc: Doc) -> str:
    """Return why the names of the fields in ``doc`` are not those of a ``kind``, or ""."""
    if unknown := doc.keys() - kind._defaults.keys():  # noqa: SLF001  # the counterpart of ``Record.to_doc``
        return f"has a field that this release does not know: {min(unknown)!r}"
    missing = [name for name, usual in kind._defaults.items() if usual is MISSING and name not in doc]  # noqa: SLF001
    return f"has no field {missing[0]!r}" if missing else ""


def wrong_values(kind: type[Record], doc: Doc) -> str:
    """Return why the fields of ``doc`` are not those of a ``kind``, or ""; their types are checked too."""
    if reason := wrong_names(kind, doc):
        return reason
    for each in fields(kind):
        if each.name not in doc:
            continue
        value, annotation = doc[each.name], str(each.type)
        wanted = next(types for begin, types in _TYPES if annotation.startswith(begin))
        if value is None and annotation.endswith("| None"):
            continue
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            return f"has a value of the wrong type in {each.name!r}: {type(value).__name__}"
    return ""


def sequences(table: str) -> tuple[str, ...]:
    """Return the fields of a table that are sequences."""
    kind = _KINDS.get(table)
    return () if kind is None else kind._sequences  # noqa: SLF001
