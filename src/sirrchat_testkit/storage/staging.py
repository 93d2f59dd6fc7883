"""Staging: from the domain's changes, which speak of records, to one batch of documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Update
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage.live import Batch, LiveStorage
from sirrchat_testkit.storage.values import SCALARS, plain_value

_FLAT = SCALARS | {list}
_NONE: dict[Any, Any] = {}


def stage(storage: LiveStorage, changes: Sequence[Change]) -> tuple[Batch, list[int]]:
    """Return what ``changes`` make of the stored documents, and the ``seq`` of each change. Nothing is changed yet.

    Raises:
        TypeError: A value is not JSON, or a patch names a field that its kind does not have.
    """
    batch: Batch = {}
    seqs: list[int] = []
    fresh: dict[str, int] = {}
    for change in changes:
        old: Doc | None
        new: Doc | None
        if type(change) is Put:
            record = change.record
            name = record.kind
            seq = fresh.get(name) or storage.next_id(name)
            fresh[name] = seq + 1
            new = _sealed(record.to_doc(), record._sequences)  # noqa: SLF001  # the other half of ``to_doc``
            old = _NONE
        elif type(change) is Update:
            name = change.kind.kind
            seq = _found(storage, change)
            old = _before(storage, batch, name, seq)
            new = None if old is None else _sealed(change.change(old))
        else:
            assert isinstance(change, Patch | Delete)
            name, seq = change.kind.kind, change.seq
            old = _before(storage, batch, name, seq)
            new = _patched(change, old) if isinstance(change, Patch) and old is not None else None
        seqs.append(seq)
        if old is None:
            continue
        if name in batch:
            batch[name][seq] = new
        else:
            batch[name] = {seq: new}
    return batch, seqs


def _before(storage: LiveStorage, batch: Batch, name: str, seq: int) -> Doc | None:
    """Return the document that the next change of the commit finds, None where there is none."""
    changes = batch.get(name, _NONE)
    return changes[seq] if seq in changes else storage.tables[name].get(str(seq))


def _found(storage: LiveStorage, change: Update) -> int:
    """Return the ``seq`` of the record that ``change`` is about, 0 where there is none."""
    index = storage.indexes[change.kind.kind].singles.get(change.field)
    if index is None:
        raise ValueError(f"no index of {change.kind.kind} answers {change.field}")
    return index.first(change.value) or 0


def _sealed(doc: Doc, sequences: Sequence[str] | None = None) -> Doc:
    # The mapping, and the lists of ``sequences``, are the caller's gift; what is nested may be shared with a record.
    if sequences is not None and _FLAT.issuperset(map(type, doc.values())):
        for name in sequences:
            if name in doc and not SCALARS.issuperset(map(type, doc[name])):
                doc[name] = plain_value(doc[name], name)
    else:
        for name in [name for name, value in doc.items() if type(value) not in SCALARS]:
            doc[name] = plain_value(doc[name], name)
    return doc


def _patched(change: Patch, old: Doc) -> Doc:
    new = dict(old)
    for field, value in change.fields.items():
        if value == _default(change.kind, field):
            new.pop(field, None)
        else:
            new[field] = plain_value(list(value) if type(value) is tuple else value, field)
    return new


def _default(kind: type[Record], field: str) -> Any:
    try:
        return kind._defaults[field]  # noqa: SLF001  # the other half of ``Record.to_doc``
    except KeyError:
        raise TypeError(f"{kind.__name__} has no field {field!r}") from None
